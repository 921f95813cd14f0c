/* SPDX-License-Identifier: Apache-2.0 */
#include "store/cron.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/utf8.h"
#include "store/array.h"

#define ERROR_MAX 1000 /* bytes */

/* PostgreSQL's binary form. The ends of the range are its infinities, as here. */
static int64_t since_2000(int64_t us)
{
    return us == INT64_MAX || us == INT64_MIN ? us : us - PG_EPOCH_US;
}

/* A timestamptz in binary format, kept alive by the caller. */
static struct db_param time_param(int64_t us, uint64_t *be)
{
    *be = htobe64((uint64_t)since_2000(us));
    return (struct db_param){ .oid = PG_TIMESTAMPTZ, .data = be, .size = sizeof(*be), .binary = true };
}

/* Decimal text of @value, or SQL NULL when it is 0. */
static struct db_param number(int64_t value, char text[24])
{
    snprintf(text, 24, "%" PRId64, value);
    return db_text(value ? text : NULL);
}

static void append_names(struct array *names, const char *const *list, size_t n)
{
    array_init(names, PG_TEXT_ARRAY);
    for (size_t i = 0; i < n; i++)
        array_append_span(names, span_from_string(list[i]));
}

/* --- Writing an entry ---------------------------------------------------------------------------------------------------- */

#define DEFINITION                                                                                           \
    "expression, zone, queue, type, payload, key, headers, tags, max_attempts, timeout, missed, missed_max, jitter"

/* $16: whose entries it may take the place of. What is the same is not written: that would be no change. */
static const char put_sql[] =
    "INSERT INTO job.cron AS c (name, " DEFINITION ", source)"
    " VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7, coalesce($8::jsonb, '{}'), string_to_array($9::text, ','),"
    " $10::integer, $11::bigint * interval '1 microsecond', $12, $13::integer,"
    " coalesce($14::bigint, 0) * interval '1 microsecond', $15)"
    " ON CONFLICT (name) DO UPDATE SET (" DEFINITION ", source) ="
    " (SELECT excluded.expression, excluded.zone, excluded.queue, excluded.type, excluded.payload, excluded.key,"
    " excluded.headers, excluded.tags, excluded.max_attempts, excluded.timeout, excluded.missed, excluded.missed_max,"
    " excluded.jitter, excluded.source)"
    " WHERE c.source = ANY (string_to_array($16, ','))"
    " AND (c.expression, c.zone, c.queue, c.type, c.payload, c.key, c.headers, c.tags, c.max_attempts, c.timeout, c.missed,"
    " c.missed_max, c.jitter, c.source)"
    " IS DISTINCT FROM (excluded.expression, excluded.zone, excluded.queue, excluded.type, excluded.payload, excluded.key,"
    " excluded.headers, excluded.tags, excluded.max_attempts, excluded.timeout, excluded.missed, excluded.missed_max,"
    " excluded.jitter, excluded.source)";

static int put(struct db *db, const struct cron_entry *e, const char *source, const char *owners,
               struct rows **ret, struct err *reterr)
{
    char attempts[24], timeout[24], missed_max[24], jitter[24];
    const struct db_param params[] = {
        db_text(e->name),
        db_text(e->expression),
        db_text(e->zone),
        db_text(e->queue),
        db_text(e->type),
        db_text(e->payload),
        db_text(e->key),
        db_text(e->headers),
        db_text(e->tags),
        number(e->max_attempts, attempts),
        number(e->timeout_us, timeout),
        db_text(e->missed),
        number(e->missed_max, missed_max),
        number(e->jitter_us, jitter),
        db_text(source),
        db_text(owners),
    };
    return db_query(db, put_sql, params, ARRAY_SIZE(params), ret, reterr);
}

