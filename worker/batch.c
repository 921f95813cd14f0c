/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/batch.h"

#include <string.h>

#include "worker/noise.h"

/* --- Backlog ------------------------------------------------------------------------------------------------------------- */

void backlog_init(struct backlog *b)
{
    list_init(&b->jobs);
    b->n = b->size_bytes = 0;
}

static void free_jobs(struct list *jobs)
{
    list_for_each_safe(link, jobs)
    {
        job_free(job_of(link));
    }
}

void backlog_done(struct backlog *b)
{
    free_jobs(&b->jobs);
    b->n = b->size_bytes = 0;
}

void backlog_append(struct backlog *b, struct job *job)
{
    list_append(&b->jobs, &job->link);
    b->n++;
    b->size_bytes += job_size_bytes(job);
}

void backlog_remove(struct backlog *b, struct job *job)
{
    list_remove(&job->link);
    b->n--;
    b->size_bytes -= job_size_bytes(job);
}

size_t backlog_drop(struct backlog *b, const struct partition *p)
{
    size_t before = b->n;
    list_for_each_safe(link, &b->jobs)
    {
        struct job *job = job_of(link);
        if (job->partition != p)
            continue;
        backlog_remove(b, job);
        job_free(job);
    }
    return before - b->n;
}

size_t backlog_drop_leased(struct backlog *b)
{
    size_t before = b->n;
    list_for_each_safe(link, &b->jobs)
    {
        struct job *job = job_of(link);
        if (job->lease != LEASE_HELD)
            continue;
        backlog_remove(b, job);
        job_free(job);
    }
    return before - b->n;
}

/* --- Building ------------------------------------------------------------------------------------------------------------ */

int batch_init(struct batch *b)
{
    list_init(&b->jobs);
    list_init(&b->handovers);
    return record_batch_new(&b->rows);
}

void batch_done(struct batch *b)
{
    free_jobs(&b->jobs);
    record_batch_free(b->rows);
    outcome_texts_done(&b->texts);
}

void batch_begin(struct batch *b)
{
    record_batch_reset(b->rows);
    b->n_jobs = b->n_handovers = b->size_bytes = b->n_partitions = 0;
    b->releases = false;
}

void batch_touch(struct batch *b, struct partition *p)
{
    if (p->in_batch)
        return;
    p->in_batch = true;
    b->partitions[b->n_partitions++] = p;
}

static void add_key(struct batch *b, const struct job *job)
{
    struct record_key key;
    if (outcome_fill_key(job, &key))
        record_add_key(b->rows, &key);
}

static void add_claim(struct batch *b, const struct outcome_context *context, struct job *job)
{
    struct record_row row;
    outcome_fill_claim(job, context, &b->texts, &row);
    record_add_claim(b->rows, &row);
    add_key(b, job);
    job->lease = LEASE_ASKED;
}

static void add_finished(struct batch *b, const struct outcome_context *context, struct job *job)
{
    struct record_row row;
    if (!outcome_leaves_row(job))
        return;
    if (outcome_fill(job, context, &b->texts, &row))
        record_add_deferral(b->rows, &row);
    else
        record_add_success(b->rows, &row);
    add_key(b, job);
    if (job->envelope.reply)
        record_add_waiter(b->rows, &row.id);
}

static void mark(struct batch *b, struct job *job)
{
    if (!job->partition)
        return;
    batch_touch(b, job->partition);
    window_mark(&job->partition->window, job->message->offset);
}

static void unmark(struct job *job)
{
    if (job->partition)
        window_unmark(&job->partition->window, job->message->offset);
}

static void enter(struct batch *b, struct job *job)
{
    mark(b, job);
    list_remove(&job->link);
    list_append(&b->jobs, &job->link);
    b->n_jobs++;
    b->size_bytes += job_size_bytes(job);
}

typedef void (*add_fn)(struct batch *b, const struct outcome_context *context, struct job *job);

static bool has_room(const struct batch *b, size_t limit)
{
    return batch_n_rows(b) < limit && b->n_partitions < BATCH_MAX_PARTITIONS &&
           record_batch_size_bytes(b->rows) < BATCH_MAX_BYTES;
}

static void add_from(struct batch *b, struct backlog *from, size_t limit, struct outcome_context *context,
                     add_fn add)
{
    while (from->n && has_room(b, limit)) {
        struct job *job = job_of(list_first(&from->jobs));
        context->random = noise_bits();
        add(b, context, job);
        from->n--;
        from->size_bytes -= job_size_bytes(job);
        enter(b, job);
    }
}

void batch_add_claims(struct batch *b, struct backlog *claims, size_t limit, struct outcome_context *context)
{
    add_from(b, claims, limit, context, add_claim);
}

void batch_add_handovers(struct batch *b, struct list *wanted, size_t *n_wanted, size_t limit,
                         struct outcome_context *context)
{
    while (*n_wanted && has_room(b, limit)) {
        struct job *job = job_of_lease(list_first(wanted));
        add_claim(b, context, job);
        mark(b, job);
        list_remove(&job->lease_link);
        list_append(&b->handovers, &job->lease_link);
        (*n_wanted)--;
        b->n_handovers++;
    }
}

void batch_add_finished(struct batch *b, struct backlog *finished, size_t limit,
                        struct outcome_context *context)
{
    add_from(b, finished, limit, context, add_finished);
}

static bool is_releasable(const struct partition *p)
{
    return p->closing && !p->released && p->state != PARTITION_TAKING && p->state != PARTITION_FENCED;
}

void batch_touch_releasable(struct batch *b, struct list *partitions)
{
    b->releases = true;
    list_for_each(link, partitions)
    {
        struct partition *p = list_entry(link, struct partition, link);
        if (is_releasable(p) && b->n_partitions < BATCH_MAX_PARTITIONS)
            batch_touch(b, p);
    }
}

