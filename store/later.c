/* SPDX-License-Identifier: Apache-2.0 */
#include "store/later.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "store/array.h"

/* Columns of a batch, in the order of job.store_later(). */
enum {
    L_ID,
    L_QUEUE,
    L_TYPE,
    L_TOPIC,
    L_RUN_AT,
    L_KEY,
    L_HEADERS,
    L_PAYLOAD,
    L_ENQUEUED,
    L_UNIQUE_KEY,
    L_UNIQUE_US,
    L_DEBOUNCE,
    L_REPLY,
    L_TRACE,
    L_PARENT,
    L_OFFSET,
    L_FAULT,
    L_COUNT
};

static const enum pg_type types[L_COUNT] = {
    [L_ID] = PG_UUID_ARRAY,         [L_QUEUE] = PG_TEXT_ARRAY,         [L_TYPE] = PG_TEXT_ARRAY,
    [L_TOPIC] = PG_TEXT_ARRAY,      [L_RUN_AT] = PG_TIMESTAMPTZ_ARRAY, [L_KEY] = PG_BYTEA_ARRAY,
    [L_HEADERS] = PG_TEXT_ARRAY,    [L_PAYLOAD] = PG_BYTEA_ARRAY,      [L_ENQUEUED] = PG_TIMESTAMPTZ_ARRAY,
    [L_UNIQUE_KEY] = PG_TEXT_ARRAY, [L_UNIQUE_US] = PG_INT8_ARRAY,     [L_DEBOUNCE] = PG_BOOL_ARRAY,
    [L_REPLY] = PG_BOOL_ARRAY,      [L_TRACE] = PG_TEXT_ARRAY,         [L_PARENT] = PG_UUID_ARRAY,
    [L_OFFSET] = PG_INT8_ARRAY,     [L_FAULT] = PG_TEXT_ARRAY,
};

/* --- Taking over --------------------------------------------------------------------------------------------------------- */

static struct later_cursor *find(struct later_cursor *cursors, size_t n, const char *topic, int32_t partition)
{
    for (size_t i = 0; i < n; i++)
        if (cursors[i].partition == partition && strcmp(cursors[i].topic, topic) == 0)
            return &cursors[i];
    return NULL;
}

static int64_t bigint_or_none(const struct rows *rows, size_t row, int column)
{
    return rows_is_null(rows, row, column) ? -1 : rows_bigint(rows, row, column);
}

static void read_cursors(const struct rows *rows, struct later_cursor *cursors, size_t n)
{
    for (size_t i = 0; i < rows_count(rows); i++) {
        struct later_cursor *c = find(cursors, n, rows_text(rows, i, 0), rows_int(rows, i, 1));
        if (!c)
            continue;
        c->epoch = rows_bigint(rows, i, 2);
        c->seq = rows_bigint(rows, i, 3);
        c->next_offset = rows_bigint(rows, i, 4);
        c->log_start = bigint_or_none(rows, i, 5);
        c->checked_offset = bigint_or_none(rows, i, 6);
        c->checked_ms = bigint_or_none(rows, i, 7);
        c->trouble = !rows_is_null(rows, i, 8);
    }
}

int later_take_over(struct db *db, struct later_cursor *cursors, size_t n, struct err *reterr)
{
    _cleanup_(array_done) struct array topics = { 0 }, partitions = { 0 };
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    array_init(&topics, PG_TEXT_ARRAY);
    array_init(&partitions, PG_INT4_ARRAY);
    for (size_t i = 0; i < n; i++) {
        array_append_span(&topics, span_from_string(cursors[i].topic));
        array_append_int(&partitions, cursors[i].partition);
    }
    const struct db_param params[] = { array_param(&topics), array_param(&partitions) };
    if (topics.buf.failed || partitions.buf.failed)
        return err_set(reterr, -ENOMEM, "out of memory");
    int r = db_query(db,
                     "SELECT topic, partition, epoch, batch_seq, next_offset, log_start, checked_offset,"
                     " checked_ts, trouble FROM job.take_over($1, $2, NULL)",
                     params, ARRAY_SIZE(params), &rows, reterr);
    if (r == 0)
        read_cursors(rows, cursors, n);
    return r;
}

