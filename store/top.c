/* SPDX-License-Identifier: Apache-2.0 */
#include "store/top.h"

#include <stdio.h>

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

int top_prepare(struct db *db, struct err *reterr)
{
    return db_execute(db, "SET jit = off; SET max_parallel_workers_per_gather = 0", reterr);
}

int top_count(struct db *db, struct rows **ret, struct err *reterr)
{
    return db_query_often(
        db,
        "WITH dead AS MATERIALIZED (SELECT d.queue FROM job.dead d LIMIT " TEXT(
            TOP_DEAD_MAX) " + 1),"
                          " leased AS MATERIALIZED (SELECT l.queue FROM job.lease l LIMIT " TEXT(
                              TOP_LEASES_MAX) " + 1)"
                                              " SELECT 'pending', q.queue, (SELECT count(*) FROM (SELECT FROM job.pending p"
                                              " WHERE p.queue = q.queue LIMIT " TEXT(
                                                  TOP_COUNT_MAX) " + 1) c),"
                                                                 " (SELECT count(*) FROM (SELECT FROM job.pending p"
                                                                 " WHERE p.queue = q.queue AND p.run_at <= now() LIMIT " TEXT(
                                                                     TOP_COUNT_MAX) " + 1) c),"
                                                                                    " (SELECT p.run_at FROM job.pending p WHERE p.queue = q.queue ORDER BY p.run_at LIMIT 1)"
                                                                                    " FROM job.pending_queues() AS q (queue)"
                                                                                    " UNION ALL SELECT 'lease', l.queue, count(*), 0, NULL FROM leased l GROUP BY l.queue"
                                                                                    " UNION ALL SELECT 'lease', NULL, count(*), 0, NULL FROM leased"
                                                                                    " UNION ALL SELECT 'dead', d.queue, count(*), 0, NULL FROM dead d GROUP BY d.queue"
                                                                                    " UNION ALL SELECT 'dead', NULL, count(*), 0, NULL FROM dead"
                                                                                    " UNION ALL SELECT 'paused', q.name, 1, 0, q.paused_at FROM job.queue q WHERE q.paused_at IS NOT NULL"
                                                                                    " UNION ALL SELECT 'now', NULL, 0, 0, clock_timestamp()"
                                                                                    " UNION ALL SELECT 'broker', NULL, count(*), 0, NULL FROM pg_stat_activity a"
                                                                                    " WHERE a.datname = current_database() AND a.application_name = 'clock'",
        NULL, 0, ret, reterr);
}

int top_list_ends(struct db *db, struct rows **ret, struct err *reterr)
{
    return db_query_often(
        db,
        "SELECT t.hour, t.queue, t.state, sum(t.n)::bigint, clock_timestamp() FROM job.rollup t"
        " WHERE t.hour >= date_trunc('hour', now() - interval '1 hour')"
        " GROUP BY t.hour, t.queue, t.state ORDER BY t.hour, t.queue, t.state",
        NULL, 0, ret, reterr);
}

int top_list_slow(struct db *db, int limit, struct rows **ret, struct err *reterr)
{
    char text[12];
    snprintf(text, sizeof(text), "%d", limit);
    const struct db_param params[] = { db_text(text) };
    return db_query_often(
        db,
        "SELECT l.id, l.queue, l.type, l.worker, l.attempt, l.started_at, left(l.progress::text, 200)"
        " FROM (SELECT s.id FROM (SELECT id, started_at FROM job.lease LIMIT " TEXT(
            TOP_LEASES_MAX) ") s"
                            " ORDER BY s.started_at, s.id LIMIT $1::integer) s JOIN job.lease l ON l.id = s.id"
                            " ORDER BY l.started_at, l.id",
        params, ARRAY_SIZE(params), ret, reterr);
}

int top_list_failures(struct db *db, int64_t since_us, int limit, struct rows **ret, struct err *reterr)
{
    char since[24], text[12];
    snprintf(since, sizeof(since), "%lld", (long long)since_us);
    snprintf(text, sizeof(text), "%d", limit);
    const struct db_param params[] = { db_text(since), db_text(text) };
    return db_query_often(
        db,
        "SELECT a.id, a.finished_at, a.outcome, left(a.error, 400), j.queue, j.type"
        " FROM (SELECT * FROM job.attempt a WHERE a.finished_at > timestamptz 'epoch' + $1::bigint * interval '1 microsecond'"
        " AND a.outcome IN ('failed', 'timeout', 'crashed', 'oom', 'lost') LIMIT $2::integer) a"
        " LEFT JOIN LATERAL (SELECT p.queue, p.type FROM job.pending p WHERE p.id = a.id"
        " UNION ALL SELECT r.queue, r.type FROM job.result r WHERE r.id = a.id"
        " UNION ALL SELECT l.queue, l.type FROM job.lease l WHERE l.id = a.id LIMIT 1) j ON true"
        " ORDER BY a.finished_at",
        params, ARRAY_SIZE(params), ret, reterr);
}
