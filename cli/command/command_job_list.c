/* SPDX-License-Identifier: Apache-2.0 */
/* jobctl job list: reads page after page until there is enough, nothing is left, or Ctrl-C. */
#include "cli/commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/timefmt.h"
#include "cli/dialog.h"
#include "cli/interrupt.h"
#include "cli/job/job_filter.h"
#include "cli/line/again.h"
#include "cli/print/present.h"

#define LIMIT_DEFAULT 50
#define PAGE_MAX 1000 /* rows that are held at once */
#define PATIENCE_US (500 * USEC_PER_MSEC)

/* As listing_read() has them. */
static const struct output_column list_columns[] = {
    { "id", CELL_ID },
    { "state", CELL_TEXT },
    { "queue", CELL_TEXT },
    { "type", CELL_TEXT },
    { "attempt", CELL_INT },
    { "delivery", CELL_INT },
    { "run_at", CELL_TIME },
    { "started_at", CELL_TIME },
    { "finished_at", CELL_TIME },
    { "worker", CELL_TEXT, OUTPUT_CUTTABLE },
    { "reason", CELL_TEXT },
    { "error", CELL_TEXT, OUTPUT_CUTTABLE | OUTPUT_NOT_IN_TABLE },
    { "enqueued_at", CELL_TIME, OUTPUT_NOT_IN_TABLE },
    { "key", CELL_BYTES, OUTPUT_NOT_IN_TABLE },
    { "tags", CELL_JSON, OUTPUT_NOT_IN_TABLE },
    { "trace_id", CELL_TEXT, OUTPUT_NOT_IN_TABLE },
    { "parent", CELL_ID, OUTPUT_NOT_IN_TABLE },
    { "cpu_ms", CELL_INT, OUTPUT_NOT_IN_TABLE },
    { "peak_kib", CELL_INT, OUTPUT_NOT_IN_TABLE },
    { "topic", CELL_TEXT, OUTPUT_NOT_IN_TABLE },
    { "partition", CELL_INT, OUTPUT_NOT_IN_TABLE },
    { "offset", CELL_INT, OUTPUT_NOT_IN_TABLE },
};
_Static_assert(ARRAY_SIZE(list_columns) == LISTING_N_COLUMNS, "one for each");

struct listing {
    struct invocation *in;
    const struct listing_filter *filter;
    struct output *output;
    struct listing_place place;
    int64_t left; /* how many may still be printed */
    int64_t n_printed;
    int n_read;
    bool picks;
    bool may_remark; /* somebody looks at standard error, and nothing is drawn there */
    bool has_remarked;
    int64_t remark_us;
};

/* --- How far ------------------------------------------------------------------------------------------------------------- */

/* "2026-01-31T18:00:00Z", as far as has been looked; NULL: not known. */
static const char *format_place(const struct listing_place *place, char text[RFC3339_SIZE])
{
    int64_t ms = uuid_time_ms(&place->below);
    return place->odd || ms < 0 ? NULL : rfc3339_format(ms * USEC_PER_MSEC, 0, text);
}

static void remark(struct listing *l)
{
    char text[RFC3339_SIZE];
    const char *time = format_place(&l->place, text);
    if (!l->may_remark || !time || clock_mono_us() < l->remark_us)
        return;
    fprintf(stderr, "\r\033[Klooked back to %s, found %" PRId64, time, l->n_printed);
    l->has_remarked = true;
    l->remark_us = clock_mono_us() + PATIENCE_US;
}

static void wipe_remark(const struct listing *l)
{
    if (l->has_remarked)
        fputs("\r\033[K", stderr);
}

static void offer_next(const struct listing *l)
{
    _cleanup_buf_ struct buf next = { 0 };
    if (uuid_is_null(&l->place.below))
        return;
    again_append(&next, &l->in->arguments, &l->place.below);
    if (!next.failed)
        dialog_say_later(l->in, "%s: `%s`", l->picks ? "there may be more" : "there are more", next.data);
}

static int say_stopped(const struct listing *l, struct err *reterr)
{
    char text[RFC3339_SIZE];
    const char *time = format_place(&l->place, text);
    _cleanup_buf_ struct buf next = { 0 };
    again_append(&next, &l->in->arguments, &l->place.below);
    if (next.failed || uuid_is_null(&l->place.below))
        return err_set(reterr, STATUS_INTERRUPTED, "interrupted");
    return err_set(reterr, STATUS_INTERRUPTED, "interrupted: looked back%s%s; `%s` goes on",
                   time ? " to " : "", time ? time : "", next.data);
}

/* --- Reading --------------------------------------------------------------------------------------------------------------- */

