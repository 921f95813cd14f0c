/* SPDX-License-Identifier: Apache-2.0 */
/* What PostgreSQL knows about queues as a whole, and what people want of them. */
#pragma once

#include "store/db.h"

/*
 * One row per queue that has a job waiting, running or dead, or a live worker, or is paused. Columns: queue text; pending bigint (no more than
 * QUEUES_COUNT_MAX are counted);
 * pending_by_reason text (a JSON object of counts; NULL: none); leases, dead, workers bigint; paused boolean. Return: as db_query().
 */
int queues_list(struct db *db, struct rows **ret, struct err *reterr);

/* Columns: topic text; partition integer; next_offset bigint; owner text. Return: as db_query(). */
int queues_list_cursors(struct db *db, struct rows **ret, struct err *reterr);

/*
 * Where recording stands in one partition, no row when it was never read. Column: next_offset bigint. Return: as
 * db_query().
 */
int queues_find_cursor(struct db *db, const char *topic, int partition, struct rows **ret,
                       struct err *reterr);

/*
 * One queue, one row. Columns: paused_at timestamptz; paused_by text; pending bigint (at most QUEUES_COUNT_MAX, then it may be more), next_run_at timestamptz (of
 * these); leases, dead, workers bigint (live ones that nobody has
 * drained). Return: as db_query().
 */
int queues_describe(struct db *db, const char *queue, struct rows **ret, struct err *reterr);
#define QUEUES_COUNT_MAX 50000

/* Its rows of job.pending, the first QUEUES_COUNT_MAX. Columns: reason text; jobs bigint; next_run_at timestamptz. Return: as db_query(). */
int queues_list_reasons(struct db *db, const char *queue, struct rows **ret, struct err *reterr);

/*
 * Workers that take it, live or not. Columns: worker, host text; pid integer; beat_at timestamptz; leases bigint (of the queue); phase text (as
 * job.worker has it, or lost); quiet boolean (it is paused, and nothing of it runs there); narrow text (failed tries per second to which it is held;
 * null: it is not). Return: as db_query().
 */
int queues_list_takers(struct db *db, const char *queue, struct rows **ret, struct err *reterr);

/* Jobs of it that ended in the last day. Columns: state text; this_hour, last_hour, day bigint. Return: as db_query(). */
int queues_list_ended(struct db *db, const char *queue, struct rows **ret, struct err *reterr);

/*
 * How far the partitions of some topics are done. Columns: topic text; partition integer; next_offset bigint; beyond bigint (later records that are
 * done); owner text; beat_at timestamptz (of the owner; null: there is no such worker any more); updated_at timestamptz; trouble text (recreated, reset);
 * crash_count integer. Return: as db_query().
 */
int queues_list_places(struct db *db, const char *const *topics, size_t n_topics, struct rows **ret,
                       struct err *reterr);

/*
 * The keys of some topics whose later jobs wait, those first that wait longest. Columns: key bytea; id uuid, state, type, attempt, run_at
 * of the job that they wait for; since timestamptz; jobs bigint: of the key that have left the log; partition, topic. Return: as db_query().
 */
int queues_list_keys(struct db *db, const char *const *topics, size_t n_topics, int limit, struct rows **ret,
                     struct err *reterr);

/* From now on nothing of @queue starts, or it goes on. @ret_changed: it was not so before. Return: as db_query(). */
int queues_set_paused(struct db *db, const char *queue, bool paused, bool *ret_changed, struct err *reterr);

/* Jobs of a paused queue that have a lease, and workers that have not told that nothing of it runs in them. Return: as db_query(). */
int queues_count_busy(struct db *db, const char *queue, int64_t *ret_leases, int64_t *ret_workers,
                      struct err *reterr);

/*
 * Live workers in which too many tries of a queue fail. Columns: queue text; worker text; rate text (failed tries per second to which it
 * holds them); jobs bigint: of the queue that wait in job.pending for another try. Return: as db_query().
 */
int queues_list_narrow(struct db *db, struct rows **ret, struct err *reterr);

/* Live workers that take jobs of @queue. Column: workers bigint. Return: as db_query(). */
int queues_count_workers(struct db *db, const char *queue, struct rows **ret, struct err *reterr);
