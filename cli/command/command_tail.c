/* SPDX-License-Identifier: Apache-2.0 */
/* jobctl job tail: jobs as they end, and tries that fail, each on a line and once (store/tail.h has how). */
#include "cli/commands.h"

#include <poll.h>
#include <stdio.h>

#include "base/clock.h"
#include "cli/dialog.h"
#include "cli/print/lines.h"
#include "cli/print/present.h"
#include "cli/job/seen.h"
#include "store/tail.h"

#define LOOK_EVERY_US (500 * USEC_PER_MSEC)
#define AWAY_US USEC_PER_SEC                 /* before a server that is away is asked again */
#define OVERLAP_US (10 * USEC_PER_SEC)       /* from the end of a job to its COMMIT, as a rule */
#define TRIES_OVERLAP_US (60 * USEC_PER_SEC) /* nothing counts tries, so more of them are read again */
#define SLICE_US (10 * USEC_PER_SEC)         /* more time is looked at piece by piece */
#define HOUR_US (3600 * USEC_PER_SEC)
#define LAST_BUDGET_US (2 * USEC_PER_SEC)
#define LAST_DEFAULT 10

/* As enum tail_column has them. */
static const struct lines_column columns[] = {
    { { "id", CELL_ID }, 36 },
    { { "finished_at", CELL_TIME }, 12 },
    { { "state", CELL_TEXT }, 9 },
    { { "reason", CELL_TEXT }, 9 },
    { { "queue", CELL_TEXT }, 10 },
    { { "type", CELL_TEXT }, 18 },
    { { "attempt", CELL_INT }, 7 },
    { { "delivery", CELL_INT, OUTPUT_NOT_IN_TABLE }, 8 },
    { { "started_at", CELL_TIME, OUTPUT_NOT_IN_TABLE }, 12 },
    { { "run_ms", CELL_INT }, 6 },
    { { "worker", CELL_TEXT, OUTPUT_NOT_IN_TABLE }, 20 },
    { { "error", CELL_TEXT }, 0 },
};
#define N_COLUMNS ARRAY_SIZE(columns)
_Static_assert(N_COLUMNS == TAIL_IS_END, "the rest says how a row is to be taken");

struct tail {
    struct invocation *in;
    struct tail_filter filter;
    struct lines *lines;
    struct output_column plain[N_COLUMNS];
    struct seen seen;
    struct tail_mark mark; /* of the last look */
    int64_t ended;         /* since the hour before mark: job.rollup's count at that look */
    bool begun, catching_up, full_said;
};

/* What one look has found. Nothing of it counts before the transaction has ended well. */
struct found {
    struct rows *pages[8];
    size_t n_pages;
};

static void found_done(struct found *f)
{
    for (size_t i = 0; i < f->n_pages; i++)
        rows_free(f->pages[i]);
}

/* --- Rows --- */

static void print(struct tail *t, const struct rows *rows, size_t row)
{
    struct cell cells[N_COLUMNS];
    present_fill(t->plain, N_COLUMNS, rows, row, cells);
    lines_add(t->lines, cells);
}

static struct seen_row row_of(const struct rows *rows, size_t row)
{
    struct seen_row seen = { .xid = (uint32_t)rows_bigint(rows, row, TAIL_XID),
                             .finished_us = rows_time_us(rows, row, TAIL_FINISHED_AT),
                             .delivery = -1 };
    rows_uuid(rows, row, TAIL_ID, &seen.id);
    if (!rows_bool(rows, row, TAIL_IS_END))
        seen.delivery = rows_int(rows, row, TAIL_DELIVERY);
    return seen;
}

static void remember(struct tail *t, const struct seen_row *row)
{
    if (seen_add(&t->seen, row) == 0 || t->full_said)
        return;
    dialog_say("a transaction has been open for so long that some lines may come twice");
    t->full_said = true;
}

/* Those that are news; @printed: they are printed, as far as they are wanted. */
static void take(struct tail *t, const struct rows *rows, bool printed)
{
    for (size_t i = 0; i < rows_count(rows); i++) {
        struct seen_row row = row_of(rows, i);
        if (seen_has(&t->seen, &row.id, row.delivery))
            continue;
        remember(t, &row);
        if (printed && rows_bool(rows, i, TAIL_WANTED))
            print(t, rows, i);
    }
}

