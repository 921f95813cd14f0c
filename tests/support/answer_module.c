/* SPDX-License-Identifier: Apache-2.0 */
/* A handler whose result says which build of it has run: ANSWER, and after "ms" of its payload at the earliest. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "job_handler.h"

static int run(struct job_context *ctx)
{
    const char *ms = strstr(job_context_payload(ctx, NULL), "\"ms\":");
    long wait_ms = ms ? atol(ms + 5) : 0;
    nanosleep(&(struct timespec){ .tv_sec = wait_ms / 1000, .tv_nsec = wait_ms % 1000 * 1000000 }, NULL);
    return job_set_result(ctx, ANSWER, strlen(ANSWER)) == 0 ? JOB_DONE : JOB_RETRY;
}

static const struct job_handler handlers[] = { { .type = "answer", .run = run } };
const struct job_module job_module = JOB_MODULE(handlers);
