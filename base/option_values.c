/* SPDX-License-Identifier: Apache-2.0 */
/* What a struct has along its table, as text for people: no secret among it. */
#include <inttypes.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/option.h"
#include "base/option_value.h"
#include "base/timefmt.h"

static const void *at(const void *target, size_t offset)
{
    return (const char *)target + offset;
}

static void print_string(const char *text, struct buf *out)
{
    if (text)
        buf_append_format(out, "\"%s\"", text);
    else
        buf_append_string(out, "(none)");
}

static void print_scalar(const struct option_row *row, const void *field, struct buf *out)
{
    char text[32];
    switch (row->type) {
    case OPTION_STRING:
        print_string(*(char *const *)field, out);
        break;
    case OPTION_INT:
        buf_append_format(out, "%d", *(const int *)field);
        break;
    case OPTION_ENUM:
        buf_append_string(out, row->names[*(const int *)field]);
        break;
    case OPTION_REAL:
        buf_append_format(out, "%g", *(const double *)field);
        break;
    case OPTION_BOOL:
        buf_append_string(out, *(const bool *)field ? "true" : "false");
        break;
    case OPTION_DURATION:
        buf_append_string(out, duration_format(*(const int64_t *)field, text));
        break;
    default:
        buf_append_format(out, "%" PRId64, *(const int64_t *)field);
        break;
    }
}

struct printer {
    option_hide_fn hide;
    struct buf *out;
};

static void print_table(const struct printer *p, const struct option_table *table, const void *target,
                        const char *parent);

static void print_line(const struct printer *p, const struct option_row *row, const void *field,
                       const char *key)
{
    buf_append_format(p->out, "%s = ", key);
    if (row->flags & OPTION_SECRET || p->hide(key))
        buf_append_string(p->out,
                          row->type != OPTION_STRING || *(char *const *)field ? "(hidden)" : "(none)");
    else
        print_scalar(row, field, p->out);
    buf_append_char(p->out, '\n');
}

static void print_list(const struct printer *p, const struct option_row *row, const void *target,
                       const char *key)
{
    const void *list = *(void *const *)at(target, row->offset);
    size_t n = *(const size_t *)at(target, row->count_offset);
    const struct option_row element = { .type = OPTION_STRING, .flags = row->flags };
    for (size_t i = 0; i < n; i++) {
        char name[OPTION_KEY_SIZE];
        option_key_index(name, key, i);
        if (row->type == OPTION_GROUPS)
            print_table(p, row->table, at(list, i * row->table->size), name);
        else
            print_line(p, &element, at(list, i * sizeof(char *)), name);
    }
}

static void print_table(const struct printer *p, const struct option_table *table, const void *target,
                        const char *parent)
{
    for (size_t i = 0; i < table->n_rows; i++) {
        const struct option_row *row = &table->rows[i];
        char key[OPTION_KEY_SIZE];
        option_key_join(key, parent, row->key);
        if (row->type == OPTION_GROUP)
            print_table(p, row->table, at(target, row->offset), key);
        else if (row->type == OPTION_GROUPS || row->type == OPTION_STRINGS)
            print_list(p, row, target, key);
        else
            print_line(p, row, at(target, row->offset), key);
    }
}

void option_print_values(const struct option_table *table, const void *target, option_hide_fn hide,
                         struct buf *out)
{
    const struct printer p = { hide, out };
    print_table(&p, table, target, "");
}