/* Ends that are news. */
static int64_t count_new(const struct tail *t, const struct rows *rows)
{
    int64_t n = 0;
    for (size_t i = 0; i < rows_count(rows); i++) {
        struct seen_row row = row_of(rows, i);
        n += row.delivery < 0 && !seen_has(&t->seen, &row.id, row.delivery);
    }
    return n;
}

/* --- One look --- */

static int find(struct tail *t, int64_t from_us, int64_t tries_from_us, int64_t to_us, struct found *f,
                struct err *reterr)
{
    const struct tail_range range = { from_us, tries_from_us, to_us, t->mark.horizon };
    int r = tail_list(t->in->db, &range, &t->filter, &f->pages[f->n_pages], reterr);
    f->n_pages += r == 0;
    return r;
}

/* More has ended than was met: it had ended long before it was committed. (Or it is gone again: replayed, cleaned away.) */
static int find_further(struct tail *t, int64_t n_ended, struct found *f, struct err *reterr)
{
    static const int64_t back_us[] = { 600 * USEC_PER_SEC, 2 * HOUR_US };
    int r = 0;
    for (size_t i = 0; i < ARRAY_SIZE(back_us) && r == 0; i++) {
        if (count_new(t, f->pages[f->n_pages - 1]) >= n_ended)
            break;
        int64_t from_us = t->mark.now_us - back_us[i];
        r = find(t, from_us, from_us, INT64_MAX, f, reterr);
    }
    return r;
}

/* How many have ended since the last look; *@ended: for the next one. */
static int count(struct tail *t, const struct tail_mark *next, int64_t *n_ended, int64_t *ended,
                 struct err *reterr)
{
    int64_t since = 0;
    int r = tail_count(t->in->db, next->now_us - HOUR_US, ended, reterr);
    if (r == 0)
        r = tail_count(t->in->db, t->mark.now_us - HOUR_US, &since, reterr);
    *n_ended = since - t->ended;
    return r;
}

/* All since the last look; what job.rollup counts says whether it is all. */
static int look_at_all(struct tail *t, const struct tail_mark *next, struct found *f, struct err *reterr)
{
    int64_t n_ended, ended;
    int r = count(t, next, &n_ended, &ended, reterr);
    if (r == 0)
        r = find(t, t->mark.now_us - OVERLAP_US, t->mark.now_us - TRIES_OVERLAP_US, INT64_MAX, f, reterr);
    if (r == 0 && !t->catching_up)
        r = find_further(t, n_ended, f, reterr);
    tail_end(t->in->db);
    if (r)
        return r;
    t->ended = ended;
    for (size_t i = 0; i < f->n_pages; i++)
        take(t, f->pages[i], true);
    t->mark = *next;
    t->catching_up = false;
    seen_forget(&t->seen, next->horizon, INT64_MIN);
    return 0;
}

/* After an outage, or when nobody has read the output for long: a piece of the time since then. */
static int look_at_piece(struct tail *t, struct found *f, struct err *reterr)
{
    int64_t from_us = t->mark.now_us - (t->catching_up ? OVERLAP_US : 600 * USEC_PER_SEC);
    int64_t to_us = t->mark.now_us + SLICE_US;
    int r = find(t, from_us, from_us, to_us, f, reterr);
    tail_end(t->in->db);
    if (r)
        return r;
    take(t, f->pages[0], true);
    t->mark.now_us = to_us;
    t->catching_up = true;
    seen_forget(&t->seen, t->mark.horizon, to_us - TRIES_OVERLAP_US);
    return 0;
}

/* Return: as db_query(). */
static int look(struct tail *t, struct err *reterr)
{
    _cleanup_(found_done) struct found f = { 0 };
    struct tail_mark next;
    int r = tail_begin(t->in->db, &next, reterr);
    if (r)
        return r;
    return next.now_us - t->mark.now_us > 2 * SLICE_US ? look_at_piece(t, &f, reterr)
                                                       : look_at_all(t, &next, &f, reterr);
}

/* --- The beginning --- */

