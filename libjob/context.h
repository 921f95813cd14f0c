/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the handler's view of a job: filled in by whoever runs it (executor, job_test_run, --run). */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "libjob/include/job_handler.h"

#define JOB_MAX_ERROR_SIZE 4096

struct job_context {
    /* the job; owned by the runner, valid while run() runs */
    const char *id, *type, *queue, *content_type, *traceparent, *tracestate, *fence;
    const char *payload; /* NUL-terminated */
    size_t payload_size;
    int attempt, max_attempts, delivery;
    int64_t time_us;                   /* when it was enqueued, since 1970; 0: not known */
    int64_t timeout_us, deadline_us;   /* monotonic; 0: none */
    const _Atomic uint32_t *cancelled; /* holds `seq` once this job is to stop; NULL: never */
    uint32_t seq;
    int cancel_fd; /* readable then; -1: none */
    bool captured; /* standard error is read by the worker, which writes the log */

    /* takes the progress of the job that runs; NULL: nobody wants to know */
    void (*tell_progress)(void *runner, const void *progress, size_t size);
    void *runner;

    /* the answer */
    struct buf result;
    bool has_result;
    char error[JOB_MAX_ERROR_SIZE]; /* "" when none */
    int64_t retry_after_ms;         /* -1: not set */
    int64_t reaped_kib;             /* the largest process that the runner has waited for; 0: none */
};

/* Makes the answer empty again, keeping memory for the next job. */
void job_context_reset(struct job_context *ctx);
void job_context_done(struct job_context *ctx);

/* Runs @handler and maps an unknown return value to JOB_RETRY with an error text. Return: enum job_verdict. */
int job_context_run(struct job_context *ctx, const struct job_handler *handler);
