/* SPDX-License-Identifier: Apache-2.0 */
/* Loads a module of handlers as an executor does; the test program itself exports job_* (export_dynamic). */
#pragma once

#include <check.h>
#include <dlfcn.h>
#include <string.h>

#include "libjob/include/job_handler.h"

/* The handler of @type in the shared object at @path; the test fails when there is none. Never unloaded. */
static inline const struct job_handler *module_handler(const char *path, const char *type)
{
    void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    ck_assert_msg(object != NULL, "%s", object ? "" : dlerror());
    const struct job_module *module = dlsym(object, "job_module");
    ck_assert_msg(module != NULL, "%s exports no job_module", path);
    ck_assert_uint_eq(module->abi, JOB_HANDLER_ABI);
    for (uint32_t i = 0; i < module->n_handlers; i++)
        if (strcmp(module->handlers[i].type, type) == 0)
            return &module->handlers[i];
    ck_abort_msg("%s has no handler of type %s", path, type);
    return NULL;
}
