/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/top/top_once.h"

#include <stdio.h>

#include "base/buf.h"
#include "cli/print/present.h"
#include "cli/top/top_keys.h"
#include "cli/top/top_layout.h"
#include "libjob/json_text.h"

#define TEXT_WIDTH 132

static void name(struct buf *b, bool first, const char *member)
{
    buf_append_format(b, "%s\"%s\": ", first ? "" : ", ", member);
}

static void put_int(struct buf *b, const char *member, int64_t n)
{
    name(b, false, member);
    if (n < 0)
        buf_append_string(b, "null");
    else
        buf_append_format(b, "%lld", (long long)n);
}

static void put_rate(struct buf *b, const char *member, double rate)
{
    name(b, false, member);
    if (rate < 0)
        buf_append_string(b, "null");
    else
        buf_append_format(b, "%.1f", rate);
}

static void put_cell(struct buf *b, bool first, const char *member, struct cell cell)
{
    name(b, first, member);
    cell_append_json(b, &cell);
}

/* "" is not known. */
static void put_text(struct buf *b, bool first, const char *member, const char *text)
{
    put_cell(b, first, member, text[0] ? cell_text(text) : cell_null());
}

static void put_time(struct buf *b, bool first, const char *member, int64_t us)
{
    put_cell(b, first, member, (struct cell){ .kind = CELL_TIME, .number = us });
}

static void put_queue(struct buf *b, const struct picture_queue *q)
{
    put_text(b, true, "queue", q->name);
    put_cell(b, false, "paused", cell_bool(q->paused));
    put_rate(b, "in_per_s", q->in);
    put_rate(b, "out_per_s", q->out);
    put_rate(b, "dead_per_s", q->failed);
    put_int(b, "partitions", q->partitions);
    put_int(b, "lag", q->lag);
    put_int(b, "pending", q->pending);
    put_int(b, "due", q->due);
    put_int(b, "late_ms", q->late_us / 1000);
    put_int(b, "leases", q->leases);
    put_int(b, "dead", q->dead);
    put_int(b, "workers", q->workers);
}

static void put_worker(struct buf *b, const struct picture_worker *w)
{
    put_text(b, true, "id", w->id);
    put_text(b, false, "state", w->state);
    put_int(b, "leases", w->leases);
    put_int(b, "partitions", w->partitions);
    put_time(b, false, "started_at", w->started_us);
    put_time(b, false, "beat_at", w->beat_us);
    put_text(b, false, "queues", w->queues);
}

static void put_job(struct buf *b, const struct picture_job *j)
{
    put_text(b, true, "id", j->id);
    put_text(b, false, "queue", j->queue);
    put_text(b, false, "type", j->type);
    put_int(b, "attempt", j->attempt);
    put_time(b, false, "started_at", j->started_us);
    put_text(b, false, "worker", j->worker);
    put_text(b, false, "progress", j->progress);
}

static void put_error(struct buf *b, const struct picture_error *e)
{
    put_text(b, true, "outcome", e->outcome);
    put_int(b, "times", e->n);
    put_time(b, false, "last_at", e->last_us);
    put_text(b, false, "queue", e->queue);
    put_text(b, false, "type", e->type);
    put_text(b, false, "error", e->error);
    put_text(b, false, "id", e->id);
}

#define PUT_LIST(b, member, n, put, list)                                                                    \
    do {                                                                                                     \
        name(b, false, member);                                                                              \
        buf_append_char(b, '[');                                                                             \
        for (size_t i_ = 0; i_ < (n); i_++) {                                                                \
            buf_append_string(b, i_ ? ", {" : "{");                                                          \
            put(b, &(list)[i_]);                                                                             \
            buf_append_char(b, '}');                                                                         \
        }                                                                                                    \
        buf_append_char(b, ']');                                                                             \
    } while (0)

static void append_json(struct buf *b, const struct picture *p)
{
    buf_append_char(b, '{');
    put_time(b, true, "at", p->now_us);
    put_text(b, false, "postgresql_away", p->store_away);
    put_text(b, false, "kafka_away", p->kafka_away);
    put_int(b, "brokers", p->n_brokers);
    put_int(b, "leases", p->n_leases);
    put_int(b, "dead", p->n_dead);
    put_rate(b, "in_per_s", p->in);
    put_rate(b, "out_per_s", p->out);
    put_rate(b, "dead_per_s", p->failed);
    PUT_LIST(b, "queues", p->n_queues, put_queue, p->queues);
    PUT_LIST(b, "workers", p->n_workers, put_worker, p->workers);
    PUT_LIST(b, "jobs", p->n_jobs, put_job, p->jobs);
    PUT_LIST(b, "errors", p->n_errors, put_error, p->errors);
    buf_append_string(b, "}\n");
}

static int print_json(const struct invocation *in, const struct picture *p, struct err *reterr)
{
    _cleanup_buf_ struct buf b = { 0 };
    append_json(&b, p);
    if (b.failed)
        return err_set(reterr, STATUS_FAILED, "out of memory");
    if (fputs(b.data, in->to) < 0)
        return err_set(reterr, STATUS_FAILED, "the output could not be written");
    return STATUS_DONE;
}

static int print_text(const struct invocation *in, const struct picture *p, struct err *reterr)
{
    _cleanup_(top_lines_done) struct top_lines lines = { 0 };
    struct top_view view;
    top_view_init(&view, USEC_PER_SEC);
    top_layout(&lines, p, &view, TEXT_WIDTH, 0);
    for (size_t i = 0; i < lines.n; i++)
        if (fprintf(in->to, "%s\n", lines.lines[i].text) < 0)
            return err_set(reterr, STATUS_FAILED, "the output could not be written");
    return lines.failed ? err_set(reterr, STATUS_FAILED, "out of memory") : STATUS_DONE;
}

int top_once_print(const struct invocation *in, const struct picture *p, struct err *reterr)
{
    return in->style.format == OUTPUT_TABLE ? print_text(in, p, reterr) : print_json(in, p, reterr);
}
