/* SPDX-License-Identifier: Apache-2.0 */
#include "store/relay.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>

#include "store/array.h"
#include "store/fair.h"
#include "store/pgtypes.h"

#define SMALL_ROW_BYTES 4096 /* rows of this size are read at once, more of them than may go */

/* The columns of take_sql. */
enum {
    TAKE_ID,
    TAKE_RUN_AT,
    TAKE_DELIVERY,
    TAKE_ATTEMPT,
    TAKE_QUEUE,
    TAKE_TYPE,
    TAKE_HEADERS,
    TAKE_KEY,
    TAKE_PAYLOAD,
    TAKE_SIZE,
    TAKE_TOPIC,
    TAKE_PARTITION,
    TAKE_SHARE,
    TAKE_TURN,
};

/* As PostgreSQL has it. INT64_MIN is -infinity there too. */
static int64_t since_2000(int64_t us)
{
    return us == INT64_MIN ? INT64_MIN : us - PG_EPOCH_US;
}

/* A timestamptz in binary format, kept alive by the caller. */
static struct db_param time_param(int64_t us, uint64_t *be)
{
    *be = htobe64((uint64_t)since_2000(us));
    return (struct db_param){ .oid = PG_TIMESTAMPTZ, .data = be, .size = sizeof(*be), .binary = true };
}

static struct db_param bigint_param(int64_t value, uint64_t *be)
{
    *be = htobe64((uint64_t)value);
    return (struct db_param){ .oid = PG_INT8, .data = be, .size = sizeof(*be), .binary = true };
}

/* Of which queues, from when on, at most how many, and whether only ordered jobs: columns of `t`. */
struct turn_arrays {
    struct array queues, lows, limits, ordered, shares;
};

static void turn_arrays_done(struct turn_arrays *t)
{
    array_done(&t->queues);
    array_done(&t->lows);
    array_done(&t->limits);
    array_done(&t->ordered);
    array_done(&t->shares);
}

static void put_turns(struct turn_arrays *arrays, const struct relay_turn *turns, size_t n)
{
    array_init(&arrays->queues, PG_TEXT_ARRAY);
    array_init(&arrays->lows, PG_TIMESTAMPTZ_ARRAY);
    array_init(&arrays->limits, PG_INT4_ARRAY);
    array_init(&arrays->ordered, PG_BOOL_ARRAY);
    array_init(&arrays->shares, PG_INT4_ARRAY);
    for (size_t i = 0; i < n; i++) {
        array_append_span(&arrays->queues, span_from_string(turns[i].queue));
        array_append_bigint(&arrays->lows, since_2000(turns[i].low_us));
        array_append_int(&arrays->limits, turns[i].limit);
        array_append_bool(&arrays->ordered, turns[i].ordered_only);
        array_append_int(&arrays->shares, turns[i].share);
    }
}

static bool turns_failed(const struct turn_arrays *t)
{
    return t->queues.buf.failed || t->lows.buf.failed || t->limits.buf.failed || t->ordered.buf.failed ||
           t->shares.buf.failed;
}

#define TURNS                                                                                                \
    " unnest($1::text[], $2::timestamptz[], $3::integer[], $4::boolean[], $5::integer[])"                    \
    " WITH ORDINALITY AS t (queue, low, n, ordered, share, turn)"

/* Sizes are read without reading the values (TOAST). */
#define DUE(condition)                                                                                       \
    "(SELECT id, run_at, delivery, attempt, type, topic, partition, headers, key, payload,"                  \
    "  coalesce(octet_length(payload), 0)::bigint + coalesce(octet_length(key), 0)"                          \
    "  + pg_column_size(headers) AS size"                                                                    \
    "  FROM job.pending p WHERE p.queue = t.queue AND p.run_at <= now() AND p.run_at >= t.low"               \
    "  AND " condition " ORDER BY p.run_at, p.id LIMIT t.n FOR UPDATE SKIP LOCKED)"

/*
 * $6 the largest row whose values are read at once. In the order of the turns, and of each queue's rows.
 *
 * now() and not clock_timestamp(): only a stable function can bound an index scan. The transaction has just begun, so they
 * hardly differ.
 */
