/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One batch, from its sending to its fate: committed, refused, fenced, or not known until it has been read back. What it was about
 * is settled then, or put back.
 */
#include "worker/recorder_inside.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"

#define REPEAT_MIN_US 10000
#define REPEAT_MAX_US (5 * USEC_PER_SEC)

/* --- Batches ------------------------------------------------------------------------------------------------------------- */

static void on_recorded(const struct record_reply *reply, void *userdata);

bool settle_release_is_ready(const struct recorder *r)
{
    if (!r->release)
        return false;
    list_for_each(link, r->release)
    {
        if (list_entry(link, struct partition, link)->n_open)
            return false;
    }
    return true;
}

/* Cursors that move without a job of the batch. */
static void touch_gaps(struct recorder *r)
{
    list_for_each(link, r->owned)
    {
        struct partition *p = list_entry(link, struct partition, link);
        if (p->state == PARTITION_OPEN &&
            (p->gap || p->log_start_dirty || p->suspect != p->suspect_recorded) &&
            r->batch.n_partitions < BATCH_MAX_PARTITIONS)
            batch_touch(&r->batch, p);
    }
    r->gap_noted = false;
}

void settle_send_batch(struct recorder *r)
{
    struct outcome_context context = { .config = r->config,
                                       .clock_offset_us = r->clock_offset_us,
                                       .now_us = clock_mono_us() };
    r->looked = false;
    batch_begin(&r->batch);
    batch_add_claims(&r->batch, &r->claims, r->limit, &context);
    batch_add_handovers(&r->batch, &r->handovers, &r->n_handovers, r->limit, &context);
    batch_add_finished(&r->batch, &r->finished, r->limit, &context);
    recorder_add_progress(r);
    if (settle_release_is_ready(r))
        batch_touch_releasable(&r->batch, r->release);
    if (r->gap_noted && r->owned)
        touch_gaps(r);
    batch_add_cursors(&r->batch);
    r->batch.seq = ++r->seq;
    r->request = REQUEST_BATCH;
    r->beat_sent_us = clock_mono_us();
    const struct record_beat beat = { .worker = r->worker_id,
                                      .quiet = r->quiet ? r->quiet : "",
                                      .narrow = r->narrow ? r->narrow : "{}",
                                      .phase = r->phase };
    record_send(r->batch.rows, recorder_session(r), &beat, r->batch.seq,
                r->config->worker.unknown_type_grace_us, on_recorded, r);
}

static void close_offset(struct job *job)
{
    if (job->partition)
        job->partition->n_open--;
    job->partition = NULL;
}

