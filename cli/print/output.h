/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows on standard output, in the form that was asked for.
 *
 * json is one array with a line per row (or one object for a single row), jsonl a line per row, csv RFC 4180 with names
 * in the first line. A table fits the terminal and may have colours there; elsewhere it is plain, never cut, and
 * always the same.
 *
 * Limits: a table is held in memory, and so is what is to be sorted, up to SORTING_MAX_ROWS; else rows are written as
 * they come.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "cli/print/cell.h"
#include "cli/print/moment.h"

struct err;

enum output_format { OUTPUT_TABLE, OUTPUT_JSON, OUTPUT_JSONL, OUTPUT_CSV };

struct output_style {
    enum output_format format;
    bool terminal; /* cut to its width */
    bool colours;
    bool no_headers;        /* TABLE, CSV: without names in the first line */
    enum moment_form times; /* TABLE */
    int64_t now_us;         /* what relative times are relative to; 0: when the list begins */
    const char *columns;    /* "id,state": only these, in this order; NULL: all */
    const char *sort;       /* "queue,started_at:desc"; NULL: as they come */
};

enum output_hint {
    OUTPUT_CUTTABLE = 1,     /* may be shortened on a terminal */
    OUTPUT_NOT_IN_TABLE = 2, /* only when it is asked for by name */
};

struct output_column {
    const char *name;
    enum cell_kind kind; /* what its values are, unless null */
    unsigned hints;
};

struct output;

/*
 * @columns and what @style points to are borrowed until output_free().
 *
 * Return: an enum status; STATUS_USAGE when the style names a column that is not there, with the reason in @reterr.
 */
int output_new(struct output **ret, const struct output_style *style, FILE *to,
               const struct output_column *columns, size_t n_columns, struct err *reterr);
/* One cell per column. @cells is not kept. */
void output_add(struct output *o, const struct cell *cells);
/* Writes what is left. Return: an enum status. */
int output_end(struct output *o, struct err *reterr);
struct output *output_free(struct output *o);
DEFINE_CLEANUP(struct output *, output_free)

/* One row as one object; as a table, one line per member that is not null. Return: as output_new(). */
int output_one(const struct output_style *style, FILE *to, const struct output_column *columns,
               size_t n_columns, const struct cell *cells, struct err *reterr);

/* {"a": 1, "b": null} */
struct buf;
void output_append_object(struct buf *b, const struct output_column *columns, size_t n_columns,
                          const struct cell *cells);

/* Does the environment want colours on @to? NO_COLOR, TERM=dumb, no terminal: no. */
bool output_wants_colours(FILE *to);
/* Table cells count characters, so the locale must know UTF-8, whatever it is called. */
void output_init_locale(void);
