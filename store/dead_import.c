/* SPDX-License-Identifier: Apache-2.0 */
#include "store/dead_import.h"

#include "store/array.h"

/* In the order of the parameters of job.import_dead(). */
enum column {
    ID,
    DIED,
    ENQUEUED,
    EDITED,
    DELIVERY,
    ATTEMPT,
    PARTITION,
    OFFSET,
    QUEUE,
    TYPE,
    REASON,
    TOPIC,
    ERROR,
    KEY,
    HEADERS,
    PAYLOAD,
    RESULT,
    ATTEMPTS,
    EDITS,
    N_COLUMNS,
};

static const enum pg_type types[N_COLUMNS] = {
    [ID] = PG_UUID_ARRAY,
    [DIED] = PG_TIMESTAMPTZ_ARRAY,
    [ENQUEUED] = PG_TIMESTAMPTZ_ARRAY,
    [EDITED] = PG_TIMESTAMPTZ_ARRAY,
    [DELIVERY] = PG_INT4_ARRAY,
    [ATTEMPT] = PG_INT4_ARRAY,
    [PARTITION] = PG_INT4_ARRAY,
    [OFFSET] = PG_INT8_ARRAY,
    [QUEUE] = PG_TEXT_ARRAY,
    [TYPE] = PG_TEXT_ARRAY,
    [REASON] = PG_TEXT_ARRAY,
    [TOPIC] = PG_TEXT_ARRAY,
    [ERROR] = PG_TEXT_ARRAY,
    [KEY] = PG_BYTEA_ARRAY,
    [HEADERS] = PG_TEXT_ARRAY,
    [PAYLOAD] = PG_BYTEA_ARRAY,
    [RESULT] = PG_TEXT_ARRAY,
    [ATTEMPTS] = PG_TEXT_ARRAY,
    [EDITS] = PG_TEXT_ARRAY,
};

static void append_texts(struct array *columns, const struct dead_record *r)
{
    const struct {
        enum column column;
        const char *text;
    } texts[] = {
        { QUEUE, r->queue },   { TYPE, r->type },         { REASON, r->reason },
        { TOPIC, r->topic },   { ERROR, r->error },       { HEADERS, r->headers },
        { RESULT, r->result }, { ATTEMPTS, r->attempts }, { EDITS, r->edits },
    };
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        array_append_span(&columns[texts[i].column], span_from_string(texts[i].text));
}

static void append(struct array *columns, const struct dead_record *r)
{
    array_append_uuid(&columns[ID], &r->id);
    array_append_time(&columns[DIED], r->died_us);
    array_append_time(&columns[ENQUEUED], r->enqueued_us);
    array_append_time(&columns[EDITED], r->edited_us);
    array_append_int(&columns[DELIVERY], r->delivery);
    array_append_int(&columns[ATTEMPT], r->attempt);
    if (r->has_partition)
        array_append_int(&columns[PARTITION], r->partition);
    else
        array_append_null(&columns[PARTITION]);
    if (r->has_offset)
        array_append_bigint(&columns[OFFSET], r->offset);
    else
        array_append_null(&columns[OFFSET]);
    append_texts(columns, r);
    array_append_span(&columns[KEY], r->key);
    array_append_span(&columns[PAYLOAD], r->payload);
}

int dead_import(struct db *db, const struct dead_record *records, size_t n, struct rows **ret,
                struct err *reterr)
{
    struct array columns[N_COLUMNS] = { 0 };
    struct db_param params[N_COLUMNS];
    for (size_t i = 0; i < N_COLUMNS; i++)
        array_init(&columns[i], types[i]);
    for (size_t i = 0; i < n; i++)
        append(columns, &records[i]);
    for (size_t i = 0; i < N_COLUMNS; i++)
        params[i] = array_param(&columns[i]);
    int r = db_query(
        db,
        "SELECT job, action FROM job.import_dead($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14,"
        " $15, $16, $17, $18, $19)",
        params, N_COLUMNS, ret, reterr);
    for (size_t i = 0; i < N_COLUMNS; i++)
        array_done(&columns[i]);
    return r;
}
