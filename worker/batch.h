/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is in the recorder's current batch: jobs, and the partitions whose cursors move with it.
 *
 * A job's offset is marked in its window when the job enters the batch, and unmarked when the batch is put back; windows
 * advance only when the batch is known to be committed. There is one batch at a time.
 */
#pragma once

#include "store/record.h"
#include "worker/job.h"
#include "worker/outcome.h"
#include "worker/partition.h"

#define BATCH_MAX_JOBS 2000
#define BATCH_MAX_BYTES (4 << 20)
#define BATCH_MAX_PARTITIONS 4096

/* Jobs that wait to be put into a batch. */
struct backlog {
    struct list jobs;
    size_t n, size_bytes;
};

void backlog_init(struct backlog *b);
void backlog_done(struct backlog *b); /* frees the jobs */
void backlog_append(struct backlog *b, struct job *job);
void backlog_remove(struct backlog *b, struct job *job);
/* Frees the jobs of @p, or those that hold a lease. Return: how many. */
size_t backlog_drop(struct backlog *b, const struct partition *p);
size_t backlog_drop_leased(struct backlog *b);

struct batch {
    struct record_batch *rows;
    struct list jobs; /* claims, then finished ones */
    size_t n_jobs, size_bytes;
    struct list handovers; /* running jobs, by their lease_link */
    size_t n_handovers;
    struct partition *partitions[BATCH_MAX_PARTITIONS];
    size_t n_partitions;
    int64_t seq;   /* batch_seq that it writes */
    bool releases; /* gives the closing partitions back */
    struct outcome_texts texts;
};

int batch_init(struct batch *b);
void batch_done(struct batch *b);

/* Empties it. */
void batch_begin(struct batch *b);
/* Moves jobs in from a backlog, until there are @limit or BATCH_MAX_BYTES. */
void batch_add_claims(struct batch *b, struct backlog *claims, size_t limit, struct outcome_context *context);
/* The same with running jobs, whose list is by lease_link. */
void batch_add_handovers(struct batch *b, struct list *wanted, size_t *n_wanted, size_t limit,
                         struct outcome_context *context);
void batch_add_finished(struct batch *b, struct backlog *finished, size_t limit,
                        struct outcome_context *context);
/* Moves the cursor of @p, too. */
void batch_touch(struct batch *b, struct partition *p);
/* Gives back the cursors of those partitions in the list that can be given back. */
void batch_touch_releasable(struct batch *b, struct list *partitions);
/* Last: the state of every touched cursor. */
void batch_add_cursors(struct batch *b);

/* Committed: cursors and windows move. The jobs stay, for batch_take_job(). */
void batch_advance(struct batch *b, void (*advanced)(struct partition *p, void *userdata), void *userdata);
/* The next job of the batch, which is the caller's then; NULL when there is none left. */
struct job *batch_take_job(struct batch *b);
/* The same for the running ones; they may have finished meanwhile. */
struct job *batch_take_handover(struct batch *b);
/* Not committed: cursors and windows are as they were. The hand-overs stay, for batch_take_handover(). */
void batch_put_back(struct batch *b, struct backlog *claims, struct backlog *finished);
/* How many rows the batch is about: what bisecting halves. */
size_t batch_n_rows(const struct batch *b);

/* The partition goes away while the batch is under way. */
void batch_drop_partition(struct batch *b, struct partition *p);
struct partition *batch_find_partition(const struct batch *b, const char *topic, int32_t id);

/* A claim has not run yet; everything else in a batch has an outcome. */
static inline bool job_is_claim(const struct job *job)
{
    return job->outcome == OUTCOME_NONE;
}
