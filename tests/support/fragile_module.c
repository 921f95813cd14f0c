/* SPDX-License-Identifier: Apache-2.0 */
/* A handler whose service is away as long as a file is there: the payload is {"file":"PATH"}. */
#include <string.h>
#include <unistd.h>

#include "job_handler.h"

static int run(struct job_context *ctx)
{
    char path[512] = "";
    const char *at = strstr(job_context_payload(ctx, NULL), "\"file\":\"");
    size_t size = at ? strcspn(at + 8, "\"") : 0;
    if (size < sizeof(path))
        memcpy(path, at ? at + 8 : "", size);
    if (access(path, F_OK) < 0)
        return JOB_DONE;
    job_set_error(ctx, "the service is away");
    return JOB_RETRY;
}

static const struct job_handler handlers[] = { { .type = "fragile", .run = run } };
const struct job_module job_module = JOB_MODULE(handlers);
