/* SPDX-License-Identifier: Apache-2.0 */
/* jobctl queue: what waits, runs and died, queue by queue; from whichever of the two servers answers. */
#include "cli/commands.h"

#include <stdio.h>
#include <string.h>

#include "cli/dialog.h"
#include "cli/print/present.h"
#include "libjob/names.h"
#include "store/queues.h"

struct queue_row {
    char *name;
    bool declared;
    int64_t partitions; /* -1: not known */
    int64_t lag;        /* -1: not known */
    size_t stored;      /* row of `stored` + 1; 0: none */
};

struct survey {
    struct invocation *in;
    struct queue_row *queues;
    size_t n;
    struct rows *stored;  /* queues_list(); NULL: PostgreSQL is away */
    struct rows *cursors; /* queues_list_cursors() */
    struct admin_topics topics;
    bool kafka;
};

static void survey_done(struct survey *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->queues[i].name);
    free(s->queues);
    rows_free(s->stored);
    rows_free(s->cursors);
    admin_topics_done(&s->topics);
}

/* Return: the queue's row, made when it is new; NULL without memory. */
static struct queue_row *survey_add(struct survey *s, struct span name)
{
    for (size_t i = 0; i < s->n; i++)
        if (span_equals(name, s->queues[i].name))
            return &s->queues[i];
    struct queue_row *queues = reallocarray(s->queues, s->n + 1, sizeof(*queues));
    if (!queues)
        return NULL;
    s->queues = queues;
    queues[s->n] = (struct queue_row){ .name = strndup(name.data, name.size), .partitions = -1, .lag = -1 };
    return queues[s->n].name ? &queues[s->n++] : NULL;
}

static int add_declared(struct survey *s)
{
    const struct job_config *config = s->in->config;
    for (size_t i = 0; i < config->n_queues; i++) {
        struct queue_row *row = survey_add(s, span_from_string(config->queues[i].name));
        if (!row)
            return STATUS_FAILED;
        row->declared = true;
    }
    return STATUS_DONE;
}

/* --- PostgreSQL's part --- */

static int read_store(struct survey *s, struct err *reterr)
{
    int r = invocation_connect(s->in, reterr);
    if (r)
        return r;
    r = queues_list(s->in->db, &s->stored, reterr);
    if (r == 0)
        r = queues_list_cursors(s->in->db, &s->cursors, reterr);
    if (r) {
        s->stored = rows_free(s->stored);
        return invocation_judge_store(s->in, r, reterr);
    }
    for (size_t i = 0; i < rows_count(s->stored); i++) {
        struct queue_row *row = survey_add(s, rows_span(s->stored, i, 0));
        if (!row)
            return STATUS_FAILED;
        row->stored = i + 1;
    }
    return STATUS_DONE;
}

/* --- Kafka's part --- */

/* Where recording stands; -1 when the partition was never read. */
static int64_t find_cursor(const struct survey *s, const char *topic, int32_t partition)
{
    for (size_t i = 0; i < rows_count(s->cursors); i++)
        if (rows_int(s->cursors, i, 1) == partition && span_equals(rows_span(s->cursors, i, 0), topic))
            return rows_bigint(s->cursors, i, 2);
    return -1;
}

/* The lag needs both servers; without a cursor everything in the log is still to be done. */
static int add_lag(struct survey *s, struct queue_row *row, const struct admin_topic *topic,
                   struct err *reterr)
{
    _cleanup_free_ struct admin_range *ranges = calloc((size_t)topic->n_partitions + 1, sizeof(*ranges));
    if (!ranges)
        return STATUS_FAILED;
    int r = admin_read_ranges(s->in->admin, topic->name, topic->n_partitions, ranges, reterr);
    if (r)
        return invocation_judge_kafka(s->in, r, reterr);
    int64_t lag = 0;
    for (int32_t p = 0; p < topic->n_partitions; p++) {
        int64_t cursor = find_cursor(s, topic->name, p);
        int64_t from = cursor > ranges[p].start ? cursor : ranges[p].start;
        lag += ranges[p].end > from ? ranges[p].end - from : 0;
    }
    row->lag = (row->lag < 0 ? 0 : row->lag) + lag;
    return STATUS_DONE;
}

