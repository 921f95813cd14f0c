/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of a list that has no end, each on a line of its own as soon as it is there: as output.h has them, but that a table has columns of fixed
 * least widths, because nobody knows what will come.
 */
#pragma once

#include "cli/print/output.h"

struct lines_column {
    struct output_column column;
    int width; /* at least; 0: the last */
};

struct lines;

/* JSON has no end to close a list with: it is refused. @columns and what @style points to are borrowed. Return: an enum status. */
int lines_new(struct lines **ret, const struct output_style *style, FILE *to,
              const struct lines_column *columns, size_t n_columns, struct err *reterr);
struct lines *lines_free(struct lines *l);
DEFINE_CLEANUP(struct lines *, lines_free)

/* One cell per column. */
void lines_add(struct lines *l, const struct cell *cells);
/* All that was added goes out. Return: an enum status. */
int lines_flush(struct lines *l, struct err *reterr);
