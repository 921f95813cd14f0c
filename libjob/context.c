/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a handler sees of its job, and where it leaves its answer.
 *
 * Plain memory: nothing here blocks, talks to a server or keeps state outside of the context. What a handler
 * gets wrong (an unknown verdict, a delay out of range, an error text without end) is put right here, so that
 * the runner can rely on the answer. The bytes of result and error are not checked for being text: that is
 * the recorder's.
 */
#include "libjob/context.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

#define RETRY_AFTER_MAX_MS (INT64_C(3650) * 24 * 3600 * 1000) /* 10 years */

static const char *text_or_empty(const char *text)
{
    return text ? text : "";
}

const char *job_context_id(const struct job_context *ctx)
{
    return text_or_empty(ctx->id);
}

const char *job_context_type(const struct job_context *ctx)
{
    return text_or_empty(ctx->type);
}

const char *job_context_queue(const struct job_context *ctx)
{
    return text_or_empty(ctx->queue);
}

const char *job_context_payload(const struct job_context *ctx, size_t *ret_size)
{
    if (ret_size)
        *ret_size = ctx->payload ? ctx->payload_size : 0;
    return text_or_empty(ctx->payload);
}

const char *job_context_content_type(const struct job_context *ctx)
{
    return ctx->content_type ? ctx->content_type : "application/json";
}

int job_context_attempt(const struct job_context *ctx)
{
    return ctx->attempt;
}

int job_context_max_attempts(const struct job_context *ctx)
{
    return ctx->max_attempts;
}

int job_context_delivery(const struct job_context *ctx)
{
    return ctx->delivery;
}

const char *job_context_fence(const struct job_context *ctx)
{
    return text_or_empty(ctx->fence);
}

const char *job_context_traceparent(const struct job_context *ctx)
{
    return ctx->traceparent;
}

const char *job_context_tracestate(const struct job_context *ctx)
{
    return ctx->tracestate;
}

int job_context_is_cancelled(const struct job_context *ctx)
{
    return ctx->cancelled && atomic_load(ctx->cancelled) == ctx->seq;
}

int job_context_cancel_fd(const struct job_context *ctx)
{
    return ctx->cancelled ? ctx->cancel_fd : -1;
}

int64_t job_context_deadline_us(const struct job_context *ctx)
{
    return ctx->deadline_us;
}

int job_set_result(struct job_context *ctx, const void *result, size_t size)
{
    if (size > JOB_MAX_RESULT_SIZE)
        return 1;
    if (!buf_reserve(&ctx->result, size)) { /* before anything is dropped */
        ctx->result.failed = false;
        return -ENOMEM;
    }
    buf_reset(&ctx->result);
    buf_append(&ctx->result, result, size);
    ctx->has_result = true;
    return 0;
}

int job_set_progress(struct job_context *ctx, const void *progress, size_t size)
{
    if (size > JOB_MAX_PROGRESS_SIZE)
        return 1;
    if (ctx->tell_progress)
        ctx->tell_progress(ctx->runner, progress, size);
    return 0;
}

/* Drops the first bytes of a UTF-8 character whose others were cut off. */
static void error_drop_cut_character(char *text)
{
    size_t end = strlen(text), at = end;
    while (at > 0 && end - at < 3 && ((unsigned char)text[at - 1] & 0xc0) == 0x80)
        at--;
    if (at == 0 || (unsigned char)text[at - 1] < 0xc0)
        return;
    unsigned char lead = (unsigned char)text[--at];
    size_t needed = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (end - at < needed)
        text[at] = 0;
}

__attribute__((format(printf, 2, 0))) static void error_format(struct job_context *ctx, const char *format,
                                                               va_list args)
{
    int n = vsnprintf(ctx->error, sizeof(ctx->error), format, args);
    if (n >= (int)sizeof(ctx->error))
        error_drop_cut_character(ctx->error);
}

void job_set_error(struct job_context *ctx, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    error_format(ctx, format, args);
    va_end(args);
}

void job_retry_after(struct job_context *ctx, int64_t delay_ms)
{
    if (delay_ms < 0)
        delay_ms = 0;
    ctx->retry_after_ms = delay_ms < RETRY_AFTER_MAX_MS ? delay_ms : RETRY_AFTER_MAX_MS;
}

int job_retry(struct job_context *ctx, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    error_format(ctx, format, args);
    va_end(args);
    return JOB_RETRY;
}

int job_fail(struct job_context *ctx, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    error_format(ctx, format, args);
    va_end(args);
    return JOB_FAIL;
}

void job_log(struct job_context *ctx, const char *format, ...)
{
    char text[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (ctx->captured)
        dprintf(STDERR_FILENO, "job %s: %s\n", job_context_id(ctx), text);
    else
        log_info("job %s: %s", job_context_id(ctx), text);
}

void job_context_reset(struct job_context *ctx)
{
    buf_reset(&ctx->result);
    ctx->has_result = false;
    ctx->error[0] = 0;
    ctx->retry_after_ms = -1;
    ctx->reaped_kib = 0;
}

void job_context_done(struct job_context *ctx)
{
    buf_done(&ctx->result);
    ctx->has_result = false;
}

static int refuse_verdict(struct job_context *ctx, int verdict)
{
    char said[JOB_MAX_ERROR_SIZE];
    memcpy(said, ctx->error, sizeof(said));
    return job_retry(ctx, "the handler returned %d, which is no verdict%s%s", verdict,
                     said[0] ? "; it said: " : "", said);
}

int job_context_run(struct job_context *ctx, const struct job_handler *handler)
{
    job_context_reset(ctx);
    int verdict = handler->run(ctx);
    switch (verdict) {
    case JOB_DONE:
    case JOB_RETRY:
    case JOB_FAIL:
    case JOB_SNOOZE:
        return verdict;
    default:
        return refuse_verdict(ctx, verdict);
    }
}
