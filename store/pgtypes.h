/* SPDX-License-Identifier: Apache-2.0 */
/* Object ids of PostgreSQL's built-in types (pg_type.dat; they never change), and its epoch. */
#pragma once

#include <stdint.h>

enum pg_type {
    PG_BOOL = 16,
    PG_BYTEA = 17,
    PG_INT8 = 20,
    PG_INT4 = 23,
    PG_TEXT = 25,
    PG_TIMESTAMPTZ = 1184,
    PG_UUID = 2950,
    PG_BOOL_ARRAY = 1000,
    PG_BYTEA_ARRAY = 1001,
    PG_INT4_ARRAY = 1007,
    PG_TEXT_ARRAY = 1009,
    PG_INT8_ARRAY = 1016,
    PG_TIMESTAMPTZ_ARRAY = 1185,
    PG_UUID_ARRAY = 2951,
};

/* 2000-01-01 UTC, where timestamptz counts from, in µs since 1970. */
#define PG_EPOCH_US INT64_C(946684800000000)
