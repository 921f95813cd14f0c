/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stops running jobs, in stages, and those that have run for their timeout by itself.
 *
 *     asked (shared page, eventfd) ──half of kill_grace──▶ SIGTERM ──the other half──▶ SIGKILL
 *
 * Signals go to the executor's process group, so whatever the handler has started goes with it. Jobs behind the stopped one in the
 * same executor are taken back first and run elsewhere. A request in the HTTP process is stopped by itself (worker/pool_http.c).
 *
 * One timer watches all executors: it is due at the first moment at which some job can have run for its timeout, or a stage
 * is over. A job that waits in an executor counts as started at the last look, so the timer is never too late.
 */
#include "worker/pool_inside.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#define KILL_AGAIN_US USEC_PER_SEC

void stop_watch_until(struct pool *p, int64_t at_us)
{
    if (p->watch_us && p->watch_us <= at_us)
        return;
    p->watch_us = at_us;
    sd_event_source_set_time(p->watch_timer, (uint64_t)at_us);
    sd_event_source_set_enabled(p->watch_timer, SD_EVENT_ONESHOT);
}

void stop_watch(struct pool *p, const struct job *job)
{
    stop_watch_until(p, clock_mono_us() + job_timeout_us(job));
}

/* --- Stages -------------------------------------------------------------------------------------------------------------- */

static void signal_group(struct executor *e, int number)
{
    if (e->pid)
        zygote_request_kill(e->pool->zygote, e->pid, number);
}

static void ask(struct executor *e)
{
    static const uint64_t one = 1;
    atomic_store(&e->board->cancelled, e->stop_seq);
    ssize_t n = write(e->cancel_fd, &one, sizeof(one));
    (void)n; /* it cannot be full */
}

static void advance(struct executor *e, int64_t now_us)
{
    int64_t half_us = e->pool->config->worker.kill_grace_us / 2;
    switch (e->stop_stage) {
    case STOP_ASKED:
        signal_group(e, SIGTERM);
        e->stop_stage = STOP_TERMINATED;
        e->stop_next_us = now_us + half_us;
        break;
    case STOP_TERMINATED:
    case STOP_KILLED: /* once more: the zygote may have refused the request, or not have told the pid yet */
        signal_group(e, SIGKILL);
        e->stop_stage = STOP_KILLED;
        e->stop_next_us = now_us + KILL_AGAIN_US;
        break;
    case STOP_NONE:
        break;
    }
}

/* @job: NULL when what it ran has just ended, and its answer is on its way. */
static void begin(struct executor *e, enum stop_stage stage, int64_t pause_us, const struct job *job,
                  enum job_outcome outcome, const char *why)
{
    e->stop_stage = stage;
    e->stop_seq = job ? job->seq : 0;
    e->stop_outcome = outcome;
    e->stop_why = why;
    e->stop_next_us = clock_mono_us() + pause_us;
    stop_watch_until(e->pool, e->stop_next_us);
}

static void stop_running(struct executor *e, enum job_outcome outcome, const char *why)
{
    executor_take_back(e);
    const struct job *job = executor_running_job(e);
    if (!job || stop_is_for(e, job))
        return;
    begin(e, STOP_ASKED, e->pool->config->worker.kill_grace_us / 2, job, outcome, why);
    ask(e);
}

bool stop_is_for(const struct executor *e, const struct job *job)
{
    if (e->requests)
        return http_is_stopped(e, job);
    return e->stop_stage != STOP_NONE && e->stop_seq == job->seq;
}

/* Done is done, however late. What else a handler says of a job that it was asked to give up is only a remark. */
void stop_end_job(struct job *job, enum job_outcome outcome, const char *why)
{
    if (job->outcome == OUTCOME_SUCCEEDED)
        return;
    char *remark = job->error;
    job->error = NULL;
    job->retry_after_ms = -1;
    job_finish(job, outcome, remark ? "%s; it said: %s" : "%s", why, remark);
    free(remark);
}

void stop_settle(struct executor *e, struct job *job)
{
    if (e->requests) {
        http_settle(e, job);
        return;
    }
    if (e->stop_stage >=
        STOP_TERMINATED) { /* the signal may still be on its way: nothing else may run into it */
        e->state = EXECUTOR_DYING;
        signal_group(e, SIGKILL);
    }
    e->stop_stage = STOP_NONE;
    stop_end_job(job, e->stop_outcome, e->stop_why);
}

/* --- Looking ------------------------------------------------------------------------------------------------------------- */

