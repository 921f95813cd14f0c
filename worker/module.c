/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/module.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "libjob/names.h"

struct modules {
    const struct job_handler **handlers;
    size_t n;
    void **libraries; /* as dlopen() gave them, each initialised once */
    size_t n_libraries;
};

int modules_new(struct modules **ret)
{
    *ret = calloc(1, sizeof(**ret));
    return *ret ? 0 : -ENOMEM;
}

struct modules *modules_free(struct modules *m)
{
    if (!m)
        return NULL;
    free(m->handlers);
    free(m->libraries);
    free(m);
    return NULL;
}

static bool pattern_matches(const char *pattern, const char *type)
{
    size_t length = strlen(pattern);
    if (length >= 2 && strcmp(pattern + length - 2, ".*") == 0)
        return strncmp(type, pattern, length - 1) == 0;
    return strcmp(type, pattern) == 0;
}

static int offer(struct modules *m, const struct job_handler *handler)
{
    const struct job_handler **grown = reallocarray(m->handlers, m->n + 1, sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    m->handlers = grown;
    m->handlers[m->n++] = handler;
    return 0;
}

static bool is_loaded(const struct modules *m, const void *library)
{
    for (size_t i = 0; i < m->n_libraries; i++)
        if (m->libraries[i] == library)
            return true;
    return false;
}

static int check(const struct job_module *module, const char *path, struct err *reterr)
{
    if (!module)
        return err_set(reterr, -EINVAL, "%s: exports no \"job_module\"", path);
    if (module->abi != JOB_HANDLER_ABI)
        return err_set(reterr, -EINVAL, "%s: built for handler ABI %u, this worker has %d: build it again",
                       path, module->abi, JOB_HANDLER_ABI);
    for (uint32_t i = 0; i < module->n_handlers; i++)
        if (!module->handlers[i].run || !module->handlers[i].type ||
            !name_is_type(span_from_string(module->handlers[i].type)))
            return err_set(reterr, -EINVAL, "%s: handler %u has no run function or no valid type", path, i);
    return 0;
}

static int init_once(struct modules *m, void *library, const struct job_module *module, const char *path,
                     struct err *reterr)
{
    if (is_loaded(m, library))
        return 0;
    void **grown = reallocarray(m->libraries, m->n_libraries + 1, sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    m->libraries = grown;
    m->libraries[m->n_libraries++] = library;
    int status = module->init ? module->init() : 0;
    return status ? err_set(reterr, -EINVAL, "%s: init() returned %d", path, status) : 0;
}

int modules_load(struct modules *m, const char *path, const char *pattern, struct err *reterr)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return err_set(reterr, -EINVAL, "cannot load handler module: %s", dlerror());
    const struct job_module *module = dlsym(library, "job_module");
    int r = check(module, path, reterr);
    if (r == 0)
        r = init_once(m, library, module, path, reterr);
    size_t before = m->n;
    for (uint32_t i = 0; r == 0 && i < module->n_handlers; i++)
        if (pattern_matches(pattern, module->handlers[i].type))
            r = offer(m, &module->handlers[i]);
    if (r == 0 && m->n == before)
        r = err_set(reterr, -EINVAL, "%s: has no handler for type \"%s\"", path, pattern);
    return r;
}

const struct job_handler *modules_find(const struct modules *m, const char *type)
{
    for (size_t i = 0; i < m->n; i++)
        if (strcmp(m->handlers[i]->type, type) == 0)
            return m->handlers[i];
    return NULL;
}
