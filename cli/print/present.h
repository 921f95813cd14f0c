/* SPDX-License-Identifier: Apache-2.0 */
/* From PostgreSQL's rows to what is printed. */
#pragma once

#include "cli/invocation.h"

/* Values of row @row along @columns, which are as the query has them. Borrows from @rows. */
void present_fill(const struct output_column *columns, size_t n_columns, const struct rows *rows, size_t row,
                  struct cell *cells);

/* A list in the form that was asked for, on the command's output. Return: as output_new(). */
int present_begin(const struct invocation *in, const struct output_column *columns, size_t n_columns,
                  struct output **ret, struct err *reterr);

/* All rows as a list, in the form that was asked for. Return: an enum status. */
int present_rows(const struct invocation *in, const struct output_column *columns, size_t n_columns,
                 const struct rows *rows, struct err *reterr);

/* {"id": …} on a line of its own. Return: an enum status. */
int present_id(const struct invocation *in, const struct uuid *id, struct err *reterr);

/* One row as one object. Return: an enum status. */
int present_one(const struct invocation *in, const struct output_column *columns, size_t n_columns,
                const struct cell *cells, struct err *reterr);

#define PRESENT_MAX_COLUMNS 40
