/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far running jobs are: written beside what else a batch is about, into their leases.
 *
 * A job keeps its newest progress itself. It is in a list from when it tells some, or gets its lease, until a batch with it is committed. A
 * job that ends leaves the list, whichever. What PostgreSQL refuses is dropped: the next one may do.
 */
#include "worker/recorder_inside.h"

#include <stdlib.h>

void recorder_progress_init(struct recorder *r)
{
    list_init(&r->progress);
    list_init(&r->progress_sent);
}

static void empty(struct list *jobs)
{
    while (!list_is_empty(jobs))
        list_remove(list_first(jobs));
}

void recorder_progress_done(struct recorder *r)
{
    empty(&r->progress);
    empty(&r->progress_sent);
}

void recorder_want_progress(struct recorder *r, struct job *job)
{
    list_remove(&job->progress_link);
    if (job->progress && job->lease == LEASE_HELD && !job->finished)
        list_append(&r->progress, &job->progress_link);
}

void recorder_set_progress(struct recorder *r, struct job *job, struct span progress)
{
    struct buf json = { 0 };
    outcome_put_result(&json, progress.data, progress.size);
    if (json.failed) {
        buf_done(&json);
        return;
    }
    free(job->progress);
    job->progress = json.data; /* NUL-terminated */
    recorder_want_progress(r, job);
}

bool recorder_has_progress(const struct recorder *r)
{
    return !list_is_empty(&r->progress);
}

void recorder_add_progress(struct recorder *r)
{
    while (!list_is_empty(&r->progress)) {
        struct job *job = list_entry(list_first(&r->progress), struct job, progress_link);
        record_add_progress(r->batch.rows, &job->envelope.id, job->token, span_from_string(job->progress));
        list_remove(&job->progress_link);
        list_append(&r->progress_sent, &job->progress_link);
    }
}

void recorder_drop_progress(struct recorder *r)
{
    empty(&r->progress_sent);
}

void recorder_put_back_progress(struct recorder *r)
{
    while (!list_is_empty(&r->progress_sent))
        recorder_want_progress(r, list_entry(list_first(&r->progress_sent), struct job, progress_link));
}
