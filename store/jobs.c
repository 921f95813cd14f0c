/* SPDX-License-Identifier: Apache-2.0 */
#include "store/jobs.h"

#include "store/array.h"

int jobs_find(struct db *db, const struct uuid *id, struct rows **ret, struct err *reterr)
{
    struct db_param params[] = { db_uuid(id) };
    return db_query(
        db,
        "SELECT s.id, s.state, s.queue, s.type, s.reason,"
        " s.attempt, s.delivery, s.run_at, coalesce(r.enqueued_at, l.enqueued_at), s.started_at,"
        " s.finished_at, s.worker, r.cpu_ms, r.peak_kib, r.trace_id,"
        " coalesce(r.topic, l.topic, p.topic), coalesce(r.partition, l.partition, p.partition),"
        " coalesce(r.\"offset\", l.\"offset\"), r.parent, r.error, r.result::text, l.progress::text,"
        " coalesce(l.headers, p.headers, d.headers)::text, coalesce(l.key, p.key, d.key),"
        " coalesce(l.payload, p.payload, d.payload)"
        " FROM job.status s LEFT JOIN job.result r ON r.id = $1 LEFT JOIN job.lease l ON l.id = $1"
        " LEFT JOIN job.pending p ON p.id = $1 LEFT JOIN job.dead d ON d.id = $1"
        " WHERE s.id = $1 LIMIT 1",
        params, 1, ret, reterr);
}

int jobs_list_attempts(struct db *db, const struct uuid *id, struct rows **ret, struct err *reterr)
{
    struct db_param params[] = { db_uuid(id) };
    return db_query(
        db,
        "SELECT delivery, attempt, outcome, error, started_at, finished_at, worker, cpu_ms, peak_kib"
        " FROM job.attempt WHERE id = $1 ORDER BY delivery",
        params, 1, ret, reterr);
}

static int query_ids(struct db *db, const char *sql, const struct uuid *ids, size_t n, struct rows **ret,
                     struct err *reterr)
{
    _cleanup_(array_done) struct array array = { 0 };
    array_init(&array, PG_UUID_ARRAY);
    for (size_t i = 0; i < n; i++)
        array_append_uuid(&array, &ids[i]);
    struct db_param params[] = { array_param(&array) };
    return db_query(db, sql, params, 1, ret, reterr);
}

int jobs_list_ended(struct db *db, const struct uuid *ids, size_t n, struct rows **ret, struct err *reterr)
{
    return query_ids(
        db,
        "SELECT id, queue, type, state, reason, attempt, delivery, result::text, error, enqueued_at,"
        " started_at, finished_at, worker, cpu_ms, peak_kib, trace_id, topic, partition, \"offset\", parent"
        " FROM job.result WHERE id = ANY ($1) ORDER BY id",
        ids, n, ret, reterr);
}

int jobs_list_known(struct db *db, const struct uuid *ids, size_t n, struct rows **ret, struct err *reterr)
{
    return query_ids(db,
                     "SELECT w.id FROM unnest($1::uuid[]) AS w (id)"
                     " WHERE EXISTS (SELECT FROM job.result r WHERE r.id = w.id)"
                     " OR EXISTS (SELECT FROM job.lease l WHERE l.id = w.id)"
                     " OR EXISTS (SELECT FROM job.pending p WHERE p.id = w.id)"
                     " OR EXISTS (SELECT FROM job.attempt a WHERE a.id = w.id)",
                     ids, n, ret, reterr);
}

int jobs_cancel(struct db *db, const struct uuid *ids, size_t n, struct rows **ret, struct err *reterr)
{
    return query_ids(db, "SELECT job, action FROM job.cancel_jobs($1)", ids, n, ret, reterr);
}

int jobs_forget(struct db *db, struct err *reterr)
{
    return db_query(db, "SELECT job.forget_cancels(), job.forget_holds(), job.forget_unique()", NULL, 0, NULL,
                    reterr);
}

int jobs_listen_for_ends(struct db *db, struct err *reterr)
{
    return db_execute(db, "LISTEN job_result", reterr);
}
