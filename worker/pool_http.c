/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP process, seen from the worker: jobs of kind http are requests in it, up to worker.http_max at once.
 *
 * It takes no place of executors_max. A request is stopped without its neighbours: FRAME_CANCEL, answered at once. Only a process that
 * does not answer that is killed, and then every request in it ends: those that were to stop as they were to, the others interrupted,
 * since they can do nothing for it. One that dies by itself has crashed all that had started; nobody can tell which was the cause, and
 * a cause that comes back is alone soon enough (docs/decisions/0012).
 *
 * More than one may exist: one that has grown too large, or has another configuration, takes nothing new and ends with its last request;
 * the next has taken its place.
 *
 * A job's number is found in a ring: numbers grow, and one whose slot is still taken is skipped. So both sides find a request by
 * its number alone, however many there are and in whatever order they end.
 */
#include "worker/pool_inside.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"

#define PAYLOADS_MAX (64u << 20) /* bytes in one process: it has copies of them */
#define KILL_AGAIN_US USEC_PER_SEC

bool http_has_kind(const struct job *job)
{
    return job->type->handler->kind == CONFIG_KIND_HTTP;
}

static struct request *slot_of(const struct executor *e, uint32_t seq)
{
    return &e->requests[seq & (e->pool->http_slots - 1)];
}

static struct request *find(const struct executor *e, uint32_t seq)
{
    struct request *request = slot_of(e, seq);
    return request->job && request->job->seq == seq ? request : NULL;
}

/* --- Choosing ------------------------------------------------------------------------------------------------------------ */

void http_start(struct pool *p)
{
    struct executor *absent = NULL;
    if (!http_is_needed(p->config))
        return;
    for (uint32_t i = 0; i < HTTP_PROCESSES; i++) {
        if (executor_is_able(&p->executors[i]))
            return;
        if (p->executors[i].state == EXECUTOR_ABSENT)
            absent = &p->executors[i];
    }
    if (absent)
        pool_spawn(p, absent);
}

struct executor *http_choose(struct pool *p, const struct job *job)
{
    for (uint32_t i = 0; i < HTTP_PROCESSES; i++) {
        struct executor *e = &p->executors[i];
        if (e->state == EXECUTOR_READY && executor_is_able(e) &&
            e->n_jobs < (size_t)p->config->worker.http_max &&
            (e->n_jobs == 0 || e->payload_bytes + job->envelope.payload.size <= PAYLOADS_MAX))
            return e;
    }
    return NULL;
}

uint32_t http_next_number(struct executor *e)
{
    uint32_t seq = e->last_seq + 1;
    while (slot_of(e, seq)->job)
        seq++;
    return seq;
}

void http_add(struct executor *e, struct job *job)
{
    *slot_of(e, job->seq) = (struct request){ .job = job,
                                              .sent_us = clock_mono_us(),
                                              .due_us = clock_mono_us() + job_timeout_us(job) };
    e->payload_bytes += job->envelope.payload.size;
    e->worn |= job->seq > INT32_MAX; /* numbers are compared by their difference */
}

void http_remove(struct executor *e, const struct job *job)
{
    e->payload_bytes -= job->envelope.payload.size;
    *slot_of(e, job->seq) = (struct request){ 0 };
}

/* --- Looking at them ----------------------------------------------------------------------------------------------------- */

struct job *http_find_job(const struct executor *e, uint32_t seq)
{
    const struct request *request = find(e, seq);
    return request ? request->job : NULL;
}

int64_t http_sent_us(const struct executor *e, const struct job *job)
{
    return slot_of(e, job->seq)->sent_us;
}

void http_each_running(struct executor *e, pool_running_fn fn, void *userdata)
{
    uint32_t started = frame_state_started(atomic_load(&e->board->state));
    list_for_each(link, &e->jobs)
    {
        struct job *job = job_of(link);
        if ((int32_t)(job->seq - started) <= 0)
            fn(job, http_sent_us(e, job), userdata);
    }
}

void http_dump(const struct executor *e)
{
    log_info("state: HTTP process %d: %s%s, %zu requests of %zu KiB", e->pid, pool_state_name(e->state),
             e->worn ? ", to be replaced" : "", e->n_jobs, e->payload_bytes / 1024);
}

