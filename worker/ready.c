/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/ready.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "libjob/names.h"

#define STRIDE (UINT64_C(1) << 20)
#define LANE_MIN_JOBS 64

/* Where jobs run: executors and the HTTP process have room for themselves. */
enum place { PLACE_EXECUTOR, PLACE_HTTP, N_PLACES };

/* Jobs of one handler run at once, in all queues. */
struct ready_limit {
    char *type; /* owned: what the handler is for, by which it is found again in another configuration */
    const struct config_handler
        *handler; /* NULL: it has no limit any more, and this goes with the last job that runs */
    size_t place; /* among the limits */
    size_t n_running;
};

struct ready_queue {
    const char *name;
    size_t max_running, n_running; /* max 0: no limit */
    size_t allowance; /* no more run at once, nor are held, while its tries fail; SIZE_MAX: any number */
    bool paused;
    uint64_t stride, pass;
};

struct ready_lane {
    struct ready *ready;
    struct ready_queue *queue;
    struct list *
        strands; /* of jobs in the order of their numbers: one per limit, then one per place of handlers without */
    size_t n_jobs, size_bytes;
    size_t n_held; /* claiming, or leased and not started */
    int patience;  /* starts of the queue that went by while it had a job */
};

struct ready {
    const struct job_config *config;
    struct ready_queue *queues;
    struct ready_lane *lanes; /* LANE_COUNT for each queue */
    size_t n_queues;
    struct list *strands;
    struct ready_limit **limits;
    size_t n_limits;
    size_t n_lanes; /* that have a topic */
    bool closed[N_PLACES];
    size_t max_jobs, max_bytes, max_held; /* of a lane */
    uint64_t pass;                        /* of the last start */
    uint64_t last_number;
};

/* --- Making it ----------------------------------------------------------------------------------------------------------- */

static size_t count_strands(const struct ready *r)
{
    return r->n_limits + N_PLACES;
}

static struct ready_limit *limit_free(struct ready_limit *limit)
{
    if (limit)
        free(limit->type);
    free(limit);
    return NULL;
}

static struct ready_limit *limit_new(const struct config_handler *handler)
{
    struct ready_limit *limit = calloc(1, sizeof(*limit));
    if (limit && !(limit->type = strdup(handler->type)))
        return limit_free(limit);
    return limit;
}

/* Takes that of the same handler out of @old; else a new one. */
static struct ready_limit *find_or_make_limit(struct ready_limit **old, size_t n_old,
                                              const struct config_handler *handler)
{
    for (size_t i = 0; i < n_old; i++)
        if (old[i] && strcmp(old[i]->type, handler->type) == 0)
            return steal(old[i]);
    return limit_new(handler);
}

/* Those of @old that are over. */
static void drop_limits(struct ready_limit **old, size_t n_old)
{
    for (size_t i = 0; i < n_old; i++) {
        if (!old[i])
            continue;
        old[i]->handler = NULL;
        if (old[i]->n_running == 0)
            limit_free(old[i]);
    }
    free(old);
}

static bool add_limit(struct ready *r, const struct config_handler *handler, struct ready_limit **old,
                      size_t n_old)
{
    struct ready_limit *limit = find_or_make_limit(old, n_old, handler);
    if (!limit)
        return false;
    limit->handler = handler;
    limit->place = r->n_limits;
    r->limits[r->n_limits++] = limit;
    return true;
}