int later_has_trouble(struct db *db, const char *topic, bool *ret, struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    const struct db_param params[] = { db_text(topic) };
    int r = db_query(db, "SELECT EXISTS (SELECT FROM job.cursor WHERE topic = $1 AND trouble IS NOT NULL)",
                     params, 1, &rows, reterr);
    if (r == 0)
        *ret = rows_bool(rows, 0, 0);
    return r;
}

/* --- A batch ------------------------------------------------------------------------------------------------------------- */

static void append_row(struct array *a, const struct later_row *row)
{
    array_append_uuid(&a[L_ID], &row->id);
    array_append_span(&a[L_QUEUE], row->queue);
    array_append_span(&a[L_TYPE], row->type);
    array_append_span(&a[L_TOPIC], row->topic);
    array_append_time(&a[L_RUN_AT], row->run_at_us);
    array_append_span(&a[L_KEY], row->key);
    array_append_span(&a[L_HEADERS], row->headers_json);
    array_append_span(&a[L_PAYLOAD], row->payload);
    array_append_time(&a[L_ENQUEUED], row->enqueued_us);
    array_append_span(&a[L_UNIQUE_KEY], row->unique_key);
    if (row->unique_us)
        array_append_bigint(&a[L_UNIQUE_US], row->unique_us);
    else
        array_append_null(&a[L_UNIQUE_US]);
    array_append_bool(&a[L_DEBOUNCE], row->debounce);
    array_append_bool(&a[L_REPLY], row->reply);
    array_append_span(&a[L_TRACE], row->trace_id);
    array_append_uuid(&a[L_PARENT], &row->parent);
    array_append_bigint(&a[L_OFFSET], row->offset);
    array_append_span(&a[L_FAULT], row->fault);
}

/* A number as a parameter; @be holds it. */
static struct db_param number(int64_t value, uint64_t *be)
{
    *be = htobe64((uint64_t)value);
    return (struct db_param){ .oid = PG_INT8, .data = be, .size = sizeof(*be), .binary = true };
}

static int store(struct db *db, const struct later_cursor *c, struct array *columns, int64_t next_offset,
                 struct err *reterr)
{
    uint64_t epoch, seq, next, start, checked, checked_ms;
    uint32_t partition = htobe32((uint32_t)c->partition);
    struct db_param params[6 + L_COUNT + 2] = {
        db_text(c->topic),
        { .oid = PG_INT4, .data = &partition, .size = sizeof(partition), .binary = true },
        number(c->epoch, &epoch),
        number(c->seq, &seq),
        number(next_offset, &next),
        c->log_start < 0 ? db_null() : number(c->log_start, &start),
    };
    for (int i = 0; i < L_COUNT; i++) {
        if (columns[i].buf.failed)
            return err_set(reterr, -ENOMEM, "out of memory");
        params[6 + i] = array_param(&columns[i]);
    }
    params[6 + L_COUNT] = c->checked_offset < 0 ? db_null() : number(c->checked_offset, &checked);
    params[6 + L_COUNT + 1] = number(c->checked_ms, &checked_ms);
    return db_query(
        db,
        "SELECT job.store_later($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,"
        " $17, $18, $19, $20, $21, $22, $23), job.note_checked($1, $2, $3, $24::bigint, $25)",
        params, ARRAY_SIZE(params), NULL, reterr);
}

int later_store(struct db *db, struct later_cursor *cursor, const struct later_row *rows, size_t n,
                int64_t next_offset, struct err *reterr)
{
    struct array columns[L_COUNT] = { 0 };
    for (int i = 0; i < L_COUNT; i++)
        array_init(&columns[i], types[i]);
    for (size_t i = 0; i < n; i++)
        append_row(columns, &rows[i]);
    int r = store(db, cursor, columns, next_offset, reterr);
    for (int i = 0; i < L_COUNT; i++)
        array_done(&columns[i]);
    if (r == 0) {
        cursor->seq++;
        cursor->next_offset = next_offset;
    }
    return r;
}
