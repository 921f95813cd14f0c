/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A statement that is put together from pieces of the program's own text and numbered parameters.
 *
 * Whatever comes from outside is a parameter: it gets a number, and the text has "$3". What is appended to `sql` is never data.
 */
#pragma once

#include "base/buf.h"
#include "store/array.h"
#include "store/db.h"

#define STATEMENT_MAX_PARAMS 64
#define STATEMENT_MAX_ARRAYS 24
#define STATEMENT_MAX_NUMBERS 16

struct statement {
    struct buf sql;
    struct db_param params[STATEMENT_MAX_PARAMS];
    int n_params;
    struct array arrays[STATEMENT_MAX_ARRAYS]; /* what array parameters point into; the same for numbers */
    int n_arrays;
    char numbers[STATEMENT_MAX_NUMBERS][24];
    int n_numbers;
    struct uuid ids[2]; /* room for such parameters */
    bool failed;        /* out of memory, or more than there is room for */
};

void statement_done(struct statement *s);
#define _cleanup_statement_ _cleanup_(statement_done)

/* Each: one more parameter, which is borrowed until the statement has run. Return: its number, from 1. */
int statement_param(struct statement *s, struct db_param param);
int statement_number(struct statement *s, int64_t number);                    /* text; cast it */
int statement_texts(struct statement *s, const char *const *texts, size_t n); /* text[] */

/* Runs it. Return: as db_query(). */
int statement_query(struct statement *s, struct db *db, struct rows **ret, struct err *reterr);