static int read_kafka(struct survey *s, struct err *reterr)
{
    char prefix[NAME_TOPIC_MAX + 1];
    int r = invocation_prepare_kafka(s->in, reterr);
    if (r)
        return r;
    snprintf(prefix, sizeof(prefix), "%s.", s->in->config->prefix);
    r = admin_list_topics(s->in->admin, prefix, &s->topics, reterr);
    if (r)
        return invocation_judge_kafka(s->in, r, reterr);
    s->kafka = true;
    for (size_t i = 0; i < s->topics.n; i++) {
        const struct admin_topic *topic = &s->topics.topics[i];
        struct span queue = name_queue_of_topic(s->in->config->prefix, topic->name);
        struct queue_row *row = queue.data ? survey_add(s, queue) : NULL;
        if (!row)
            continue;
        row->partitions = (row->partitions < 0 ? 0 : row->partitions) + topic->n_partitions;
        r = s->stored ? add_lag(s, row, topic, reterr) : STATUS_DONE;
        if (r)
            return r;
    }
    return STATUS_DONE;
}

/* --- Printing --- */

static const struct output_column columns[] = {
    { "queue", CELL_TEXT },  { "declared", CELL_BOOL }, { "partitions", CELL_INT },
    { "lag", CELL_INT },     { "pending", CELL_INT },   { "pending_by_reason", CELL_JSON, OUTPUT_CUTTABLE },
    { "leases", CELL_INT },  { "dead", CELL_INT },      { "workers", CELL_INT },
    { "paused", CELL_BOOL },
};

static struct cell cell_known(int64_t number)
{
    return number < 0 ? cell_null() : cell_int(number);
}

static void fill(const struct survey *s, const struct queue_row *q, struct cell *cells)
{
    bool asked = s->stored != NULL, has_row = q->stored > 0;
    size_t row = q->stored - 1;
    cells[0] = cell_text(q->name);
    cells[1] = cell_bool(q->declared);
    cells[2] = cell_known(s->kafka && q->partitions < 0 ? 0 : q->partitions);
    cells[3] = cell_known(q->lag);
    cells[5] = asked ? cell_json("{}") : cell_null();
    cells[4] = cells[6] = cells[7] = cells[8] = asked ? cell_int(0) : cell_null();
    cells[9] = asked ? cell_bool(false) : cell_null();
    if (!has_row)
        return;
    cells[4] = cell_int(rows_bigint(s->stored, row, 1));
    if (!rows_is_null(s->stored, row, 2))
        cells[5] = cell_span(CELL_JSON, rows_span(s->stored, row, 2));
    for (int i = 0; i < 3; i++)
        cells[6 + i] = cell_int(rows_bigint(s->stored, row, 3 + i));
    cells[9] = cell_bool(rows_bool(s->stored, row, 6));
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct queue_row *)a)->name, ((const struct queue_row *)b)->name);
}

static int print_survey(struct survey *s, struct err *reterr)
{
    struct cell cells[ARRAY_SIZE(columns)];
    _cleanup_(output_free_cleanup) struct output *o = NULL;
    int r = present_begin(s->in, columns, ARRAY_SIZE(columns), &o, reterr);
    if (r)
        return r;
    qsort(s->queues, s->n, sizeof(*s->queues), compare);
    bool is_capped = false;
    for (size_t i = 0; i < s->n; i++) {
        fill(s, &s->queues[i], cells);
        is_capped |= cells[4].kind == CELL_INT && cells[4].number == QUEUES_COUNT_MAX;
        output_add(o, cells);
    }
    if (is_capped)
        dialog_say_later(s->in, "pending is counted up to %d for each queue; there may be more",
                         QUEUES_COUNT_MAX);
    return output_end(o, reterr);
}

/* With one of the servers away half of the picture is better than none; with both away there is no picture. */
static int take_survey(struct survey *s, struct err *reterr)
{
    struct err store_err = { 0 }, kafka_err = { 0 };
    int store = read_store(s, &store_err);
    int kafka = read_kafka(s, &kafka_err);
    if (store && kafka)
        return err_set(reterr, store == STATUS_AWAY && kafka == STATUS_AWAY ? STATUS_AWAY : STATUS_FAILED,
                       "%.480s; %.480s", store_err.text, kafka_err.text);
    if (store)
        dialog_say("%s (lag, pending, leases, dead and workers are not known)", store_err.text);
    if (kafka)
        dialog_say("%s (partitions and lag are not known)", kafka_err.text);
    return STATUS_DONE;
}

int command_queue_list(struct invocation *in, struct err *reterr)
{
    _cleanup_(survey_done) struct survey s = { .in = in };
    int r = add_declared(&s);
    if (r)
        return err_set(reterr, r, "out of memory");
    r = take_survey(&s, reterr);
    return r ? r : print_survey(&s, reterr);
}
