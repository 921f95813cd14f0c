/* SPDX-License-Identifier: Apache-2.0 */
#include "store/workers.h"

#include <stdio.h>

/* As long as queues_count_workers() has it. */
#define SILENT "beat_at <= clock_timestamp() - interval '15 seconds'"
#define STATE                                                                                                \
    "CASE WHEN w.lost_at IS NOT NULL THEN 'lost' WHEN w." SILENT " THEN 'silent'"                            \
    " WHEN w.phase = 'stopping' THEN 'stopping'"                                                             \
    " WHEN w.drain_at IS NOT NULL AND w.phase = 'drained' THEN 'drained'"                                    \
    " WHEN w.drain_at IS NOT NULL THEN 'draining'"                                                           \
    " WHEN w.queues <@ w.quiet AND cardinality(w.queues) > 0 THEN 'quiet' ELSE 'running' END"

int workers_list(struct db *db, const struct workers_filter *filter, struct rows **ret, struct err *reterr)
{
    char limit[12];
    snprintf(limit, sizeof(limit), "%d", WORKERS_MAX);
    const struct db_param params[] = { db_text(filter->queue), db_text(filter->state), db_text(filter->word),
                                       db_text(limit) };
    return db_query(
        db,
        "WITH owned AS (SELECT c.owner, count(*) AS n FROM job.cursor c WHERE c.owner IS NOT NULL GROUP BY c.owner)"
        " SELECT w.id, w.host, w.pid, w.state, to_jsonb(w.queues)::text,"
        " (SELECT count(*) FROM job.lease l WHERE l.worker = w.id), coalesce(o.n, 0),"
        " w.started_at, w.beat_at, nullif(w.narrow, '{}')::text, w.drain_at, w.drain_by,"
        " to_jsonb(w.quiet)::text, w.http, w.lost_at"
        " FROM (SELECT w.*, " STATE " AS state FROM job.worker w) AS w LEFT JOIN owned o ON o.owner = w.id"
        " WHERE ($1::text IS NULL OR $1 = ANY (w.queues)) AND ($2::text IS NULL OR w.state = $2)"
        " AND ($3::text IS NULL OR w.host = $3 OR starts_with(w.id, $3))"
        " ORDER BY w.id = $3 DESC NULLS LAST, w.id LIMIT $4::integer",
        params, ARRAY_SIZE(params), ret, reterr);
}

int workers_list_leases(struct db *db, const char *worker, int limit, struct rows **ret, struct err *reterr)
{
    char text[12];
    snprintf(text, sizeof(text), "%d", limit);
    const struct db_param params[] = { db_text(worker), db_text(text) };
    return db_query(db,
                    "SELECT l.id, l.queue, l.type, l.attempt, l.delivery, l.started_at, l.progress::text"
                    " FROM job.lease l WHERE l.worker = $1 ORDER BY l.started_at, l.id LIMIT $2::integer",
                    params, ARRAY_SIZE(params), ret, reterr);
}

int workers_list_places(struct db *db, const char *worker, struct rows **ret, struct err *reterr)
{
    const struct db_param params[] = { db_text(worker) };
    return db_query(db,
                    "SELECT c.topic, c.partition, c.next_offset, c.epoch, c.updated_at"
                    " FROM job.cursor c WHERE c.owner = $1 ORDER BY c.topic, c.partition",
                    params, ARRAY_SIZE(params), ret, reterr);
}

int workers_set_drained(struct db *db, const char *worker, bool drained, enum workers_change *ret,
                        struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    const struct db_param params[] = { db_text(worker) };
    int r = db_query(db, drained ? "SELECT job.drain_worker($1)" : "SELECT job.undrain_worker($1)", params,
                     ARRAY_SIZE(params), &rows, reterr);
    if (r == 0)
        *ret = rows_is_null(rows, 0, 0) ? WORKERS_GONE
               : rows_bool(rows, 0, 0)  ? WORKERS_CHANGED
                                        : WORKERS_WAS_SO;
    return r;
}
