/* SPDX-License-Identifier: Apache-2.0 */
/* One value on its way to a reader, as JSON, as a field of CSV, or as text for people. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"
#include "base/uuid.h"

struct buf;

enum cell_kind {
    CELL_NULL,
    CELL_TEXT,
    CELL_INT,
    CELL_BOOL,
    CELL_TIME, /* µs since 1970 */
    CELL_ID,
    CELL_JSON,    /* a JSON text; goes into JSON as it is */
    CELL_BYTES,   /* text becomes a string, other bytes {"base64": …} */
    CELL_PAYLOAD, /* JSON as CELL_JSON, anything else as CELL_BYTES */
};

struct cell {
    enum cell_kind kind;
    int64_t number; /* INT, BOOL, TIME */
    struct uuid id;
    struct span bytes; /* TEXT, JSON, BYTES, PAYLOAD; borrowed */
};

static inline struct cell cell_null(void)
{
    return (struct cell){ CELL_NULL };
}

static inline struct cell cell_int(int64_t number)
{
    return (struct cell){ .kind = CELL_INT, .number = number };
}

static inline struct cell cell_bool(bool value)
{
    return (struct cell){ .kind = CELL_BOOL, .number = value };
}

static inline struct cell cell_id(const struct uuid *id)
{
    return (struct cell){ .kind = CELL_ID, .id = *id };
}

/* Without data (or NULL): a null. */
struct cell cell_span(enum cell_kind kind, struct span bytes);
struct cell cell_text(const char *text);
struct cell cell_json(const char *json);

void cell_append_json(struct buf *b, const struct cell *cell);
/* RFC 4180: quoted where needed; null is empty, an empty string is "". Control characters but for ends of lines and tabs are "\\x1b". */
void cell_append_csv(struct buf *b, const struct cell *cell);
/* One line without control characters. A null is nothing. */
void cell_append_plain(struct buf *b, const struct cell *cell);
