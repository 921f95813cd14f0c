/* SPDX-License-Identifier: Apache-2.0 */
#include "store/queues.h"

#include <stdio.h>

#include "store/array.h"

#define TEXT_OF(macro) TEXT_OF_NUMBER(macro)
#define TEXT_OF_NUMBER(number) #number

/* A worker that has not beaten for this long is not counted as live, nor one that takes no jobs because it is drained. */
#define LIVE "drain_at IS NULL AND beat_at > clock_timestamp() - interval '15 seconds'"

int queues_list(struct db *db, struct rows **ret, struct err *reterr)
{
    return db_query(
        db,
        "WITH waiting AS (SELECT w.queue, sum(c.n)::bigint AS n, jsonb_object_agg(c.reason, c.n)::text AS reasons"
        " FROM job.pending_queues() AS w (queue), LATERAL (SELECT reason, count(*) AS n FROM (SELECT p.reason"
        "  FROM job.pending p WHERE p.queue = w.queue ORDER BY p.run_at, p.id LIMIT " TEXT_OF(
            QUEUES_COUNT_MAX) ") x GROUP BY reason) c GROUP BY w.queue),"
                              " leased AS (SELECT queue, count(*) AS n FROM job.lease GROUP BY queue),"
                              " dead AS (SELECT queue, sum(n)::bigint AS n FROM job.dead_count GROUP BY queue HAVING sum(n) > 0),"
                              " served AS (SELECT q.queue, count(*) AS n FROM job.worker w, unnest(w.queues) AS q (queue)"
                              " WHERE " LIVE " GROUP BY q.queue),"
                              " paused AS (SELECT name AS queue, true AS held FROM job.queue WHERE paused_at IS NOT NULL)"
                              " SELECT queue, coalesce(waiting.n, 0), waiting.reasons, coalesce(leased.n, 0), coalesce(dead.n, 0),"
                              " coalesce(served.n, 0), coalesce(paused.held, false)"
                              " FROM waiting FULL JOIN leased USING (queue) FULL JOIN dead USING (queue) FULL JOIN served USING (queue)"
                              " FULL JOIN paused USING (queue)"
                              " ORDER BY queue",
        NULL, 0, ret, reterr);
}

int queues_list_cursors(struct db *db, struct rows **ret, struct err *reterr)
{
    return db_query(db,
                    "SELECT topic, partition, next_offset, owner FROM job.cursor ORDER BY topic, partition",
                    NULL, 0, ret, reterr);
}

int queues_find_cursor(struct db *db, const char *topic, int partition, struct rows **ret, struct err *reterr)
{
    char number[12];
    snprintf(number, sizeof(number), "%d", partition);
    struct db_param params[] = { db_text(topic), db_text(number) };
    return db_query(db, "SELECT next_offset FROM job.cursor WHERE topic = $1 AND partition = $2::integer",
                    params, 2, ret, reterr);
}

/* By the index on (queue, run_at): the first ones, and no more than a person waits for. */
#define PENDING_ROWS                                                                                           \
    "(SELECT p.reason, p.run_at FROM job.pending p WHERE p.queue = $1 ORDER BY p.run_at, p.id LIMIT " TEXT_OF( \
        QUEUES_COUNT_MAX) ")"

static int query_queue(struct db *db, const char *sql, const char *queue, struct rows **ret,
                       struct err *reterr)
{
    const struct db_param params[] = { db_text(queue) };
    return db_query(db, sql, params, 1, ret, reterr);
}

int queues_describe(struct db *db, const char *queue, struct rows **ret, struct err *reterr)
{
    return query_queue(
        db,
        "SELECT q.paused_at, q.paused_by, p.n, p.next_run_at,"
        " (SELECT count(*) FROM job.lease l WHERE l.queue = $1), (SELECT count(*) FROM job.dead d WHERE d.queue = $1),"
        " (SELECT count(*) FROM job.worker w WHERE $1::text = ANY (w.queues) AND w.lost_at IS NULL"
        " AND w.drain_at IS NULL AND " LIVE ")"
        " FROM (SELECT count(*) AS n, min(r.run_at) AS next_run_at FROM " PENDING_ROWS " r) p"
        " LEFT JOIN job.queue q ON q.name = $1",
        queue, ret, reterr);
}

int queues_list_reasons(struct db *db, const char *queue, struct rows **ret, struct err *reterr)
{
    return query_queue(db,
                       "SELECT r.reason, count(*), min(r.run_at) FROM " PENDING_ROWS
                       " r GROUP BY r.reason ORDER BY r.reason",
                       queue, ret, reterr);
}

