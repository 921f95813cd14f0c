/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/bulk/bulk_run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/dialog.h"
#include "cli/interrupt.h"
#include "cli/line/pace.h"
#include "cli/print/present.h"
#include "cli/print/progress.h"
#include "store/bulk.h"

#define PART_MAX 500

void bulk_run_init(struct bulk_run *b, struct invocation *in, const char *kind)
{
    char host[65] = "", id[UUID_TEXT_SIZE];
    struct uuid unique;
    *b = (struct bulk_run){ .in = in, .kind = kind };
    gethostname(host, sizeof(host) - 1);
    uuid_new(&unique);
    snprintf(b->owner, sizeof(b->owner), "%.40s %s", host, uuid_format(&unique, id));
}

void bulk_run_done(struct bulk_run *b)
{
    rows_free(b->row);
    b->row = NULL;
}

/* --- Beginning --- */

static void take_row(struct bulk_run *b, struct rows *row)
{
    rows_free(b->row);
    b->row = row;
    b->run = rows_bigint(row, 0, BULK_ID);
    b->begun_us = rows_time_us(row, 0, BULK_BEGUN_AT);
    b->total = rows_bigint(row, 0, BULK_TOTAL);
    b->done = rows_bigint(row, 0, BULK_DONE);
    b->gone = rows_bigint(row, 0, BULK_GONE);
}

static bool is_open(const struct rows *row)
{
    const char *state = rows_text(row, 0, BULK_STATE);
    return strcmp(state, "running") == 0 || strcmp(state, "interrupted") == 0;
}

int bulk_run_check_open(struct bulk_run *b, const char *filter_json, struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *row = NULL;
    char done[PROGRESS_COUNT_SIZE], total[PROGRESS_COUNT_SIZE];
    int r =
        invocation_judge_store(b->in, bulk_find_last(b->in->db, b->kind, filter_json, &row, reterr), reterr);
    if (r || rows_count(row) == 0 || !is_open(row) || arguments_has(&b->in->arguments, "new"))
        return r;
    int64_t run = rows_bigint(row, 0, BULK_ID);
    return err_set(reterr, STATUS_FAILED,
                   "run %" PRId64 " of %s was %s at %s of %s: `jobctl %s --resume %" PRId64
                   "` goes on with it, --new begins anew",
                   run, rows_text(row, 0, BULK_ACTOR),
                   strcmp(rows_text(row, 0, BULK_STATE), "running") == 0 ? "killed, or still is"
                                                                         : "interrupted",
                   progress_count(rows_bigint(row, 0, BULK_DONE), done),
                   progress_count(rows_bigint(row, 0, BULK_TOTAL), total), b->kind, run);
}

int bulk_run_find_done(struct bulk_run *b, const char *filter_json, int64_t *ret_run, int64_t *ret_done,
                       struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *row = NULL;
    *ret_run = 0;
    int r =
        invocation_judge_store(b->in, bulk_find_last(b->in->db, b->kind, filter_json, &row, reterr), reterr);
    if (r || rows_count(row) == 0 || is_open(row))
        return r;
    *ret_run = rows_bigint(row, 0, BULK_ID);
    *ret_done = rows_bigint(row, 0, BULK_DONE);
    return STATUS_DONE;
}

int bulk_run_begin(struct bulk_run *b, const char *filter_json, int64_t total, struct err *reterr)
{
    struct rows *row = NULL;
    int r = bulk_begin(b->in->db, b->kind, filter_json, total, b->owner, &row, reterr);
    if (r)
        return invocation_judge_store(b->in, r, reterr);
    take_row(b, row);
    return STATUS_DONE;
}

/* It could not be resumed: why? */
static int refuse_resume(const struct bulk_run *b, int64_t run, struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *row = NULL;
    char done[PROGRESS_COUNT_SIZE];
    int r = bulk_find(b->in->db, run, &row, reterr);
    if (r)
        return invocation_judge_store(b->in, r, reterr);
    if (rows_count(row) == 0)
        return err_set(reterr, STATUS_NOT_FOUND, "there is no run %" PRId64, run);
    const char *kind = rows_text(row, 0, BULK_KIND), *state = rows_text(row, 0, BULK_STATE);
    if (strcmp(kind, b->kind) != 0)
        return err_set(reterr, STATUS_USAGE,
                       "run %" PRId64 " is one of `jobctl %s`: `jobctl %s --resume %" PRId64 "`", run, kind,
                       kind, run);
    return err_set(reterr, STATUS_FAILED, "run %" PRId64 " is %s: %s were done", run, state,
                   progress_count(rows_bigint(row, 0, BULK_DONE), done));
}