/* @job's record may be the newest known one below its partition's next_offset. */
static void see_witness(const struct job *job)
{
    struct partition *p = job->partition;
    const struct message *m = job->message;
    if (!p || m->timestamp_ms < 0 || m->offset >= p->next_sent || m->offset <= p->witness_offset)
        return;
    p->witness_offset = m->offset;
    p->witness_ms = m->timestamp_ms;
}

/* By what a later owner tells this log from another one of the same name (worker/sounding.h). */
static void find_witnesses(struct batch *b)
{
    for (size_t i = 0; i < b->n_partitions; i++) {
        struct partition *p = b->partitions[i];
        p->next_sent = window_next(&p->window);
        p->witness_offset = p->checked_offset;
        p->witness_ms = p->checked_ms;
    }
    list_for_each(link, &b->jobs) see_witness(job_of(link));
    list_for_each(link, &b->handovers) see_witness(job_of_lease(link));
}

void batch_add_cursors(struct batch *b)
{
    struct buf done = { 0 };
    find_witnesses(b);
    for (size_t i = 0; i < b->n_partitions; i++) {
        struct partition *p = b->partitions[i];
        struct record_cursor cursor = {
            .topic = p->topic,
            .partition = p->id,
            .epoch = p->epoch,
            .seq = p->seq,
            .log_start = p->log_start,
            .released = b->releases && is_releasable(p),
            .careful = p->careful && !(b->releases && is_releasable(p)),
            .suspect = p->suspect,
            .checked_offset = p->witness_offset,
            .checked_ms = p->witness_ms,
        };
        p->gap_sent = p->gap;
        p->log_start_sent = p->log_start_dirty;
        p->suspect_sent = p->suspect;
        buf_reset(&done);
        window_encode(&p->window, &cursor.next_offset, &done);
        cursor.done = (struct span){ done.data, done.size };
        record_add_cursor(b->rows, &cursor);
    }
    buf_done(&done);
}

/* --- Settling ------------------------------------------------------------------------------------------------------------ */

void batch_advance(struct batch *b, void (*advanced)(struct partition *p, void *userdata), void *userdata)
{
    for (size_t i = 0; i < b->n_partitions; i++) {
        struct partition *p = b->partitions[i];
        p->released |= b->releases && is_releasable(p);
        p->in_batch = false;
        p->seq = b->seq;
        p->gap -= p->gap_sent;
        p->log_start_dirty &= !p->log_start_sent;
        p->suspect_recorded = p->suspect_sent;
        p->checked_offset = p->witness_offset;
        p->checked_ms = p->witness_ms;
        window_advance(&p->window);
        advanced(p, userdata);
    }
    b->n_partitions = 0;
}

struct job *batch_take_job(struct batch *b)
{
    struct list *first = list_first(&b->jobs);
    if (!first)
        return NULL;
    list_remove(first);
    b->n_jobs--;
    b->size_bytes -= job_size_bytes(job_of(first));
    return job_of(first);
}

struct job *batch_take_handover(struct batch *b)
{
    struct list *first = list_first(&b->handovers);
    if (!first)
        return NULL;
    list_remove(first);
    b->n_handovers--;
    return job_of_lease(first);
}

size_t batch_n_rows(const struct batch *b)
{
    return b->n_jobs + b->n_handovers;
}

static void put_back(struct job *job, struct backlog *to)
{
    unmark(job);
    if (job_is_claim(job))
        job->lease = LEASE_WANTED;
    list_remove(&job->link);
    list_prepend(&to->jobs, &job->link);
    to->n++;
    to->size_bytes += job_size_bytes(job);
}

void batch_put_back(struct batch *b, struct backlog *claims, struct backlog *finished)
{
    while (!list_is_empty(&b->jobs)) { /* from the last on, to the front */
        struct job *job = job_of(b->jobs.prev);
        put_back(job, job_is_claim(job) ? claims : finished);
    }
    list_for_each(link, &b->handovers) unmark(job_of_lease(link));
    for (size_t i = 0; i < b->n_partitions; i++)
        b->partitions[i]->in_batch = false;
    b->n_partitions = b->n_jobs = b->size_bytes = 0;
}

/* A lease that is being asked for may be granted: then it is ours, whoever has the partition, and the job has to run. */
static void detach_claims(struct batch *b, const struct partition *p)
{
    list_for_each(link, &b->jobs)
    {
        if (job_of(link)->partition == p && job_is_claim(job_of(link)))
            job_of(link)->partition = NULL;
    }
    list_for_each(link, &b->handovers)
    {
        if (job_of_lease(link)->partition == p)
            job_of_lease(link)->partition = NULL;
    }
}

static void drop_job(struct batch *b, struct job *job)
{
    b->n_jobs--;
    b->size_bytes -= job_size_bytes(job);
    job_free(job);
}

void batch_drop_partition(struct batch *b, struct partition *p)
{
    detach_claims(b, p);
    list_for_each_safe(link, &b->jobs)
    {
        if (job_of(link)->partition == p)
            drop_job(b, job_of(link));
    }
    for (size_t i = 0; i < b->n_partitions; i++) {
        if (b->partitions[i] == p) {
            b->partitions[i] = b->partitions[--b->n_partitions];
            break;
        }
    }
    p->in_batch = false;
}

struct partition *batch_find_partition(const struct batch *b, const char *topic, int32_t id)
{
    for (size_t i = 0; i < b->n_partitions; i++)
        if (b->partitions[i]->id == id && strcmp(b->partitions[i]->topic, topic) == 0)
            return b->partitions[i];
    return NULL;
}
