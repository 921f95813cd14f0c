/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Another configuration: an executor on trial, and with it an HTTP process if one is needed, shows whether its handlers load. Then all others
 * are replaced.
 *
 * Executors load modules once, when they start. So a module whose file was replaced comes with executors that start after that; none
 * that has it is touched, and what runs in them runs to its end.
 */
#include "worker/pool_inside.h"

#include <errno.h>
#include <signal.h>

#include "base/log.h"

/* One of them has failed, so none of them is needed. */
static void give_up(struct pool *p)
{
    for (uint32_t i = 0; i < p->max; i++) {
        struct executor *e = &p->executors[i];
        if (!e->on_trial)
            continue;
        e->on_trial = false;
        e->worn = true;
        if (e->state == EXECUTOR_READY)
            executor_retire(e);
    }
    p->n_on_trial = 0;
}

void renew_judge(struct pool *p, const char *error)
{
    if (error)
        give_up(p);
    else if (--p->n_on_trial > 0)
        return;
    sd_event_source_set_enabled(p->trial_timer, SD_EVENT_OFF);
    p->owner.tried(error, p->owner.userdata);
}

/* A module's init() may take for ever. */
static int on_trial_over(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct pool *p = userdata;
    (void)source;
    (void)usec;
    for (uint32_t i = 0; i < p->max; i++)
        if (p->executors[i].on_trial && p->executors[i].state == EXECUTOR_STARTING && p->executors[i].pid)
            zygote_request_kill(p->zygote, p->executors[i].pid, SIGKILL);
    if (p->n_on_trial)
        renew_judge(p, "an executor has not loaded the handlers within 30 s");
    return 0;
}

/* In one of the slots from @from to @end. */
static int try_one(struct pool *p, uint32_t from, uint32_t end, const struct job_config *fresh)
{
    while (from < end && p->executors[from].state != EXECUTOR_ABSENT)
        from++;
    if (from == end)
        return -EAGAIN;
    int r = executor_spawn(p, &p->executors[from], fresh);
    if (r < 0)
        return r;
    p->executors[from].on_trial = true;
    p->n_on_trial++;
    return 0;
}

int pool_try(struct pool *p, const struct job_config *fresh)
{
    int r = try_one(p, HTTP_PROCESSES, POOL_SLOTS, fresh);
    if (r == 0 && http_is_needed(fresh))
        r = try_one(p, 0, HTTP_PROCESSES, fresh);
    if (r < 0) {
        give_up(p);
        return r;
    }
    sd_event_source_set_time_relative(p->trial_timer, POOL_TRIAL_US);
    return sd_event_source_set_enabled(p->trial_timer, SD_EVENT_ONESHOT);
}

static void replace(struct executor *e)
{
    e->worn = true;
    if (e->state == EXECUTOR_READY)
        executor_take_back(e);
    if (e->state == EXECUTOR_READY && e->n_jobs == 0)
        executor_retire(e);
}

void pool_renew(struct pool *p)
{
    for (uint32_t i = 0; i < p->max; i++) {
        struct executor *e = &p->executors[i];
        if (e->state != EXECUTOR_ABSENT && !e->on_trial)
            replace(e);
        e->on_trial = false;
    }
    sd_event_source_set_time(p->idle_timer, 0); /* it may be another time now */
    sd_event_source_set_enabled(p->idle_timer, SD_EVENT_ONESHOT);
}

int renew_init(struct pool *p)
{
    int r = sd_event_add_time(p->event, &p->trial_timer, CLOCK_MONOTONIC, 0, 1000, on_trial_over, p);
    return r < 0 ? r : sd_event_source_set_enabled(p->trial_timer, SD_EVENT_OFF);
}
