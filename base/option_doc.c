/* SPDX-License-Identifier: Apache-2.0 */
/* The reference, printed from the same rows that reading uses. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/option.h"
#include "base/option_value.h"

#define PATH_SIZE 256

/* One printed row. */
struct line {
    const struct option_row *row;
    const char *path; /* of the group, "" at the top */
    char preset[OPTION_TEXT_SIZE];
    char range[OPTION_TEXT_SIZE];
    bool reloadable;
};

struct printer {
    void (*open)(struct buf *out, const char *path, const struct option_row *group);
    void (*line)(struct buf *out, const struct line *line);
    struct buf *out;
};

static bool is_quoted(const struct option_row *row)
{
    return row->type == OPTION_STRING || row->type == OPTION_DURATION || row->type == OPTION_SIZE ||
           row->type == OPTION_ENUM;
}

static bool has_table(const struct option_row *row)
{
    return row->type == OPTION_GROUP || row->type == OPTION_GROUPS;
}

static void describe_preset(const struct option_row *row, char *text)
{
    if (row->preset_help)
        snprintf(text, OPTION_TEXT_SIZE, "%s", row->preset_help);
    else if (row->flags & OPTION_REQUIRED)
        snprintf(text, OPTION_TEXT_SIZE, "required");
    else if (row->preset)
        snprintf(text, OPTION_TEXT_SIZE, is_quoted(row) ? "`\"%s\"`" : "`%s`", row->preset);
    else
        snprintf(text, OPTION_TEXT_SIZE, "none");
}

static void join(char *path, const char *parent, const struct option_row *row)
{
    snprintf(path, PATH_SIZE, "%.120s%s%.100s%s", parent, *parent ? "." : "", row->key,
             row->type == OPTION_GROUPS ? "[]" : "");
}

/* The rows of one group, then each group inside it. */
static void print_table(const struct printer *printer, const struct option_table *table, const char *path,
                        const struct option_row *group, bool reloadable)
{
    printer->open(printer->out, path, group);
    for (size_t i = 0; i < table->n_rows; i++) {
        const struct option_row *row = &table->rows[i];
        if (row->type == OPTION_GROUP)
            continue;
        struct line line = { .row = row,
                             .path = path,
                             .reloadable = reloadable || (row->flags & OPTION_RELOADABLE) };
        describe_preset(row, line.preset);
        option_value_range(row, line.range);
        printer->line(printer->out, &line);
    }
    for (size_t i = 0; i < table->n_rows; i++) {
        const struct option_row *row = &table->rows[i];
        char inner[PATH_SIZE];
        if (!has_table(row))
            continue;
        join(inner, path, row);
        print_table(printer, row->table, inner, row,
                    reloadable || (row->type == OPTION_GROUPS && (row->flags & OPTION_RELOADABLE)));
    }
}

static void markdown_open(struct buf *out, const char *path, const struct option_row *group)
{
    if (group)
        buf_append_format(out, "\n## `%s`\n\n%s.\n", path, group->help);
    else
        buf_append_string(out, "\n## At the top of the file\n");
    buf_append_string(out,
                      "\n| key | type | default | range | reload | meaning |\n|---|---|---|---|---|---|\n");
}

static void markdown_line(struct buf *out, const struct line *line)
{
    const struct option_row *row = line->row;
    buf_append_format(out, "| `%s` | %s | %s | %s | %s | %s", row->key, option_value_type(row), line->preset,
                      line->range, line->reloadable ? "yes" : "no", row->help);
    if (row->flags & OPTION_SECRET)
        buf_append_format(out, "; `%s_file` names a file that holds it", row->key);
    buf_append_string(out, " |\n");
}

void option_print_markdown(const struct option_table *table, struct buf *out)
{
    print_table(&(struct printer){ markdown_open, markdown_line, out }, table, "", NULL, false);
}

static void text_open(struct buf *out, const char *path, const struct option_row *group)
{
    if (group)
        buf_append_format(out, "\n%s: %s.\n", path, group->help);
}

/* Without the backticks of Markdown. */
static void append_plain(struct buf *out, const char *text)
{
    for (; *text; text++)
        if (*text != '`')
            buf_append_char(out, *text);
}

static void text_line(struct buf *out, const struct line *line)
{
    const struct option_row *row = line->row;
    buf_append_format(out, "  %s%s%s (%s%s%s)\n      ", line->path, *line->path ? "." : "", row->key,
                      option_value_type(row), *line->range ? ", " : "", line->range);
    append_plain(out, row->help);
    buf_append_string(out, row->flags & OPTION_REQUIRED ? "; " : "; default: ");
    append_plain(out, line->preset);
    buf_append_char(out, '\n');
}

void option_print_text(const struct option_table *table, struct buf *out)
{
    print_table(&(struct printer){ text_open, text_line, out }, table, "", NULL, false);
}
