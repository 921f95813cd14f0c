/* SPDX-License-Identifier: Apache-2.0 */
/* What differs between two structs of one table: what a reload cannot change. */
#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "base/option.h"
#include "base/option_value.h"

static const void *at_const(const void *target, size_t offset)
{
    return (const char *)target + offset;
}

static bool differs(const struct option_row *row, const void *a, const void *b)
{
    switch (row->type) {
    case OPTION_STRING: {
        const char *x = *(char *const *)a, *y = *(char *const *)b;
        return x && y ? strcmp(x, y) != 0 : x != y;
    }
    case OPTION_INT:
    case OPTION_ENUM:
        return *(const int *)a != *(const int *)b;
    case OPTION_REAL:
        return memcmp(a, b, sizeof(double)) != 0;
    case OPTION_BOOL:
        return *(const bool *)a != *(const bool *)b;
    default:
        return *(const int64_t *)a != *(const int64_t *)b;
    }
}

static size_t list_change(struct buf *keys, const char *key)
{
    buf_append_format(keys, "%s%s", keys->size ? ", " : "", key);
    return 1;
}

static size_t list_changes(const struct option_table *table, const void *a, const void *b, const char *parent,
                           struct buf *keys);

static size_t list_row_changes(const struct option_row *row, const void *a, const void *b, const char *key,
                               struct buf *keys)
{
    const void *x = at_const(a, row->offset), *y = at_const(b, row->offset);
    if (row->type == OPTION_GROUP)
        return list_changes(row->table, x, y, key, keys);
    if (row->flags & OPTION_RELOADABLE)
        return 0;
    if (row->type != OPTION_STRINGS && row->type != OPTION_GROUPS)
        return differs(row, x, y) ? list_change(keys, key) : 0;

    size_t n = *(const size_t *)at_const(a, row->count_offset), changed = 0;
    if (n != *(const size_t *)at_const(b, row->count_offset))
        return list_change(keys, key);
    for (size_t i = 0; i < n; i++) {
        char element[OPTION_KEY_SIZE];
        option_key_index(element, key, i);
        if (row->type == OPTION_GROUPS)
            changed += list_changes(row->table, *(char *const *)x + i * row->table->size,
                                    *(char *const *)y + i * row->table->size, element, keys);
        else if (strcmp((*(char *const *const *)x)[i], (*(char *const *const *)y)[i]) != 0)
            changed += list_change(keys, element);
    }
    return changed;
}

static size_t list_changes(const struct option_table *table, const void *a, const void *b, const char *parent,
                           struct buf *keys)
{
    size_t changed = 0;
    for (size_t i = 0; i < table->n_rows; i++) {
        char key[OPTION_KEY_SIZE];
        option_key_join(key, parent, table->rows[i].key);
        changed += list_row_changes(&table->rows[i], a, b, key, keys);
    }
    return changed;
}

size_t option_list_fixed_changes(const struct option_table *table, const void *a, const void *b,
                                 struct buf *keys)
{
    return list_changes(table, a, b, "", keys);
}
