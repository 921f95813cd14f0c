/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing a handler: the code that runs a job.
 *
 *     static int welcome(struct job_context *ctx)
 *     {
 *         …
 *         return JOB_DONE;
 *     }
 *
 *     static const struct job_handler handlers[] = { { .type = "welcome_email", .run = welcome } };
 *     const struct job_module job_module = JOB_MODULE(handlers);
 *
 * Build it as a shared object and name it in the configuration (handlers, kind "module"). It is loaded into executor processes
 * only, never into the worker: a handler may crash, leak or hang without harm to any other job. One executor runs
 * one job at a time, in its main thread; whatever a handler keeps in static variables lives as long as the process
 * and is never shared with another job at the same time. Processes that a job has started end with it.
 *
 * A job is run again after a crash of its process or machine: make side effects idempotent (job_context_id() is the same for every try)
 * or guard them with job_context_fence().
 */
#ifndef JOB_HANDLER_H
#define JOB_HANDLER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define JOB_HANDLER_API __attribute__((visibility("default")))
#else
#define JOB_HANDLER_API
#endif

#define JOB_HANDLER_ABI 1

/** What run() returns. Any other value counts as JOB_RETRY with an error that says so. */
enum job_verdict {
    JOB_DONE = 0, /**< succeeded; the result, if set, is recorded */
    JOB_RETRY =
        1,        /**< failed; again after the type's backoff or job_retry_after(), while attempts are left */
    JOB_FAIL = 2, /**< failed for good: dead letter at once */
    JOB_SNOOZE = 3, /**< not now: again after job_retry_after(), spends no attempt */
};

struct job_context;

typedef int (*job_run_fn)(struct job_context *ctx);

struct job_handler {
    const char *type; /**< [A-Za-z][A-Za-z0-9_.-]{0,127} */
    job_run_fn run;
    void *reserved[4]; /**< zero */
};

/** What a module exports under the name "job_module". */
struct job_module {
    uint32_t abi; /**< JOB_HANDLER_ABI */
    uint32_t n_handlers;
    const struct job_handler *handlers;
    /** Called once per executor process before its first job; not 0: the executor ends and says so. May be NULL. */
    int (*init)(void);
    void *reserved[4]; /**< zero */
};

#define JOB_MODULE(table)                                                                                    \
    {                                                                                                        \
        .abi = JOB_HANDLER_ABI, .n_handlers = sizeof(table) / sizeof((table)[0]), .handlers = (table)        \
    }

/* --- The job ------------------------------------------------------------------------------------------------------
 * All pointers stay valid until run() returns. */

/** Text of the job's id; the same for every try. */
JOB_HANDLER_API const char *job_context_id(const struct job_context *ctx);
JOB_HANDLER_API const char *job_context_type(const struct job_context *ctx);
JOB_HANDLER_API const char *job_context_queue(const struct job_context *ctx);

/** The payload, NUL-terminated behind its last byte. @ret_size may be NULL. Never NULL. */
JOB_HANDLER_API const char *job_context_payload(const struct job_context *ctx, size_t *ret_size);
JOB_HANDLER_API const char *job_context_content_type(const struct job_context *ctx);

/** 1 on the first try; counts only tries that spent an attempt. */
JOB_HANDLER_API int job_context_attempt(const struct job_context *ctx);
JOB_HANDLER_API int job_context_max_attempts(const struct job_context *ctx);
/** 1 on the first delivery; grows with every delivery, also after crashes and snoozes. */
JOB_HANDLER_API int job_context_delivery(const struct job_context *ctx);

/** "delivery.epoch": two numbers that, compared in this order, strictly grow over all executions of one job. */
JOB_HANDLER_API const char *job_context_fence(const struct job_context *ctx);

/** W3C trace context; NULL when the job has none. */
JOB_HANDLER_API const char *job_context_traceparent(const struct job_context *ctx);
JOB_HANDLER_API const char *job_context_tracestate(const struct job_context *ctx);