/* The last ones that are wanted: further and further back until there are enough, or it takes too long. */
static int find_last(struct tail *t, int limit, struct found *f, struct err *reterr)
{
    static const int64_t back_s[] = { 10, 60, 600, 3600, 6 * 3600, 24 * 3600, 7 * 24 * 3600 };
    int64_t to_us = INT64_MAX, deadline_us = clock_mono_us() + LAST_BUDGET_US;
    for (size_t i = 0; i < ARRAY_SIZE(back_s) && limit > 0 && clock_mono_us() < deadline_us; i++) {
        int64_t from_us = t->mark.now_us - back_s[i] * USEC_PER_SEC;
        int r = tail_list_last(t->in->db, from_us, to_us, &t->filter, limit, &f->pages[f->n_pages], reterr);
        if (r)
            return r;
        limit -= (int)rows_count(f->pages[f->n_pages++]);
        to_us = from_us;
    }
    return 0;
}

static void print_last(struct tail *t, const struct found *f)
{
    for (size_t page = f->n_pages; page > 0; page--)
        for (size_t i = rows_count(f->pages[page - 1]); i > 0; i--)
            print(t, f->pages[page - 1], i - 1);
}

/* With the same eyes: what ends after that is news. Return: as db_query(). */
static int look_first(struct tail *t, int limit, struct err *reterr)
{
    _cleanup_(found_done) struct found last = { 0 }, now = { 0 };
    int r = tail_begin(t->in->db, &t->mark, reterr);
    if (r)
        return r;
    r = tail_count(t->in->db, t->mark.now_us - HOUR_US, &t->ended, reterr);
    if (r == 0)
        r = find_last(t, limit, &last, reterr);
    if (r == 0)
        r = find(t, t->mark.now_us - OVERLAP_US, t->mark.now_us - TRIES_OVERLAP_US, INT64_MAX, &now, reterr);
    tail_end(t->in->db);
    if (r)
        return r;
    print_last(t, &last);
    take(t, now.pages[0], false);
    return 0;
}

/* --- For ever --- */

static void wait_for_next(const struct tail *t, bool away)
{
    if (away)
        poll(NULL, 0, AWAY_US / USEC_PER_MSEC);
    else if (!t->catching_up)
        db_wait(t->in->db, -1, LOOK_EVERY_US, NULL, 0);
}

/* A server that is away is waited for; what ends meanwhile is told when it is back. */
static int follow(struct tail *t, struct err *reterr)
{
    bool away = false;
    for (;;) {
        struct err err = { 0 };
        wait_for_next(t, away);
        int r = look(t, &err);
        if (r && r != STORE_AWAY) {
            *reterr = err;
            return invocation_judge_store(t->in, r, reterr);
        }
        if (r == STORE_AWAY && !away)
            dialog_say("%s; waiting for it", err.text);
        else if (r == 0 && away)
            dialog_say("PostgreSQL is back");
        away = r == STORE_AWAY;
        r = lines_flush(t->lines, reterr);
        if (r)
            return r;
    }
}

static void tail_done(struct tail *t)
{
    lines_free(t->lines);
    seen_done(&t->seen);
}

int command_job_tail(struct invocation *in, struct err *reterr)
{
    _cleanup_(tail_done) struct tail t = {
        .in = in,
        .filter = { .queue = arguments_get(&in->arguments, "queue"),
                    .type = arguments_get(&in->arguments, "type"),
                    .state = arguments_get(&in->arguments, "state"),
                    .worker = arguments_get(&in->arguments, "worker"),
                    .error = arguments_get(&in->arguments, "error") },
    };
    for (size_t i = 0; i < N_COLUMNS; i++)
        t.plain[i] = columns[i].column;
    int r = invocation_connect(in, reterr);
    if (r)
        return r;
    dialog_remark_queue(in, t.filter.queue);
    dialog_remark_type(in, t.filter.type);
    r = lines_new(&t.lines, &in->style, in->to, columns, N_COLUMNS, reterr);
    if (r == STATUS_DONE)
        r = invocation_judge_store(
            in, look_first(&t, (int)arguments_get_count(&in->arguments, "limit", LAST_DEFAULT), reterr),
            reterr);
    if (r == STATUS_DONE)
        r = lines_flush(t.lines, reterr);
    return r ? r : follow(&t, reterr);
}