static const char take_sql[] =
    "SELECT p.id, p.run_at, p.delivery, p.attempt, t.queue, p.type,"
    " CASE WHEN p.size <= $6 THEN p.headers::text END, CASE WHEN p.size <= $6 THEN p.key END,"
    " CASE WHEN p.size <= $6 THEN p.payload END, p.size, p.topic, p.partition, t.share, t.turn::integer"
    " FROM" TURNS " CROSS JOIN LATERAL (SELECT * FROM " DUE(
        "NOT t.ordered") " AS every UNION ALL"
                         " SELECT * FROM " DUE("t.ordered AND p.headers ? 'ce_keyseq'") " AS ordered) AS p";

static const char expire_sql[] = "SELECT job.expire_waiting($1, $2)";

/* Before the others are taken, and by the same now(): as long as there is room for more, none that has expired is among them. */
static int expire(struct db *db, int64_t low_us, int limit, int64_t *ret_n, struct err *reterr)
{
    uint64_t low, count;
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    const struct db_param params[] = { time_param(low_us, &low), bigint_param(limit, &count) };
    int r = db_query_often(db, expire_sql, params, 2, &rows, reterr);
    if (r == 0)
        *ret_n = rows_bigint(rows, 0, 0);
    return r;
}

static int read_due(struct db *db, const struct relay_turn *turns, size_t n_turns, struct rows **ret,
                    struct err *reterr)
{
    uint64_t size;
    _cleanup_(turn_arrays_done) struct turn_arrays arrays = { 0 };
    put_turns(&arrays, turns, n_turns);
    if (turns_failed(&arrays))
        return err_set(reterr, -ENOMEM, "out of memory");
    const struct db_param params[] = {
        array_param(&arrays.queues),  array_param(&arrays.lows),   array_param(&arrays.limits),
        array_param(&arrays.ordered), array_param(&arrays.shares), bigint_param(SMALL_ROW_BYTES, &size),
    };
    return db_query_often(db, take_sql, params, ARRAY_SIZE(params), ret, reterr);
}

/* --- The batch --- */

struct relay_batch {
    struct rows *rows;  /* all that were found; the values of small ones */
    struct rows *large; /* values of those that were chosen and are not small; NULL: there are none */
    struct taken {
        uint32_t row;     /* in rows */
        uint32_t n_found; /* rows of its share */
        int64_t large;    /* in large; -1: not there */
    } * taken;
    size_t n;
};

struct relay_batch *relay_batch_free(struct relay_batch *b)
{
    if (!b)
        return NULL;
    rows_free(b->rows);
    rows_free(b->large);
    free(b->taken);
    free(b);
    return NULL;
}

size_t relay_batch_count(const struct relay_batch *b)
{
    return b->n;
}

/* What a row adds to a message; one that is too large adds nothing. */
static int64_t bytes_of(const struct rows *rows, size_t row)
{
    int64_t size = rows_bigint(rows, row, TAKE_SIZE);
    return size <= RELAY_ROW_BYTES_MAX ? size : 0;
}

/* Rows of one turn lie together. */
static void count_found(struct relay_batch *b, uint32_t *counts)
{
    size_t n = rows_count(b->rows);
    for (size_t first = 0, end = 0; first < n; first = end) {
        while (end < n && rows_int(b->rows, end, TAKE_TURN) == rows_int(b->rows, first, TAKE_TURN))
            end++;
        for (size_t i = first; i < end; i++)
            counts[i] = (uint32_t)(end - first);
    }
}

static int choose(struct relay_batch *b, int64_t limit)
{
    size_t n = rows_count(b->rows);
    _cleanup_free_ struct fair_item *items = calloc(n + 1, sizeof(*items));
    _cleanup_free_ uint32_t *order = calloc(n + 1, sizeof(*order)), *counts = calloc(n + 1, sizeof(*counts));
    b->taken = calloc(n + 1, sizeof(*b->taken));
    if (!items || !order || !counts || !b->taken)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        items[i] =
            (struct fair_item){ .line = rows_int(b->rows, i, TAKE_TURN), .size_bytes = bytes_of(b->rows, i) };
    count_found(b, counts);
    b->n = fair_choose(items, n, limit > 0 ? (size_t)limit : 0, RELAY_TAKE_BYTES, order);
    for (size_t i = 0; i < b->n; i++)
        b->taken[i] = (struct taken){ .row = order[i], .n_found = counts[order[i]], .large = -1 };
    return 0;
}

static bool is_large(const struct relay_batch *b, size_t i)
{
    int64_t size = rows_bigint(b->rows, b->taken[i].row, TAKE_SIZE);
    return size > SMALL_ROW_BYTES && size <= RELAY_ROW_BYTES_MAX;
}

