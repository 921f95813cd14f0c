/* SPDX-License-Identifier: Apache-2.0 */
/* What a query gives: its columns once, then cells, row by row. */
#pragma once

#include <stddef.h>

enum cell_kind {
    CELL_TEXT,      /* and everything that is none of the others */
    CELL_NUMBER,    /* as PostgreSQL writes it: also NaN, Infinity, and more digits than a double has */
    CELL_BOOLEAN,   /* "t", "f" */
    CELL_DATE,      /* YYYY-MM-DD; also "infinity", "0044-03-15 BC" */
    CELL_TIMESTAMP, /* YYYY-MM-DD HH:MM:SS[.ffffff][+ZZ]; and so on */
};

#define COLUMN_NAME_SIZE 256 /* PostgreSQL's own limit is 63 bytes */

struct column {
    char name[COLUMN_NAME_SIZE];
    enum cell_kind kind;
};

struct columns {
    size_t n;
    struct column *list;
};

/* UTF-8, NUL-terminated, borrowed until the next row is asked for; text NULL: SQL's NULL. */
struct cell {
    const char *text;
    size_t size;
};
