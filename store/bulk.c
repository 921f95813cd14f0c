/* SPDX-License-Identifier: Apache-2.0 */
#include "store/bulk.h"

#include <inttypes.h>
#include <stdio.h>

#include "store/array.h"

#define NUMBER_SIZE 24
#define RUN                                                                                                                    \
    "b.id, b.kind, b.filter::text, b.actor, b.owner, b.begun_at, b.moved_at, b.finished_at, b.state, b.total, b.done, b.gone," \
    " b.after_at, b.after_id"

/* @text holds it. */
static struct db_param number(int64_t value, char text[NUMBER_SIZE])
{
    snprintf(text, NUMBER_SIZE, "%" PRId64, value);
    return db_text(text);
}

/* --- What it is about --- */

static void add_count(struct bulk_count *count, const struct rows *rows)
{
    count->total += rows_bigint(rows, 0, 1);
    count->n_malformed += rows_bigint(rows, 0, 2);
    rows_uuid(rows, 0, 3, &count->after);
    for (int i = 4; i < 9 && count->n_first < ARRAY_SIZE(count->first); i++)
        if (!rows_is_null(rows, 0, i))
            rows_uuid(rows, 0, i, &count->first[count->n_first++]);
}

int bulk_count_dead(struct db *db, const char *filter_json, bool replayable, int to_look,
                    struct bulk_count *ret, bool *ret_more, struct err *reterr)
{
    char limit[NUMBER_SIZE];
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    const struct db_param params[] = { db_text(filter_json), db_uuid(&ret->after), number(to_look, limit),
                                       db_text(replayable ? "true" : "false") };
    int r = db_query(
        db,
        "WITH page AS MATERIALIZED ("
        "SELECT d.id, job.dead_matches(d, $1::jsonb) IS TRUE AS fits, NOT job.can_replay(d) AS malformed"
        " FROM job.dead d WHERE d.id > $2 ORDER BY d.id LIMIT $3::integer),"
        " few AS (SELECT (array_agg(p.id ORDER BY p.id) FILTER (WHERE p.fits AND NOT ($4::boolean AND p.malformed)))[1:5] AS ids"
        " FROM page p)"
        " SELECT count(*), count(*) FILTER (WHERE p.fits), count(*) FILTER (WHERE p.fits AND p.malformed),"
        " (SELECT q.id FROM page q ORDER BY q.id DESC LIMIT 1), s.ids[1], s.ids[2], s.ids[3], s.ids[4], s.ids[5]"
        " FROM few s LEFT JOIN page p ON true GROUP BY s.ids",
        params, ARRAY_SIZE(params), &rows, reterr);
    if (r)
        return r;
    *ret_more = !rows_is_null(rows, 0, 3);
    if (*ret_more)
        add_count(ret, rows);
    *ret_more = *ret_more && rows_bigint(rows, 0, 0) == to_look;
    return 0;
}

int bulk_list_dead(struct db *db, const struct uuid *ids, size_t n, struct rows **ret, struct err *reterr)
{
    _cleanup_(array_done) struct array array = { 0 };
    array_init(&array, PG_UUID_ARRAY);
    for (size_t i = 0; i < n; i++)
        array_append_uuid(&array, &ids[i]);
    struct db_param params[] = { array_param(&array) };
    return db_query(db,
                    "SELECT d.id, d.queue, d.type, d.reason, left(d.error, 500), d.died_at FROM job.dead d"
                    " WHERE d.id = ANY ($1) ORDER BY d.id",
                    params, 1, ret, reterr);
}

int bulk_list_dead_ids(struct db *db, const char *filter_json, bool replayable, const struct uuid *after,
                       int to_look, struct rows **ret, struct err *reterr)
{
    char limit[NUMBER_SIZE];
    const struct db_param params[] = { db_text(filter_json), db_uuid(after), number(to_look, limit),
                                       db_text(replayable ? "true" : "false") };
    return db_query(db,
                    "WITH page AS MATERIALIZED (SELECT d.id, job.dead_matches(d, $1::jsonb)"
                    " IS TRUE AND NOT ($4::boolean AND NOT job.can_replay(d)) AS fits"
                    " FROM job.dead d WHERE d.id > $2 ORDER BY d.id LIMIT $3::integer)"
                    " SELECT p.id, p.fits FROM page p ORDER BY p.id",
                    params, ARRAY_SIZE(params), ret, reterr);
}

/* --- Its row --- */

