/* SPDX-License-Identifier: Apache-2.0 */
/* Dead letters on their way back into PostgreSQL: one statement for many. */
#pragma once

#include "base/span.h"
#include "base/uuid.h"
#include "store/db.h"

/* One letter. Strings and spans are borrowed; NULL and spans without data are SQL NULL; times are µs since 1970, 0: none. */
struct dead_record {
    struct uuid id;
    int64_t died_us, enqueued_us, edited_us;
    int delivery, attempt;
    bool has_partition, has_offset;
    int partition;
    int64_t offset;
    const char *queue, *type, *reason, *topic, *error;
    const char *headers;  /* JSON */
    const char *result;   /* JSON; NULL: there is no record of its end */
    const char *attempts; /* a JSON array */
    const char *edits;    /* a JSON array */
    struct span key, payload;
};

/*
 * All @n, or none. What is there already and what lives is left as it is. Columns: id uuid; action text: imported, there, lives. One row for each
 * different id. Return: as db_query(); -ENOMEM.
 */
int dead_import(struct db *db, const struct dead_record *records, size_t n, struct rows **ret,
                struct err *reterr);