/* The values of the chosen rows that were too large to be read of all that were found. */
static int read_large(struct db *db, struct relay_batch *b, struct err *reterr)
{
    static const char sql[] =
        "SELECT a.n, p.headers::text, p.key, p.payload FROM unnest($1::uuid[], $2::integer[]) AS a (id, n)"
        " JOIN job.pending p USING (id)";
    _cleanup_(array_done) struct array ids = { 0 }, places = { 0 };
    array_init(&ids, PG_UUID_ARRAY);
    array_init(&places, PG_INT4_ARRAY);
    for (size_t i = 0; i < b->n; i++) {
        struct uuid id;
        if (!is_large(b, i))
            continue;
        rows_uuid(b->rows, b->taken[i].row, TAKE_ID, &id);
        array_append_uuid(&ids, &id);
        array_append_int(&places, (int32_t)i);
    }
    if (ids.n == 0)
        return 0;
    if (ids.buf.failed || places.buf.failed)
        return err_set(reterr, -ENOMEM, "out of memory");
    const struct db_param params[] = { array_param(&ids), array_param(&places) };
    int r = db_query_often(db, sql, params, ARRAY_SIZE(params), &b->large, reterr);
    for (size_t i = 0; r == 0 && i < rows_count(b->large); i++)
        b->taken[rows_int(b->large, i, 0)].large = (int64_t)i;
    return r;
}

static int take(struct db *db, const struct relay_turn *turns, size_t n_turns, int64_t limit,
                struct relay_batch **ret, struct err *reterr)
{
    _cleanup_(relay_batch_free_cleanup) struct relay_batch *b = calloc(1, sizeof(*b));
    if (!b)
        return err_set(reterr, -ENOMEM, "out of memory");
    int r = read_due(db, turns, n_turns, &b->rows, reterr);
    if (r == 0 && choose(b, limit))
        r = err_set(reterr, -ENOMEM, "out of memory");
    if (r == 0)
        r = read_large(db, b, reterr);
    if (r == 0)
        *ret = steal(b);
    return r;
}

int relay_take(struct db *db, const struct relay_turn *turns, size_t n_turns, int limit,
               int64_t expired_low_us, struct relay_batch **ret, int64_t *ret_expired, struct err *reterr)
{
    int r = db_begin(db, reterr);
    if (r == 0)
        r = expire(db, expired_low_us, limit, ret_expired, reterr);
    if (r == 0)
        r = take(db, turns, n_turns, limit - *ret_expired, ret, reterr);
    if (r)
        db_rollback(db);
    return r;
}

/* headers, key and payload from @column on. */
static void get_values(const struct rows *rows, size_t row, int column, struct relay_row *ret)
{
    ret->headers = rows_text(rows, row, column);
    ret->key = rows_span(rows, row, column + 1);
    ret->payload = rows_span(rows, row, column + 2);
}

void relay_batch_get(const struct relay_batch *b, size_t i, struct relay_row *ret)
{
    const struct rows *rows = b->rows;
    const struct taken *taken = &b->taken[i];
    size_t row = taken->row;
    *ret = (struct relay_row){
        .run_at_us = rows_time_us(rows, row, TAKE_RUN_AT),
        .delivery = rows_int(rows, row, TAKE_DELIVERY),
        .attempt = rows_int(rows, row, TAKE_ATTEMPT),
        .queue = rows_text(rows, row, TAKE_QUEUE),
        .type = rows_text(rows, row, TAKE_TYPE),
        .size_bytes = rows_bigint(rows, row, TAKE_SIZE),
        .topic = rows_text(rows, row, TAKE_TOPIC),
        .partition = rows_is_null(rows, row, TAKE_PARTITION) ? -1 : rows_int(rows, row, TAKE_PARTITION),
        .share = rows_int(rows, row, TAKE_SHARE),
        .n_found = (int32_t)taken->n_found,
    };
    rows_uuid(rows, row, TAKE_ID, &ret->id);
    if (taken->large >= 0)
        get_values(b->large, (size_t)taken->large, 1, ret);
    else
        get_values(rows, row, TAKE_HEADERS, ret);
}

/* Runs @sql, a static string, with the ids as $1 and @more as $2 (unless NULL). */
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
    return db_query_often(db, sql, params, more ? 2 : 1, NULL, reterr);
}

