/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/job/wait.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/timefmt.h"
#include "cli/dialog.h"
#include "cli/print/present.h"
#include "store/jobs.h"
#include "store/queues.h"

#define LOOK_EVERY_US USEC_PER_SEC
#define GATHER_US (20 * USEC_PER_MSEC)
#define HINT_AFTER_US (5 * USEC_PER_SEC)

/* As jobs_list_ended() has them. */
static const struct output_column columns[] = {
    { "id", CELL_ID },           { "queue", CELL_TEXT },
    { "type", CELL_TEXT },       { "state", CELL_TEXT },
    { "reason", CELL_TEXT },     { "attempt", CELL_INT },
    { "delivery", CELL_INT },    { "result", CELL_JSON },
    { "error", CELL_TEXT },      { "enqueued_at", CELL_TIME },
    { "started_at", CELL_TIME }, { "finished_at", CELL_TIME },
    { "worker", CELL_TEXT },     { "cpu_ms", CELL_INT },
    { "peak_kib", CELL_INT },    { "trace_id", CELL_TEXT },
    { "topic", CELL_TEXT },      { "partition", CELL_INT },
    { "offset", CELL_INT },      { "parent", CELL_ID },
};
#define COLUMN_STATE 3

struct wait {
    struct invocation *in;
    struct uuid *ids; /* those that have not ended are the first n_left */
    size_t n, n_left;
    size_t n_failed;
    struct output_style style;
    struct output *list; /* NULL with a single job, which is printed as one object */
    int printed;         /* an enum status, with its reason in err */
    struct err err;
};

int wait_prepare(struct invocation *in, struct err *reterr)
{
    int r = invocation_connect(in, reterr);
    return r ? r : invocation_judge_store(in, jobs_listen_for_ends(in->db, reterr), reterr);
}

static void forget(struct wait *w, const struct uuid *id)
{
    for (size_t i = 0; i < w->n_left;)
        if (uuid_equal(&w->ids[i], id))
            w->ids[i] = w->ids[--w->n_left];
        else
            i++;
}

static void take_row(struct wait *w, const struct rows *rows, size_t row)
{
    struct cell cells[ARRAY_SIZE(columns)];
    present_fill(columns, ARRAY_SIZE(columns), rows, row, cells);
    if (!span_equals(cells[COLUMN_STATE].bytes, "succeeded"))
        w->n_failed++;
    if (w->list)
        output_add(w->list, cells);
    else
        w->printed = output_one(&w->style, w->in->to, columns, ARRAY_SIZE(columns), cells, &w->err);
    fflush(w->in->to);
    forget(w, &cells[0].id);
}

static int look(struct wait *w, struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    int r = jobs_list_ended(w->in->db, w->ids, w->n_left, &rows, reterr);
    if (r)
        return invocation_judge_store(w->in, r, reterr);
    for (size_t i = 0; i < rows_count(rows); i++)
        take_row(w, rows, i);
    return STATUS_DONE;
}

/* Ends that come one after the other are looked at together. */
static void pause_until_news(struct wait *w, int64_t limit_us)
{
    int r = db_wait(w->in->db, -1, limit_us < LOOK_EVERY_US ? limit_us : LOOK_EVERY_US, NULL, 0);
    if (w->n_left < 2)
        return;
    for (int64_t until_us = clock_mono_us() + GATHER_US; r == DB_NOTIFIED && clock_mono_us() < until_us;)
        r = db_wait(w->in->db, -1, until_us - clock_mono_us(), NULL, 0);
}

static void hint(const struct wait *w, const char *queue)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    if (queue && queues_count_workers(w->in->db, queue, &rows, NULL) == 0 && rows_bigint(rows, 0, 0) == 0)
        dialog_say("still waiting: no live worker takes jobs of the queue \"%s\"; is jobworkerd running?",
                   queue);
}

static int wait_until(struct wait *w, int64_t deadline_us, const char *queue, struct err *reterr)
{
    int64_t hint_us = clock_mono_us() + HINT_AFTER_US;
    for (;;) {
        int r = look(w, reterr);
        int64_t now_us = clock_mono_us();
        if (r || w->n_left == 0)
            return r;
        if (now_us >= deadline_us)
            return STATUS_TIMED_OUT;
        if (now_us >= hint_us) {
            hint(w, queue);
            hint_us = INT64_MAX;
        }
        pause_until_news(w, deadline_us - now_us);
    }
}

static int judge(const struct wait *w, int r, int64_t timeout_us, struct err *reterr)
{
    char duration[32], id[UUID_TEXT_SIZE];
    if (r == STATUS_TIMED_OUT)
        return err_set(reterr, r,
                       "%zu of %zu jobs did not end within %s; `jobctl job show %s` tells where one is",
                       w->n_left, w->n, duration_format(timeout_us, duration), uuid_format(&w->ids[0], id));
    if (r == STATUS_DONE && w->n_failed)
        return err_set(reterr, STATUS_FAILED, "%zu of %zu jobs did not succeed", w->n_failed, w->n);
    return r;
}

int wait_for_jobs(struct invocation *in, struct uuid *ids, size_t n, int64_t timeout_us, const char *queue,
                  struct err *reterr)
{
    struct wait w = { .in = in, .ids = ids, .n = n, .n_left = n, .style = in->style };
    _cleanup_(output_free_cleanup) struct output *list = NULL;
    int64_t deadline_us = timeout_us < 0 ? INT64_MAX : clock_mono_us() + timeout_us;
    if (!in->format_given)
        w.style.format = OUTPUT_JSONL;
    int r = n == 1 ? STATUS_DONE : output_new(&list, &w.style, in->to, columns, ARRAY_SIZE(columns), reterr);
    if (r)
        return r;
    w.list = list;
    r = judge(&w, wait_until(&w, deadline_us, queue, reterr), timeout_us, reterr);
    if (list)
        w.printed = output_end(list, &w.err);
    if (w.printed)
        *reterr = w.err;
    return w.printed ? w.printed : r;
}
