/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Another configuration: an executor on trial shows whether its handlers load, then all others are replaced.
 *
 * Executors load modules once, when they start. So a module whose file was replaced comes with executors that start after that; none
 * that has it is touched, and what runs in them runs to its end.
 */
#include "worker/pool_inside.h"

#include <errno.h>
#include <signal.h>

#include "base/log.h"

static struct executor *find_on_trial(struct pool *p)
{
    for (uint32_t i = 0; i < p->max; i++)
        if (p->executors[i].on_trial)
            return &p->executors[i];
    return NULL;
}

void renew_judge(struct executor *e, const char *error)
{
    struct pool *p = e->pool;
    sd_event_source_set_enabled(p->trial_timer, SD_EVENT_OFF);
    if (error) {
        e->on_trial = false;
        e->worn = true;
    }
    p->owner.tried(error, p->owner.userdata);
}

/* A module's init() may take for ever. */
static int on_trial_over(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct pool *p = userdata;
    struct executor *e = find_on_trial(p);
    (void)source;
    (void)usec;
    if (!e)
        return 0;
    if (e->pid)
        zygote_request_kill(p->zygote, e->pid, SIGKILL);
    renew_judge(e, "an executor has not loaded the handlers within 30 s");
    return 0;
}

int pool_try(struct pool *p, const struct job_config *fresh)
{
    struct executor *e = p->executors;
    while (e < p->executors + POOL_SLOTS && e->state != EXECUTOR_ABSENT)
        e++;
    if (e == p->executors + POOL_SLOTS)
        return -EAGAIN;
    int r = executor_spawn(p, e, fresh);
    if (r < 0)
        return r;
    e->on_trial = true;
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
