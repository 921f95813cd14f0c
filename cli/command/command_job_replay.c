/* SPDX-License-Identifier: Apache-2.0 */
/* jobctl job replay. */
#include "cli/commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/timefmt.h"
#include "cli/bulk/bulk_run.h"
#include "cli/dialog.h"
#include "cli/print/present.h"
#include "cli/print/progress.h"
#include "cli/bulk/rerun.h"
#include "cli/bulk/rerun_choice.h"
#include "store/bulk.h"

#define KIND "job replay"
#define COUNT_SPAN_US (24 * 3600 * USEC_PER_SEC)
#define SAMPLES 5
#define GONE_SAID 20 /* so many are named where there is no list */
#define LISTED 500

struct replaying {
    struct invocation *in;
    struct bulk_run run;
    struct rerun again;
    struct rerun_choice choice;
    bool dry_run;
    struct output *out; /* a row per job; NULL: only a summary */
    int64_t n_said;
};

/* A row per job. */
static const struct output_column columns[] = {
    { "id", CELL_ID }, { "action", CELL_TEXT }, { "new_id", CELL_ID }, { "error", CELL_TEXT, OUTPUT_CUTTABLE }
};

static void replaying_done(struct replaying *p)
{
    bulk_run_done(&p->run);
    rerun_choice_done(&p->choice);
}

static int check_selection(const struct arguments *a, struct err *reterr)
{
    static const char *const with_filter[] = { "type",  "queue", "state",  "where", "finished-between",
                                               "limit", "new",   "dry-run" };
    if (!arguments_has(a, "resume") && !arguments_has(a, "type") && !arguments_has(a, "queue"))
        return err_set(reterr, STATUS_USAGE,
                       "which? --type TYPE or --queue QUEUE, and --finished-between FROM TO");
    for (size_t i = 0; arguments_has(a, "resume") && i < ARRAY_SIZE(with_filter); i++)
        if (arguments_has(a, with_filter[i]))
            return err_set(
                reterr, STATUS_USAGE,
                "--resume goes on with what the run was begun for: --%s does not go with it, only --rate does",
                with_filter[i]);
    return STATUS_DONE;
}

/* --- How many, and which for example --- */

/* What ends later than the run begins is not its business: else it would replay what it has replayed. */
static void cut_at(struct replaying *p, int64_t us)
{
    if (p->choice.to_us > us)
        p->choice.to_us = us;
}

static int count_jobs(struct replaying *p, int64_t *ret, struct err *reterr)
{
    *ret = 0;
    for (int64_t at_us = p->choice.from_us, n; at_us < p->choice.to_us; at_us += COUNT_SPAN_US) {
        int64_t end_us = at_us + COUNT_SPAN_US < p->choice.to_us ? at_us + COUNT_SPAN_US : p->choice.to_us;
        int r = rerun_count(p->in->db, &p->choice.filter, at_us, end_us, &n, reterr);
        if (r)
            return invocation_judge_store(p->in, r, reterr);
        *ret += n;
    }
    if (p->choice.limit && *ret > p->choice.limit && p->choice.where.n == 0)
        *ret = p->choice.limit;
    return STATUS_DONE;
}

/* Spans of time without jobs are passed over one by one: so not from long before there were any. */
static int find_begin(struct replaying *p, struct err *reterr)
{
    int64_t oldest_us;
    int r = rerun_find_oldest(p->in->db, &oldest_us, reterr);
    if (r)
        return invocation_judge_store(p->in, r, reterr);
    if (p->choice.from_us < oldest_us)
        p->choice.from_us = oldest_us;
    p->again.at.us = p->choice.from_us;
    return STATUS_DONE;
}

/* Those that match, as far as it is known without Kafka. */
static int show_samples(struct replaying *p, int64_t n, struct err *reterr)
{
    struct rerun_position none = { .us = p->choice.from_us };
    char text[UUID_TEXT_SIZE], time[RFC3339_SIZE], count[PROGRESS_COUNT_SIZE];
    int64_t end_us = p->choice.from_us;
    size_t n_shown = 0;
    if (n == 0 || arguments_has(&p->in->arguments, "yes"))
        return STATUS_DONE;
    dialog_say("%s%s job%s that ended between %s and %s", p->choice.where.n ? "at most " : "",
               progress_count(n, count), n == 1 ? "" : "s", rerun_choice_text(&p->choice, "from"),
               rerun_choice_text(&p->choice, "to"));
    for (int64_t span_us = USEC_PER_SEC; n_shown == 0 && end_us < p->choice.to_us; span_us *= 2) {
        _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
        end_us = end_us + span_us < p->choice.to_us ? end_us + span_us : p->choice.to_us;
        int r = rerun_list(p->in->db, &p->choice.filter, none.us, &none.id, end_us, SAMPLES, &rows, reterr);
        if (r)
            return invocation_judge_store(p->in, r, reterr);
        n_shown = rows_count(rows);
        for (size_t i = 0; i < n_shown; i++) {
            struct uuid id;
            rows_uuid(rows, i, 0, &id);
            dialog_say("  %s %s/%s %s %s", uuid_format(&id, text), rows_text(rows, i, 2),
                       rows_text(rows, i, 3), rows_text(rows, i, 4),
                       rfc3339_format(rows_time_us(rows, i, 1), 3, time));
        }
    }
    return STATUS_DONE;
}

