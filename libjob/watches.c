/* SPDX-License-Identifier: Apache-2.0 */
#include "libjob/watches.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"

#define LOOK_MIN_US (50 * USEC_PER_MSEC)
#define LOOK_MAX_US (5 * USEC_PER_SEC)

/* --- Heaps ------------------------------------------------------------------------------------------------------------ */

static int64_t key(const struct watch *w, int order)
{
    return order == WATCH_BY_DEADLINE ? w->deadline_us : w->look_us;
}

static void put(struct watches *ws, int order, size_t at, struct watch *w)
{
    ws->heaps[order][at] = w;
    w->at[order] = at;
}

static void rise(struct watches *ws, int order, struct watch *w)
{
    struct watch **heap = ws->heaps[order];
    size_t at = w->at[order];
    while (at > 0 && key(w, order) < key(heap[(at - 1) / 2], order)) {
        put(ws, order, at, heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    put(ws, order, at, w);
}

static void sink(struct watches *ws, int order, struct watch *w)
{
    struct watch **heap = ws->heaps[order];
    size_t at = w->at[order];
    for (size_t child = 2 * at + 1; child < ws->n; child = 2 * at + 1) {
        if (child + 1 < ws->n && key(heap[child + 1], order) < key(heap[child], order))
            child++;
        if (key(w, order) <= key(heap[child], order))
            break;
        put(ws, order, at, heap[child]);
        at = child;
    }
    put(ws, order, at, w);
}

/* Its key has changed. */
static void settle(struct watches *ws, int order, struct watch *w)
{
    rise(ws, order, w);
    sink(ws, order, w);
}

/* --- Room --------------------------------------------------------------------------------------------------------------- */

static struct watch **bucket_of(const struct watches *ws, const struct uuid *id)
{
    uint64_t hash = hash_mix(hash_fnv1a(HASH_START, id->bytes, sizeof(id->bytes)));
    return &ws->buckets[hash & (ws->n_buckets - 1)];
}

static void link_in(struct watches *ws, struct watch *w)
{
    struct watch **bucket = bucket_of(ws, &w->id);
    w->next = *bucket;
    *bucket = w;
}

/* As many buckets as there is room in the heaps. */
static int grow(struct watches *ws)
{
    size_t room = ws->room ? 2 * ws->room : 16;
    for (int order = 0; order < WATCH_N_ORDERS; order++) {
        struct watch **heap = reallocarray(ws->heaps[order], room, sizeof(struct watch *));
        if (!heap)
            return -ENOMEM;
        ws->heaps[order] = heap;
    }
    struct watch **buckets = calloc(room, sizeof(struct watch *));
    if (!buckets)
        return -ENOMEM;
    free(ws->buckets);
    ws->buckets = buckets;
    ws->n_buckets = ws->room = room;
    for (size_t i = 0; i < ws->n; i++)
        link_in(ws, ws->heaps[WATCH_BY_DEADLINE][i]);
    return 0;
}

void watches_done(struct watches *ws)
{
    for (int order = 0; order < WATCH_N_ORDERS; order++)
        free(ws->heaps[order]);
    free(ws->buckets);
    *ws = (struct watches){ 0 };
}

/* --- Watches -------------------------------------------------------------------------------------------------------------- */

int watches_add(struct watches *ws, struct watch *w)
{
    int r = ws->n == ws->room ? grow(ws) : 0;
    if (r)
        return r;
    link_in(ws, w);
    for (int order = 0; order < WATCH_N_ORDERS; order++) {
        put(ws, order, ws->n, w);
        rise(ws, order, w);
    }
    ws->n++;
    return 0;
}

void watches_remove(struct watches *ws, struct watch *w)
{
    struct watch **link = bucket_of(ws, &w->id);
    while (*link != w)
        link = &(*link)->next;
    *link = w->next;
    ws->n--;
    for (int order = 0; order < WATCH_N_ORDERS; order++) {
        struct watch *last = ws->heaps[order][ws->n];
        if (last == w)
            continue;
        put(ws, order, w->at[order], last);
        settle(ws, order, last);
    }
    w->next = NULL;
}

void watches_set_look(struct watches *ws, struct watch *w, int64_t look_us)
{
    w->look_us = look_us;
    settle(ws, WATCH_BY_LOOK, w);
}

void watches_look_at_all(struct watches *ws, int64_t look_us)
{
    for (size_t i = 0; i < ws->n; i++)
        ws->heaps[WATCH_BY_LOOK][i]->look_us = look_us; /* equal keys are in order */
}

struct watch *watches_first(const struct watches *ws, enum watch_order order)
{
    return ws->n ? ws->heaps[order][0] : NULL;
}

static struct watch *same_from(struct watch *w, const struct uuid *id)
{
    while (w && !uuid_equal(&w->id, id))
        w = w->next;
    return w;
}

struct watch *watches_find(const struct watches *ws, const struct uuid *id)
{
    return ws->n ? same_from(*bucket_of(ws, id), id) : NULL;
}

struct watch *watches_find_next(const struct watch *w)
{
    return same_from(w->next, &w->id);
}

int64_t watch_next_look_us(int64_t began_us, int64_t now_us)
{
    int64_t pause_us = (now_us - began_us) / 8;
    if (pause_us < LOOK_MIN_US)
        pause_us = LOOK_MIN_US;
    if (pause_us > LOOK_MAX_US)
        pause_us = LOOK_MAX_US;
    int64_t round_us = pause_us < USEC_PER_SEC ? LOOK_MIN_US : USEC_PER_SEC;
    return (now_us + pause_us + round_us - 1) / round_us * round_us;
}
