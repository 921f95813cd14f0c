/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at single jobs: what PostgreSQL knows of them, for people and for those who wait. Changes nothing. */
#pragma once

#include "store/db.h"

/*
 * Everything about one job, at most one row. Columns: id uuid; state, queue, type, reason text; attempt, delivery integer;
 * run_at, enqueued_at, started_at, finished_at timestamptz; worker text; cpu_ms, peak_kib integer; trace_id, topic text;
 * partition integer; offset bigint; parent uuid; error text; result, progress, headers JSON as text; key, payload bytea;
 * place text; tags JSON as text; unique_key text; unique_until, died_at timestamptz.
 * Return: as db_query().
 */
int jobs_find(struct db *db, const struct uuid *id, struct rows **ret, struct err *reterr);

/*
 * The tries of one job that did not end it, and the last one of a dead job. Columns: delivery, attempt integer; outcome,
 * error text; started_at, finished_at timestamptz; worker text; cpu_ms, peak_kib integer. Return: as db_query().
 */
int jobs_list_attempts(struct db *db, const struct uuid *id, struct rows **ret, struct err *reterr);

/*
 * What is known to have happened to one job, and when it is due, in the order of time. Columns: at timestamptz; event text (enqueued, started, due,
 * a try's outcome, an ended job's state, an action of job.audit); delivery, attempt integer; worker, actor, detail text. Return: as db_query().
 */
int jobs_list_timeline(struct db *db, const struct uuid *id, struct rows **ret, struct err *reterr);

/*
 * Jobs whose parent this one is, the oldest first: at most @n_wanted, looked for among the @n_read rows of each relation that follow its id. Columns: id
 * uuid; state, queue, type text; edge uuid: how far it has looked, null: to the end. At least one row: without children it has the edge
 * alone. Return: as db_query().
 */
int jobs_list_children(struct db *db, const struct uuid *id, int n_read, int n_wanted, struct rows **ret,
                       struct err *reterr);

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