static int confirm(struct replaying *p, const char *filter_json, int64_t n, struct err *reterr)
{
    char question[200], count[PROGRESS_COUNT_SIZE], done[PROGRESS_COUNT_SIZE];
    int64_t run, n_done;
    int r = bulk_run_find_done(&p->run, filter_json, &run, &n_done, reterr);
    if (r || n == 0)
        return r;
    if (run)
        dialog_say("run %" PRId64 " was the same and is done: it has run %s jobs again", run,
                   progress_count(n_done, done));
    snprintf(question, sizeof(question), "Run %s%s job%s again, as new ones?",
             p->choice.where.n ? "at most " : "", progress_count(n, count), n == 1 ? "" : "s");
    return dialog_confirm(p->in, question, reterr);
}

/* --- Doing it --- */

static void tell_gone(struct replaying *p, const struct rerun_item *item)
{
    char text[UUID_TEXT_SIZE];
    p->run.gone++;
    if (!p->out && p->n_said++ < GONE_SAID)
        dialog_say("%s is gone: %s", uuid_format(&item->id, text), item->why);
}

/* The new jobs of a page; @jobs has room. Return: how many. */
static size_t collect(struct replaying *p, const struct rerun_page *page, struct rerun_job *jobs)
{
    size_t n = 0;
    for (size_t i = 0; i < page->n; i++) {
        const struct rerun_item *item = &page->items[i];
        if (item->fate == RERUN_AGAIN)
            jobs[n++] = item->job;
        else if (item->fate == RERUN_GONE)
            tell_gone(p, item);
    }
    return n;
}

static void print(struct replaying *p, const struct rerun_page *page)
{
    for (size_t i = 0; p->out && i < page->n; i++) {
        const struct rerun_item *item = &page->items[i];
        bool again = item->fate == RERUN_AGAIN;
        if (item->fate != RERUN_OTHER)
            output_add(p->out,
                       (const struct cell[]){ cell_id(&item->id),
                                              cell_text(!again       ? "gone"
                                                        : p->dry_run ? "would run again"
                                                                     : "runs again"),
                                              again && !p->dry_run ? cell_id(&item->job.id) : cell_null(),
                                              again ? cell_null() : cell_text(item->why) });
    }
}

/* One page, in one transaction with the run's position. */
static int put(struct replaying *p, const struct rerun_page *page, bool *ret_more, struct err *reterr)
{
    struct bulk_run *b = &p->run;
    int64_t gone_before = b->gone, done;
    _cleanup_free_ struct rerun_job *jobs = calloc(page->n + 1, sizeof(*jobs));
    if (!jobs)
        return err_set(reterr, STATUS_FAILED, "out of memory");
    struct rerun_part part = {
        .upto_us = p->again.at.us, .upto_id = p->again.at.id, .jobs = jobs, .n = collect(p, page, jobs)
    };
    part.n_gone = b->gone - gone_before;
    part.is_last = page->is_last || (p->choice.limit && b->done + (int64_t)part.n >= p->choice.limit);
    int r =
        invocation_judge_store(p->in, rerun_put(p->in->db, b->run, b->owner, &part, &done, reterr), reterr);
    if (r || done < 0) {
        b->gone = gone_before;
        return r ? r : BULK_RUN_TAKEN;
    }
    b->done = done;
    *ret_more = !part.is_last;
    return STATUS_DONE;
}

static int part(struct bulk_run *b, int at_most, bool *ret_more, void *userdata, struct err *reterr)
{
    struct replaying *p = userdata;
    struct rerun_page page;
    if (p->choice.limit && p->choice.limit - b->done < at_most)
        at_most = (int)(p->choice.limit - b->done);
    int r = rerun_read(&p->again, at_most, &page, reterr);
    if (r == STATUS_DONE)
        r = put(p, &page, ret_more, reterr);
    if (r == STATUS_DONE)
        print(p, &page);
    rerun_page_done(&page);
    return r;
}

/* Goes through them as the run would, and does nothing. */
static int rehearse(struct replaying *p, struct err *reterr)
{
    struct progress progress;
    struct bulk_run *b = &p->run;
    bool more = true;
    int r = STATUS_DONE;
    progress_begin(&progress, b->total, 0);
    while (r == STATUS_DONE && more) {
        struct rerun_page page;
        int64_t left = p->choice.limit ? p->choice.limit - b->done : LISTED;
        r = rerun_read(&p->again, left < LISTED ? (int)left : LISTED, &page, reterr);
        _cleanup_free_ struct rerun_job *jobs = calloc(page.n + 1, sizeof(*jobs));
        if (r == STATUS_DONE && jobs) {
            b->done += (int64_t)collect(p, &page, jobs);
            print(p, &page);
        }
        more = !page.is_last && (!p->choice.limit || b->done < p->choice.limit);
        rerun_page_done(&page);
        progress_move(&progress, b->done + b->gone);
    }
    progress_end(&progress);
    return r;
}