int queues_list_takers(struct db *db, const char *queue, struct rows **ret, struct err *reterr)
{
    return query_queue(db,
                       "SELECT w.id, w.host, w.pid, w.beat_at,"
                       " (SELECT count(*) FROM job.lease l WHERE l.worker = w.id AND l.queue = $1),"
                       " CASE WHEN w.lost_at IS NOT NULL THEN 'lost' ELSE w.phase END,"
                       " $1::text = ANY (w.quiet), w.narrow ->> $1::text"
                       " FROM job.worker w WHERE $1::text = ANY (w.queues) ORDER BY w.id",
                       queue, ret, reterr);
}

int queues_list_ended(struct db *db, const char *queue, struct rows **ret, struct err *reterr)
{
    return query_queue(
        db,
        "SELECT r.state, coalesce(sum(r.n) FILTER (WHERE r.hour = h.hour), 0)::bigint,"
        " coalesce(sum(r.n) FILTER (WHERE r.hour = h.hour - interval '1 hour'), 0)::bigint, sum(r.n)::bigint"
        " FROM (SELECT date_trunc('hour', clock_timestamp()) AS hour) h"
        " JOIN job.rollup r ON r.hour > h.hour - interval '1 day' AND r.hour <= h.hour"
        " WHERE r.queue = $1 GROUP BY r.state ORDER BY r.state",
        queue, ret, reterr);
}

/* Five bytes in front of the bits: worker/window.h. */
int queues_list_places(struct db *db, const char *const *topics, size_t n_topics, struct rows **ret,
                       struct err *reterr)
{
    _cleanup_(array_done) struct array names = { 0 };
    array_init(&names, PG_TEXT_ARRAY);
    for (size_t i = 0; i < n_topics; i++)
        array_append_span(&names, span_from_string(topics[i]));
    struct db_param params[] = { array_param(&names) };
    return db_query(
        db,
        "SELECT c.topic, c.partition, c.next_offset,"
        " coalesce(CASE WHEN octet_length(c.done) > 5 THEN bit_count(substr(c.done, 6)) END, 0)::bigint,"
        " c.owner, w.beat_at, c.updated_at, CASE WHEN c.reset_to IS NULL THEN c.trouble ELSE 'reset' END, c.crash_count"
        " FROM job.cursor c LEFT JOIN job.worker w ON w.id = c.owner"
        " WHERE c.topic = ANY ($1) ORDER BY c.topic, c.partition",
        params, 1, ret, reterr);
}

int queues_list_keys(struct db *db, const char *const *topics, size_t n_topics, int limit, struct rows **ret,
                     struct err *reterr)
{
    _cleanup_(array_done) struct array names = { 0 };
    char number[12];
    array_init(&names, PG_TEXT_ARRAY);
    for (size_t i = 0; i < n_topics; i++)
        array_append_span(&names, span_from_string(topics[i]));
    snprintf(number, sizeof(number), "%d", limit);
    struct db_param params[] = { array_param(&names), db_text(number) };
    return db_query(
        db,
        "SELECT key, id, state, type, attempt, run_at, since, jobs, partition, topic FROM job.held_key "
        "WHERE topic = ANY ($1) ORDER BY since, id LIMIT $2::integer",
        params, 2, ret, reterr);
}

int queues_set_paused(struct db *db, const char *queue, bool paused, bool *ret_changed, struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    const struct db_param params[] = { db_text(queue) };
    int r = db_query(db, paused ? "SELECT job.pause_queue($1)" : "SELECT job.resume_queue($1)", params, 1,
                     &rows, reterr);
    if (r == 0)
        *ret_changed = rows_bool(rows, 0, 0);
    return r;
}

int queues_count_busy(struct db *db, const char *queue, int64_t *ret_leases, int64_t *ret_workers,
                      struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    const struct db_param params[] = { db_text(queue) };
    int r = db_query(db,
                     "SELECT (SELECT count(*) FROM job.lease l WHERE l.queue = $1),"
                     " (SELECT count(*) FROM job.worker w WHERE $1 = ANY (w.queues) AND $1 <> ALL (w.quiet))",
                     params, 1, &rows, reterr);
    if (r == 0) {
        *ret_leases = rows_bigint(rows, 0, 0);
        *ret_workers = rows_bigint(rows, 0, 1);
    }
    return r;
}

int queues_count_workers(struct db *db, const char *queue, struct rows **ret, struct err *reterr)
{
    struct db_param params[] = { db_text(queue) };
    return db_query(db, "SELECT count(*) FROM job.worker WHERE $1::text = ANY (queues) AND " LIVE, params, 1,
                    ret, reterr);
}

int queues_list_narrow(struct db *db, struct rows **ret, struct err *reterr)
{
    return db_query(db,
                    "SELECT n.key, w.id, n.value, (SELECT count(*) FROM job.pending p"
                    " WHERE p.queue = n.key AND p.reason = 'retry')"
                    " FROM job.worker w, jsonb_each_text(w.narrow) AS n WHERE " LIVE " ORDER BY n.key, w.id",
                    NULL, 0, ret, reterr);
}
