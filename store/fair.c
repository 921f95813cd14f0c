/* SPDX-License-Identifier: Apache-2.0 */
#include "store/fair.h"

#include <stdlib.h>

static int compare(const void *a, const void *b, void *userdata)
{
    const struct fair_item *items = userdata;
    uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
    const struct fair_item *x = &items[i], *y = &items[j];
    if (x->place != y->place)
        return x->place < y->place ? -1 : 1;
    return x->line != y->line ? (x->line < y->line ? -1 : 1) : (i < j ? -1 : 1);
}

size_t fair_choose(struct fair_item *items, size_t n, size_t max, int64_t max_bytes, uint32_t *ret_order)
{
    size_t n_chosen = 0;
    int64_t ahead = 0, place = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (i == 0 || items[i].line != items[i - 1].line)
            place = 0;
        items[i].place = place;
        place += items[i].size_bytes + FAIR_EXTRA;
        ret_order[i] = i;
    }
    qsort_r(ret_order, n, sizeof(*ret_order), compare, items);
    while (n_chosen < n && n_chosen < max && (n_chosen == 0 || ahead < max_bytes))
        ahead += items[ret_order[n_chosen++]].size_bytes;
    return n_chosen;
}
