/* SPDX-License-Identifier: Apache-2.0 */
#include "store/tail.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/pgtypes.h"

struct time_room {
    uint64_t value;
};

/* timestamptz; INT64_MAX is infinity. */
static struct db_param time_param(int64_t us, struct time_room *room)
{
    room->value = htobe64(us == INT64_MAX ? (uint64_t)INT64_MAX : (uint64_t)(us - PG_EPOCH_US));
    return (struct db_param){
        .oid = PG_TIMESTAMPTZ, .data = &room->value, .size = sizeof(room->value), .binary = true
    };
}

/* Only the index on the time of the end is right for this, and whoever looks every moment must not keep several processors busy. */
int tail_begin(struct db *db, struct tail_mark *ret, struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    int r = db_begin(db, reterr);
    if (r == 0)
        r = db_execute(db,
                       "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;"
                       "SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off;"
                       "SET LOCAL enable_mergejoin = off; SET LOCAL jit = off;"
                       "SET LOCAL max_parallel_workers_per_gather = 0",
                       reterr);
    if (r == 0)
        r = db_query_often(db, "SELECT clock_timestamp(), pg_snapshot_xmin(pg_current_snapshot())::text",
                           NULL, 0, &rows, reterr);
    if (r) {
        db_rollback(db);
        return r;
    }
    ret->now_us = rows_time_us(rows, 0, 0);
    ret->horizon = (uint32_t)strtoull(rows_text(rows, 0, 1), NULL, 10);
    return 0;
}

void tail_end(struct db *db)
{
    db_rollback(db);
}

int tail_count(struct db *db, int64_t from_us, int64_t *ret, struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    struct time_room room;
    const struct db_param params[] = { time_param(from_us, &room) };
    int r = db_query_often(db,
                           "SELECT coalesce(sum(t.n), 0)::bigint FROM job.rollup t"
                           " WHERE t.hour >= date_trunc('hour', $1::timestamptz)",
                           params, ARRAY_SIZE(params), &rows, reterr);
    if (r == 0)
        *ret = rows_bigint(rows, 0, 0);
    return r;
}

#define FILTER                                                                                               \
    "($1::text IS NULL OR w.queue = $1) AND ($2::text IS NULL OR w.type = $2)"                               \
    " AND ($3::text IS NULL OR w.state = $3) AND ($4::text IS NULL OR starts_with(w.worker, $4))"            \
    " AND ($5::text IS NULL OR strpos(lower(w.error), lower($5)) > 0)"

#define ENDS                                                                                                 \
    "SELECT r.id, r.finished_at, r.state, r.reason, r.queue, r.type, r.attempt, r.delivery, r.started_at,"   \
    " r.worker, r.error, true AS is_end, r.xmin AS xid FROM job.result r"
/* What has ended the job is an end. Where it has gone since is known for a while. */
#define TRIES                                                                                                \
    "SELECT a.id, a.finished_at, 'retrying' AS state, a.outcome AS reason, j.queue, j.type, a.attempt,"      \
    " a.delivery, a.started_at, a.worker, a.error, false AS is_end, a.xmin AS xid FROM job.attempt a"        \
    " LEFT JOIN LATERAL (SELECT p.queue, p.type FROM job.pending p WHERE p.id = a.id"                        \
    " UNION ALL SELECT l.queue, l.type FROM job.lease l WHERE l.id = a.id"                                   \
    " UNION ALL SELECT d.queue, d.type FROM job.result d WHERE d.id = a.id LIMIT 1) j ON true"
#define IS_FAILED_TRY                                                                                        \
    "a.outcome IN ('failed', 'timeout', 'crashed', 'oom', 'lost')"                                           \
    " AND NOT EXISTS (SELECT FROM job.result e WHERE e.id = a.id AND e.delivery = a.delivery)"

/* $1 to $5 */
static void put_filter(const struct tail_filter *f, struct db_param *params)
{
    params[0] = db_text(f->queue);
    params[1] = db_text(f->type);
    params[2] = db_text(f->state);
    params[3] = db_text(f->worker);
    params[4] = db_text(f->error);
}

int tail_list(struct db *db, const struct tail_range *range, const struct tail_filter *filter,
              struct rows **ret, struct err *reterr)
{
    struct time_room room[3];
    char horizon[16];
    struct db_param params[9];
    snprintf(horizon, sizeof(horizon), "%u", range->horizon);
    put_filter(filter, params);
    params[5] = time_param(range->from_us, &room[0]);
    params[6] = time_param(range->tries_from_us, &room[1]);
    params[7] = time_param(range->to_us, &room[2]);
    params[8] = db_text(horizon);
    return db_query_often(
        db,
        "WITH young AS (SELECT age($9::text::xid) AS most),"
        " met AS (" ENDS " WHERE r.finished_at >= $6 AND r.finished_at < $8"
        " AND age(r.xmin) <= (SELECT most FROM young)"
        " UNION ALL " TRIES " WHERE a.finished_at >= $7 AND a.finished_at < $8"
        " AND age(a.xmin) <= (SELECT most FROM young) AND " IS_FAILED_TRY "),"
        " w AS (SELECT w.*, (" FILTER ") IS TRUE AS wanted FROM met w)"
        " SELECT w.id, w.finished_at, CASE WHEN w.wanted THEN w.state END,"
        " CASE WHEN w.wanted THEN w.reason END, CASE WHEN w.wanted THEN w.queue END,"
        " CASE WHEN w.wanted THEN w.type END, CASE WHEN w.wanted THEN w.attempt END, w.delivery,"
        " CASE WHEN w.wanted THEN w.started_at END, CASE WHEN w.wanted THEN"
        " (extract(epoch FROM w.finished_at - w.started_at) * 1000)::bigint END,"
        " CASE WHEN w.wanted THEN w.worker END, CASE WHEN w.wanted THEN w.error END, w.is_end, w.wanted,"
        " w.xid::text::bigint FROM w ORDER BY w.finished_at, w.id",
        params, ARRAY_SIZE(params), ret, reterr);
}

int tail_list_last(struct db *db, int64_t from_us, int64_t to_us, const struct tail_filter *filter, int limit,
                   struct rows **ret, struct err *reterr)
{
    struct time_room room[2];
    char number[12];
    struct db_param params[8];
    snprintf(number, sizeof(number), "%d", limit);
    put_filter(filter, params);
    params[5] = time_param(from_us, &room[0]);
    params[6] = time_param(to_us, &room[1]);
    params[7] = db_text(number);
    return db_query_often(
        db,
        "WITH met AS (" ENDS " WHERE r.finished_at >= $6 AND r.finished_at < $7"
        " UNION ALL " TRIES " WHERE a.finished_at >= $6 AND a.finished_at < $7 AND " IS_FAILED_TRY ")"
        " SELECT w.id, w.finished_at, w.state, w.reason, w.queue, w.type, w.attempt, w.delivery, w.started_at,"
        " (extract(epoch FROM w.finished_at - w.started_at) * 1000)::bigint, w.worker, w.error, w.is_end, true,"
        " w.xid::text::bigint FROM met w WHERE " FILTER
        " ORDER BY w.finished_at DESC, w.id DESC LIMIT $8::integer",
        params, ARRAY_SIZE(params), ret, reterr);
}
