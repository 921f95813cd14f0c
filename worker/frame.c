/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/frame.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

uint32_t frame_take_back(struct frame_board *board, uint32_t last)
{
    uint64_t state = atomic_load(&board->state), next;
    do {
        next = (uint64_t)frame_state_started(state) << 32 | last;
    } while (!atomic_compare_exchange_weak(&board->state, &state, next));
    return frame_state_started(state);
}

bool frame_try_start(struct frame_board *board, uint32_t seq)
{
    uint64_t state = atomic_load(&board->state), next;
    do {
        if ((int32_t)(seq - frame_state_taken_back(state)) <= 0)
            return false;
        next = (uint64_t)seq << 32 | frame_state_taken_back(state);
    } while (!atomic_compare_exchange_weak(&board->state, &state, next));
    return true;
}

/* A sequence lock: the number is odd before anything changes, and even again after all has. */
void frame_put_progress(struct frame_board *board, uint32_t seq, const void *progress, size_t size)
{
    struct frame_progress *p = &board->progress;
    uint32_t version = atomic_load(&p->version) | 1;
    atomic_store(&p->version, version);
    atomic_thread_fence(memory_order_seq_cst);
    p->seq = seq;
    p->size = (uint32_t)size;
    if (size)
        memcpy(p->data, progress, size);
    atomic_store(&p->version, version + 1);
}

bool frame_get_progress(const struct frame_board *board, uint32_t *ret_seq, char *ret_data, size_t *ret_size)
{
    const struct frame_progress *p = &board->progress;
    uint32_t version = atomic_load(&p->version), size = p->size;
    if (size > JOB_MAX_PROGRESS_SIZE)
        return false;
    *ret_seq = p->seq;
    *ret_size = size;
    memcpy(ret_data, p->data, size);
    atomic_thread_fence(memory_order_seq_cst);
    return version % 2 == 0 && atomic_load(&p->version) == version;
}

static void put_string(struct buf *out, struct span string)
{
    buf_append(out, string.data, string.size);
    buf_append_char(out, 0);
}

/* Frames begin at multiples of eight, so that a received one can be read in place. */
static size_t padded(size_t size)
{
    return (size + 7) & ~(size_t)7;
}

static void finish_frame(struct buf *out, size_t start)
{
    static const char zeroes[8];
    buf_append(out, zeroes, padded(out->size - start) - (out->size - start));
    if (out->failed)
        return;
    uint32_t size = (uint32_t)(out->size - start);
    memcpy(out->data + start + offsetof(struct frame, size), &size, sizeof(size));
}

void frame_put_job(struct buf *out, uint32_t seq, int64_t epoch, int64_t timeout_us, int64_t time_us,
                   const struct uuid *id, struct span type, const char *queue, struct span content_type,
                   struct span traceparent, struct span tracestate, struct span payload, int attempt,
                   int max_attempts, int delivery)
{
    size_t start = out->size;
    struct frame_job job = {
        .head.kind = FRAME_JOB,
        .seq = seq,
        .attempt = attempt,
        .max_attempts = max_attempts,
        .delivery = delivery,
        .epoch = epoch,
        .timeout_us = timeout_us,
        .time_us = time_us,
        .payload_size = (uint32_t)payload.size,
        .has_traceparent = traceparent.data != NULL,
        .has_tracestate = tracestate.data != NULL,
    };
    uuid_format(id, job.id);
    buf_append(out, &job, sizeof(job));
    put_string(out, type);
    put_string(out, span_from_string(queue));
    put_string(out, content_type.data ? content_type : span_from_string("application/json"));
    put_string(out, traceparent);
    put_string(out, tracestate);
    put_string(out, payload);
    finish_frame(out, start);
}

void frame_put_cancel(struct buf *out, uint32_t seq)
{
    struct frame_cancel cancel = { .head = { sizeof(cancel), FRAME_CANCEL }, .seq = seq };
    buf_append(out, &cancel, sizeof(cancel));
}

static const char *take_string(const char **at, const char *end)
{
    const char *string = *at;
    const char *nul = memchr(string, 0, (size_t)(end - string));
    if (!nul)
        return NULL;
    *at = nul + 1;
    return string;
}

int frame_get_job(const struct frame_job *job, struct job_context *ctx, char *fence)
{
    const char *at = (const char *)(job + 1), *end = (const char *)job + job->head.size;
    ctx->type = take_string(&at, end);
    ctx->queue = ctx->type ? take_string(&at, end) : NULL;
    ctx->content_type = ctx->queue ? take_string(&at, end) : NULL;
    ctx->traceparent = ctx->content_type ? take_string(&at, end) : NULL;
    ctx->tracestate = ctx->traceparent ? take_string(&at, end) : NULL;
    if (!ctx->tracestate || (size_t)(end - at) <= job->payload_size)
        return -EBADMSG;
    if (!job->has_traceparent)
        ctx->traceparent = NULL;
    if (!job->has_tracestate)
        ctx->tracestate = NULL;
    snprintf(fence, 48, "%" PRId32 ".%" PRId64, job->delivery, job->epoch);
    ctx->fence = fence;
    ctx->id = job->id;
    ctx->timeout_us = job->timeout_us;
    ctx->time_us = job->time_us;
    ctx->payload = at;
    ctx->payload_size = job->payload_size;
    ctx->attempt = job->attempt;
    ctx->max_attempts = job->max_attempts;
    ctx->delivery = job->delivery;
    return 0;
}

bool frame_get_answer(const struct frame_answer *answer, struct span *ret_result, struct span *ret_error)
{
    const char *at = (const char *)(answer + 1);
    if (answer->head.size < sizeof(*answer) ||
        answer->head.size - sizeof(*answer) < (size_t)answer->result_size + answer->error_size)
        return false;
    *ret_result = (struct span){ answer->has_result ? at : NULL, answer->result_size };
    *ret_error = (struct span){ answer->error_size ? at + answer->result_size : NULL, answer->error_size };
    return true;
}

const struct frame *frame_next(const char *data, size_t size, size_t *at, bool *ret_broken)
{
    const struct frame *frame = (const struct frame *)(const void *)(data + *at);
    if (size - *at < sizeof(*frame))
        return NULL;
    if (frame->size < sizeof(*frame) || frame->size > FRAME_MAX_SIZE || frame->size % 8) {
        *ret_broken = true;
        return NULL;
    }
    if (size - *at < frame->size)
        return NULL;
    *at += frame->size;
    return frame;
}
