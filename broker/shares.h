/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each queue may take of the relay's next batch.
 *
 * A batch is shared: of every queue that has due rows some go, so that a million of one queue delay another's only job by
 * one batch. A queue that used up its part last time is hungry: the hungry ones may take all, between them; the rest a little
 * each, which is enough to find out. The batch itself (relay_take()) then cuts what is too much, evenly.
 *
 * A queue is held back, and its rows stay where they can still be cancelled, expire and be looked at,
 *     when too much of what we have sent is still to be done in Kafka (back-pressure): until workers have done a tenth of it.
 *         Jobs that others of their key may wait for in Kafka go all the same, else nothing would get on there;
 *     when Kafka took none of its rows: it is tried again a little later.
 *
 * Pure but for memory: the clock is a parameter, µs of the monotonic one.
 */
#pragma once

#include "base/err.h"
#include "broker/backlog.h"
#include "store/relay.h"

#define SHARES_LOOK_US                                                                                       \
    (INT64_C(100) *                                                                                          \
     1000) /* between two looks at one queue's cursors; twice as long after each that changed nothing, */
#define SHARES_LOOK_MAX_US (INT64_C(2) * 1000000) /* but no longer than this */
#define SHARES_RETRY_US (INT64_C(5) * 1000000)

struct share {
    char *queue;
    int64_t low_us; /* PostgreSQL's clock: where a look begins; INT64_MIN: at the front */
    struct backlog backlog;
    int64_t next_look_us; /* at its cursors */
    int64_t look_pause_us;
    int64_t refused_until; /* 0: Kafka takes its rows */
    bool is_full;          /* held back by its backlog */
    bool is_hungry;
    bool is_listed; /* has rows */
    int32_t limit;  /* of the last plan */
    struct {        /* in this batch */
        int32_t n_found, n_sent, n_refused;
        int64_t last_run_at_us;
    } batch;
};

struct shares {
    struct share **all; /* by queue */
    size_t n;
    size_t first;        /* goes first in the next batch */
    int64_t backlog_max; /* of a queue; 0: without limit */
};

void shares_done(struct shares *s);

/* Begins a list of all queues that have rows, adds one, ends it: those that are not on it and that nothing is known of are forgotten. */
void shares_begin_list(struct shares *s);
int shares_list(struct shares *s, const char *queue); /* Return: 0; -ENOMEM. */
void shares_end_list(struct shares *s);

struct share *shares_find(const struct shares *s, const char *queue); /* NULL: not known */

/*
 * The turns of the next batch: @ret has room for shares.n. @look_at_all: from the front, without low_us. Queues that are held
 * back have ordered_only, those that Kafka refuses are left out. Return: how many.
 */
size_t shares_plan(struct shares *s, int32_t batch_max, bool look_at_all, int64_t now_us,
                   struct relay_turn *ret);

enum share_fate { SHARE_SENT, SHARE_REFUSED, SHARE_OTHER };
/* One row of the batch, in its order. */
void shares_note_row(struct shares *s, const struct relay_row *row, enum share_fate fate);
/* All rows have been noted and the transaction has ended well. @low_margin_us: of rows that are committed late. */
void shares_end_batch(struct shares *s, int64_t low_margin_us, int64_t now_us);

/* Is it time to look at its cursors? After the look: shares_note_look(). */
bool shares_wants_look(const struct shares *s, const struct share *share, int64_t now_us);
void shares_note_look(struct shares *s, struct share *share, int64_t now_us);

/* The queues that are held back: @ret has room for shares.n. Return: how many. */
size_t shares_list_held(const struct shares *s, const char **ret);
/* When the next of them is to be looked at again; INT64_MAX: there is none. */
int64_t shares_next_us(const struct shares *s);
