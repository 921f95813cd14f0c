/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/handover.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"

struct handover {
    const struct job_config *config;
    struct pool *pool;
    struct recorder *recorder;
    sd_event_source
        *timer; /* to the time when a running job will be old; armed while any job is in an executor */
};

/* One look over the running jobs. */
struct look {
    struct handover *h;
    const struct partition *partition; /* only its jobs; NULL: of all */
    int64_t below_offset;              /* only jobs from before it */
    int64_t old_us;                    /* only jobs that have started by then */
    int64_t youngest_us; /* out: when the first job started that is not old yet; INT64_MAX: none */
    size_t n;            /* out */
};

static void look_at(struct job *job, int64_t started_us, void *userdata)
{
    struct look *look = userdata;
    if (job->lease != LEASE_NONE || job->orphan || (look->partition && job->partition != look->partition) ||
        job->message->offset >= look->below_offset)
        return;
    if (started_us > look->old_us) {
        if (started_us < look->youngest_us)
            look->youngest_us = started_us;
        return;
    }
    job->started_us = started_us;
    recorder_add_handover(look->h->recorder, job);
    look->n++;
}

static size_t look_over(struct look *look)
{
    look->youngest_us = INT64_MAX;
    pool_each_running(look->h->pool, look_at, look);
    return look->n;
}

static void set_timer(struct handover *h, int64_t at_us)
{
    sd_event_source_set_time(h->timer, (uint64_t)at_us);
    sd_event_source_set_enabled(h->timer, SD_EVENT_ONESHOT);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct handover *h = userdata;
    int64_t now_us = clock_mono_us(), after_us = h->config->worker.handover_after_us;
    struct look look = { .h = h, .below_offset = INT64_MAX, .old_us = now_us - after_us };
    (void)source;
    (void)usec;
    look_over(&look);
    if (pool_n_running(h->pool))
        set_timer(h, (look.youngest_us == INT64_MAX ? now_us : look.youngest_us) + after_us);
    return 0;
}

void handover_watch(struct handover *h)
{
    if (pool_n_running(h->pool) && sd_event_source_get_enabled(h->timer, NULL) == 0)
        set_timer(h, clock_mono_us() + h->config->worker.handover_after_us);
}

void handover_reload(struct handover *h)
{
    if (sd_event_source_get_enabled(h->timer, NULL))
        set_timer(h, clock_mono_us());
}

size_t handover_partition(struct handover *h, const struct partition *p)
{
    return look_over(
        &(struct look){ .h = h, .partition = p, .below_offset = INT64_MAX, .old_us = INT64_MAX });
}

void handover_oldest(struct handover *h, const struct partition *p)
{
    look_over(&(struct look){ .h = h,
                              .partition = p,
                              .below_offset = p->window.base + p->window.capacity / 2,
                              .old_us = INT64_MAX });
}

int handover_new(struct handover **ret, sd_event *event, const struct job_config *config, struct pool *pool,
                 struct recorder *recorder)
{
    _cleanup_(handover_free_cleanup) struct handover *h = calloc(1, sizeof(*h));
    if (!h)
        return -ENOMEM;
    h->config = config;
    h->pool = pool;
    h->recorder = recorder;
    int r = sd_event_add_time(event, &h->timer, CLOCK_MONOTONIC, 0, 1000, on_timer, h);
    if (r < 0)
        return r;
    sd_event_source_set_enabled(h->timer, SD_EVENT_OFF);
    *ret = steal(h);
    return 0;
}

struct handover *handover_free(struct handover *h)
{
    if (!h)
        return NULL;
    sd_event_source_disable_unref(h->timer);
    free(h);
    return NULL;
}