static void print_rows(struct listing *l, const struct rows *rows, size_t n)
{
    struct cell cells[LISTING_N_COLUMNS];
    for (size_t i = 0; i < n; i++) {
        present_fill(list_columns, LISTING_N_COLUMNS, rows, i, cells);
        output_add(l->output, cells);
    }
    l->n_printed += (int64_t)n;
    l->left -= (int64_t)n;
}

static struct listing_step choose_step(const struct listing *l)
{
    int wanted = l->left < PAGE_MAX ? (int)l->left : PAGE_MAX;
    return (struct listing_step){ .n_read = l->picks ? l->n_read : wanted + 1, .n_wanted = wanted };
}

static int read_step(struct listing *l, struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    size_t n;
    struct listing_step step = choose_step(l);
    bool was_odd = l->place.odd;
    int64_t begun_us = clock_mono_us();
    int r = listing_read(l->in->db, l->filter, &l->place, step, &rows, &n, reterr);
    if (r)
        return invocation_judge_store(l->in, r, reterr);
    if (n < (size_t)step.n_wanted && l->place.odd == was_odd && !l->place.ended)
        l->n_read = listing_pace(l->n_read, clock_mono_us() - begun_us);
    print_rows(l, rows, n);
    return STATUS_DONE;
}

static int read_all(struct listing *l, struct err *reterr)
{
    int r = STATUS_DONE;
    while (r == STATUS_DONE && l->left > 0 && !l->place.ended && !interrupt_has_come()) {
        r = read_step(l, reterr);
        remark(l);
    }
    wipe_remark(l);
    return r;
}

static int list(struct listing *l, struct err *reterr)
{
    interrupt_begin();
    int r = read_all(l, reterr);
    interrupt_end();
    if (r)
        return r;
    bool stopped = l->left > 0 && !l->place.ended;
    r = output_end(l->output, reterr);
    if (r == STATUS_DONE && stopped)
        return say_stopped(l, reterr);
    if (r == STATUS_DONE && !l->place.ended)
        offer_next(l);
    return r;
}

/* --- The command ------------------------------------------------------------------------------------------------------------ */

static int read_limit(const struct arguments *a, int64_t *ret, struct err *reterr)
{
    bool all = arguments_has(a, "all");
    if (all && arguments_has(a, "limit"))
        return err_set(reterr, STATUS_USAGE, "--all and --limit exclude each other");
    *ret = all ? INT64_MAX : arguments_get_count(a, "limit", LIMIT_DEFAULT);
    return STATUS_DONE;
}

static int begin(struct listing *l, struct err *reterr)
{
    struct uuid after;
    const char *text = arguments_get(&l->in->arguments, "after");
    if (text)
        uuid_parse(text, strlen(text), &after);
    int r = invocation_connect(l->in, reterr);
    if (r == STATUS_AWAY)
        dialog_say(
            "without PostgreSQL nothing can be listed; `jobctl job show ID` looks for a job that waits in Kafka, and "
            "`jobctl queue list` has the queues' topics");
    if (r)
        return r;
    r = listing_begin(l->in->db, text ? &after : NULL, &l->place, reterr);
    if (r)
        return invocation_judge_store(l->in, r, reterr);
    return present_begin(l->in, list_columns, ARRAY_SIZE(list_columns), &l->output, reterr);
}

static void remark_nothing(const struct listing *l)
{
    dialog_remark_queue(l->in, l->filter->queue);
    dialog_remark_type(l->in, l->filter->type);
}

int command_job_list(struct invocation *in, struct err *reterr)
{
    _cleanup_(job_filter_done) struct job_filter filter;
    _cleanup_(output_free_cleanup) struct output *output = NULL;
    bool watched = arguments_has(&in->arguments, "watch");
    struct listing l = {
        .in = in,
        .filter = &filter.listing,
        .n_read = LISTING_READ_FIRST,
        .may_remark = isatty(STDERR_FILENO) && !watched,
        .remark_us = clock_mono_us() + PATIENCE_US,
    };
    int r = job_filter_read(&filter, &in->arguments, clock_wall_us(), reterr);
    if (r == STATUS_DONE)
        r = read_limit(&in->arguments, &l.left, reterr);
    if (r == STATUS_DONE)
        r = begin(&l, reterr);
    if (r)
        return r;
    output = l.output;
    l.picks = listing_picks(l.filter);
    if (!watched)
        job_filter_remark(&filter);
    r = list(&l, reterr);
    if (r == STATUS_DONE && l.n_printed == 0 && !watched)
        remark_nothing(&l);
    return r;
}