int cron_add(struct db *db, const struct cron_entry *entry, bool replace, bool *ret_done, struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *written = NULL, *there = NULL;
    const struct db_param name = db_text(entry->name);
    int r = put(db, entry, "jobctl", replace ? "sql,jobctl" : "", &written, reterr);
    if (r)
        return r;
    *ret_done = rows_affected(written) > 0;
    if (*ret_done || !replace)
        return 0;
    r = db_query(db, "SELECT 1 FROM job.cron WHERE name = $1 AND source <> 'config'", &name, 1, &there,
                 reterr);
    *ret_done = r == 0 && rows_count(there) > 0;
    return r;
}

/* --- The configuration's entries ----------------------------------------------------------------------------------------- */

static int put_all(struct db *db, const struct cron_entry *entries, size_t n, struct err *reterr)
{
    int r = 0;
    for (size_t i = 0; i < n && r == 0; i++) {
        r = put(db, &entries[i], "config", "config", NULL, reterr);
        if (r)
            r = err_prefix(reterr, r, "entry %s", entries[i].name);
    }
    return r;
}

static int declare(struct db *db, const struct cron_entry *entries, size_t n, struct rows **ret,
                   struct err *reterr)
{
    _cleanup_(array_done) struct array names = { 0 };
    array_init(&names, PG_TEXT_ARRAY);
    for (size_t i = 0; i < n; i++)
        array_append_span(&names, span_from_string(entries[i].name));
    const struct db_param params[] = { array_param(&names) };
    int r =
        db_query(db, "SELECT pg_advisory_xact_lock(hashtextextended('job.cron', 0))", NULL, 0, NULL, reterr);
    if (r == 0)
        r = db_query(db, "DELETE FROM job.cron WHERE source = 'config' AND name <> ALL ($1)", params, 1, NULL,
                     reterr);
    if (r == 0)
        r = put_all(db, entries, n, reterr);
    if (r == 0)
        r = db_query(db,
                     "SELECT name FROM job.cron WHERE source <> 'config' AND name = ANY ($1) ORDER BY name",
                     params, 1, ret, reterr);
    return r;
}

int cron_declare(struct db *db, const struct cron_entry *entries, size_t n, struct rows **ret,
                 struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *taken = NULL;
    int r = db_begin(db, reterr);
    if (r == 0)
        r = declare(db, entries, n, &taken, reterr);
    if (r == 0)
        r = db_commit(db, reterr);
    if (r) {
        db_rollback(db);
        return r;
    }
    *ret = steal(taken);
    return 0;
}

/* --- Ticking ------------------------------------------------------------------------------------------------------------- */

int cron_listen(struct db *db, struct err *reterr)
{
    return db_execute(db, "LISTEN job_cron", reterr);
}

int cron_wait_us(struct db *db, int64_t *ret_us, struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    int r = db_query(
        db, "SELECT (SELECT next_at FROM job.cron WHERE enabled ORDER BY next_at LIMIT 1), clock_timestamp()",
        NULL, 0, &rows, reterr);
    if (r)
        return r;
    int64_t next_us = rows_time_us(rows, 0, 0), now_us = rows_time_us(rows, 0, 1);
    if (rows_is_null(rows, 0, 0) || next_us == INT64_MAX)
        *ret_us = INT64_MAX;
    else
        *ret_us = next_us > now_us ? next_us - now_us : 0;
    return 0;
}

#define DUE                                                                                                  \
    "SELECT name, expression, zone, missed, error, missed_max, anchor, since, next_at, clock_timestamp() FROM job.cron"

int cron_take(struct db *db, int limit, struct rows **ret, struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    char count[24];
    const struct db_param params[] = { number(limit, count) };
    int r = db_begin(db, reterr);
    if (r == 0)
        r = db_query(db,
                     DUE " WHERE enabled AND next_at <= now() ORDER BY next_at, name LIMIT $1::integer"
                         " FOR UPDATE SKIP LOCKED",
                     params, 1, &rows, reterr);
    if (r || rows_count(rows) == 0)
        db_rollback(db);
    if (r == 0)
        *ret = steal(rows);
    return r;
}

