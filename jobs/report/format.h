/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A way to write a table to a file: one row of `formats` per way.
 *
 * begin(), then add() for each row, then end(); free() whatever happened. Memory does not depend on how many rows
 * there are. All return JOB_DONE; JOB_FAIL when this table cannot be written in this format; JOB_RETRY.
 */
#pragma once

#include <job_handler.h>
#include <stdbool.h>

#include "output.h"
#include "query.h"
#include "rows.h"

/* What a report is, beside its rows; all borrowed until free(). */
struct report {
    const char *title, *font, *spool;
    const struct query_chart *chart;
    const struct columns *columns;
    bool guard_formulas, bom;
};

struct format {
    const char *name; /* of the payload, and the extension */
    const char *content_type;
    int (*begin)(struct job_context *ctx, const struct report *report, struct output *output,
                 void **ret_writer);
    int (*add)(struct job_context *ctx, void *writer, const struct cell *cells);
    int (*end)(struct job_context *ctx, void *writer);
    void (*free)(void *writer);
};

extern const struct format format_csv, format_xlsx, format_pdf;