/* --- Being stopped ------------------------------------------------------------------------------------------------
 * A try that has run for its timeout, that is cancelled, or whose worker's drain time is over is asked to stop. A handler that
 * looks can tidy up and return, whatever it likes: the outcome is known already, unless it is JOB_DONE, which counts. One that
 * does not return gets SIGTERM after half of the worker's kill_grace and SIGKILL after all of it, with everything in its
 * process group. */

/** Not 0 once this job is asked to stop. Cheap. */
JOB_HANDLER_API int job_context_is_cancelled(const struct job_context *ctx);
/** A descriptor that is readable from then on, for poll(2) beside others; not to be read or closed. -1: there is none. */
JOB_HANDLER_API int job_context_cancel_fd(const struct job_context *ctx);
/** When this try will be asked to stop, in µs of CLOCK_MONOTONIC; 0: never. */
JOB_HANDLER_API int64_t job_context_deadline_us(const struct job_context *ctx);

/* --- The answer --------------------------------------------------------------------------------------------------- */

/** Largest result that is recorded. */
#define JOB_MAX_RESULT_SIZE (256 * 1024)

/**
 * Sets the result, copied; a later call replaces it. JSON is stored as it is, other text as a JSON string, other bytes as {"base64": …}.
 * Return: 0; 1 when it is larger than JOB_MAX_RESULT_SIZE (then the result is left as it was).
 */
JOB_HANDLER_API int job_set_result(struct job_context *ctx, const void *result, size_t size);

/** Largest progress that is kept. */
#define JOB_MAX_PROGRESS_SIZE 4096

/**
 * Tells how far the job is, in JSON of your own choice (other text is stored as a JSON string); copied. `jobctl job show` has it while the
 * job runs and holds a lease, so after the worker's handover_after at the latest. As often as you like: the newest is written, at
 * most once a second. Only from the thread that runs run(). Return: 0; 1 when it is larger than JOB_MAX_PROGRESS_SIZE.
 */
JOB_HANDLER_API int job_set_progress(struct job_context *ctx, const void *progress, size_t size);

/** Sets the error text of this try, printf-like, cut at 4 KiB. A later call replaces it. */
JOB_HANDLER_API void job_set_error(struct job_context *ctx, const char *format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 2, 3)))
#endif
    ;

/** With JOB_RETRY or JOB_SNOOZE: how long to wait, instead of the type's backoff. 0 … 10 years, clamped. */
JOB_HANDLER_API void job_retry_after(struct job_context *ctx, int64_t delay_ms);

/* Shorthands: set the error and return the verdict. */
JOB_HANDLER_API int job_retry(struct job_context *ctx, const char *format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 2, 3)))
#endif
    ;
JOB_HANDLER_API int job_fail(struct job_context *ctx, const char *format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 2, 3)))
#endif
    ;

/**
 * One line in the worker's log, with the job's id in front. So is whatever else a handler writes on standard output or
 * standard error, up to 64 KiB per job; when it fails without an error text, the last lines are its error.
 */
JOB_HANDLER_API void job_log(struct job_context *ctx, const char *format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 2, 3)))
#endif
    ;

/* --- Testing a handler -------------------------------------------------------------------------------------------- */

/** What a run of job_test_run() gave. */
struct job_test_result {
    int verdict;  /**< enum job_verdict */
    char *result; /**< NUL-terminated; NULL when none was set */
    size_t result_size;
    char *error;            /**< NULL when none was set */
    int64_t retry_after_ms; /**< -1 when not set */
};

/**
 * job_test_run() - run a handler inside a unit test, without any server
 * @handler: whose run() is called
 * @payload: C string
 * @attempt: which try to pretend
 * @ret:     set always; release with job_test_result_done()
 *
 * Return: 0; negative errno.
 */
JOB_HANDLER_API int job_test_run(const struct job_handler *handler, const char *payload, int attempt,
                                 struct job_test_result *ret);
JOB_HANDLER_API void job_test_result_done(struct job_test_result *result);

#ifdef __cplusplus
}
#endif
#endif
