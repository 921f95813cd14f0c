/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/print/sorting.h"

#include <stdlib.h>
#include <string.h>

struct sorting_row {
    const struct choice *choice;
    size_t number;
    struct cell cells[]; /* and behind them their bytes */
};

static bool grow(struct sorting *s)
{
    if (s->n_rows < s->n_room)
        return true;
    size_t n_room = s->n_room ? 2 * s->n_room : 64;
    struct sorting_row **rows = reallocarray(s->rows, n_room, sizeof(struct sorting_row *));
    if (!rows)
        return false;
    s->rows = rows;
    s->n_room = n_room;
    return true;
}

bool sorting_add(struct sorting *s, const struct cell *cells)
{
    size_t size = sizeof(struct sorting_row) + s->n_columns * sizeof(*cells), n_bytes = 0;
    for (size_t i = 0; i < s->n_columns; i++)
        n_bytes += cells[i].bytes.size;
    struct sorting_row *row = s->n_rows < SORTING_MAX_ROWS && grow(s) ? malloc(size + n_bytes) : NULL;
    if (!row)
        return false;
    char *bytes = (char *)row + size;
    *row = (struct sorting_row){ .choice = s->choice, .number = s->n_rows };
    memcpy(row->cells, cells, s->n_columns * sizeof(*cells));
    for (size_t i = 0; i < s->n_columns; i++) {
        if (!cells[i].bytes.data)
            continue;
        memcpy(bytes, cells[i].bytes.data, cells[i].bytes.size);
        row->cells[i].bytes.data = bytes;
        bytes += cells[i].bytes.size;
    }
    s->rows[s->n_rows++] = row;
    return true;
}

static int compare_bytes(struct span a, struct span b)
{
    size_t size = a.size < b.size ? a.size : b.size;
    int order = size ? memcmp(a.data, b.data, size) : 0;
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

static int compare_cells(const struct cell *a, const struct cell *b)
{
    switch (a->kind) {
    case CELL_INT:
    case CELL_BOOL:
    case CELL_TIME:
        return (a->number > b->number) - (a->number < b->number);
    case CELL_ID:
        return uuid_compare(&a->id, &b->id);
    default:
        return compare_bytes(a->bytes, b->bytes);
    }
}

static int compare_rows(const void *left, const void *right)
{
    const struct sorting_row *a = *(const struct sorting_row *const *)left,
                             *b = *(const struct sorting_row *const *)right;
    for (size_t i = 0; i < a->choice->n_keys; i++) {
        const struct choice_key *key = &a->choice->keys[i];
        const struct cell *x = &a->cells[key->column], *y = &b->cells[key->column];
        if (x->kind == CELL_NULL || y->kind == CELL_NULL) {
            if (x->kind != y->kind)
                return x->kind == CELL_NULL ? 1 : -1;
            continue;
        }
        int order = compare_cells(x, y);
        if (order)
            return key->descending ? -order : order;
    }
    return (a->number > b->number) - (a->number < b->number);
}

void sorting_sort(struct sorting *s)
{
    if (s->n_rows > 1)
        qsort(s->rows, s->n_rows, sizeof(struct sorting_row *), compare_rows);
}

const struct cell *sorting_get(const struct sorting *s, size_t row)
{
    return s->rows[row]->cells;
}

void sorting_done(struct sorting *s)
{
    for (size_t i = 0; i < s->n_rows; i++)
        free(s->rows[i]);
    free(s->rows);
    *s = (struct sorting){ 0 };
}
