/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows on standard output, in the form that was asked for.
 *
 * json is one array with a line per row (or one object for a single row), jsonl a line per row, csv RFC 4180 with names
 * in the first line. A table fits the terminal and may have colours there; elsewhere it is plain, never cut, and
 * always the same.
 *
 * Limits: none of its own; a table is held in memory, the other forms are written row by row.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "cli/cell.h"

enum output_format { OUTPUT_TABLE, OUTPUT_JSON, OUTPUT_JSONL, OUTPUT_CSV };

struct output_style {
    enum output_format format;
    bool terminal; /* cut to its width */
    bool colours;
};

enum output_hint {
    OUTPUT_CUTTABLE = 1, /* may be shortened on a terminal */
    OUTPUT_NOT_IN_TABLE = 2,
};

struct output_column {
    const char *name;
    enum cell_kind kind; /* what its values are, unless null */
    unsigned hints;
};

struct output;

/* @columns is borrowed until output_free(). Return: NULL without memory. */
struct output *output_new(const struct output_style *style, FILE *to, const struct output_column *columns,
                          size_t n_columns);
/* One cell per column. @cells is not kept. */
void output_add(struct output *o, const struct cell *cells);
/* Writes what is left. Return: 0; 1 when something could not be written or remembered. */
int output_end(struct output *o);
struct output *output_free(struct output *o);
DEFINE_CLEANUP(struct output *, output_free)

/* One row as one object; as a table, one line per member that is not null. Return: as output_end(). */
int output_one(const struct output_style *style, FILE *to, const struct output_column *columns,
               size_t n_columns, const struct cell *cells);

/* {"a": 1, "b": null} */
struct buf;
void output_append_object(struct buf *b, const struct output_column *columns, size_t n_columns,
                          const struct cell *cells);

/* Does the environment want colours on @to? NO_COLOR, TERM=dumb, no terminal: no. */
bool output_wants_colours(FILE *to);
/* Table cells count characters, so the locale must know UTF-8, whatever it is called. */
void output_init_locale(void);
