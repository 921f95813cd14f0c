/* SPDX-License-Identifier: Apache-2.0 */
#include "store/relay.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "store/array.h"
#include "store/pgtypes.h"

/* A timestamptz in binary format, kept alive by the caller. */
static struct db_param time_param(int64_t us, uint64_t *be)
{
    int64_t since_2000 = us == INT64_MIN ? INT64_MIN : us - PG_EPOCH_US;
    *be = htobe64((uint64_t)since_2000);
    return (struct db_param){ .oid = PG_TIMESTAMPTZ, .data = be, .size = sizeof(*be), .binary = true };
}

static struct db_param bigint_param(int64_t value, uint64_t *be)
{
    *be = htobe64((uint64_t)value);
    return (struct db_param){ .oid = PG_INT8, .data = be, .size = sizeof(*be), .binary = true };
}

/*
 * $1 the oldest time to look at, $2 rows at most, $3 the largest row to read, $4 bytes at most. now() and not
 * clock_timestamp(): only a stable function can bound an index scan. The transaction has just begun, so they hardly
 * differ. Sizes are read without reading the values (TOAST).
 */
static const char take_sql[] =
    "WITH due AS MATERIALIZED ("
    " SELECT id, run_at, delivery, attempt, queue, type, topic, partition, headers, key, payload,"
    "        coalesce(octet_length(payload), 0)::bigint + coalesce(octet_length(key), 0) + pg_column_size(headers) AS size"
    " FROM job.pending WHERE run_at <= now() AND run_at >= $1 ORDER BY run_at, id LIMIT $2 FOR UPDATE SKIP LOCKED)"
    " SELECT id, run_at, delivery, attempt, queue, type,"
    "        CASE WHEN size <= $3 THEN headers::text END, CASE WHEN size <= $3 THEN key END,"
    "        CASE WHEN size <= $3 THEN payload END, size, topic, partition"
    " FROM (SELECT *, sum(CASE WHEN size <= $3 THEN size ELSE 0 END) OVER (ORDER BY run_at, id) - size AS ahead"
    "       FROM due) d"
    " WHERE ahead < $4 ORDER BY run_at, id";

/* Before the others are taken, and by the same now(): as long as there is room for more, none that has expired is among them. */
static int expire(struct db *db, const struct db_param *low, const struct db_param *limit, int64_t *ret_n,
                  struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    int r = db_query(db, "SELECT job.expire_waiting($1, $2)", (struct db_param[]){ *low, *limit }, 2, &rows,
                     reterr);
    if (r == 0)
        *ret_n = rows_bigint(rows, 0, 0);
    return r;
}

int relay_take(struct db *db, int limit, int64_t low_us, struct rows **ret, int64_t *ret_expired,
               struct err *reterr)
{
    uint64_t low, count, row_max, bytes;
    struct db_param params[] = { time_param(low_us, &low), bigint_param(limit, &count),
                                 bigint_param(RELAY_ROW_BYTES_MAX, &row_max),
                                 bigint_param(RELAY_TAKE_BYTES, &bytes) };
    int r = db_begin(db, reterr);
    if (r == 0)
        r = expire(db, &params[0], &params[1], ret_expired, reterr);
    if (r == 0) {
        params[1] = bigint_param(limit - *ret_expired, &count);
        r = db_query(db, take_sql, params, ARRAY_SIZE(params), ret, reterr);
    }
    if (r)
        db_rollback(db);
    return r;
}

void relay_get(const struct rows *rows, size_t row, struct relay_row *ret)
{
    *ret = (struct relay_row){
        .run_at_us = rows_time_us(rows, row, 1),
        .delivery = rows_int(rows, row, 2),
        .attempt = rows_int(rows, row, 3),
        .queue = rows_text(rows, row, 4),
        .type = rows_text(rows, row, 5),
        .headers = rows_text(rows, row, 6),
        .key = rows_span(rows, row, 7),
        .payload = rows_span(rows, row, 8),
        .size_bytes = rows_bigint(rows, row, 9),
        .topic = rows_is_null(rows, row, 10) ? NULL : rows_text(rows, row, 10),
        .partition = rows_is_null(rows, row, 11) ? -1 : rows_int(rows, row, 11),
    };
    rows_uuid(rows, row, 0, &ret->id);
}

/* Runs @sql with the ids as $1 and @more as $2 (unless NULL). */
static int with_ids(struct db *db, const char *sql, const struct uuid *ids, size_t n,
                    const struct db_param *more, struct err *reterr)
{
    _cleanup_(array_done) struct array array = { 0 };
    if (n == 0)
        return 0;
    array_init(&array, PG_UUID_ARRAY);
    for (size_t i = 0; i < n; i++)
        array_append_uuid(&array, &ids[i]);
    struct db_param params[] = { array_param(&array), more ? *more : db_null() };
    if (array.buf.failed)
        return err_set(reterr, -ENOMEM, "out of memory");
    return db_query(db, sql, params, more ? 2 : 1, NULL, reterr);
}

