/* SPDX-License-Identifier: Apache-2.0 */
/* Readers for binary answers: every value arrives in network byte order, as each type's send function writes it. */
#include "store/rows.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "store/pgtypes.h"

struct rows {
    PGresult *result;
};

struct rows *rows_new(PGresult *result)
{
    struct rows *rows = calloc(1, sizeof(*rows));
    if (!rows) {
        PQclear(result);
        return NULL;
    }
    rows->result = result;
    return rows;
}

struct rows *rows_free(struct rows *rows)
{
    if (rows)
        PQclear(rows->result);
    free(rows);
    return NULL;
}

size_t rows_count(const struct rows *rows)
{
    return (size_t)PQntuples(rows->result);
}

size_t rows_affected(const struct rows *rows)
{
    return (size_t)strtoul(PQcmdTuples(rows->result), NULL, 10);
}

int rows_columns(const struct rows *rows)
{
    return PQnfields(rows->result);
}

const char *rows_column_name(const struct rows *rows, int column)
{
    return PQfname(rows->result, column);
}

bool rows_is_null(const struct rows *rows, size_t row, int column)
{
    return PQgetisnull(rows->result, (int)row, column);
}

struct span rows_span(const struct rows *rows, size_t row, int column)
{
    if (rows_is_null(rows, row, column))
        return (struct span){ 0 };
    return (struct span){ PQgetvalue(rows->result, (int)row, column),
                          (size_t)PQgetlength(rows->result, (int)row, column) };
}

const char *rows_text(const struct rows *rows, size_t row, int column)
{
    return rows_span(rows, row, column).data;
}

/* Copies a value of exactly @size bytes; zeroes when it is NULL or of another size. */
static void take_fixed(const struct rows *rows, size_t row, int column, void *to, size_t size)
{
    struct span value = rows_span(rows, row, column);
    memset(to, 0, size);
    if (value.data && value.size == size)
        memcpy(to, value.data, size);
}

int32_t rows_int(const struct rows *rows, size_t row, int column)
{
    uint32_t be;
    take_fixed(rows, row, column, &be, sizeof(be));
    return (int32_t)be32toh(be);
}

int64_t rows_bigint(const struct rows *rows, size_t row, int column)
{
    uint64_t be;
    take_fixed(rows, row, column, &be, sizeof(be));
    return (int64_t)be64toh(be);
}

bool rows_bool(const struct rows *rows, size_t row, int column)
{
    uint8_t value;
    take_fixed(rows, row, column, &value, sizeof(value));
    return value != 0;
}

int64_t rows_time_us(const struct rows *rows, size_t row, int column)
{
    int64_t since_2000 = rows_bigint(rows, row, column);
    if (since_2000 == INT64_MAX || since_2000 == INT64_MIN)
        return since_2000;
    return since_2000 + PG_EPOCH_US;
}

void rows_uuid(const struct rows *rows, size_t row, int column, struct uuid *ret)
{
    take_fixed(rows, row, column, ret->bytes, sizeof(ret->bytes));
}
