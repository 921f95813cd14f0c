/* SPDX-License-Identifier: Apache-2.0 */
#include "common/setting.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *setting_get(const char *variable, const char *preset)
{
    const char *value = getenv(variable);
    return value && *value ? value : preset;
}

int setting_get_folder(struct job_context *ctx, const char *variable, const char *name, char *ret,
                       size_t size)
{
    static const char here; /* in the module, which this is linked into */
    const char *folder = setting_get(variable, NULL);
    Dl_info module;
    int written;
    if (folder) {
        written = snprintf(ret, size, "%s", folder);
    } else {
        if (!dladdr(&here, &module) || !module.dli_fname)
            return job_retry(ctx, "%s: is not set, and the module does not know where it is", variable);
        const char *slash = strrchr(module.dli_fname, '/');
        written = snprintf(ret, size, "%.*s/%s", slash ? (int)(slash - module.dli_fname) : 1,
                           slash ? module.dli_fname : ".", name);
    }
    return (size_t)written < size ? JOB_DONE : job_retry(ctx, "%s: is too long", variable);
}
