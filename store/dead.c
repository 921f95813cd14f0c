/* SPDX-License-Identifier: Apache-2.0 */
#include "store/dead.h"

#include <stdio.h>
#include <string.h>

#include "store/array.h"
#include "store/dead_match.h"

int dead_list_groups(struct db *db, const struct dead_filter *filter, struct rows **ret, struct err *reterr)
{
    char limit[12], since[RFC3339_SIZE];
    snprintf(limit, sizeof(limit), "%d", filter->limit);
    struct db_param params[] = {
        db_text(filter->queue),
        db_text(filter->type),
        db_text(filter->reason),
        db_text(filter->group),
        db_text(filter->since_us ? rfc3339_format(filter->since_us, 6, since) : NULL),
        db_text(limit),
    };
    int r = db_execute(db, "SET jit = off", reterr);
    if (r)
        return r;
    return db_query(
        db,
        "SELECT g.name, g.queue, g.type, g.reason, g.n, g.first_at, g.last_at, s.id, s.error FROM"
        " (SELECT c.group_name AS name, min(c.queue) AS queue, min(c.type) AS type, min(c.reason) AS reason,"
        "   sum(c.n)::bigint AS n, min(c.first_at) AS first_at, max(c.last_at) AS last_at FROM job.dead_count c"
        "  WHERE ($1::text IS NULL OR c.queue = $1) AND ($2::text IS NULL OR c.type = $2)"
        "   AND ($3::text IS NULL OR c.reason = $3) AND ($4::text IS NULL OR c.group_name = $4)"
        "  GROUP BY c.group_name HAVING sum(c.n) > 0 AND ($5::timestamptz IS NULL OR max(c.last_at) >= $5)"
        "  ORDER BY sum(c.n) DESC, c.group_name LIMIT $6::integer) AS g"
        /* As in store/dead_pages.c: by the index on both columns. */
        " LEFT JOIN LATERAL (SELECT d.id, d.error FROM job.dead d WHERE d.group_name >= g.name AND d.group_name <= g.name"
        "  ORDER BY d.group_name DESC, d.id DESC LIMIT 1) AS s ON true ORDER BY g.n DESC, g.name",
        params, ARRAY_SIZE(params), ret, reterr);
}

int dead_find(struct db *db, const struct uuid *id, struct rows **ret, struct err *reterr)
{
    struct db_param params[] = { db_uuid(id) };
    return db_query(
        db,
        "SELECT d.id, d.queue, d.type, d.reason, d.delivery, d.attempt, d.error, d.enqueued_at, d.died_at, d.topic,"
        " d.partition, d.\"offset\", d.group_name, d.edited_at, d.headers::text, d.key, d.payload,"
        " (SELECT r.parent FROM job.result r WHERE r.id = d.id), d.xmin::text FROM job.dead d WHERE d.id = $1",
        params, 1, ret, reterr);
}

int dead_list_edits(struct db *db, const struct uuid *id, struct rows **ret, struct err *reterr)
{
    struct db_param params[] = { db_uuid(id) };
    return db_query(
        db,
        "SELECT at, actor, died_at, delivery, queue, type, key, headers::text, payload FROM job.dead_edit"
        " WHERE job = $1 ORDER BY n",
        params, 1, ret, reterr);
}

int dead_edit(struct db *db, const struct dead_correction *c, struct rows **ret, struct err *reterr)
{
    struct db_param params[] = {
        db_uuid(&c->id),  db_text(c->version), db_text(c->queue),    db_text(c->type),
        db_bytes(c->key), db_text(c->headers), db_bytes(c->payload),
    };
    return db_query(db, "SELECT job.edit_dead($1, $2, $3, $4, $5, $6::jsonb, $7)", params, ARRAY_SIZE(params),
                    ret, reterr);
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
    return query_ids(
        db, "SELECT d.id, d.reason, job.can_replay(d) FROM job.dead d WHERE d.id = ANY ($1) ORDER BY d.id",
        ids, n, ret, reterr);
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
    return db_query(
        db,
        "SELECT h.queue, (SELECT count(*) FROM job.worker w WHERE h.queue = ANY (w.queues) AND w.drain_at IS NULL"
        "  AND w.beat_at > clock_timestamp() - interval '15 seconds'),"
        " (SELECT count(*) FROM job.pending p WHERE p.type = 'job.dead')"
        " FROM job.dead_hook() AS h (queue)",
        NULL, 0, ret, reterr);
}

int dead_remove_hook(struct db *db, struct rows **ret, struct err *reterr)
{
    return db_query(db, "SELECT job.set_dead_hook(NULL)", NULL, 0, ret, reterr);
}
