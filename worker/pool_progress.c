/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far the running jobs are, once a second for all executors together.
 *
 * An executor's nudge starts the timer; when it is over, the pages of all that have nudged are read. So whatever was told since the
 * nudge is read, too, and a nudge is needed only once a second.
 */
#include "worker/pool_inside.h"

void progress_note(struct executor *e)
{
    struct pool *p = e->pool;
    e->has_progress = true;
    if (sd_event_source_get_enabled(p->progress_timer, NULL))
        return;
    sd_event_source_set_time_relative(p->progress_timer, FRAME_PROGRESS_US);
    sd_event_source_set_enabled(p->progress_timer, SD_EVENT_ONESHOT);
}

/* What cannot be read now is being written, and is read the next time. */
static void read_progress(struct executor *e)
{
    char data[JOB_MAX_PROGRESS_SIZE];
    size_t size;
    uint32_t seq;
    struct job *job = executor_running_job(e);
    e->has_progress = false;
    if (!job)
        return;
    if (!frame_get_progress(e->board, &seq, data, &size))
        progress_note(e);
    else if (seq == job->seq)
        e->pool->owner.progress(job, (struct span){ data, size }, e->pool->owner.userdata);
}

static int on_progress(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct pool *p = userdata;
    (void)source;
    (void)usec;
    for (uint32_t i = 0; i < p->max; i++)
        if (p->executors[i].has_progress)
            read_progress(&p->executors[i]);
    return 0;
}

int progress_init(struct pool *p)
{
    int r = sd_event_add_time(p->event, &p->progress_timer, CLOCK_MONOTONIC, 0, 1000, on_progress, p);
    return r < 0 ? r : sd_event_source_set_enabled(p->progress_timer, SD_EVENT_OFF);
}
