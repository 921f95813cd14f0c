/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A one-dimensional PostgreSQL array in binary format, built element by element: one column of a batch.
 *
 * Format: array_recv() in src/backend/utils/adt/arrayfuncs.c. A failed append (memory) is remembered in buf.failed.
 */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"
#include "base/uuid.h"
#include "store/db.h"
#include "store/pgtypes.h"

struct array {
    struct buf buf;
    enum pg_type array_type;
    uint32_t n;
    uint32_t has_null;
};

/* @array_type: PG_…_ARRAY. Also makes a used array empty again, keeping its memory. */
void array_init(struct array *a, enum pg_type array_type);
void array_done(struct array *a);

void array_append_null(struct array *a);
void array_append_bool(struct array *a, bool value);
void array_append_int(struct array *a, int32_t value);
void array_append_bigint(struct array *a, int64_t value);
void array_append_time(struct array *a, int64_t us_since_1970); /* 0: NULL */
void array_append_uuid(struct array *a, const struct uuid *id); /* NULL or the null UUID: NULL */
void array_append_span(struct array *a, struct span value);     /* text, bytea; without data: NULL */

/* The finished array as a parameter; valid until the next change. */
struct db_param array_param(struct array *a);
