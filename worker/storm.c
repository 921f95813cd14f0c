/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/storm.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "worker/valve.h"

#define LOOK_US (20 * USEC_PER_MSEC) /* no sooner again: what comes by then starts together */

struct queue {
    struct valve valve;
    bool narrow;       /* as it was said last */
    int64_t since_us;  /* when it became so */
    uint64_t n_failed; /* since then */
};

struct storm {
    const struct job_config *config;
    struct ready *ready;
    struct pool *pool;
    sd_event_source *timer; /* to when a narrow valve allows more */
    struct queue *queues;   /* in the order of ready_queue_name() */
    size_t n_queues, n_narrow;
    bool charged; /* something has failed since the last look */
};

static int rate_of(const struct storm *s)
{
    return s->config->worker.retry_rate;
}

/* --- What fails ------------------------------------------------------------------------------------------------------------ */

static bool has_failed(const struct job *job)
{
    switch (job->outcome) {
    case OUTCOME_FAILED:
    case OUTCOME_FAILED_FOR_GOOD:
    case OUTCOME_TIMEOUT:
    case OUTCOME_CRASHED:
    case OUTCOME_OOM:
        return true;
    default:
        return false;
    }
}

void storm_note(struct storm *s, const struct job *job)
{
    if (!job->lane || job->orphan || !has_failed(job))
        return;
    struct queue *q = &s->queues[ready_queue_of(s->ready, job->lane)];
    valve_charge(&q->valve, rate_of(s), clock_mono_us());
    q->n_failed++;
    s->charged = true;
}

/* --- What may start -------------------------------------------------------------------------------------------------------- */

struct place {
    const struct ready *ready;
    size_t queue;
};

static bool is_there(const struct job *job, const void *arg)
{
    const struct place *place = arg;
    return job->lane && ready_queue_of(place->ready, job->lane) == place->queue;
}

static void became_narrow(struct storm *s, size_t queue)
{
    struct queue *q = &s->queues[queue];
    q->narrow = true;
    q->since_us = clock_mono_us();
    q->n_failed = 0;
    s->n_narrow++;
    log_warning(
        "run: queue %s: too many tries fail; from now on no more of it starts than may fail with %d a second "
        "(worker.retry_rate)",
        ready_queue_name(s->ready, queue), rate_of(s));
    pool_take_back(s->pool, is_there, &(struct place){ s->ready, queue });
}

static void became_open(struct storm *s, size_t queue)
{
    struct queue *q = &s->queues[queue];
    q->narrow = false;
    s->n_narrow--;
    log_info("run: queue %s: hardly a try fails any more, nothing is held back; %" PRIu64
             " have failed in %lld s",
             ready_queue_name(s->ready, queue), q->n_failed,
             (long long)((clock_mono_us() - q->since_us) / USEC_PER_SEC));
}

/* Return: when to look again. */
static int64_t look_at_queue(struct storm *s, size_t queue, int64_t now_us)
{
    struct queue *q = &s->queues[queue];
    valve_look(&q->valve, rate_of(s), now_us);
    ready_set_allowance(s->ready, queue, valve_allowance(&q->valve, rate_of(s)));
    if (q->valve.narrow && !q->narrow)
        became_narrow(s, queue);
    else if (!q->valve.narrow && q->narrow)
        became_open(s, queue);
    return valve_look_at_us(&q->valve, rate_of(s), ready_n_running(s->ready, queue));
}

static void set_timer(struct storm *s, int64_t at_us, int64_t now_us)
{
    if (at_us < now_us + LOOK_US)
        at_us = now_us + LOOK_US;
    sd_event_source_set_time(s->timer, (uint64_t)at_us);
    sd_event_source_set_enabled(s->timer, SD_EVENT_ONESHOT);
}

void storm_look(struct storm *s)
{
    int64_t now_us, next_us = INT64_MAX;
    if (!s->charged && !s->n_narrow)
        return;
    s->charged = false;
    now_us = clock_mono_us();
    for (size_t i = 0; i < s->n_queues; i++) {
        int64_t at_us = look_at_queue(s, i, now_us);
        next_us = at_us < next_us ? at_us : next_us;
    }
    if (next_us < INT64_MAX)
        set_timer(s, next_us, now_us);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
    (void)source;
    (void)usec;
    (void)userdata; /* the loop's post source does it */
    return 0;
}

/* --- Who wants to know ----------------------------------------------------------------------------------------------------- */

void storm_list(const struct storm *s, struct buf *ret)
{
    buf_append_string(ret, "{");
    for (size_t i = 0, n = 0; i < s->n_queues; i++)
        if (s->queues[i].narrow)
            buf_append_format(ret, "%s\"%s\": %d", n++ ? ", " : "", ready_queue_name(s->ready, i),
                              rate_of(s));
    buf_append_string(ret, "}");
}

void storm_dump(const struct storm *s)
{
    for (size_t i = 0; i < s->n_queues; i++)
        if (s->queues[i].narrow)
            log_info("state: queue %s: too many tries fail, %" PRIu64
                     " in %lld s; %zu jobs of it may run at once now",
                     ready_queue_name(s->ready, i), s->queues[i].n_failed,
                     (long long)((clock_mono_us() - s->queues[i].since_us) / USEC_PER_SEC),
                     valve_allowance(&s->queues[i].valve, rate_of(s)));
}

/* --- Life ------------------------------------------------------------------------------------------------------------------ */

int storm_new(struct storm **ret, sd_event *event, const struct job_config *config, struct ready *ready,
              struct pool *pool)
{
    _cleanup_(storm_free_cleanup) struct storm *s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->config = config;
    s->ready = ready;
    s->pool = pool;
    s->n_queues = config->worker.n_queues;
    s->queues = calloc(s->n_queues, sizeof(*s->queues));
    if (!s->queues)
        return -ENOMEM;
    for (size_t i = 0; i < s->n_queues; i++)
        valve_init(&s->queues[i].valve, clock_mono_us());
    int r = sd_event_add_time(event, &s->timer, CLOCK_MONOTONIC, 0, 1000, on_timer, s);
    if (r >= 0)
        r = sd_event_source_set_enabled(s->timer, SD_EVENT_OFF);
    if (r < 0)
        return r;
    *ret = steal(s);
    return 0;
}

struct storm *storm_free(struct storm *s)
{
    if (!s)
        return NULL;
    sd_event_source_disable_unref(s->timer);
    free(s->queues);
    free(s);
    return NULL;
}
