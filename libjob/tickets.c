/* SPDX-License-Identifier: Apache-2.0 */
#include "libjob/tickets.h"

#include <errno.h>
#include <stdlib.h>

int tickets_init(struct tickets *t, size_t n)
{
    t->all = calloc(n, sizeof(*t->all));
    t->n = n;
    return t->all ? 0 : -ENOMEM;
}

void tickets_done(struct tickets *t)
{
    free(t->all);
}

/* The count in the high half makes a top that went and came back another value, so that nobody links to a stale ticket. */
static uint64_t change(uint64_t old, uint32_t top)
{
    return ((old >> 32) + 1) << 32 | top;
}

static struct ticket *take_untouched(struct tickets *t)
{
    size_t i = atomic_fetch_add_explicit(&t->n_touched, 1, memory_order_relaxed);
    if (i < t->n)
        return &t->all[i];
    atomic_fetch_sub_explicit(&t->n_touched, 1, memory_order_relaxed);
    return NULL;
}

struct ticket *tickets_take(struct tickets *t)
{
    uint64_t top = atomic_load_explicit(&t->free, memory_order_acquire);
    while ((uint32_t)top != 0) {
        struct ticket *ticket = &t->all[(uint32_t)top - 1];
        uint32_t below = atomic_load_explicit(&ticket->next_free, memory_order_relaxed);
        if (atomic_compare_exchange_weak_explicit(&t->free, &top, change(top, below), memory_order_acquire,
                                                  memory_order_acquire))
            return ticket;
    }
    return take_untouched(t);
}

void tickets_give(struct tickets *t, struct ticket *ticket)
{
    uint32_t number = (uint32_t)(ticket - t->all) + 1;
    uint64_t top = atomic_load_explicit(&t->free, memory_order_relaxed);
    do
        atomic_store_explicit(&ticket->next_free, (uint32_t)top, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&t->free, &top, change(top, number), memory_order_release,
                                                  memory_order_relaxed));
}
