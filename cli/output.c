/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/output.h"

#include <langinfo.h>
#include <libsmartcols.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/timefmt.h"
#include "libjob/json_text.h"

struct output {
    struct output_style style;
    FILE *to;
    const struct output_column *columns;
    size_t n_columns;
    size_t n_rows;
    struct buf line;
    struct libscols_table *table; /* TABLE */
    uint64_t filled;              /* TABLE: bit per column that has a value in some row */
    bool failed;
};

/* --- Tables --- */

static const char *colour_of(const struct output_column *column, const char *text)
{
    static const struct {
        const char *text, *colour;
    } colours[] = {
        { "succeeded", "green" }, { "ok", "green" },    { "running", "cyan" }, { "retrying", "yellow" },
        { "warning", "yellow" },  { "dead", "red" },    { "problem", "red" },  { "expired", "red" },
        { "failed", "red" },      { "crashed", "red" }, { "lost", "red" },     { "timeout", "red" },
    };
    if (strcmp(column->name, "state") != 0 && strcmp(column->name, "outcome") != 0)
        return NULL;
    for (size_t i = 0; i < sizeof(colours) / sizeof(colours[0]); i++)
        if (strcmp(colours[i].text, text) == 0)
            return colours[i].colour;
    return NULL;
}

static struct libscols_table *new_table(const struct output_style *style, FILE *to)
{
    struct libscols_table *table = scols_new_table();
    if (!table)
        return NULL;
    scols_table_set_stream(table, to);
    scols_table_enable_colors(table, style->colours);
    scols_table_set_termforce(table, style->terminal ? SCOLS_TERMFORCE_AUTO : SCOLS_TERMFORCE_NEVER);
    scols_table_enable_nowrap(table, 1);
    scols_table_enable_noencoding(table, 1); /* printable_append() has done that */
    return table;
}

static bool in_table(const struct output_column *column)
{
    return !(column->hints & OUTPUT_NOT_IN_TABLE);
}

static bool add_columns(struct output *o)
{
    for (size_t i = 0; i < o->n_columns; i++) {
        const struct output_column *c = &o->columns[i];
        int flags = c->kind == CELL_INT ? SCOLS_FL_RIGHT : 0;
        if (o->style.terminal && (c->hints & OUTPUT_CUTTABLE))
            flags |= SCOLS_FL_TRUNC;
        if (in_table(c) && !scols_table_new_column(o->table, c->name, 0, flags))
            return false;
    }
    return true;
}

static bool set_cell(struct libscols_line *line, size_t at, const char *text, const char *colour)
{
    if (scols_line_set_data(line, at, text ? text : "") != 0)
        return false;
    return !colour || scols_cell_set_color(scols_line_get_cell(line, at), colour) == 0;
}

/* Terminals are narrow: there a time is "2026-01-31 18:00:00Z". */
static void append_cell(struct buf *b, const struct output_style *style, const struct cell *cell)
{
    char text[RFC3339_SIZE];
    if (!style->terminal || cell->kind != CELL_TIME || cell->number == INT64_MAX ||
        cell->number == INT64_MIN) {
        cell_append_plain(b, cell);
        return;
    }
    rfc3339_format(cell->number, 0, text);
    text[strcspn(text, "T")] = ' ';
    buf_append_string(b, text);
}

/* Terminals are narrow: there a column without any value is left out. */
static void hide_empty_columns(struct output *o)
{
    for (size_t i = 0; o->style.terminal && i < scols_table_get_ncols(o->table); i++) {
        struct libscols_column *column = scols_table_get_column(o->table, i);
        if (!(o->filled >> i & 1))
            scols_column_set_flags(column, scols_column_get_flags(column) | SCOLS_FL_HIDDEN);
    }
}

static void add_line(struct output *o, const struct cell *cells)
{
    struct libscols_line *line = scols_table_new_line(o->table, NULL);
    size_t at = 0;
    for (size_t i = 0; line && i < o->n_columns; i++) {
        if (!in_table(&o->columns[i]))
            continue;
        buf_reset(&o->line);
        append_cell(&o->line, &o->style, &cells[i]);
        const char *text = o->line.size ? o->line.data : "";
        o->filled |= (uint64_t)(text[0] != 0) << at;
        if (!set_cell(line, at++, text, colour_of(&o->columns[i], text)))
            o->failed = true;
    }
    o->failed |= !line || o->line.failed;
}

/* --- Text --- */

void output_append_object(struct buf *b, const struct output_column *columns, size_t n_columns,
                          const struct cell *cells)
{
    buf_append_char(b, '{');
    for (size_t i = 0; i < n_columns; i++) {
        buf_append_string(b, i ? ", " : "");
        json_append_string(b, columns[i].name, strlen(columns[i].name));
        buf_append_string(b, ": ");
        cell_append_json(b, &cells[i]);
    }
    buf_append_char(b, '}');
}