/* --- Stopping them ------------------------------------------------------------------------------------------------------- */

/* Asks, if nobody has; the frame is still to be written. @pause_us: how long the process may take to answer. */
static void ask(struct executor *e, struct request *request, enum job_outcome outcome, const char *why,
                int64_t pause_us)
{
    int64_t due_us = clock_mono_us() + pause_us;
    if (!request->asked || request->due_us > due_us)
        request->due_us = due_us;
    stop_watch_until(e->pool, request->due_us);
    if (request->asked)
        return;
    request->asked = true;
    request->outcome = outcome;
    request->why = why;
    frame_put_cancel(&e->out, request->job->seq);
}

void http_stop(struct executor *e, struct job *job, enum job_outcome outcome, const char *why)
{
    ask(e, slot_of(e, job->seq), outcome, why, e->pool->config->worker.kill_grace_us);
    answer_write_socket(e);
}

static bool is_any(const struct job *job, const void *unused)
{
    (void)job;
    (void)unused;
    return true;
}

static void ask_matching(struct executor *e, pool_match_fn match, const void *arg, enum job_outcome outcome,
                         const char *why, int64_t pause_us)
{
    executor_take_back(e);
    list_for_each(link, &e->jobs)
    {
        if (match(job_of(link), arg))
            ask(e, slot_of(e, job_of(link)->seq), outcome, why, pause_us);
    }
    answer_write_socket(e);
}

void http_stop_all(struct executor *e, enum job_outcome outcome, const char *why)
{
    ask_matching(e, is_any, NULL, outcome, why, e->pool->config->worker.kill_grace_us);
}

/* There is little time before these jobs are somebody else's: a process that does not answer at once is killed. */
void http_interrupt(struct executor *e, pool_match_fn match, const void *arg, const char *why)
{
    ask_matching(e, match, arg, OUTCOME_INTERRUPTED, why, KILL_AGAIN_US);
}

bool http_is_stopped(const struct executor *e, const struct job *job)
{
    return slot_of(e, job->seq)->asked;
}

void http_settle(struct executor *e, struct job *job)
{
    const struct request *request = slot_of(e, job->seq);
    stop_end_job(job, request->outcome, request->why);
}

static void kill_hung(struct executor *e)
{
    log_error("run: the HTTP process does not answer and is killed, with %zu requests", e->n_jobs);
    e->hung = true;
    zygote_request_kill(e->pool->zygote, e->pid, SIGKILL);
}

int64_t http_look(struct executor *e, int64_t now_us)
{
    int64_t next_us = INT64_MAX;
    bool hangs = false;
    for (uint32_t i = 0; i < e->pool->http_slots; i++) {
        struct request *request = &e->requests[i];
        if (!request->job)
            continue;
        if (request->due_us <= now_us && request->asked) {
            hangs = true;
            request->due_us = now_us + KILL_AGAIN_US;
        } else if (request->due_us <= now_us) {
            ask(e, request, OUTCOME_TIMEOUT, "it ran for longer than its timeout",
                e->pool->config->worker.kill_grace_us);
        }
        if (request->due_us < next_us)
            next_us = request->due_us;
    }
    if (hangs)
        kill_hung(e);
    answer_write_socket(e);
    return next_us;
}

/* --- Making it ----------------------------------------------------------------------------------------------------------- */

/* Half of the slots stay free, so that few numbers are skipped. */
static uint32_t count_slots(uint32_t n_requests)
{
    uint32_t n = 2;
    while (n < 2 * n_requests)
        n *= 2;
    return n;
}

bool http_is_needed(const struct job_config *config)
{
    for (size_t i = 0; i < config->n_handlers; i++)
        if (config->handlers[i].kind == CONFIG_KIND_HTTP)
            return true;
    return false;
}

int http_init(struct pool *p)
{
    p->http_slots = count_slots((uint32_t)p->config->worker.http_max);
    for (uint32_t i = 0; i < HTTP_PROCESSES; i++) {
        p->executors[i].requests = calloc(p->http_slots, sizeof(struct request));
        if (!p->executors[i].requests)
            return -ENOMEM;
    }
    return 0;
}