int relay_delete(struct db *db, const struct uuid *ids, size_t n, struct err *reterr)
{
    static const char sql[] = "DELETE FROM job.pending WHERE id = ANY ($1)";
    return with_ids(db, sql, ids, n, NULL, reterr);
}

int relay_postpone(struct db *db, const struct uuid *ids, size_t n, int64_t delay_us, struct err *reterr)
{
    static const char sql[] =
        "UPDATE job.pending SET run_at = clock_timestamp() + $2 * interval '1 microsecond' WHERE id = ANY ($1)";
    uint64_t be;
    const struct db_param delay = bigint_param(delay_us, &be);
    return with_ids(db, sql, ids, n, &delay, reterr);
}

/* Headers that are no headers cannot be asked for trace, parent or time; they are kept as they are. */
static int bury(struct db *db, const struct uuid *ids, const char *const *errors, size_t n,
                struct err *reterr)
{
    _cleanup_(array_done) struct array id_array = { 0 }, error_array = { 0 };
    array_init(&id_array, PG_UUID_ARRAY);
    array_init(&error_array, PG_TEXT_ARRAY);
    for (size_t i = 0; i < n; i++) {
        array_append_uuid(&id_array, &ids[i]);
        array_append_span(&error_array, span_from_string(errors[i]));
    }
    if (id_array.buf.failed || error_array.buf.failed)
        return err_set(reterr, -ENOMEM, "out of memory");
    const struct db_param params[] = { array_param(&id_array), array_param(&error_array) };
    return db_query(
        db,
        "WITH gone AS (DELETE FROM job.pending p USING unnest($1::uuid[], $2::text[]) AS w (id, error)"
        "  WHERE p.id = w.id RETURNING p.*, w.error)"
        " SELECT job.defer('relay', interval '0', array_agg(id), array_agg(NULL::bigint),"
        "  array_agg(delivery), array_agg(attempt), array_agg(queue), array_agg(type), array_agg(topic),"
        "  array_agg(partition), array_agg(NULL::bigint), array_agg(NULL::timestamptz),"
        "  array_agg(NULL::integer), array_agg(key), array_agg(headers::text), array_agg(payload),"
        "  array_agg(NULL::text), array_agg('malformed'::text), array_agg(0::bigint),"
        "  array_agg(error), array_agg(NULL::timestamptz), array_agg(clock_timestamp()),"
        "  array_agg(NULL::integer), array_agg(NULL::integer), array_agg(NULL::text),"
        "  array_agg(NULL::uuid)) FROM gone",
        params, 2, NULL, reterr);
}

