/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who waits for which job, until when, and when PostgreSQL is asked next on its behalf.
 *
 * Model: a watch is found by its job's id (several may have the same), by the earliest deadline, and by the earliest look. A look
 * that is due is made for many watches at once; while it is under way their next one is WATCH_NO_LOOK. Not here: threads, SQL, clocks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/uuid.h"

#define WATCH_NO_LOOK INT64_MAX

enum watch_kind {
    WATCH_END,      /* until the job has ended */
    WATCH_END_ONCE, /* has it ended? */
    WATCH_STATE,    /* how does it stand? */
};

/* Two orders of the same watches. */
enum watch_order { WATCH_BY_DEADLINE, WATCH_BY_LOOK, WATCH_N_ORDERS };

struct job_result;
struct watch;
/* Takes @result over. The watch is in no list any more. */
typedef void (*watch_end_fn)(struct watch *w, int error, struct job_result *result);

struct watch {
    struct uuid id;
    enum watch_kind kind;
    int64_t began_us, deadline_us, look_us; /* monotonic */
    size_t at[WATCH_N_ORDERS];              /* its places in the heaps */
    struct watch *next;                     /* in its bucket, or of a chain that was taken out */
    watch_end_fn end;
    void *callback; /* what end() needs */
};

struct watches {
    struct watch **heaps[WATCH_N_ORDERS];
    size_t n, room;
    struct watch **buckets;
    size_t n_buckets; /* a power of two */
};

/* The watches themselves are the caller's. */
void watches_done(struct watches *ws);

/* Return: 0; -ENOMEM. */
int watches_add(struct watches *ws, struct watch *w);
void watches_remove(struct watches *ws, struct watch *w);

/* Moves its next look. */
void watches_set_look(struct watches *ws, struct watch *w, int64_t look_us);
/* Every watch is to be looked at, at @look_us. */
void watches_look_at_all(struct watches *ws, int64_t look_us);

/* NULL: there is none. */
struct watch *watches_first(const struct watches *ws, enum watch_order order);
/* The first watch of that job; then the one after @w. */
struct watch *watches_find(const struct watches *ws, const struct uuid *id);
struct watch *watches_find_next(const struct watch *w);

/*
 * When to look again at a job that has not ended at @now_us although nobody has told its end. Jobs that were enqueued without "reply"
 * are not told, and a notification may get lost: so after an eighth of the time that has been waited, 50 ms to 5 s, at round
 * times, so that many share one look.
 */
int64_t watch_next_look_us(int64_t began_us, int64_t now_us);