int cron_list_ahead(struct db *db, const char *after, int limit, struct rows **ret, struct err *reterr)
{
    char count[24];
    const struct db_param params[] = { db_text(after), number(limit, count) };
    return db_query(db,
                    DUE " WHERE enabled AND error IS NULL AND next_at > clock_timestamp() AND name > $1"
                        " ORDER BY name LIMIT $2::integer",
                    params, 2, ret, reterr);
}

void cron_get(const struct rows *rows, size_t row, struct cron_due *ret)
{
    *ret = (struct cron_due){
        .name = rows_text(rows, row, 0),
        .expression = rows_text(rows, row, 1),
        .zone = rows_text(rows, row, 2),
        .missed = rows_text(rows, row, 3),
        .error = rows_text(rows, row, 4),
        .missed_max = rows_int(rows, row, 5),
        .anchor_us = rows_time_us(rows, row, 6),
        .since_us = rows_time_us(rows, row, 7),
        .next_us = rows_time_us(rows, row, 8),
        .now_us = rows_time_us(rows, row, 9),
    };
}

/* The columns of job.tick(). */
enum {
    MOVE_NAMES,
    MOVE_SINCE,
    MOVE_NEXT,
    MOVE_OUT_FROM,
    MOVE_OUT_UNTIL,
    MOVE_TICK_NAMES,
    MOVE_TICKS,
    MOVE_COLUMNS
};

static void append_time(struct array *a, int64_t us)
{
    array_append_bigint(a, since_2000(us));
}

static void append_time_or_null(struct array *a, int64_t us)
{
    if (us == INT64_MAX)
        array_append_null(a);
    else
        append_time(a, us);
}

static void append_move(struct array columns[MOVE_COLUMNS], const struct cron_move *m)
{
    array_append_span(&columns[MOVE_NAMES], span_from_string(m->name));
    append_time(&columns[MOVE_SINCE], m->since_us);
    append_time(&columns[MOVE_NEXT], m->next_us);
    append_time_or_null(&columns[MOVE_OUT_FROM], m->out_from_us);
    append_time_or_null(&columns[MOVE_OUT_UNTIL], m->out_until_us);
    for (size_t i = 0; i < m->n_ticks; i++) {
        array_append_span(&columns[MOVE_TICK_NAMES], span_from_string(m->name));
        append_time(&columns[MOVE_TICKS], m->ticks[i]);
    }
}

static int move(struct db *db, const struct cron_move *moves, size_t n, struct err *reterr)
{
    struct array columns[MOVE_COLUMNS] = { 0 };
    struct db_param params[MOVE_COLUMNS];
    bool failed = false;
    for (int i = 0; i < MOVE_COLUMNS; i++)
        array_init(&columns[i],
                   i == MOVE_NAMES || i == MOVE_TICK_NAMES ? PG_TEXT_ARRAY : PG_TIMESTAMPTZ_ARRAY);
    for (size_t i = 0; i < n; i++)
        append_move(columns, &moves[i]);
    for (int i = 0; i < MOVE_COLUMNS; i++) {
        params[i] = array_param(&columns[i]);
        failed |= columns[i].buf.failed;
    }
    int r = failed ? err_set(reterr, -ENOMEM, "out of memory")
                   : db_query(db, "SELECT job.tick($1, $2, $3, $4, $5, $6, $7)", params, MOVE_COLUMNS, NULL,
                              reterr);
    for (int i = 0; i < MOVE_COLUMNS; i++)
        array_done(&columns[i]);
    return r;
}

int cron_move(struct db *db, const struct cron_move *moves, size_t n, struct err *reterr)
{
    int r = db_execute(db, "SAVEPOINT tick", reterr);
    if (r)
        return r;
    int moved = move(db, moves, n, reterr);
    if (moved && moved != STORE_REFUSED)
        return moved;
    r = db_execute(db,
                   moved ? "ROLLBACK TO SAVEPOINT tick; RELEASE SAVEPOINT tick" : "RELEASE SAVEPOINT tick",
                   moved ? NULL : reterr);
    return r ? r : moved;
}

