/* SPDX-License-Identifier: Apache-2.0 */
/* Rows that are kept until all are there, to be sorted. */
#pragma once

#include "cli/print/cell.h"
#include "cli/print/choice.h"

#define SORTING_MAX_ROWS 1000000

struct sorting {
    const struct choice *choice; /* borrowed */
    size_t n_columns;
    struct sorting_row **rows;
    size_t n_rows, n_room;
};

/* Copies the row. Return: false without memory, or when there are SORTING_MAX_ROWS. */
bool sorting_add(struct sorting *s, const struct cell *cells);
/* Rows that are equal by all keys stay as they came; nulls come last. */
void sorting_sort(struct sorting *s);
const struct cell *sorting_get(const struct sorting *s, size_t row);
void sorting_done(struct sorting *s);