/* Return: when this executor has to be looked at again; INT64_MAX: not at all. */
static int64_t look_at(struct executor *e, int64_t now_us)
{
    int64_t next_us = INT64_MAX;
    struct job *running;
    if (e->requests)
        return http_look(e, now_us);
    running = executor_running_job(e);
    if (e->stop_stage != STOP_NONE) {
        if (e->stop_next_us <= now_us)
            advance(e, now_us);
        return e->stop_next_us;
    }
    if (running && atomic_load(&e->board->started_us) + job_timeout_us(running) <= now_us) {
        log_warning("run: a job of type %s has run for its timeout and is stopped", running->type->name);
        stop_running(e, OUTCOME_TIMEOUT, "it ran for longer than its timeout");
        return e->stop_next_us;
    }
    list_for_each(link, &e->jobs)
    {
        const struct job *job = job_of(link);
        int64_t from_us = job == running ? atomic_load(&e->board->started_us) : now_us;
        if (from_us + job_timeout_us(job) < next_us)
            next_us = from_us + job_timeout_us(job);
    }
    return next_us;
}

static int on_watch(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct pool *p = userdata;
    int64_t now_us = clock_mono_us(), next_us = INT64_MAX;
    (void)source;
    (void)usec;
    p->watch_us = 0;
    for (uint32_t i = 0; i < p->max; i++) {
        int64_t at_us = p->executors[i].n_jobs ? look_at(&p->executors[i], now_us) : INT64_MAX;
        if (at_us < next_us)
            next_us = at_us;
    }
    if (next_us < INT64_MAX)
        stop_watch_until(p, next_us);
    return 0;
}

int stop_init(struct pool *p)
{
    int r = sd_event_add_time(p->event, &p->watch_timer, CLOCK_MONOTONIC, 0, 1000, on_watch, p);
    return r < 0 ? r : sd_event_source_set_enabled(p->watch_timer, SD_EVENT_OFF);
}

/* --- From outside -------------------------------------------------------------------------------------------------------- */

/* One that has ended says itself how: its answer is on its way. */
static void stop_job(struct executor *e, struct job *job, enum job_outcome outcome, const char *why)
{
    uint32_t started = frame_take_back(e->board, e->last_seq);
    if ((int32_t)(job->seq - started) <= 0) {
        if (e->requests)
            http_stop(e, job, outcome, why);
        else if (executor_running_job(e) == job)
            stop_running(e, outcome, why);
        return;
    }
    executor_take_job(e, job);
    job_finish(job, outcome, "%s", why);
    e->pool->owner.finished(job, e->pool->owner.userdata);
}

void pool_stop_id(struct pool *p, const struct uuid *id, enum job_outcome outcome, const char *why)
{
    for (uint32_t i = 0; i < p->max; i++) {
        list_for_each(link, &p->executors[i].jobs)
        {
            if (!uuid_equal(&job_of(link)->envelope.id, id))
                continue;
            stop_job(&p->executors[i], job_of(link), outcome, why);
            executor_take_back(&p->executors[i]); /* it starts nothing more of what it holds */
            return;
        }
    }
}

void pool_stop_all(struct pool *p, enum job_outcome outcome, const char *why)
{
    for (uint32_t i = 0; i < p->max; i++) {
        struct executor *e = &p->executors[i];
        if (e->n_jobs && e->requests)
            http_stop_all(e, outcome, why);
        else if (e->n_jobs)
            stop_running(e, outcome, why);
    }
}

static bool holds_match(const struct executor *e, pool_match_fn match, const void *arg)
{
    list_for_each(link, (struct list *)&e->jobs)
    {
        if (match(job_of(link), arg))
            return true;
    }
    return false;
}

void pool_take_back(struct pool *p, pool_match_fn match, const void *arg)
{
    for (uint32_t i = 0; i < p->max; i++)
        if (holds_match(&p->executors[i], match, arg))
            executor_take_back(&p->executors[i]);
}

/* What has not started is taken back first, so that nothing more of it can start. */
void pool_interrupt(struct pool *p, pool_match_fn match, const void *arg, const char *why)
{
    pool_take_back(p, match, arg);
    for (uint32_t i = 0; i < p->max; i++) {
        struct executor *e = &p->executors[i];
        if (!holds_match(e, match, arg))
            continue;
        if (e->requests) {
            http_interrupt(e, match, arg, why);
            continue;
        }
        begin(e, STOP_KILLED, KILL_AGAIN_US, executor_running_job(e), OUTCOME_INTERRUPTED, why);
        signal_group(e, SIGKILL);
    }
}

static void orphan_jobs(struct executor *e, pool_match_fn match, const void *arg)
{
    list_for_each(link, &e->jobs)
    {
        struct job *job = job_of(link);
        if (!match(job, arg))
            continue;
        job->partition = NULL;
        job->orphan = true;
    }
}

static bool is_orphan(const struct job *job, const void *arg)
{
    (void)arg;
    return job->orphan;
}

void pool_disown(struct pool *p, pool_match_fn match, const void *arg)
{
    for (uint32_t i = 0; i < p->max; i++)
        orphan_jobs(&p->executors[i], match, arg);
    pool_interrupt(p, is_orphan, NULL, "it is another worker's now");
}
