/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/shares.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TASTE 16 /* rows that a queue may always take, so that it is known whether it has many */

/* --- The list --- */

static void share_free(struct share *share)
{
    free(share->queue);
    backlog_done(&share->backlog);
    free(share);
}

void shares_done(struct shares *s)
{
    for (size_t i = 0; i < s->n; i++)
        share_free(s->all[i]);
    free(s->all);
    s->all = NULL;
    s->n = 0;
}

/* Return: the place of @queue, or where it would have to be. */
static size_t find_place(const struct shares *s, const char *queue, bool *ret_there)
{
    size_t low = 0, high = s->n;
    *ret_there = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(s->all[middle]->queue, queue);
        if (order == 0)
            *ret_there = true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct share *shares_find(const struct shares *s, const char *queue)
{
    bool there;
    size_t place = find_place(s, queue, &there);
    return there ? s->all[place] : NULL;
}

static int insert(struct shares *s, size_t place, const char *queue)
{
    struct share **all = reallocarray(s->all, s->n + 1, sizeof(struct share *));
    if (!all)
        return -ENOMEM;
    s->all = all;
    struct share *share = calloc(1, sizeof(*share));
    if (!share || !(share->queue = strdup(queue))) {
        free(share);
        return -ENOMEM;
    }
    share->low_us = INT64_MIN;
    share->is_listed = true;
    memmove(&all[place + 1], &all[place], (s->n - place) * sizeof(struct share *));
    all[place] = share;
    s->n++;
    return 0;
}

void shares_begin_list(struct shares *s)
{
    for (size_t i = 0; i < s->n; i++)
        s->all[i]->is_listed = false;
}

int shares_list(struct shares *s, const char *queue)
{
    bool there;
    size_t place = find_place(s, queue, &there);
    if (!there)
        return insert(s, place, queue);
    s->all[place]->is_listed = true;
    return 0;
}

/* A queue that had rows a moment ago will have some again; what its topics hold is worth remembering. */
static bool is_forgettable(const struct share *share)
{
    return !share->is_listed && backlog_count(&share->backlog) == 0;
}

void shares_end_list(struct shares *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++) {
        if (is_forgettable(s->all[i]))
            share_free(s->all[i]);
        else
            s->all[n++] = s->all[i];
    }
    s->n = n;
}

/* --- A batch --- */

static bool is_held(const struct share *share)
{
    return share->is_full || share->refused_until;
}

static size_t count_hungry(const struct shares *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++)
        n += s->all[i]->is_hungry && !is_held(s->all[i]);
    return n ? n : 1;
}

static int32_t room_of(const struct shares *s, const struct share *share)
{
    int64_t room = s->backlog_max - backlog_count(&share->backlog);
    return s->backlog_max == 0 || room > INT32_MAX ? INT32_MAX : room > 0 ? (int32_t)room : 0;
}

static int32_t limit_of(const struct shares *s, const struct share *share, int32_t batch_max, size_t n_hungry)
{
    size_t parts = share->is_hungry ? n_hungry : s->n;
    int32_t limit = batch_max / (int32_t)parts, room = room_of(s, share);
    if (limit < TASTE)
        limit = TASTE < batch_max ? TASTE : batch_max;
    return share->is_full || limit <= room ? limit : room;
}

size_t shares_plan(struct shares *s, int32_t batch_max, bool look_at_all, int64_t now_us,
                   struct relay_turn *ret)
{
    size_t n_turns = 0, n_hungry = count_hungry(s);
    for (size_t i = 0; i < s->n; i++) {
        size_t place = (s->first + i) % s->n;
        struct share *share = s->all[place];
        memset(&share->batch, 0, sizeof(share->batch));
        share->limit = 0;
        if (share->refused_until > now_us)
            continue;
        share->refused_until = 0;
        share->is_full |= room_of(s, share) == 0;
        share->limit = limit_of(s, share, batch_max, n_hungry);
        ret[n_turns++] = (struct relay_turn){
            .queue = share->queue,
            .low_us = look_at_all ? INT64_MIN : share->low_us,
            .limit = share->limit,
            .share = (int32_t)place,
            .ordered_only = share->is_full,
        };
    }
    s->first = s->n ? (s->first + 1) % s->n : 0;
    return n_turns;
}

void shares_note_row(struct shares *s, const struct relay_row *row, enum share_fate fate)
{
    struct share *share = s->all[row->share];
    share->batch.n_found = row->n_found;
    share->batch.n_sent += fate == SHARE_SENT;
    share->batch.n_refused += fate == SHARE_REFUSED;
    share->batch.last_run_at_us = row->run_at_us;
}

static void raise_low(struct share *share, int64_t margin_us)
{
    int64_t last_us = share->batch.last_run_at_us;
    if (last_us > INT64_MIN + margin_us && last_us - margin_us > share->low_us)
        share->low_us = last_us - margin_us;
}

void shares_end_batch(struct shares *s, int64_t low_margin_us, int64_t now_us)
{
    for (size_t i = 0; i < s->n; i++) {
        struct share *share = s->all[i];
        if (share->limit == 0)
            continue;
        share->is_hungry = share->batch.n_found >= share->limit;
        if (share->batch.n_found == 0)
            continue;
        bool all_refused = share->batch.n_refused > 0 && share->batch.n_sent == 0;
        share->refused_until = all_refused ? now_us + SHARES_RETRY_US : 0;
        if (!share->is_full)
            raise_low(share, low_margin_us);
    }
}

/* --- Held back --- */

bool shares_wants_look(const struct shares *s, const struct share *share, int64_t now_us)
{
    if (s->backlog_max == 0 || !share->is_listed || now_us < share->next_look_us)
        return false;
    return share->is_full || share->backlog.has_news || room_of(s, share) == 0;
}

void shares_note_look(struct shares *s, struct share *share, int64_t now_us)
{
    share->backlog.has_news = false;
    share->is_full = share->is_full && room_of(s, share) < (s->backlog_max + 9) / 10;
    if (!share->is_full || share->look_pause_us == 0)
        share->look_pause_us = SHARES_LOOK_US;
    else if (share->look_pause_us < SHARES_LOOK_MAX_US)
        share->look_pause_us *= 2;
    share->next_look_us = now_us + share->look_pause_us;
}

size_t shares_list_held(const struct shares *s, const char **ret)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++)
        if (is_held(s->all[i]))
            ret[n++] = s->all[i]->queue;
    return n;
}

int64_t shares_next_us(const struct shares *s)
{
    int64_t next_us = INT64_MAX;
    for (size_t i = 0; i < s->n; i++) {
        const struct share *share = s->all[i];
        int64_t at_us = share->refused_until ? share->refused_until : share->next_look_us;
        if (is_held(share) && share->is_listed && at_us < next_us)
            next_us = at_us;
    }
    return next_us;
}