/* By token, because one batch may hold several messages of one job. job.claim() returns them in order. */
static bool was_claimed(const struct rows *claimed, const struct job *job)
{
    size_t low = 0, high = rows_count(claimed);
    while (low < high) {
        size_t middle = (low + high) / 2;
        int64_t token = rows_bigint(claimed, middle, 0);
        if (token == job->token)
            return true;
        if (token < job->token)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

static void drop_finished(struct recorder *r, struct job *job)
{
    backlog_remove(&r->finished, job);
    job_free(job);
}

/* Its offset is done. A job that has finished meanwhile and may have its lease ends it by its token, which tells by itself. */
static void settle_handover(struct recorder *r, struct job *job, const struct rows *claimed)
{
    close_offset(job);
    if (claimed ? was_claimed(claimed, job) : job->finished) {
        recorder_hold_lease(r, job);
    } else if (!claimed) {
        recorder_want_handover(r, job);
    } else if (job->finished) {
        drop_finished(r, job);
    } else {
        job->lease = LEASE_NONE;
        job->token = 0;
        r->owner.disowned(job, r->owner.userdata);
    }
}

/* The batch did not take effect. What has finished meanwhile is recorded as if this had not been tried. */
static void put_back_handover(struct recorder *r, struct job *job)
{
    if (!job->finished && !job->lease_refused) {
        recorder_want_handover(r, job);
        return;
    }
    job->lease = LEASE_NONE;
    job->token = 0;
    if (job->partition) /* its offset is open: it stays in the log */
        return;
    if (job->finished)
        drop_finished(r, job);
    else
        r->owner.disowned(job, r->owner.userdata);
}

/* Somebody else has taken a job out of the log that comes before it. */
static void wait_for_turn(struct recorder *r, struct job *job)
{
    job_finish(job, OUTCOME_THROTTLED, NULL);
    recorder_add_finished(r, job);
}

/* The offset is done. Without rows the answer was lost: ask again, which tells the same (job.claim()). */
static void settle_claim(struct recorder *r, struct job *job, const struct rows *claimed)
{
    if (!claimed) {
        backlog_append(&r->claims, job);
    } else if (was_claimed(claimed, job)) {
        recorder_hold_lease(r, job);
        if (keys_is_passed_over(job))
            wait_for_turn(r, job);
        else
            r->owner.claimed(job, r->owner.userdata);
    } else {
        log_debug("intake: job is taken or has ended already");
        job_free(job);
    }
}

static void settle_job(struct recorder *r, struct job *job, const struct rows *claimed)
{
    close_offset(job);
    if (job_is_claim(job)) {
        settle_claim(r, job, claimed);
        return;
    }
    if (job->lease == LEASE_HELD)
        r->n_leases--;
    job_free(job);
}

/* What PostgreSQL has answered about them was lost. */
static void doubt_keys(struct recorder *r)
{
    list_for_each(link, &r->batch.jobs) keys_doubt(job_of(link));
    list_for_each(link, &r->batch.handovers) keys_doubt(job_of_lease(link));
}

/* @reply: NULL when it was lost. */
static void settle_committed(struct recorder *r, const struct record_reply *reply)
{
    const struct rows *claimed = reply ? reply->claimed : NULL;
    bool releases = r->batch.releases;
    size_t n = batch_n_rows(&r->batch);
    struct job *job;
    r->must_read_back = false;
    r->repeat_pause_us = 0;
    recorder_drop_progress(r);
    if (!reply)
        doubt_keys(r);
    else if (reply->heads)
        recorder_take_heads(r, reply->heads);
    r->suspects -= n < r->suspects ? n : r->suspects;
    r->limit = r->suspects ? r->suspects : BATCH_MAX_JOBS;
    batch_advance(&r->batch, r->owner.advanced, r->owner.userdata);
    while ((job = batch_take_handover(&r->batch)))
        settle_handover(r, job, claimed);
    while ((job = batch_take_job(&r->batch)))
        settle_job(r, job, claimed);
    recorder_plan_beat(r);
    if (releases) {
        r->release = NULL;
        r->owner.released(r->owner.userdata);
    }
}

static void settle_not_committed(struct recorder *r)
{
    struct job *job;
    r->must_read_back = false;
    recorder_put_back_progress(r);
    batch_put_back(&r->batch, &r->claims, &r->finished);
    while ((job = batch_take_handover(&r->batch)))
        put_back_handover(r, job);
    r->gap_noted = true;
    r->gap_at_us = clock_mono_us();
}

/* Prepared statements that no longer fit, a standby that was the primary: a new connection may find it otherwise. */
static bool heals_by_reconnecting(const char *sqlstate)
{
    return strncmp(sqlstate, "42", 2) == 0 || strncmp(sqlstate, "26", 2) == 0 ||
           strncmp(sqlstate, "0A", 2) == 0 || strcmp(sqlstate, "25006") == 0;
}

static void repeat_later(struct recorder *r, const struct record_reply *reply)
{
    if (r->repeat_pause_us == 0)
        log_warning("record: PostgreSQL: %s (SQLSTATE %s); again soon", reply->text, reply->sqlstate);
    r->repeat_pause_us = r->repeat_pause_us ? 2 * r->repeat_pause_us : REPEAT_MIN_US;
    if (r->repeat_pause_us > REPEAT_MAX_US)
        r->repeat_pause_us = REPEAT_MAX_US;
    r->repeat_at_us = clock_mono_us() + r->repeat_pause_us;
    settle_not_committed(r);
    if (heals_by_reconnecting(reply->sqlstate))
        session_abort(recorder_session(r), reply->text);
}

/* Halves the batch until the refused row is alone; then that one gives way (worker/outcome.c leaves out what it may). */
static void narrow_down(struct recorder *r, const struct record_reply *reply)
{
    size_t n = batch_n_rows(&r->batch);
    recorder_drop_progress(r); /* it may have been that */
    struct job *job = n == 1 && r->batch.n_jobs ? job_of(list_first(&r->batch.jobs)) : NULL;
    if (n == 1 && !job)
        job_of_lease(list_first(&r->batch.handovers))->lease_refused = true; /* it stays in the log */
    if (job && job->refused[0]) { /* stripped, and refused all the same: somebody has changed the tables */
        repeat_later(r, reply);
        return;
    }
    if (n == 1)
        log_warning("record: PostgreSQL refused a row: %s (SQLSTATE %s)", reply->text, reply->sqlstate);
    if (job) {
        memcpy(job->refused, reply->sqlstate, sizeof(job->refused));
        if (job_is_claim(job)) { /* what cannot be stored cannot be run again after a crash either */
            job->lease = LEASE_NONE;
            job->token = 0;
            job_finish(job, OUTCOME_MALFORMED, NULL);
        }
    }
    settle_not_committed(r);
    if (r->suspects < n)
        r->suspects = n;
    r->limit = n > 1 ? n / 2 : 1;
}

static void on_recorded(const struct record_reply *reply, void *userdata)
{
    struct recorder *r = userdata;
    r->request = REQUEST_NONE;
    switch (reply->outcome) {
    case RECORD_DONE:
        if (reply->beaten) {
            recorder_learn_clock(r, reply->server_time_us);
            recorder_set_deadline(r, r->beat_sent_us);
        }
        settle_committed(r, reply);
        if (!reply->beaten)
            recorder_declared_dead(r);
        break;
    case RECORD_UNKNOWN:
    case RECORD_FENCED:
        r->must_read_back = true;
        break;
    case RECORD_ROW_REFUSED:
        narrow_down(r, reply);
        break;
    case RECORD_GONE:
        settle_not_committed(r);
        recorder_declared_dead(r);
        break;
    case RECORD_REPEAT:
        repeat_later(r, reply);
        break;
    }
}

/* --- Reading back -------------------------------------------------------------------------------------------------------- */

/* Reads the rows into the partitions. Return: true when one cursor that still is ours has the batch's batch_seq. */
static bool find_epochs(struct recorder *r, const struct rows *rows)
{
    bool committed = false;
    for (size_t i = 0; i < r->batch.n_partitions; i++)
        r->batch.partitions[i]->found_epoch = r->batch.partitions[i]->found_seq = -1;
    for (size_t i = 0; i < rows_count(rows); i++) {
        struct partition *p = batch_find_partition(&r->batch, rows_text(rows, i, 0), rows_int(rows, i, 1));
        if (!p)
            continue;
        p->found_epoch = rows_bigint(rows, i, 2);
        p->found_seq = rows_bigint(rows, i, 3);
        committed |= p->found_epoch == p->epoch && p->found_seq == r->batch.seq;
    }
    return committed;
}

/* Another epoch: somebody took it over. Another number: PostgreSQL came back with an older state (failover, restore). */
static bool is_fenced(const struct recorder *r, const struct partition *p)
{
    return p->found_epoch != p->epoch || (p->found_seq != r->batch.seq && p->found_seq != p->seq);
}

/*
 * One transaction wrote all cursors of the batch or none, so one that is still ours tells for all. Fenced partitions go
 * first: their claims of this batch may have been granted, so they are asked for again, without a cursor.
 */
static void on_read_back(const struct session_reply *reply, void *userdata)
{
    struct recorder *r = userdata;
    struct partition *fenced[BATCH_MAX_PARTITIONS];
    size_t n_fenced = 0;
    if (!recorder_answered(r, reply))
        return;
    bool committed = find_epochs(r, reply->rows[0]);
    for (size_t i = 0; i < r->batch.n_partitions; i++)
        if (is_fenced(r, r->batch.partitions[i]))
            fenced[n_fenced++] = r->batch.partitions[i];
    for (size_t i = 0; i < n_fenced; i++)
        r->owner.fenced(fenced[i], r->owner.userdata);
    if (committed)
        settle_committed(r, NULL);
    else
        settle_not_committed(r);
}

void settle_send_read_back(struct recorder *r)
{
    if (r->batch.n_partitions == 0) { /* leases only: repeating it is its own read-back */
        settle_not_committed(r);
        return;
    }
    struct record_place *places = calloc(r->batch.n_partitions, sizeof(*places));
    if (!places)
        return;
    for (size_t i = 0; i < r->batch.n_partitions; i++)
        places[i] = (struct record_place){ r->batch.partitions[i]->topic, r->batch.partitions[i]->id };
    r->request = REQUEST_READ_BACK;
    record_read_back(recorder_session(r), places, r->batch.n_partitions, on_read_back, r);
    free(places);
}