int cron_fail(struct db *db, const char *name, const char *error, struct err *reterr)
{
    _cleanup_buf_ struct buf text = { 0 };
    utf8_append_clean(&text, error, strlen(error), ERROR_MAX); /* messages are cut anywhere */
    const struct db_param params[] = { db_text(name), db_text(text.data ? text.data : "") };
    return db_query(db,
                    "UPDATE job.cron SET error = $2, next_at = clock_timestamp() + interval '1 minute'"
                    " WHERE name = $1",
                    params, 2, NULL, reterr);
}

int cron_correct(struct db *db, const struct cron_due *was, int64_t since_us, int64_t next_us,
                 struct err *reterr)
{
    uint64_t old_since, old_next, since, next;
    const struct db_param params[] = {
        db_text(was->name),
        time_param(was->since_us, &old_since),
        time_param(was->next_us, &old_next),
        time_param(since_us, &since),
        time_param(next_us, &next),
    };
    return db_query(
        db,
        "UPDATE job.cron SET since = $4, next_at = $5 WHERE name = $1 AND since = $2 AND next_at = $3 AND enabled",
        params, ARRAY_SIZE(params), NULL, reterr);
}

/* --- People ---------------------------------------------------------------------------------------------------------------- */

/* A time at which somebody looks again is no tick. */
int cron_list(struct db *db, const char *name, struct rows **ret, struct err *reterr)
{
    const struct db_param params[] = { db_text(name) };
    return db_query(
        db,
        "SELECT name, expression, zone, queue, type, enabled,"
        " CASE WHEN enabled AND error IS NULL AND isfinite(next_at) THEN next_at END, last_at, last_id, missed,"
        " missed_max, jitter::text, source, key, payload::text, headers::text, to_json(tags)::text, max_attempts,"
        " timeout::text, left_out_from, left_out_until, anchor, since, error"
        " FROM job.cron WHERE $1::text IS NULL OR name = $1 ORDER BY name",
        params, 1, ret, reterr);
}

int cron_remove(struct db *db, const char *const *names, size_t n, struct rows **ret, struct err *reterr)
{
    _cleanup_(array_done) struct array list = { 0 };
    append_names(&list, names, n);
    const struct db_param params[] = { array_param(&list) };
    return db_query(db, "DELETE FROM job.cron WHERE name = ANY ($1) RETURNING name", params, 1, ret, reterr);
}

int cron_enable(struct db *db, const char *const *names, size_t n, bool enabled, struct rows **ret,
                struct err *reterr)
{
    _cleanup_(array_done) struct array list = { 0 };
    append_names(&list, names, n);
    const struct db_param params[] = { array_param(&list), db_text(enabled ? "true" : "false") };
    return db_query(db, "UPDATE job.cron SET enabled = $2::boolean WHERE name = ANY ($1) RETURNING name",
                    params, 2, ret, reterr);
}

int cron_run_now(struct db *db, const char *name, struct rows **ret, struct err *reterr)
{
    const struct db_param params[] = { db_text(name) };
    return db_query(db, "SELECT job.run_cron($1)", params, 1, ret, reterr);
}

int cron_read_clock(struct db *db, int64_t *ret_us, struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    int r = db_query(db, "SELECT clock_timestamp()", NULL, 0, &rows, reterr);
    if (r == 0)
        *ret_us = rows_time_us(rows, 0, 0);
    return r;
}

int cron_check(struct db *db, struct rows **ret, struct err *reterr)
{
    return db_query(
        db,
        "SELECT count(*), count(*) FILTER (WHERE enabled), count(*) FILTER (WHERE enabled AND error IS NOT NULL),"
        " count(*) FILTER (WHERE enabled AND error IS NULL AND is_late),"
        " min(greatest(next_at, since)) FILTER (WHERE enabled AND error IS NULL AND is_late),"
        " min(name || ': ' || error) FILTER (WHERE enabled)"
        " FROM (SELECT *, greatest(next_at, since) < clock_timestamp() - interval '30 seconds' AS is_late FROM job.cron) c",
        NULL, 0, ret, reterr);
}