int bulk_begin(struct db *db, const char *kind, const char *filter_json, int64_t total, const char *owner,
               struct rows **ret, struct err *reterr)
{
    char text[NUMBER_SIZE];
    const struct db_param params[] = { db_text(kind), db_text(filter_json), number(total, text),
                                       db_text(owner) };
    return db_query(db, "SELECT " RUN " FROM job.bulk_begin($1, $2::jsonb, $3::bigint, $4) AS b", params,
                    ARRAY_SIZE(params), ret, reterr);
}

int bulk_resume(struct db *db, int64_t run, const char *kind, const char *owner, struct rows **ret,
                struct err *reterr)
{
    char text[NUMBER_SIZE];
    const struct db_param params[] = { number(run, text), db_text(kind), db_text(owner) };
    return db_query(db, "SELECT " RUN " FROM job.bulk_resume($1::bigint, $2, $3) AS b WHERE b.id IS NOT NULL",
                    params, ARRAY_SIZE(params), ret, reterr);
}

int bulk_find(struct db *db, int64_t run, struct rows **ret, struct err *reterr)
{
    char text[NUMBER_SIZE];
    const struct db_param params[] = { number(run, text) };
    return db_query(db, "SELECT " RUN " FROM job.bulk b WHERE b.id = $1::bigint", params, 1, ret, reterr);
}

int bulk_find_last(struct db *db, const char *kind, const char *filter_json, struct rows **ret,
                   struct err *reterr)
{
    const struct db_param params[] = { db_text(kind), db_text(filter_json) };
    return db_query(db,
                    "SELECT " RUN " FROM job.bulk b WHERE b.kind = $1 AND b.filter = $2::jsonb"
                    " AND b.state <> 'abandoned' ORDER BY b.id DESC LIMIT 1",
                    params, ARRAY_SIZE(params), ret, reterr);
}

int bulk_interrupt(struct db *db, int64_t run, const char *owner, struct err *reterr)
{
    char text[NUMBER_SIZE];
    const struct db_param params[] = { number(run, text), db_text(owner) };
    return db_query(
        db,
        "UPDATE job.bulk SET state = 'interrupted' WHERE id = $1::bigint AND owner = $2 AND state = 'running'",
        params, ARRAY_SIZE(params), NULL, reterr);
}

int bulk_finish(struct db *db, int64_t run, const char *owner, struct err *reterr)
{
    char text[NUMBER_SIZE];
    const struct db_param params[] = { number(run, text), db_text(owner) };
    return db_query(db,
                    "UPDATE job.bulk SET state = 'done', finished_at = clock_timestamp()"
                    " WHERE id = $1::bigint AND owner = $2 AND state = 'running'",
                    params, ARRAY_SIZE(params), NULL, reterr);
}

/* --- A part of it --- */

int bulk_change_dead(struct db *db, int64_t run, const char *owner, int to_look, int at_most,
                     struct bulk_part *ret, struct err *reterr)
{
    char id[NUMBER_SIZE], look[NUMBER_SIZE], most[NUMBER_SIZE];
    struct rows *rows = NULL;
    const struct db_param params[] = { number(run, id), db_text(owner), number(to_look, look),
                                       number(at_most, most) };
    int r = db_query(
        db,
        "SELECT i.id, p.looked, p.done, p.taken FROM job.bulk_dead($1::bigint, $2, $3::integer, $4::integer) AS p"
        " LEFT JOIN LATERAL unnest(p.ids) AS i (id) ON true",
        params, ARRAY_SIZE(params), &rows, reterr);
    if (r)
        return r;
    /* One row per letter, or one without. */
    *ret = (struct bulk_part){
        .n_looked = rows_int(rows, 0, 1),
        .done = rows_bigint(rows, 0, 2),
        .taken = rows_bool(rows, 0, 3),
        .n = rows_is_null(rows, 0, 0) ? 0 : rows_count(rows),
        .rows = rows,
    };
    return 0;
}

int bulk_list_replays(struct db *db, const struct uuid *id, struct rows **ret, struct err *reterr)
{
    const struct db_param params[] = { db_uuid(id) };
    return db_query(
        db,
        "SELECT r.delivery, r.attempt, r.reason, r.error, r.died_at, r.replayed_at, r.replayed_by, r.run"
        " FROM job.replayed r WHERE r.id = $1 ORDER BY r.delivery",
        params, 1, ret, reterr);
}
