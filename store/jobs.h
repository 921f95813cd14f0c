/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at single jobs: what PostgreSQL knows of them, for people and for those who wait. Changes nothing. */
#pragma once

#include "store/db.h"

/*
 * Everything about one job, at most one row. Columns: id uuid; state, queue, type, reason text; attempt, delivery integer;
 * run_at, enqueued_at, started_at, finished_at timestamptz; worker text; cpu_ms, peak_kib integer; trace_id, topic text;
 * partition integer; offset bigint; parent uuid; error text; result, progress, headers JSON as text; key, payload bytea.
 * Return: as db_query().
 */
int jobs_find(struct db *db, const struct uuid *id, struct rows **ret, struct err *reterr);

/*
 * The tries of one job that did not end it, and the last one of a dead job. Columns: delivery, attempt integer; outcome,
 * error text; started_at, finished_at timestamptz; worker text; cpu_ms, peak_kib integer. Return: as db_query().
 */
int jobs_list_attempts(struct db *db, const struct uuid *id, struct rows **ret, struct err *reterr);

/*
 * Those of @ids that have ended, as job.result has them. Columns: id uuid; queue, type, state, reason text;
 * attempt, delivery integer; result JSON as text; error text; enqueued_at, started_at, finished_at timestamptz;
 * worker text; cpu_ms, peak_kib integer; trace_id, topic text; partition integer; offset bigint; parent uuid.
 * Return: as db_query().
 */
int jobs_list_ended(struct db *db, const struct uuid *ids, size_t n, struct rows **ret, struct err *reterr);

/* Which of @ids PostgreSQL knows in any state. Column: id uuid. Return: as db_query(). */
int jobs_list_known(struct db *db, const struct uuid *ids, size_t n, struct rows **ret, struct err *reterr);

/* What became of each (job.cancel_jobs()). Columns: id; action text: cancelled, stopping, noted, ended. Return: as db_query(). */
int jobs_cancel(struct db *db, const struct uuid *ids, size_t n, struct rows **ret, struct err *reterr);
/* Cancellations, holds of keys and unique keys whose job has ended, and cancellations whose job never came. Return: as db_query(). */
int jobs_forget(struct db *db, struct err *reterr);

/* From now on db_wait() gives the ids of jobs that end, if they were enqueued with "reply". Return: as db_query(). */
int jobs_listen_for_ends(struct db *db, struct err *reterr);