int bulk_run_resume(struct bulk_run *b, struct err *reterr)
{
    struct rows *row = NULL;
    int64_t run = arguments_get_count(&b->in->arguments, "resume", 0);
    int r = bulk_resume(b->in->db, run, b->kind, b->owner, &row, reterr);
    if (r)
        return invocation_judge_store(b->in, r, reterr);
    if (rows_count(row) == 0) {
        rows_free(row);
        return refuse_resume(b, run, reterr);
    }
    take_row(b, row);
    return STATUS_DONE;
}

/* --- Going --- */

/* Why it ended, and how to go on. @r: an enum status or BULK_RUN_TAKEN. */
static int tell_end(struct bulk_run *b, int r, struct err *reterr)
{
    char done[PROGRESS_COUNT_SIZE], total[PROGRESS_COUNT_SIZE];
    struct err why = *reterr;
    progress_count(b->done + b->gone, done);
    progress_count(b->total, total);
    if (r == BULK_RUN_TAKEN)
        return err_set(reterr, STATUS_FAILED,
                       "somebody else has taken run %" PRId64 " over at %s of %s, and goes on with it",
                       b->run, done, total);
    if (r == STATUS_INTERRUPTED)
        snprintf(why.text, sizeof(why.text), "interrupted");
    return err_set(reterr, r, "%.600s; it has come to %s of %s: `jobctl %s --resume %" PRId64 "` goes on",
                   why.text, done, total, b->kind, b->run);
}

static int go(struct bulk_run *b, struct progress *progress, bulk_run_part_fn part, void *userdata,
              struct err *reterr)
{
    struct pace pace;
    const char *rate = arguments_get(&b->in->arguments, "rate");
    bool more = true;
    int r = STATUS_DONE;
    pace_init(&pace, rate ? pace_parse(rate) : 0, clock_mono_us());
    while (r == STATUS_DONE && more) {
        if (interrupt_wait(pace_wait_us(&pace, clock_mono_us())))
            return STATUS_INTERRUPTED;
        int64_t before = b->done;
        r = part(b, pace_part(&pace, PART_MAX), &more, userdata, reterr);
        pace_took(&pace, b->done - before, clock_mono_us());
        b->here += b->done - before;
        progress_move(progress, b->done + b->gone);
    }
    return r;
}

int bulk_run_go(struct bulk_run *b, bulk_run_part_fn part, void *userdata, struct err *reterr)
{
    struct progress progress;
    interrupt_begin();
    progress_begin(&progress, b->total, b->done + b->gone);
    int r = go(b, &progress, part, userdata, reterr);
    progress_end(&progress);
    interrupt_end();
    if (r == STATUS_DONE)
        return r;
    if (r != BULK_RUN_TAKEN)
        bulk_interrupt(b->in->db, b->run, b->owner, NULL); /* at worst it looks killed */
    return tell_end(b, r, reterr);
}

/* --- What was done --- */

static const struct output_column columns[] = {
    { "run", CELL_INT },   { "action", CELL_TEXT }, { "done", CELL_INT },
    { "total", CELL_INT }, { "gone", CELL_INT },
};

int bulk_run_summarise(const struct bulk_run *b, const char *action, bool has_gone, struct err *reterr)
{
    const struct cell cells[] = { b->run ? cell_int(b->run) : cell_null(), cell_text(action),
                                  cell_int(b->done), cell_int(b->total), cell_int(b->gone) };
    _cleanup_(output_free_cleanup) struct output *out = NULL;
    int r = present_begin(b->in, columns, ARRAY_SIZE(columns) - !has_gone, &out, reterr);
    if (r)
        return r;
    output_add(out, cells);
    return output_end(out, reterr);
}
