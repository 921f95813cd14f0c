/* SPDX-License-Identifier: Apache-2.0 */
/* What a reload can change, between two structs of one table. */
#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/option.h"

static char *at(void *target, size_t offset)
{
    return (char *)target + offset;
}

static void swap_bytes(char *a, char *b, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        char byte = a[i];
        a[i] = b[i];
        b[i] = byte;
    }
}

static size_t field_size(const struct option_row *row)
{
    switch (row->type) {
    case OPTION_INT:
    case OPTION_ENUM:
        return sizeof(int);
    case OPTION_REAL:
        return sizeof(double);
    case OPTION_BOOL:
        return sizeof(bool);
    case OPTION_DURATION:
    case OPTION_SIZE:
        return sizeof(int64_t);
    default:
        return sizeof(void *);
    }
}

static void swap_field(const struct option_row *row, void *a, void *b)
{
    swap_bytes(at(a, row->offset), at(b, row->offset), field_size(row));
    if (row->type == OPTION_STRINGS || row->type == OPTION_GROUPS)
        swap_bytes(at(a, row->count_offset), at(b, row->count_offset), sizeof(size_t));
}

static bool is_same_list(const struct option_row *row, void *a, void *b)
{
    _cleanup_buf_ struct buf keys = { 0 };
    const struct option_table one = { .rows = row, .n_rows = 1 };
    return option_list_fixed_changes(&one, a, b, &keys) == 0;
}

static void swap_elements(const struct option_row *row, void *a, void *b)
{
    char *x = *(char **)at(a, row->offset), *y = *(char **)at(b, row->offset);
    size_t n = *(size_t *)at(a, row->count_offset);
    for (size_t i = 0; i < n; i++)
        option_swap_reloadable(row->table, x + i * row->table->size, y + i * row->table->size);
}

void option_swap_reloadable(const struct option_table *table, void *a, void *b)
{
    for (size_t i = 0; i < table->n_rows; i++) {
        const struct option_row *row = &table->rows[i];
        if (row->type == OPTION_GROUP)
            option_swap_reloadable(row->table, at(a, row->offset), at(b, row->offset));
        else if (row->flags & OPTION_RELOADABLE)
            swap_field(row, a, b);
        else if (row->type == OPTION_GROUPS && is_same_list(row, a, b))
            swap_elements(row, a, b);
    }
}
