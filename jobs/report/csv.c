/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CSV as RFC 4180 has it: UTF-8, a line of column names, commas, CRLF behind each row.
 *
 * NULL is an empty cell, an empty text is "". Booleans are true and false, everything else is as PostgreSQL writes it.
 *
 * Spreadsheets take a cell for a formula that begins with one of `risky`, however it is quoted. Unless the job asks
 * for the bare text (guard_formulas), such a cell gets a ' in front; columns of numbers need none, their minus is a minus.
 * Some take semicolons and tabs for commas, too: a cell with one is in quotes, or what is behind it would be a cell.
 */
#include <stdlib.h>
#include <string.h>

#include "format.h"

struct csv {
    struct output *output;
    const struct columns *columns;
    bool guard_formulas;
};

/* The last four are the full-width forms that some spreadsheets read as the first four. */
static bool is_risky(const char *text)
{
    static const char *const risky[] = { "=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠" };
    for (size_t i = 0; i < sizeof(risky) / sizeof(risky[0]); i++)
        if (strncmp(text, risky[i], strlen(risky[i])) == 0)
            return true;
    return false;
}

static bool needs_quotes(const char *text)
{
    return !*text || *text == ' ' || text[strcspn(text, ",\"\r\n;\t")] || text[strlen(text) - 1] == ' ';
}

static void write_text(struct output *output, const char *text)
{
    output_write(output, text, strlen(text));
}

static void write_quoted(struct output *output, const char *text, bool guard)
{
    write_text(output, guard ? "\"'" : "\"");
    for (const char *quote; (quote = strchr(text, '"')); text = quote + 1) {
        output_write(output, text, (size_t)(quote - text) + 1);
        output_write(output, "\"", 1);
    }
    write_text(output, text);
    output_write(output, "\"", 1);
}

static void write_cell(struct csv *csv, enum cell_kind kind, const char *text)
{
    bool guard = csv->guard_formulas && kind != CELL_NUMBER && is_risky(text);
    if (guard || needs_quotes(text))
        write_quoted(csv->output, text, guard);
    else if (kind == CELL_BOOLEAN)
        write_text(csv->output, *text == 't' ? "true" : "false");
    else
        write_text(csv->output, text);
}

static int csv_begin(struct job_context *ctx, const struct report *report, struct output *output,
                     void **ret_writer)
{
    struct csv *csv = malloc(sizeof(*csv));
    if (!csv)
        return job_retry(ctx, "no memory for a report");
    *csv = (struct csv){ output, report->columns, report->guard_formulas };
    *ret_writer = csv;
    if (report->bom)
        write_text(output, "\xef\xbb\xbf");
    for (size_t i = 0; i < csv->columns->n; i++) {
        output_write(output, ",", i > 0);
        write_cell(csv, CELL_TEXT, csv->columns->list[i].name);
    }
    write_text(output, "\r\n");
    return output_check(ctx, output);
}

static int csv_add(struct job_context *ctx, void *writer, const struct cell *cells)
{
    struct csv *csv = writer;
    for (size_t i = 0; i < csv->columns->n; i++) {
        output_write(csv->output, ",", i > 0);
        if (cells[i].text)
            write_cell(csv, csv->columns->list[i].kind, cells[i].text);
    }
    output_write(csv->output, "\r\n", 2);
    return output_check(ctx, csv->output);
}

static int csv_end(struct job_context *ctx, void *writer)
{
    struct csv *csv = writer;
    return output_check(ctx, csv->output);
}

const struct format format_csv = {
    .name = "csv",
    .content_type = "text/csv; charset=utf-8",
    .begin = csv_begin,
    .add = csv_add,
    .end = csv_end,
    .free = free,
};
