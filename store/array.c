/* SPDX-License-Identifier: Apache-2.0 */
#include "store/array.h"

#include <endian.h>

#define ARRAY_HEADER_SIZE 20

static uint32_t element_type(enum pg_type array_type)
{
    switch (array_type) {
    case PG_BOOL_ARRAY:
        return PG_BOOL;
    case PG_BYTEA_ARRAY:
        return PG_BYTEA;
    case PG_INT4_ARRAY:
        return PG_INT4;
    case PG_INT8_ARRAY:
        return PG_INT8;
    case PG_TIMESTAMPTZ_ARRAY:
        return PG_TIMESTAMPTZ;
    case PG_UUID_ARRAY:
        return PG_UUID;
    default:
        return PG_TEXT;
    }
}

void array_init(struct array *a, enum pg_type array_type)
{
    static const char room[ARRAY_HEADER_SIZE];
    a->array_type = array_type;
    a->n = a->has_null = 0;
    buf_reset(&a->buf);
    buf_append(&a->buf, room, sizeof(room));
}

void array_done(struct array *a)
{
    buf_done(&a->buf);
}

static void append(struct array *a, const void *data, size_t size)
{
    buf_append_be32(&a->buf, (uint32_t)size);
    buf_append(&a->buf, data, size);
    a->n++;
}

void array_append_null(struct array *a)
{
    buf_append_be32(&a->buf, UINT32_MAX); /* length -1 */
    a->has_null = 1;
    a->n++;
}

void array_append_bool(struct array *a, bool value)
{
    uint8_t byte = value;
    append(a, &byte, sizeof(byte));
}

void array_append_int(struct array *a, int32_t value)
{
    uint32_t be = htobe32((uint32_t)value);
    append(a, &be, sizeof(be));
}

void array_append_bigint(struct array *a, int64_t value)
{
    uint64_t be = htobe64((uint64_t)value);
    append(a, &be, sizeof(be));
}

void array_append_time(struct array *a, int64_t us_since_1970)
{
    if (us_since_1970 == 0)
        array_append_null(a);
    else
        array_append_bigint(a, us_since_1970 - PG_EPOCH_US);
}

void array_append_uuid(struct array *a, const struct uuid *id)
{
    if (!id || uuid_is_null(id))
        array_append_null(a);
    else
        append(a, id->bytes, sizeof(id->bytes));
}

void array_append_span(struct array *a, struct span value)
{
    if (value.data)
        append(a, value.data, value.size);
    else
        array_append_null(a);
}

static void put_be32(struct array *a, size_t at, uint32_t value)
{
    uint32_t be = htobe32(value);
    memcpy(a->buf.data + at, &be, sizeof(be));
}

struct db_param array_param(struct array *a)
{
    if (!a->buf.failed) {
        put_be32(a, 0, 1); /* dimensions */
        put_be32(a, 4, a->has_null);
        put_be32(a, 8, element_type(a->array_type));
        put_be32(a, 12, a->n);
        put_be32(a, 16, 1); /* lower bound */
    }
    return (
        struct db_param){ .oid = a->array_type, .data = a->buf.data, .size = a->buf.size, .binary = true };
}
