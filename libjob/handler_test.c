/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a handler inside a unit test: the same context as in an executor, without the executor. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/uuid.h"
#include "libjob/context.h"

#define TEST_MAX_ATTEMPTS 25

static int result_take(struct job_test_result *ret, const struct job_context *ctx)
{
    if (ctx->has_result) {
        ret->result = malloc(ctx->result.size + 1);
        if (!ret->result)
            return -ENOMEM;
        memcpy(ret->result, ctx->result.data, ctx->result.size + 1); /* with the NUL behind it */
        ret->result_size = ctx->result.size;
    }
    if (ctx->error[0]) {
        ret->error = strdup(ctx->error);
        if (!ret->error)
            return -ENOMEM;
    }
    ret->retry_after_ms = ctx->retry_after_ms;
    return 0;
}

int job_test_run(const struct job_handler *handler, const char *payload, int attempt,
                 struct job_test_result *ret)
{
    *ret = (struct job_test_result){ .verdict = JOB_RETRY, .retry_after_ms = -1 };
    if (!handler || !handler->run || attempt < 1)
        return -EINVAL;

    struct uuid id;
    char id_text[UUID_TEXT_SIZE], fence[32];
    uuid_new(&id);
    snprintf(fence, sizeof(fence), "%d.1", attempt);
    _cleanup_(job_context_done) struct job_context ctx = {
        .id = uuid_format(&id, id_text),
        .type = handler->type,
        .queue = "test",
        .fence = fence,
        .payload = payload,
        .payload_size = payload ? strlen(payload) : 0,
        .attempt = attempt,
        .max_attempts = attempt < TEST_MAX_ATTEMPTS ? TEST_MAX_ATTEMPTS : attempt,
        .delivery = attempt,
    };
    ret->verdict = job_context_run(&ctx, handler);
    int r = result_take(ret, &ctx);
    if (r < 0)
        job_test_result_done(ret);
    return r;
}

void job_test_result_done(struct job_test_result *result)
{
    free(result->result);
    free(result->error);
    *result = (struct job_test_result){ .verdict = result->verdict, .retry_after_ms = -1 };
}