int relay_delete(struct db *db, const struct uuid *ids, size_t n, struct err *reterr)
{
    return with_ids(db, "DELETE FROM job.pending WHERE id = ANY ($1)", ids, n, NULL, reterr);
}

int relay_postpone(struct db *db, const struct uuid *ids, size_t n, int64_t delay_us, struct err *reterr)
{
    uint64_t be;
    const struct db_param delay = bigint_param(delay_us, &be);
    return with_ids(db,
                    "UPDATE job.pending SET run_at = clock_timestamp() + $2 * interval '1 microsecond'"
                    " WHERE id = ANY ($1)",
                    ids, n, &delay, reterr);
}

/* Headers that are no headers cannot be asked for trace, parent or time; they are kept as they are. */
static int bury(struct db *db, const struct uuid *id, const char *error, struct err *reterr)
{
    const struct db_param params[] = { db_uuid(id), db_text(error) };
    return db_query(
        db,
        "WITH gone AS (DELETE FROM job.pending WHERE id = $1 RETURNING *)"
        " SELECT job.defer('relay', interval '0', array_agg(id), array_agg(NULL::bigint),"
        "  array_agg(delivery), array_agg(attempt), array_agg(queue), array_agg(type), array_agg(topic),"
        "  array_agg(partition), array_agg(NULL::bigint), array_agg(NULL::timestamptz),"
        "  array_agg(NULL::integer), array_agg(key), array_agg(headers::text), array_agg(payload),"
        "  array_agg(NULL::text), array_agg('malformed'::text), array_agg(0::bigint),"
        "  array_agg($2::text), array_agg(NULL::timestamptz), array_agg(clock_timestamp()),"
        "  array_agg(NULL::integer), array_agg(NULL::integer), array_agg(NULL::text),"
        "  array_agg(NULL::uuid)) FROM gone",
        params, 2, NULL, reterr);
}

/* What PostgreSQL refuses costs this row its burial, not the others their transaction. */
int relay_bury(struct db *db, const struct uuid *id, const char *error, struct err *reterr)
{
    int r = db_execute(db, "SAVEPOINT bury", reterr);
    if (r)
        return r;
    int buried = bury(db, id, error, reterr);
    if (buried && buried != STORE_REFUSED)
        return buried;
    r = db_execute(db,
                   buried ? "ROLLBACK TO SAVEPOINT bury; RELEASE SAVEPOINT bury" : "RELEASE SAVEPOINT bury",
                   buried ? NULL : reterr);
    return r ? r : buried;
}

int relay_commit(struct db *db, struct err *reterr)
{
    int r = db_commit(db, reterr);
    if (r)
        db_rollback(db);
    return r;
}

int relay_listen(struct db *db, struct err *reterr)
{
    return db_execute(db, "LISTEN job_relay", reterr);
}

/* Never shortens what another relay has said: its own sleep relies on it. */
int relay_sleep(struct db *db, int64_t for_us, bool *ret_was_up, struct err *reterr)
{
    uint64_t be;
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    const struct db_param params[] = { bigint_param(for_us, &be) };
    int r = db_query(
        db,
        "WITH before AS (SELECT asleep AND wake_at > clock_timestamp() AS was_up FROM job.relay FOR UPDATE)"
        " UPDATE job.relay SET asleep = true,"
        " wake_at = greatest(wake_at, clock_timestamp() + $1 * interval '1 microsecond')"
        " FROM before RETURNING was_up",
        params, 1, &rows, reterr);
    if (r == 0)
        *ret_was_up = rows_count(rows) == 1 && rows_bool(rows, 0, 0);
    return r;
}

int relay_wake(struct db *db, struct err *reterr)
{
    return db_query(db, "UPDATE job.relay SET asleep = false WHERE asleep", NULL, 0, NULL, reterr);
}

int relay_wait_us(struct db *db, int64_t low_us, int64_t *ret_us, struct err *reterr)
{
    uint64_t low;
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    const struct db_param params[] = { time_param(low_us, &low) };
    int r = db_query(
        db,
        "SELECT least("
        " (SELECT run_at FROM job.pending WHERE run_at >= $1 ORDER BY run_at LIMIT 1),"
        " (SELECT job.expiry(headers) FROM job.pending WHERE headers ? 'ce_expires' AND job.expiry(headers) >= $1"
        "  ORDER BY job.expiry(headers) LIMIT 1)), clock_timestamp()",
        params, 1, &rows, reterr);
    if (r)
        return r;
    *ret_us = INT64_MAX;
    if (rows_is_null(rows, 0, 0))
        return 0;
    int64_t at_us = rows_time_us(rows, 0, 0), now_us = rows_time_us(rows, 0, 1);
    if (at_us != INT64_MAX)
        *ret_us = at_us > now_us ? at_us - now_us : 0;
    return 0;
}
