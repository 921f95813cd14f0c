/* SPDX-License-Identifier: Apache-2.0 */
/* What the reader of a list has chosen: which columns, in which order, and by which the rows are sorted. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct output_column;

#define CHOICE_MAX_COLUMNS 64
#define CHOICE_MAX_KEYS 8

/* Numbers are places among the command's own columns. */
struct choice {
    size_t columns[CHOICE_MAX_COLUMNS];
    size_t n_columns;
    struct choice_key {
        size_t column;
        bool descending;
    } keys[CHOICE_MAX_KEYS];
    size_t n_keys; /* 0: as they come */
};

enum choice_outcome { CHOICE_INVALID = 1 };

/*
 * @names: "id,state"; NULL: all, and with @in_table all that a table shows without being asked.
 * @sort: "queue,started_at:desc"; NULL: none.
 *
 * Return: 0; CHOICE_INVALID with the rule, what there is, and what was probably meant.
 */
int choice_read(struct choice *ret, const struct output_column *columns, size_t n_columns, bool in_table,
                const char *names, const char *sort, struct err *reterr);
