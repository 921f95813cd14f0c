/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/print/output.h"

#include <langinfo.h>
#include <libsmartcols.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "cli/print/choice.h"
#include "cli/print/printable.h"
#include "cli/print/sorting.h"
#include "cli/status.h"
#include "libjob/json_text.h"

struct output {
    struct output_style style;
    FILE *to;
    const struct output_column *columns;
    size_t n_columns;
    struct choice choice;
    struct sorting sorting; /* empty unless choice.n_keys */
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
    scols_table_enable_noheadings(table, style->no_headers);
    scols_table_enable_nowrap(table, 1);
    scols_table_enable_noencoding(table, 1); /* printable_append() has done that */
    return table;
}

static bool add_columns(struct output *o)
{
    for (size_t i = 0; i < o->choice.n_columns; i++) {
        const struct output_column *c = &o->columns[o->choice.columns[i]];
        int flags = c->kind == CELL_INT ? SCOLS_FL_RIGHT : 0;
        if (o->style.terminal && (c->hints & OUTPUT_CUTTABLE))
            flags |= SCOLS_FL_TRUNC;
        if (!scols_table_new_column(o->table, c->name, 0, flags))
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

static void append_cell(struct buf *b, const struct output_style *style, const struct cell *cell)
{
    if (cell->kind == CELL_TIME)
        moment_append(b, cell->number, style->times, style->now_us);
    else
        cell_append_plain(b, cell);
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
    for (size_t i = 0; line && i < o->choice.n_columns; i++) {
        size_t at = o->choice.columns[i];
        buf_reset(&o->line);
        append_cell(&o->line, &o->style, &cells[at]);
        const char *text = o->line.size ? o->line.data : "";
        o->filled |= (uint64_t)(text[0] != 0) << i;
        if (!set_cell(line, i, text, colour_of(&o->columns[at], text)))
            o->failed = true;
    }
    o->failed |= !line || o->line.failed;
}

/* --- Text --- */

static void append_member(struct buf *b, size_t number, const struct output_column *column,
                          const struct cell *cell)
{
    buf_append_string(b, number ? ", " : "");
    json_append_string(b, column->name, strlen(column->name));
    buf_append_string(b, ": ");
    cell_append_json(b, cell);
}

void output_append_object(struct buf *b, const struct output_column *columns, size_t n_columns,
                          const struct cell *cells)
{
    buf_append_char(b, '{');
    for (size_t i = 0; i < n_columns; i++)
        append_member(b, i, &columns[i], &cells[i]);
    buf_append_char(b, '}');
}

static void append_chosen(struct buf *b, const struct choice *choice, const struct output_column *columns,
                          const struct cell *cells)
{
    buf_append_char(b, '{');
    for (size_t i = 0; i < choice->n_columns; i++)
        append_member(b, i, &columns[choice->columns[i]], &cells[choice->columns[i]]);
    buf_append_char(b, '}');
}

static void append_csv(struct buf *b, const struct output *o, const struct cell *cells)
{
    for (size_t i = 0; i < o->choice.n_columns; i++) {
        buf_append_string(b, i ? "," : "");
        cell_append_csv(b, &cells[o->choice.columns[i]]);
    }
}

/* What a terminal would obey stands in JSON as \u001b. */
static void make_printable(struct output *o)
{
    struct buf line = { 0 };
    printable_append_json(&line, (struct span){ o->line.data, o->line.size });
    buf_done(&o->line);
    o->line = line;
}

static void write_line(struct output *o, const char *before, const char *after)
{
    if (o->line.failed || fprintf(o->to, "%s%s%s", before, o->line.size ? o->line.data : "", after) < 0)
        o->failed = true;
    buf_reset(&o->line);
}

static void write_names(struct output *o)
{
    for (size_t i = 0; i < o->choice.n_columns; i++) {
        struct cell name = cell_text(o->columns[o->choice.columns[i]].name);
        buf_append_string(&o->line, i ? "," : "");
        cell_append_csv(&o->line, &name);
    }
    write_line(o, "", "\n");
}

int output_new(struct output **ret, const struct output_style *style, FILE *to,
               const struct output_column *columns, size_t n_columns, struct err *reterr)
{
    _cleanup_(output_free_cleanup) struct output *o = calloc(1, sizeof(*o));
    if (!o)
        return err_set(reterr, STATUS_FAILED, "out of memory");
    *o = (struct output){ .style = *style, .to = to, .columns = columns, .n_columns = n_columns };
    o->sorting = (struct sorting){ .choice = &o->choice, .n_columns = n_columns };
    if (o->style.now_us == 0)
        o->style.now_us = clock_wall_us();
    if (choice_read(&o->choice, columns, n_columns, style->format == OUTPUT_TABLE, style->columns,
                    style->sort, reterr))
        return STATUS_USAGE;
    if (style->format == OUTPUT_TABLE) {
        o->table = new_table(style, to);
        if (!o->table || !add_columns(o))
            return err_set(reterr, STATUS_FAILED, "out of memory");
    }
    if (style->format == OUTPUT_CSV && !style->no_headers)
        write_names(o);
    *ret = steal(o);
    return STATUS_DONE;
}

static void put(struct output *o, const struct cell *cells)
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
        append_chosen(&o->line, &o->choice, o->columns, cells);
        make_printable(o);
        write_line(o, "", "\n");
        break;
    case OUTPUT_JSON:
        append_chosen(&o->line, &o->choice, o->columns, cells);
        make_printable(o);
        write_line(o, o->n_rows ? ",\n " : "[", "");
        break;
    }
    o->n_rows++;
}

