/* SPDX-License-Identifier: Apache-2.0 */
/* What PostgreSQL knows about queues as a whole. Changes nothing. */
#pragma once

#include "store/db.h"

/*
 * One row per queue that has a job waiting, running or dead, or a live worker. Columns: queue text; pending bigint;
 * pending_by_reason text (a JSON object of counts; NULL: none); leases, dead, workers bigint. Return: as db_query().
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
 * The keys of some topics whose later jobs wait, those first that wait longest. Columns: key bytea; id uuid, state, type, attempt, run_at
 * of the job that they wait for; since timestamptz; jobs bigint: of the key that have left the log; partition, topic. Return: as db_query().
 */
int queues_list_keys(struct db *db, const char *const *topics, size_t n_topics, int limit, struct rows **ret,
                     struct err *reterr);

/* Live workers that take jobs of @queue. Column: workers bigint. Return: as db_query(). */
int queues_count_workers(struct db *db, const char *queue, struct rows **ret, struct err *reterr);