static int begin(struct replaying *p, struct err *reterr)
{
    int64_t n = 0;
    char *json = json_dumps(p->choice.json, JSON_COMPACT);
    cut_at(p, clock_wall_us());
    int r = json ? find_begin(p, reterr) : err_set(reterr, STATUS_FAILED, "out of memory");
    if (r == STATUS_DONE && !p->dry_run)
        r = bulk_run_check_open(&p->run, json, reterr);
    if (r == STATUS_DONE)
        r = count_jobs(p, &n, reterr);
    p->run.total = n;
    if (r == STATUS_DONE && n == 0) {
        dialog_remark_queue(p->in, p->choice.filter.queue);
        dialog_remark_type(p->in, p->choice.filter.type);
    }
    if (r == STATUS_DONE)
        r = show_samples(p, n, reterr);
    if (r == STATUS_DONE && !p->dry_run)
        r = confirm(p, json, n, reterr);
    if (r == STATUS_DONE && !p->dry_run && n > 0)
        r = bulk_run_begin(&p->run, json, n, reterr);
    free(json);
    return r;
}

static int resume(struct replaying *p, struct err *reterr)
{
    int r = bulk_run_resume(&p->run, reterr);
    if (r)
        return r;
    const struct rows *row = p->run.row;
    r = rerun_choice_parse(&p->choice, rows_text(row, 0, BULK_FILTER), reterr);
    if (r == STATUS_DONE)
        r = find_begin(p, reterr);
    if (r == STATUS_DONE && !rows_is_null(row, 0, BULK_AFTER_ID)) {
        p->again.at.us = rows_time_us(row, 0, BULK_AFTER_AT);
        rows_uuid(row, 0, BULK_AFTER_ID, &p->again.at.id);
    }
    return r;
}

static int conclude(struct replaying *p, int r, struct err *reterr)
{
    char done[PROGRESS_COUNT_SIZE], gone[PROGRESS_COUNT_SIZE];
    if (p->n_said > GONE_SAID)
        dialog_say("and %s more are gone; -o jsonl lists each", progress_count(p->n_said - GONE_SAID, gone));
    if (r)
        return r;
    dialog_say("%s: %s", p->dry_run ? "would run again" : "run again", progress_count(p->run.done, done));
    if (p->run.gone == 0)
        return STATUS_DONE;
    return err_set(reterr, STATUS_FAILED, "gone, because Kafka has %s no more: %s",
                   p->run.gone == 1 ? "its message" : "their messages", progress_count(p->run.gone, gone));
}

static int go(struct replaying *p, struct err *reterr)
{
    int r = STATUS_DONE;
    p->again.choice = &p->choice;
    p->again.run = p->run.run;
    p->again.begun_us = p->run.begun_us;
    cut_at(p, p->run.run ? p->run.begun_us : clock_wall_us());
    if (p->dry_run)
        r = rehearse(p, reterr);
    else if (p->run.run)
        r = bulk_run_go(&p->run, part, p, reterr);
    return r;
}

static int replay(struct replaying *p, struct err *reterr)
{
    _cleanup_(output_free_cleanup) struct output *out = NULL;
    bool resumes = arguments_has(&p->in->arguments, "resume"), each = p->in->style.format != OUTPUT_TABLE;
    int r = each ? present_begin(p->in, columns, ARRAY_SIZE(columns), &out, reterr) : STATUS_DONE;
    if (r == STATUS_DONE)
        r = resumes ? resume(p, reterr) : begin(p, reterr);
    if (r)
        return r;
    p->out = out;
    r = go(p, reterr);
    int written = out ? output_end(out, r ? NULL : reterr)
                      : bulk_run_summarise(&p->run, p->dry_run ? "would run again" : "run again", true,
                                           r ? NULL : reterr);
    r = conclude(p, r, reterr);
    return r ? r : written;
}

int command_job_replay(struct invocation *in, struct err *reterr)
{
    _cleanup_(replaying_done) struct replaying p = { .in = in,
                                                     .dry_run = arguments_has(&in->arguments, "dry-run") };
    int r = check_selection(&in->arguments, reterr);
    p.again.in = in;
    bulk_run_init(&p.run, in, KIND);
    if (r == STATUS_DONE && !arguments_has(&in->arguments, "resume"))
        r = rerun_choice_make(&p.choice, &in->arguments, reterr);
    if (r == STATUS_DONE)
        r = invocation_connect(in, reterr);
    if (r == STATUS_DONE)
        r = invocation_prepare_kafka(in, reterr);
    if (r == STATUS_DONE)
        r = invocation_judge_kafka(in, admin_probe(in->admin, reterr), reterr);
    return r ? r : replay(&p, reterr);
}