void output_add(struct output *o, const struct cell *cells)
{
    if (o->choice.n_keys == 0)
        put(o, cells);
    else
        o->failed |= !sorting_add(&o->sorting, cells);
}

static int judge(bool failed, struct err *reterr)
{
    return failed ? err_set(reterr, STATUS_FAILED, "the output could not be written") : STATUS_DONE;
}

int output_end(struct output *o, struct err *reterr)
{
    if (o->sorting.n_rows == SORTING_MAX_ROWS && o->failed)
        return err_set(reterr, STATUS_FAILED, "--sort: more than %d rows cannot be sorted; narrow the list",
                       SORTING_MAX_ROWS);
    sorting_sort(&o->sorting);
    for (size_t i = 0; i < o->sorting.n_rows; i++)
        put(o, sorting_get(&o->sorting, i));
    if (o->style.format == OUTPUT_JSON)
        o->failed |= fputs(o->n_rows ? "]\n" : "[]\n", o->to) < 0;
    if (o->table && !scols_table_is_empty(o->table)) {
        hide_empty_columns(o);
        o->failed |= scols_print_table(o->table) != 0;
    }
    return judge(o->failed || ferror(o->to), reterr);
}

struct output *output_free(struct output *o)
{
    if (!o)
        return NULL;
    scols_unref_table(o->table);
    sorting_done(&o->sorting);
    buf_done(&o->line);
    free(o);
    return NULL;
}

/* --- One row --- */

static int print_members(const struct output_style *style, FILE *to, const struct output_column *columns,
                         const struct choice *choice, const struct cell *cells)
{
    struct libscols_table *table = new_table(style, to);
    _cleanup_buf_ struct buf text = { 0 };
    bool ok = table && scols_table_new_column(table, "name", 0, 0) &&
              scols_table_new_column(table, "value", 0, SCOLS_FL_NOEXTREMES);
    if (ok)
        scols_table_enable_noheadings(table, 1);
    for (size_t i = 0; ok && i < choice->n_columns; i++) {
        const struct output_column *column = &columns[choice->columns[i]];
        const struct cell *cell = &cells[choice->columns[i]];
        if (cell->kind == CELL_NULL)
            continue;
        struct libscols_line *line = scols_table_new_line(table, NULL);
        buf_reset(&text);
        append_cell(&text, style, cell);
        const char *value = text.size ? text.data : "";
        ok = line && set_cell(line, 0, column->name, NULL) &&
             set_cell(line, 1, value, colour_of(column, value));
    }
    if (ok)
        ok = scols_print_table(table) == 0;
    scols_unref_table(table);
    return !ok;
}

static int print_as_list(const struct output_style *style, FILE *to, const struct output_column *columns,
                         size_t n_columns, const struct cell *cells, struct err *reterr)
{
    _cleanup_(output_free_cleanup) struct output *o = NULL;
    int r = output_new(&o, style, to, columns, n_columns, reterr);
    if (r)
        return r;
    output_add(o, cells);
    return output_end(o, reterr);
}

int output_one(const struct output_style *style, FILE *to, const struct output_column *columns,
               size_t n_columns, const struct cell *cells, struct err *reterr)
{
    _cleanup_buf_ struct buf line = { 0 };
    struct output_style own = *style;
    struct choice choice;
    bool is_table = style->format == OUTPUT_TABLE;
    if (own.now_us == 0)
        own.now_us = clock_wall_us();
    if (style->format == OUTPUT_CSV)
        return print_as_list(style, to, columns, n_columns, cells, reterr);
    if (choice_read(&choice, columns, n_columns, is_table, style->columns, style->sort, reterr))
        return STATUS_USAGE;
    if (is_table)
        return judge(print_members(&own, to, columns, &choice, cells), reterr);
    append_chosen(&line, &choice, columns, cells);
    _cleanup_buf_ struct buf printable = { 0 };
    printable_append_json(&printable, (struct span){ line.data, line.size });
    return judge(line.failed || printable.failed || fprintf(to, "%s\n", printable.data) < 0, reterr);
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
