/* SPDX-License-Identifier: Apache-2.0 */
/* jobctl worker: looking at workers. */
#include "cli/commands.h"

#include <stdio.h>

#include "base/buf.h"
#include "cli/dialog.h"
#include "cli/queue/fleet.h"
#include "cli/queue/lag.h"
#include "cli/print/present.h"
#include "store/workers.h"

/* --- list --- */

/* As enum fleet_column has them. */
static const struct output_column list_columns[] = {
    { "id", CELL_TEXT },
    { "host", CELL_TEXT, OUTPUT_NOT_IN_TABLE },
    { "pid", CELL_INT, OUTPUT_NOT_IN_TABLE },
    { "state", CELL_TEXT },
    { "queues", CELL_JSON, OUTPUT_CUTTABLE },
    { "leases", CELL_INT },
    { "partitions", CELL_INT },
    { "started_at", CELL_TIME },
    { "beat_at", CELL_TIME },
    { "narrow", CELL_JSON, OUTPUT_CUTTABLE },
    { "drain_at", CELL_TIME },
    { "drain_by", CELL_TEXT, OUTPUT_CUTTABLE },
    { "quiet", CELL_JSON, OUTPUT_NOT_IN_TABLE },
    { "http", CELL_TEXT, OUTPUT_NOT_IN_TABLE },
    { "lost_at", CELL_TIME },
};

int command_worker_list(struct invocation *in, struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    const struct workers_filter filter = { .queue = arguments_get(&in->arguments, "queue"),
                                           .state = arguments_get(&in->arguments, "state") };
    int r = invocation_connect(in, reterr);
    if (r)
        return r;
    r = workers_list(in->db, &filter, &rows, reterr);
    if (r)
        return invocation_judge_store(in, r, reterr);
    if (rows_count(rows) == 0)
        dialog_remark_queue(in, filter.queue);
    return present_rows(in, list_columns, ARRAY_SIZE(list_columns), rows, reterr);
}

/* --- show --- */

/* As enum fleet_column has them, and two more. */
static const struct output_column show_columns[] = {
    { "id", CELL_TEXT },
    { "host", CELL_TEXT },
    { "pid", CELL_INT },
    { "state", CELL_TEXT },
    { "queues", CELL_JSON },
    { "leases", CELL_INT },
    { "partitions", CELL_INT },
    { "started_at", CELL_TIME },
    { "beat_at", CELL_TIME },
    { "narrow", CELL_JSON },
    { "drain_at", CELL_TIME },
    { "drain_by", CELL_TEXT },
    { "quiet", CELL_JSON },
    { "http", CELL_TEXT },
    { "lost_at", CELL_TIME },
    { "jobs", CELL_JSON, OUTPUT_NOT_IN_TABLE },
    { "places", CELL_JSON, OUTPUT_NOT_IN_TABLE },
};
enum { SHOW_JOBS = FLEET_N, SHOW_PLACES, SHOW_N };

/* As workers_list_leases() has them. */
static const struct output_column job_columns[] = {
    { "id", CELL_ID },        { "queue", CELL_TEXT },      { "type", CELL_TEXT },     { "attempt", CELL_INT },
    { "delivery", CELL_INT }, { "started_at", CELL_TIME }, { "progress", CELL_JSON },
};

/* As workers_list_places() has them, and two more. */
static const struct output_column place_columns[] = {
    { "topic", CELL_TEXT }, { "partition", CELL_INT },   { "next_offset", CELL_INT },
    { "epoch", CELL_INT },  { "updated_at", CELL_TIME }, { "end", CELL_INT },
    { "lag", CELL_INT },
};
enum { PLACE_END = 5, PLACE_LAG, PLACE_N };

struct holdings {
    struct rows *jobs, *places;
    struct lag_place *lags;
};

static void holdings_done(struct holdings *h)
{
    rows_free(h->jobs);
    rows_free(h->places);
    free(h->lags);
}

/* Kafka may be away: then the ends of the logs are not known. */
static int read_lags(struct invocation *in, struct holdings *h, struct err *reterr)
{
    struct err away = { 0 };
    size_t n = rows_count(h->places);
    h->lags = calloc(n + 1, sizeof(*h->lags));
    if (!h->lags)
        return err_set(reterr, STATUS_FAILED, "out of memory");
    for (size_t i = 0; i < n; i++)
        h->lags[i] = (struct lag_place){ .topic = rows_text(h->places, i, 0),
                                         .partition = rows_int(h->places, i, 1),
                                         .next_offset = rows_bigint(h->places, i, 2) };
    if (n && lag_read(in, h->lags, n, &away) != STATUS_DONE)
        dialog_say("%s (lag is not known)", away.text);
    return STATUS_DONE;
}