static int make_limits(struct ready *r)
{
    struct ready_limit **old = r->limits;
    size_t n_old = r->n_limits;
    r->limits = calloc(r->config->n_handlers + 1, sizeof(*r->limits));
    r->n_limits = 0;
    bool whole = r->limits;
    for (size_t i = 0; i < r->config->n_handlers && whole; i++)
        if (r->config->handlers[i].concurrency)
            whole = add_limit(r, &r->config->handlers[i], old, n_old);
    drop_limits(old, n_old);
    return whole ? 0 : -ENOMEM;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Shares what there may be of all lanes out among those that there are. */
static void make_room(struct ready *r, size_t max_held)
{
    r->max_jobs = larger(READY_JOBS / r->n_lanes, LANE_MIN_JOBS);
    r->max_bytes = READY_BYTES / r->n_lanes;
    r->max_held = larger(max_held / r->n_lanes, 1);
}

static int make_strands(struct ready *r)
{
    size_t per_lane = count_strands(r), n = r->n_queues * LANE_COUNT * per_lane;
    free(r->strands);
    r->strands = calloc(n, sizeof(*r->strands));
    if (!r->strands)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        list_init(&r->strands[i]);
    for (size_t i = 0; i < r->n_queues * LANE_COUNT; i++)
        r->lanes[i].strands = &r->strands[i * per_lane];
    return 0;
}

static void make_queues(struct ready *r)
{
    r->n_lanes = r->n_queues;
    for (size_t i = 0; i < r->n_queues; i++) {
        const char *name = r->config->worker.queues[i].name;
        r->queues[i].name = name;
        r->queues[i].allowance = SIZE_MAX;
        r->n_lanes +=
            config_find_queue(r->config, span_from_string(name))->lanes ? (size_t)LANE_COUNT - 1 : 0;
    }
    for (size_t i = 0; i < r->n_queues * LANE_COUNT; i++) {
        r->lanes[i].ready = r;
        r->lanes[i].queue = &r->queues[i / LANE_COUNT];
    }
}

/* What the configuration says of queues and handlers, at the start and whenever it has changed. */
static int configure(struct ready *r, size_t max_held)
{
    for (size_t i = 0; i < r->n_queues; i++) {
        const struct config_worker_queue *mine = &r->config->worker.queues[i];
        const struct config_queue *queue = config_find_queue(r->config, span_from_string(mine->name));
        r->queues[i].max_running = (size_t)queue->concurrency;
        r->queues[i].stride = STRIDE / (uint64_t)mine->weight;
    }
    make_room(r, max_held);
    int failed = make_limits(r);
    return failed ? failed : make_strands(r);
}

struct ready *ready_new(const struct job_config *config, size_t max_held)
{
    _cleanup_(ready_free_cleanup) struct ready *r = calloc(1, sizeof(*r));
    if (!r)
        return NULL;
    r->config = config;
    r->n_queues = config->worker.n_queues;
    r->queues = calloc(r->n_queues, sizeof(*r->queues));
    r->lanes = calloc(r->n_queues * LANE_COUNT, sizeof(*r->lanes));
    if (!r->queues || !r->lanes)
        return NULL;
    make_queues(r);
    if (configure(r, max_held) < 0)
        return NULL;
    return steal(r);
}

static bool is_any(const struct job *job, const void *unused)
{
    (void)job;
    (void)unused;
    return true;
}

struct ready *ready_free(struct ready *r)
{
    struct list left;
    if (!r)
        return NULL;
    list_init(&left);
    if (r->strands)
        ready_take_matching(r, is_any, NULL, &left);
    list_for_each_safe(link, &left) job_free(job_of(link));
    free(r->queues);
    free(r->lanes);
    free(r->strands);
    drop_limits(r->limits, r->n_limits);
    free(r);
    return NULL;
}

int ready_reload(struct ready *r, size_t max_held, struct list *ret_jobs)
{
    ready_take_matching(r, is_any, NULL, ret_jobs);
    return configure(r, max_held);
}

/* --- Lanes --------------------------------------------------------------------------------------------------------------- */

struct ready_lane *ready_find_lane(struct ready *r, const char *topic)
{
    struct span queue = name_queue_of_topic(r->config->prefix, topic);
    for (size_t i = 0; queue.data && i < r->n_queues; i++)
        if (span_equals(queue, r->queues[i].name))
            return &r->lanes[i * LANE_COUNT + name_lane_of_topic(r->config->prefix, topic)];
    return NULL;
}

bool ready_lane_has_room(const struct ready_lane *lane)
{
    const struct ready *r = lane->ready;
    return !lane->queue->paused && lane->n_jobs < r->max_jobs && lane->size_bytes < r->max_bytes &&
           lane->n_held < smaller(r->max_held, lane->queue->allowance);
}

/* --- Queues -------------------------------------------------------------------------------------------------------------- */

const char *ready_queue_name(const struct ready *r, size_t queue)
{
    return queue < r->n_queues ? r->queues[queue].name : NULL;
}

size_t ready_queue_of(const struct ready *r, const struct ready_lane *lane)
{
    return (size_t)(lane->queue - r->queues);
}

size_t ready_n_running(const struct ready *r, size_t queue)
{
    return r->queues[queue].n_running;
}

void ready_set_allowance(struct ready *r, size_t queue, size_t max)
{
    r->queues[queue].allowance = max;
}

bool ready_set_paused(struct ready *r, size_t queue, bool paused)
{
    bool was = r->queues[queue].paused;
    r->queues[queue].paused = paused;
    return was != paused;
}

bool ready_is_paused(const struct ready_lane *lane)
{
    return lane->queue->paused;
}

bool ready_is_quiet(const struct ready *r, size_t queue)
{
    if (!r->queues[queue].paused || r->queues[queue].n_running)
        return false;
    for (enum name_lane lane = 0; lane < LANE_COUNT; lane++)
        if (r->lanes[queue * LANE_COUNT + lane].n_held)
            return false;
    return true;
}

/* --- Jobs and their handlers' limits --------------------------------------------------------------------------------------- */

static struct ready_limit *find_limit(struct ready *r, const struct config_handler *handler)
{
    for (size_t i = 0; i < r->n_limits; i++)
        if (r->limits[i]->handler == handler)
            return r->limits[i];
    return NULL;
}

void ready_admit(struct ready *r, struct ready_lane *lane, struct job *job)
{
    job->lane = lane;
    job->number = ++r->last_number;
}

static enum place place_of(const struct config_handler *handler)
{
    return handler->kind == CONFIG_KIND_HTTP ? PLACE_HTTP : PLACE_EXECUTOR;
}

static struct list *strand_of(struct ready *r, const struct job *job)
{
    return &job->lane->strands[job->limit ? job->limit->place : r->n_limits + place_of(job->type->handler)];
}

/* --- Counting ------------------------------------------------------------------------------------------------------------ */

void ready_hold(struct job *job)
{
    job->count = JOB_COUNTED_HELD;
    job->lane->n_held++;
}

static void count_running(struct job *job)
{
    job->count = JOB_COUNTED_RUNNING;
    job->lane->queue->n_running++;
    if (job->limit)
        job->limit->n_running++;
}

static void uncount_running(struct ready_limit *limit)
{
    if (limit && --limit->n_running == 0 && !limit->handler)
        limit_free(limit);
}

void ready_uncount(struct job *job)
{
    if (job->count == JOB_COUNTED_HELD)
        job->lane->n_held--;
    if (job->count == JOB_COUNTED_RUNNING) {
        job->lane->queue->n_running--;
        uncount_running(job->limit);
        job->limit = NULL;
    }
    job->count = JOB_NOT_COUNTED;
}

/* --- In and out ---------------------------------------------------------------------------------------------------------- */

/* Most are the last; those that come back are among the first. */
static struct list *find_place(struct list *strand, const struct job *job)
{
    if (list_is_empty(strand) || job_of(strand->prev)->number < job->number)
        return strand;
    struct list *at = strand->next;
    while (job_of(at)->number < job->number)
        at = at->next;
    return at;
}

void ready_add(struct ready *r, struct job *job)
{
    if (job->count == JOB_COUNTED_RUNNING)
        ready_uncount(job);
    if (job->token && job->count == JOB_NOT_COUNTED)
        ready_hold(job);
    job->limit = find_limit(r, job->type->handler);
    list_insert_before(find_place(strand_of(r, job), job), &job->link);
    job->lane->n_jobs++;
    job->lane->size_bytes += job_size_bytes(job);
}

void ready_take(struct ready *r, struct job *job)
{
    (void)r;
    list_remove(&job->link);
    job->lane->n_jobs--;
    job->lane->size_bytes -= job_size_bytes(job);
}

void ready_take_matching(struct ready *r, bool (*match)(const struct job *job, const void *arg),
                         const void *arg, struct list *to)
{
    for (size_t i = 0; i < r->n_queues * LANE_COUNT * count_strands(r); i++) {
        list_for_each_safe(link, &r->strands[i])
        {
            if (!match(job_of(link), arg))
                continue;
            ready_take(r, job_of(link));
            list_append(to, link);
        }
    }
}

void ready_dump(const struct ready *r)
{
    static const char *const names[LANE_COUNT] = { "high", "normal", "low" };
    for (size_t i = 0; i < r->n_queues * LANE_COUNT; i++) {
        const struct ready_lane *lane = &r->lanes[i];
        if (lane->n_jobs || lane->n_held || lane->queue->n_running)
            log_info("state: queue %s, %s lane: %zu jobs ready, %zu claimed before their start; "
                     "%zu of the queue are running",
                     lane->queue->name, names[i % LANE_COUNT], lane->n_jobs, lane->n_held,
                     lane->queue->n_running);
    }
}

/* --- Choosing ------------------------------------------------------------------------------------------------------------ */

/* May no job of this strand start now? */
static bool is_full(const struct ready *r, size_t strand)
{
    if (strand >= r->n_limits)
        return r->closed[strand - r->n_limits];
    const struct ready_limit *limit = r->limits[strand];
    return r->closed[place_of(limit->handler)] || limit->n_running >= (size_t)limit->handler->concurrency;
}

/* The oldest job of the lane whose handler may run one more; NULL: none. */
static struct job *first_of_lane(const struct ready *r, const struct ready_lane *lane)
{
    struct job *best = NULL;
    if (lane->n_jobs == 0)
        return NULL;
    for (size_t i = 0; i < count_strands(r); i++) {
        struct list *first = list_first(&lane->strands[i]);
        if (!first || is_full(r, i))
            continue;
        if (!best || job_of(first)->number < best->number)
            best = job_of(first);
    }
    return best;
}

static struct job *first_of_queue(const struct ready *r, size_t queue)
{
    const struct ready_queue *q = &r->queues[queue];
    struct job *best = NULL;
    if (q->paused || q->n_running >= q->allowance || (q->max_running && q->n_running >= q->max_running))
        return NULL;
    for (enum name_lane lane = 0; lane < LANE_COUNT; lane++) {
        const struct ready_lane *l = &r->lanes[queue * LANE_COUNT + lane];
        struct job *job = first_of_lane(r, l);
        if (!job)
            continue;
        if (best && l->patience >= READY_PATIENCE)
            return job;
        if (!best)
            best = job;
    }
    return best;
}

static uint64_t pass_of(const struct ready *r, const struct ready_queue *q)
{
    return q->pass > r->pass ? q->pass : r->pass;
}

struct job *ready_peek(struct ready *r)
{
    struct job *best = NULL;
    for (size_t i = 0; i < r->n_queues; i++) {
        struct job *job = first_of_queue(r, i);
        if (job && r->config->worker.order == CONFIG_ORDER_STRICT)
            return job;
        if (job && (!best || pass_of(r, &r->queues[i]) < pass_of(r, best->lane->queue)))
            best = job;
    }
    return best;
}

void ready_close(struct ready *r, const struct job *job)
{
    r->closed[place_of(job->type->handler)] = true;
}

void ready_open(struct ready *r)
{
    for (size_t i = 0; i < N_PLACES; i++)
        r->closed[i] = false;
}

static void charge_lanes(struct ready *r, const struct ready_lane *started)
{
    struct ready_lane *lanes = &r->lanes[ready_queue_of(r, started) * LANE_COUNT];
    for (enum name_lane lane = 0; lane < LANE_COUNT; lane++) {
        bool waits = &lanes[lane] != started && first_of_lane(r, &lanes[lane]);
        lanes[lane].patience = waits ? lanes[lane].patience + 1 : 0;
    }
}

void ready_started(struct ready *r, struct job *job)
{
    struct ready_queue *q = job->lane->queue;
    charge_lanes(r, job->lane);
    r->pass = pass_of(r, q);
    q->pass = r->pass + q->stride;
    ready_uncount(job);
    count_running(job);
}