/* What PostgreSQL refuses costs these rows their burial, not the others their transaction. */
int relay_bury(struct db *db, const struct uuid *ids, const char *const *errors, size_t n, struct err *reterr)
{
    int r = n ? db_execute(db, "SAVEPOINT bury", reterr) : 0;
    if (r || n == 0)
        return r;
    int buried = bury(db, ids, errors, n, reterr);
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

/*
 * Everything here goes by an index; plans must not depend on how old the statistics of such a restless table are.
 *
 * Nothing of ours need be on disk when it is committed: what a crash of PostgreSQL takes back are rows, which are sent again, as when
 * we die between sending and deleting. Whoever commits to disk later takes ours along.
 */
int relay_listen(struct db *db, struct err *reterr)
{
    return db_execute(
        db,
        "LISTEN job_relay; SET enable_seqscan = off; SET enable_bitmapscan = off; SET jit = off;"
        " SET plan_cache_mode = force_generic_plan; SET synchronous_commit = off",
        reterr);
}

int relay_list_queues(struct db *db, struct rows **ret, struct err *reterr)
{
    static const char sql[] = "SELECT job.pending_queues()";
    return db_query_often(db, sql, NULL, 0, ret, reterr);
}

int relay_list_cursors(struct db *db, const char *const *topics, size_t n, struct rows **ret,
                       struct err *reterr)
{
    _cleanup_(array_done) struct array array = { 0 };
    array_init(&array, PG_TEXT_ARRAY);
    for (size_t i = 0; i < n; i++)
        array_append_span(&array, span_from_string(topics[i]));
    if (array.buf.failed)
        return err_set(reterr, -ENOMEM, "out of memory");
    const struct db_param params[] = { array_param(&array) };
    /* Five bytes in front of the bits: worker/window.h. */
    return db_query(
        db,
        "SELECT topic, partition, next_offset,"
        " coalesce(CASE WHEN octet_length(done) > 5 THEN bit_count(substr(done, 6)) END, 0)::bigint"
        " FROM job.cursor WHERE topic = ANY ($1)",
        params, 1, ret, reterr);
}

/* When the next job of those that wait expires. */
#define NEXT_EXPIRY(low)                                                                                        \
    "(SELECT job.expiry(headers) FROM job.pending WHERE headers ? 'ce_expires' AND job.expiry(headers) >= " low \
    " ORDER BY job.expiry(headers) LIMIT 1)"

/* Columns @column and the next one: a moment, null when there is none, and PostgreSQL's clock. */
static int64_t time_until(const struct rows *rows, int column)
{
    if (rows_is_null(rows, 0, column))
        return INT64_MAX;
    int64_t at_us = rows_time_us(rows, 0, column), now_us = rows_time_us(rows, 0, column + 1);
    return at_us == INT64_MAX ? INT64_MAX : at_us > now_us ? at_us - now_us : 0;
}

/* Never shortens what another relay has said: its own sleep relies on it. */
int relay_sleep(struct db *db, int64_t for_us, const char *const *held, size_t n_held, bool *ret_was_up,
                int64_t *ret_wait_us, struct err *reterr)
{
    uint64_t be;
    _cleanup_(array_done) struct array array = { 0 };
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    array_init(&array, PG_TEXT_ARRAY);
    for (size_t i = 0; i < n_held; i++)
        array_append_span(&array, span_from_string(held[i]));
    if (array.buf.failed)
        return err_set(reterr, -ENOMEM, "out of memory");
    const struct db_param params[] = { bigint_param(for_us, &be), array_param(&array) };
    int r = db_query(
        db,
        "WITH before AS (SELECT asleep AND wake_at > clock_timestamp() AS was_up FROM job.relay FOR UPDATE),"
        " up AS (UPDATE job.relay SET asleep = true,"
        "  wake_at = greatest(wake_at, clock_timestamp() + $1 * interval '1 microsecond')"
        "  FROM before RETURNING was_up)"
        " SELECT was_up, least("
        "  (SELECT min(p.run_at) FROM job.pending_queues() AS q (queue) CROSS JOIN LATERAL"
        "   (SELECT run_at FROM job.pending p WHERE p.queue = q.queue ORDER BY p.run_at LIMIT 1) AS p"
        "   WHERE q.queue <> ALL ($2)), " NEXT_EXPIRY("'-infinity'") "), clock_timestamp() FROM up",
        params, 2, &rows, reterr);
    if (r)
        return r;
    *ret_was_up = rows_count(rows) == 1 && rows_bool(rows, 0, 0);
    *ret_wait_us = rows_count(rows) == 1 ? time_until(rows, 1) : INT64_MAX;
    return 0;
}

int relay_wake(struct db *db, struct err *reterr)
{
    return db_query(db, "UPDATE job.relay SET asleep = false WHERE asleep", NULL, 0, NULL, reterr);
}

#define NEXT_DUE(condition)                                                                                  \
    "(SELECT run_at FROM job.pending p WHERE p.queue = t.queue AND p.run_at >= t.low AND " condition         \
    " ORDER BY p.run_at LIMIT 1)"

static const char wait_sql[] =
    "SELECT least((SELECT min(p.run_at) FROM" TURNS " CROSS JOIN LATERAL (SELECT * FROM " NEXT_DUE(
        "NOT t.ordered") " AS every UNION ALL"
                         " SELECT * FROM " NEXT_DUE("t.ordered AND p.headers ? 'ce_keyseq'") " AS ordered) AS p), " NEXT_EXPIRY(
                             "$6") "), clock_timestamp()";

int relay_wait_us(struct db *db, const struct relay_turn *turns, size_t n_turns, int64_t expired_low_us,
                  int64_t *ret_us, struct err *reterr)
{
    uint64_t low;
    _cleanup_(turn_arrays_done) struct turn_arrays arrays = { 0 };
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    put_turns(&arrays, turns, n_turns);
    if (turns_failed(&arrays))
        return err_set(reterr, -ENOMEM, "out of memory");
    const struct db_param params[] = {
        array_param(&arrays.queues),  array_param(&arrays.lows),   array_param(&arrays.limits),
        array_param(&arrays.ordered), array_param(&arrays.shares), time_param(expired_low_us, &low),
    };
    int r = db_query_often(db, wait_sql, params, ARRAY_SIZE(params), &rows, reterr);
    if (r == 0)
        *ret_us = time_until(rows, 0);
    return r;
}