static int read_holdings(struct invocation *in, const char *worker, struct holdings *h, struct err *reterr)
{
    int limit = (int)arguments_get_count(&in->arguments, "limit", 50);
    int r = workers_list_leases(in->db, worker, limit, &h->jobs, reterr);
    if (r == 0)
        r = workers_list_places(in->db, worker, &h->places, reterr);
    return r ? invocation_judge_store(in, r, reterr) : read_lags(in, h, reterr);
}

static struct cell cell_known(int64_t number)
{
    return number < 0 ? cell_null() : cell_int(number);
}

static void fill_place(const struct holdings *h, size_t i, struct cell *cells)
{
    present_fill(place_columns, PLACE_END, h->places, i, cells);
    cells[PLACE_END] = cell_known(h->lags[i].end);
    cells[PLACE_LAG] = cell_known(h->lags[i].lag);
}

static void append_jobs(struct buf *json, const struct holdings *h)
{
    struct cell cells[ARRAY_SIZE(job_columns)];
    buf_append_char(json, '[');
    for (size_t i = 0; i < rows_count(h->jobs); i++) {
        present_fill(job_columns, ARRAY_SIZE(job_columns), h->jobs, i, cells);
        buf_append_string(json, i ? ", " : "");
        output_append_object(json, job_columns, ARRAY_SIZE(job_columns), cells);
    }
    buf_append_char(json, ']');
}

static void append_places(struct buf *json, const struct holdings *h)
{
    struct cell cells[PLACE_N];
    buf_append_char(json, '[');
    for (size_t i = 0; i < rows_count(h->places); i++) {
        fill_place(h, i, cells);
        buf_append_string(json, i ? ", " : "");
        output_append_object(json, place_columns, PLACE_N, cells);
    }
    buf_append_char(json, ']');
}

static int print_places(struct invocation *in, const struct holdings *h, struct err *reterr)
{
    struct cell cells[PLACE_N];
    _cleanup_(output_free_cleanup) struct output *o = NULL;
    struct output_style style = in->style;
    style.columns = style.sort = NULL;
    int r = output_new(&o, &style, in->to, place_columns, PLACE_N, reterr);
    if (r)
        return r;
    for (size_t i = 0; i < rows_count(h->places); i++) {
        fill_place(h, i, cells);
        output_add(o, cells);
    }
    return output_end(o, reterr);
}

static int print_jobs(struct invocation *in, const struct holdings *h, struct err *reterr)
{
    struct cell cells[ARRAY_SIZE(job_columns)];
    _cleanup_(output_free_cleanup) struct output *o = NULL;
    struct output_style style = in->style;
    style.columns = style.sort = NULL;
    int r = output_new(&o, &style, in->to, job_columns, ARRAY_SIZE(job_columns), reterr);
    if (r)
        return r;
    for (size_t i = 0; i < rows_count(h->jobs); i++) {
        present_fill(job_columns, ARRAY_SIZE(job_columns), h->jobs, i, cells);
        output_add(o, cells);
    }
    return output_end(o, reterr);
}

static int print_worker(struct invocation *in, const struct rows *worker, const struct holdings *h,
                        struct err *reterr)
{
    _cleanup_buf_ struct buf jobs = { 0 }, places = { 0 };
    struct cell cells[SHOW_N];
    append_jobs(&jobs, h);
    append_places(&places, h);
    if (jobs.failed || places.failed)
        return err_set(reterr, STATUS_FAILED, "out of memory");
    present_fill(show_columns, FLEET_N, worker, 0, cells);
    cells[SHOW_JOBS] = cell_json(jobs.data);
    cells[SHOW_PLACES] = cell_json(places.data);
    int r = present_one(in, show_columns, SHOW_N, cells, reterr);
    bool more = in->style.format == OUTPUT_TABLE && !in->style.columns;
    if (r == STATUS_DONE && more && rows_count(h->jobs)) {
        fprintf(in->to, "\n");
        r = print_jobs(in, h, reterr);
    }
    if (r == STATUS_DONE && more && rows_count(h->places)) {
        fprintf(in->to, "\n");
        r = print_places(in, h, reterr);
    }
    return r;
}

int command_worker_show(struct invocation *in, struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *worker = NULL;
    _cleanup_(holdings_done) struct holdings h = { 0 };
    int r = fleet_find(in, in->arguments.words[0], &worker, reterr);
    if (r == STATUS_DONE)
        r = read_holdings(in, rows_text(worker, 0, FLEET_ID), &h, reterr);
    return r ? r : print_worker(in, worker, &h, reterr);
}
