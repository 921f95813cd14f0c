/* SPDX-License-Identifier: Apache-2.0 */
#include "store/jobs.h"

#include <stdio.h>

#include "base/cleanup.h"
#include "store/array.h"
#include "store/job_sql.h"

#define TRACE_OF_MESSAGE JOB_SQL_TRACE("m")
#define PARENT_OF_MESSAGE JOB_SQL_PARENT("m")
#define TAGS_OF_MESSAGE JOB_SQL_TAGS("m")

int jobs_find(struct db *db, const struct uuid *id, struct rows **ret, struct err *reterr)
{
    struct db_param params[] = { db_uuid(id) };
    return db_query(
        db,
        "SELECT s.id, s.state, s.queue, s.type, s.reason, s.attempt, s.delivery, s.run_at,"
        " coalesce(r.enqueued_at, l.enqueued_at, d.enqueued_at), s.started_at, s.finished_at, s.worker, r.cpu_ms,"
        " r.peak_kib, coalesce(r.trace_id, " TRACE_OF_MESSAGE "),"
        " coalesce(r.topic, l.topic, p.topic, d.topic), coalesce(r.partition, l.partition, p.partition, d.partition),"
        " coalesce(r.\"offset\", l.\"offset\", d.\"offset\"), coalesce(r.parent, " PARENT_OF_MESSAGE "),"
        " coalesce(r.error, d.error), r.result::text, l.progress::text, m.headers::text, m.key, m.payload,"
        " CASE WHEN d.id IS NOT NULL THEN 'dead letter'"
        " WHEN r.state = 'dead' THEN 'ended, its dead letter was purged'"
        " WHEN r.id IS NOT NULL THEN 'ended'"
        " WHEN l.id IS NOT NULL THEN 'lease of ' || l.worker"
        " WHEN p.id IS NOT NULL THEN 'pending, ' || p.reason"
        " ELSE 'on its way through Kafka' END,"
        " " TAGS_OF_MESSAGE ", coalesce(u.key, m.headers ->> 'ce_uniquekey'), u.until, d.died_at"
        " FROM job.status s LEFT JOIN job.result r ON r.id = $1 LEFT JOIN job.lease l ON l.id = $1"
        " LEFT JOIN job.pending p ON p.id = $1 LEFT JOIN job.dead d ON d.id = $1"
        " LEFT JOIN (SELECT * FROM job.unique WHERE id = $1 LIMIT 1) u ON true"
        " CROSS JOIN LATERAL (SELECT coalesce(l.headers, p.headers, d.headers) AS headers, coalesce(l.key, p.key, d.key) AS key,"
        " coalesce(l.payload, p.payload, d.payload) AS payload) m"
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

/* The time in a UUIDv7. */
#define TIME_OF_ID                                                                                           \
    "CASE WHEN substr($1::text, 15, 1) = '7' THEN"                                                           \
    " to_timestamp(('x' || lpad(replace(left($1::text, 13), '-', ''), 16, '0'))::bit(64)::bigint / 1000.0) END"

/* What people did is looked for among the newest lines of the audit, since the job's own time. */
int jobs_list_timeline(struct db *db, const struct uuid *id, struct rows **ret, struct err *reterr)
{
    struct db_param params[] = { db_uuid(id) };
    return db_query(
        db,
        "WITH r AS MATERIALIZED (SELECT * FROM job.result WHERE id = $1),"
        " l AS MATERIALIZED (SELECT * FROM job.lease WHERE id = $1),"
        " p AS MATERIALIZED (SELECT * FROM job.pending WHERE id = $1),"
        " d AS MATERIALIZED (SELECT * FROM job.dead WHERE id = $1),"
        " a AS MATERIALIZED (SELECT * FROM job.attempt WHERE id = $1),"
        " w AS MATERIALIZED (SELECT * FROM job.replayed WHERE id = $1),"
        " b AS MATERIALIZED (SELECT coalesce((SELECT enqueued_at FROM r), (SELECT enqueued_at FROM l),"
        " (SELECT enqueued_at FROM d), " TIME_OF_ID ") AS at),"
        " did AS MATERIALIZED (SELECT * FROM job.audit WHERE at >= coalesce((SELECT at FROM b), '-infinity')"
        " ORDER BY at DESC LIMIT 2000)"
        " SELECT t.at, t.event, t.delivery, t.attempt, t.worker, t.actor, t.detail FROM ("
        "SELECT b.at, 0 AS rank, 'enqueued'::text AS event, NULL::integer AS delivery, NULL::integer AS attempt,"
        " NULL::text AS worker, NULL::text AS actor, NULL::text AS detail FROM b WHERE b.at IS NOT NULL"
        " UNION ALL SELECT started_at, 1, 'started', delivery, attempt, worker, NULL, NULL FROM a WHERE started_at IS NOT NULL"
        " UNION ALL SELECT finished_at, 2, outcome, delivery, attempt, worker, NULL, error FROM a"
        " UNION ALL SELECT started_at, 1, 'started', delivery, attempt, worker, NULL, NULL FROM l"
        " UNION ALL SELECT started_at, 1, 'started', delivery, attempt, worker, NULL, NULL FROM r"
        " WHERE started_at IS NOT NULL AND NOT EXISTS (SELECT FROM a WHERE a.delivery = r.delivery)"
        " UNION ALL SELECT finished_at, 3, state, delivery, attempt, worker, NULL, coalesce(error, reason) FROM r"
        " UNION ALL SELECT died_at, 3, 'dead', delivery, attempt, NULL, NULL, coalesce(error, reason) FROM d"
        " WHERE NOT EXISTS (SELECT FROM r)"
        " UNION ALL SELECT run_at, 4, 'due', delivery, attempt, NULL, NULL, reason FROM p"
        " UNION ALL SELECT died_at, 3, 'dead', delivery, attempt, NULL, NULL, coalesce(error, reason) FROM w"
        " UNION ALL SELECT replayed_at, 4, 'replay', NULL, NULL, NULL, replayed_by, 'bulk run ' || run FROM w"
        " UNION ALL SELECT at, 2, action, NULL, NULL, NULL, actor, nullif((detail - 'jobs' - 'ids')::text, '{}') FROM did"
        " WHERE (job = $1 OR detail -> 'ids' ? $1::text) AND NOT (action = 'replay' AND EXISTS (SELECT FROM w))"
        ") t ORDER BY t.at, t.rank, t.delivery",
        params, 1, ret, reterr);
}

/* One relation after the other from the job on, by its index, so many rows of each at most. */
#define AFTER_IT(what) "(SELECT * FROM job." what " WHERE id > $1 ORDER BY id LIMIT $2::integer)"
#define EDGE_OF(name)                                                                                        \
    "CASE WHEN (SELECT count(*) FROM " name ") = $2::integer"                                                \
    " THEN (SELECT id FROM " name " ORDER BY id DESC LIMIT 1) END"

#define AFTER_IT_IN_RESULT AFTER_IT("result")
#define AFTER_IT_IN_DEAD AFTER_IT("dead")
#define AFTER_IT_IN_LEASE AFTER_IT("lease")
#define AFTER_IT_IN_PENDING AFTER_IT("pending")
#define EDGE_OF_R EDGE_OF("r")
#define EDGE_OF_D EDGE_OF("d")
#define EDGE_OF_L EDGE_OF("l")
#define EDGE_OF_P EDGE_OF("p")
#define PARENT_OF_D JOB_SQL_PARENT("d")
#define PARENT_OF_L JOB_SQL_PARENT("l")
#define PARENT_OF_P JOB_SQL_PARENT("p")
#define STATE_OF_P JOB_SQL_PENDING_STATE("p")

int jobs_list_children(struct db *db, const struct uuid *id, int n_read, int n_wanted, struct rows **ret,
                       struct err *reterr)
{
    char read[12], wanted[12];
    snprintf(read, sizeof(read), "%d", n_read);
    snprintf(wanted, sizeof(wanted), "%d", n_wanted);
    struct db_param params[] = { db_uuid(id), db_text(read), db_text(wanted) };
    int r = db_begin(db, reterr);
    if (r)
        return r;
    r = db_execute(db, JOB_SQL_BY_INDEX, reterr);
    if (r == 0)
        r = db_query(db,
                     "WITH r AS MATERIALIZED " AFTER_IT_IN_RESULT ", d AS MATERIALIZED " AFTER_IT_IN_DEAD ","
                     " l AS MATERIALIZED " AFTER_IT_IN_LEASE ", p AS MATERIALIZED " AFTER_IT_IN_PENDING ","
                     " e AS MATERIALIZED (SELECT least(" EDGE_OF_R ", " EDGE_OF_D ", " EDGE_OF_L
                     ", " EDGE_OF_P ") AS edge)"
                     " SELECT c.id, c.state, c.queue, c.type, e.edge FROM e LEFT JOIN (SELECT * FROM ("
                     "SELECT id, state, queue, type FROM r WHERE parent = $1"
                     " UNION SELECT id, 'dead', queue, type FROM d WHERE " PARENT_OF_D " = $1"
                     " UNION SELECT id, 'running', queue, type FROM l WHERE " PARENT_OF_L " = $1"
                     " UNION SELECT id, " STATE_OF_P ", queue, type FROM p WHERE " PARENT_OF_P " = $1"
                     ") f ORDER BY f.id LIMIT $3::integer) c ON true ORDER BY c.id",
                     params, ARRAY_SIZE(params), ret, reterr);
    db_rollback(db); /* it has only looked */
    return r;
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