static void append_csv(struct buf *b, const struct output *o, const struct cell *cells)
{
    for (size_t i = 0; i < o->n_columns; i++) {
        buf_append_string(b, i ? "," : "");
        cell_append_csv(b, &cells[i]);
    }
}

static void write_line(struct output *o, const char *before, const char *after)
{
    if (o->line.failed || fprintf(o->to, "%s%s%s", before, o->line.size ? o->line.data : "", after) < 0)
        o->failed = true;
    buf_reset(&o->line);
}

static void write_names(struct output *o)
{
    for (size_t i = 0; i < o->n_columns; i++) {
        struct cell name = cell_text(o->columns[i].name);
        buf_append_string(&o->line, i ? "," : "");
        cell_append_csv(&o->line, &name);
    }
    write_line(o, "", "\n");
}

struct output *output_new(const struct output_style *style, FILE *to, const struct output_column *columns,
                          size_t n_columns)
{
    _cleanup_(output_free_cleanup) struct output *o = calloc(1, sizeof(*o));
    if (!o)
        return NULL;
    *o = (struct output){ .style = *style, .to = to, .columns = columns, .n_columns = n_columns };
    if (style->format == OUTPUT_TABLE) {
        o->table = new_table(style, to);
        if (!o->table || !add_columns(o))
            return NULL;
    }
    if (style->format == OUTPUT_CSV)
        write_names(o);
    return steal(o);
}

void output_add(struct output *o, const struct cell *cells)
{
    switch (o->style.format) {
    case OUTPUT_TABLE:
        add_line(o, cells);
        break;
    case OUTPUT_CSV:
        append_csv(&o->line, o, cells);
        write_line(o, "", "\n");
        break;
    case OUTPUT_JSONL:
        output_append_object(&o->line, o->columns, o->n_columns, cells);
        write_line(o, "", "\n");
        break;
    case OUTPUT_JSON:
        output_append_object(&o->line, o->columns, o->n_columns, cells);
        write_line(o, o->n_rows ? ",\n " : "[", "");
        break;
    }
    o->n_rows++;
}

int output_end(struct output *o)
{
    if (o->style.format == OUTPUT_JSON)
        o->failed |= fputs(o->n_rows ? "]\n" : "[]\n", o->to) < 0;
    if (o->table && !scols_table_is_empty(o->table)) {
        hide_empty_columns(o);
        o->failed |= scols_print_table(o->table) != 0;
    }
    return o->failed || ferror(o->to);
}

struct output *output_free(struct output *o)
{
    if (!o)
        return NULL;
    scols_unref_table(o->table);
    buf_done(&o->line);
    free(o);
    return NULL;
}

/* --- One row --- */

static int print_members(const struct output_style *style, FILE *to, const struct output_column *columns,
                         size_t n_columns, const struct cell *cells)
{
    struct libscols_table *table = new_table(style, to);
    _cleanup_buf_ struct buf text = { 0 };
    bool ok = table && scols_table_new_column(table, "name", 0, 0) &&
              scols_table_new_column(table, "value", 0, SCOLS_FL_NOEXTREMES);
    if (ok)
        scols_table_enable_noheadings(table, 1);
    for (size_t i = 0; ok && i < n_columns; i++) {
        if (cells[i].kind == CELL_NULL || !in_table(&columns[i]))
            continue;
        struct libscols_line *line = scols_table_new_line(table, NULL);
        buf_reset(&text);
        append_cell(&text, style, &cells[i]);
        const char *value = text.size ? text.data : "";
        ok = line && set_cell(line, 0, columns[i].name, NULL) &&
             set_cell(line, 1, value, colour_of(&columns[i], value));
    }
    if (ok)
        ok = scols_print_table(table) == 0;
    scols_unref_table(table);
    return !ok;
}

int output_one(const struct output_style *style, FILE *to, const struct output_column *columns,
               size_t n_columns, const struct cell *cells)
{
    _cleanup_buf_ struct buf line = { 0 };
    if (style->format == OUTPUT_TABLE)
        return print_members(style, to, columns, n_columns, cells);
    if (style->format == OUTPUT_CSV) {
        _cleanup_(output_free_cleanup) struct output *o = output_new(style, to, columns, n_columns);
        if (!o)
            return 1;
        output_add(o, cells);
        return output_end(o);
    }
    output_append_object(&line, columns, n_columns, cells);
    return line.failed || fprintf(to, "%s\n", line.data) < 0;
}

bool output_wants_colours(FILE *to)
{
    const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");
    return isatty(fileno(to)) && !(no_colour && no_colour[0]) && term && strcmp(term, "dumb") != 0;
}

void output_init_locale(void)
{
    setlocale(LC_ALL, "");
    if (strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
        setlocale(LC_CTYPE, "C.UTF-8");
}
