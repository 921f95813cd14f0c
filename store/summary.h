/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What PostgreSQL knows of an installation, fit to be shown to others: no payload, header, key, result, tag, error or text of a query.
 *
 * Each summary is one JSON array, and bounded.
 */
#pragma once

#include "store/db.h"

struct summary {
    const char *name; /* "workers" */
    const char *what; /* one sentence without full stop */
    const char *sql;
    bool needs_schema;
};

/* Ends with a NULL name. */
extern const struct summary summaries[];

/* Column: the JSON text. Return: as db_query(). */
int summary_read(struct db *db, const struct summary *summary, struct rows **ret, struct err *reterr);
