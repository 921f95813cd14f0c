/* SPDX-License-Identifier: Apache-2.0 */
#include "store/dead.h"

#include <stdio.h>

#include "store/array.h"

#define COLUMNS                                                                                              \
    "id, queue, type, reason, delivery, attempt, error, enqueued_at, died_at, topic, partition, \"offset\""
#define MATCHES                                                                                              \
    "($1::text IS NULL OR queue = $1) AND ($2::text IS NULL OR type = $2) AND ($3::text IS NULL OR reason = $3)"

int dead_list(struct db *db, const struct dead_filter *filter, struct rows **ret, struct err *reterr)
{
    char limit[12];
    snprintf(limit, sizeof(limit), "%d", filter->limit);
    struct db_param params[] = { db_text(filter->queue), db_text(filter->type), db_text(filter->reason),
                                 db_text(limit) };
    return db_query(db,
                    "SELECT " COLUMNS " FROM job.dead WHERE " MATCHES " ORDER BY id DESC LIMIT $4::integer",
                    params, 4, ret, reterr);
}

int dead_find(struct db *db, const struct uuid *id, struct rows **ret, struct err *reterr)
{
    struct db_param params[] = { db_uuid(id) };
    return db_query(db, "SELECT " COLUMNS ", headers::text, key, payload FROM job.dead WHERE id = $1", params,
                    1, ret, reterr);
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

int dead_list_these(struct db *db, const struct uuid *ids, size_t n, struct rows **ret, struct err *reterr)
{
    return query_ids(db, "SELECT id, reason FROM job.dead WHERE id = ANY ($1) ORDER BY id", ids, n, ret,
                     reterr);
}

int dead_list_ids(struct db *db, const struct dead_filter *filter, bool replayable, const struct uuid *after,
                  struct rows **ret, struct err *reterr)
{
    char limit[12];
    snprintf(limit, sizeof(limit), "%d", filter->limit);
    struct db_param params[] = {
        db_text(filter->queue),
        db_text(filter->type),
        db_text(filter->reason),
        db_text(limit),
        db_text(replayable ? "true" : "false"),
        after ? db_uuid(after) : db_null(),
    };
    return db_query(db,
                    "SELECT id FROM job.dead WHERE " MATCHES
                    " AND NOT ($5::boolean AND reason = 'malformed') AND ($6::uuid IS NULL OR id > $6)"
                    " ORDER BY id LIMIT $4::integer",
                    params, 6, ret, reterr);
}

int dead_count(struct db *db, const struct dead_filter *filter, struct rows **ret, struct err *reterr)
{
    struct db_param params[] = { db_text(filter->queue), db_text(filter->type), db_text(filter->reason) };
    return db_query(
        db,
        "SELECT count(*) AS total, count(*) FILTER (WHERE reason = 'malformed') AS malformed FROM job.dead"
        " WHERE " MATCHES,
        params, 3, ret, reterr);
}

int dead_replay(struct db *db, const struct uuid *ids, size_t n, struct rows **ret, struct err *reterr)
{
    return query_ids(db, "SELECT job.replay($1)", ids, n, ret, reterr);
}

int dead_purge(struct db *db, const struct uuid *ids, size_t n, struct rows **ret, struct err *reterr)
{
    return query_ids(db, "DELETE FROM job.dead WHERE id = ANY ($1) RETURNING id", ids, n, ret, reterr);
}

int dead_find_hook(struct db *db, struct rows **ret, struct err *reterr)
{
    return db_query(db,
                    "SELECT h.queue, (SELECT count(*) FROM job.worker w WHERE h.queue = ANY (w.queues)"
                    "  AND w.beat_at > clock_timestamp() - interval '15 seconds'),"
                    " (SELECT count(*) FROM job.pending p WHERE p.type = 'job.dead')"
                    " FROM job.dead_hook() AS h (queue)",
                    NULL, 0, ret, reterr);
}

int dead_remove_hook(struct db *db, struct rows **ret, struct err *reterr)
{
    return db_query(db, "SELECT job.set_dead_hook(NULL)", NULL, 0, ret, reterr);
}
