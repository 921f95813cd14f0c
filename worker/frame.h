/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the worker and its executors say to each other.
 *
 * Frames travel over a stream socket, many in one write, in the machine's own byte order: both ends are the same program.
 * Beside it lies a page of shared memory, so that the death of an executor loses nothing but the job that it was running:
 *
 *   state     which job it started last, and up to which job the worker has taken jobs back (one word, so that exactly
 *             one of "starts" and "is taken back" happens to each job)
 *   unsent    answers that are finished and not yet written to the socket
 *   progress  the newest that the running job has told; the worker reads it a second after it was nudged, so that a handler that
 *             tells it all the time costs neither side anything
 *   cancelled the job that is asked to stop; an eventfd beside the page is readable then, for handlers that poll
 *
 * Jobs carry sequence numbers, 1, 2, 3 … per executor. An executor runs them in this order and drops those taken back.
 *
 * The HTTP process is one that runs many at once: it starts them in this order as soon as it has read them, so all up to the one in
 * `state` have started, and it answers them in any order. `cancelled` and `answered` say nothing there; FRAME_CANCEL asks it to stop one.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"
#include "base/uuid.h"
#include "libjob/config.h"
#include "libjob/context.h"
#include "worker/usage.h"

#define FRAME_MAX_SIZE (4u << 20)

enum frame_kind {
    FRAME_SETUP = 1, /* worker → executor: which modules to load; first */
    FRAME_HELLO,     /* executor → worker: loaded, or why not */
    FRAME_JOB,       /* worker → executor */
    FRAME_ANSWER,    /* executor → worker */
    FRAME_PROGRESS,  /* executor → worker, at most once a second: there is some in the page */
    FRAME_CANCEL, /* worker → HTTP process: give up this request; answered at once, unless it has been already */
};

struct frame {
    uint32_t size; /* of all, this header included */
    uint32_t kind;
};

/* Followed by the handlers (worker/handler_set.h). */
struct frame_setup {
    struct frame head;
    uint32_t n_requests; /* at once; 0: it is an executor */
    uint32_t n_slots;    /* a power of two: the numbers of the jobs that it has differ modulo this */
    struct config_limits limits;
};

struct frame_cancel {
    struct frame head;
    uint32_t seq;
    uint32_t unused;
};

/* Followed by the strings named below, each with its NUL, then the payload and a NUL. */
struct frame_job {
    struct frame head;
    uint32_t seq;
    int32_t attempt, max_attempts, delivery;
    int64_t epoch;
    int64_t timeout_us;
    int64_t time_us; /* when it was enqueued, since 1970 */
    uint32_t payload_size;
    uint32_t has_traceparent, has_tracestate;
    char id[UUID_TEXT_SIZE];
    /* type, queue, content_type, traceparent, tracestate */
};

enum frame_verdict_extra {
    FRAME_UNKNOWN_TYPE = 100, /* beside enum job_verdict: no loaded module has this type */
    FRAME_CRASHED,            /* the command that ran it died of a signal */
    FRAME_TIMEOUT,            /* the request took as long as the try may */
};

/* Followed by the result, then the error. */
struct frame_answer {
    struct frame head;
    uint32_t seq;
    int32_t verdict;
    int64_t started_us, finished_us; /* monotonic */
    int64_t retry_after_ms;          /* -1: not set */
    struct usage_of_job used;
    uint32_t has_result;
    uint32_t result_size;
    uint32_t error_size;
};

#define FRAME_UNSENT_SIZE (64 * 1024)

/* Written by the executor alone; read by frame_get_progress(). */
struct frame_progress {
    _Atomic uint32_t version; /* odd while it is being written */
    uint32_t seq;             /* whose it is */
    uint32_t size;
    char data[JOB_MAX_PROGRESS_SIZE];
};

#define FRAME_PROGRESS_US INT64_C(1000000)

/* The shared page. */
struct frame_board {
    _Atomic uint64_t state;     /* started << 32 | taken_back */
    _Atomic uint32_t answered;  /* the job whose answer was put last; started > answered: one is running */
    _Atomic int64_t started_us; /* monotonic: when the last job was started */
    _Atomic int64_t begun_us;   /* CPU up to then, see usage_begin() */
    _Atomic uint32_t cancelled;
    struct frame_progress progress;
    _Atomic uint32_t unsent_size;
    char unsent[FRAME_UNSENT_SIZE];
};

static inline uint32_t frame_state_started(uint64_t state)
{
    return (uint32_t)(state >> 32);
}

static inline uint32_t frame_state_taken_back(uint64_t state)
{
    return (uint32_t)state;
}

/* Worker: takes back every job up to @last that has not been started. Return: the job that was started last. */
uint32_t frame_take_back(struct frame_board *board, uint32_t last);

/* Executor: may this job be run? Return: false when it was taken back. */
bool frame_try_start(struct frame_board *board, uint32_t seq);

/* Executor. @size: at most JOB_MAX_PROGRESS_SIZE. */
void frame_put_progress(struct frame_board *board, uint32_t seq, const void *progress, size_t size);
/* Worker: a copy, which may have been made while it was written. Return: false then, and when it is too large to be true. */
bool frame_get_progress(const struct frame_board *board, uint32_t *ret_seq, char *ret_data, size_t *ret_size);

/* A job's context as frame_put_job() needs it: strings as in struct job_context. */
void frame_put_job(struct buf *out, uint32_t seq, int64_t epoch, int64_t timeout_us, int64_t time_us,
                   const struct uuid *id, struct span type, const char *queue, struct span content_type,
                   struct span traceparent, struct span tracestate, struct span payload, int attempt,
                   int max_attempts, int delivery);

void frame_put_cancel(struct buf *out, uint32_t seq);

/* Points @ctx into a received frame; @fence has 48 bytes. Return: 0; -EBADMSG. */
int frame_get_job(const struct frame_job *job, struct job_context *ctx, char *fence);

/* Return: the result and error of an answer; false when the frame is not whole in itself. */
bool frame_get_answer(const struct frame_answer *answer, struct span *ret_result, struct span *ret_error);

/* The next whole frame in @data from *@at on, which it moves. Return: NULL when there is none; *@ret_broken with a size that cannot be. */
const struct frame *frame_next(const char *data, size_t size, size_t *at, bool *ret_broken);
