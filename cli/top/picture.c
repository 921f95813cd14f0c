/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/top/picture.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "cli/queue/fleet.h"
#include "cli/print/printable.h"
#include "store/top.h"

/* Of store/top.h: columns of top_count(), top_list_ends(), top_list_slow(), top_list_failures(). */
enum { COUNT_KIND, COUNT_QUEUE, COUNT_N, COUNT_DUE, COUNT_AT };
enum { END_HOUR, END_QUEUE, END_STATE, END_N };
enum { SLOW_ID, SLOW_QUEUE, SLOW_TYPE, SLOW_WORKER, SLOW_ATTEMPT, SLOW_STARTED_AT, SLOW_PROGRESS };
enum { FAILURE_ID, FAILURE_AT, FAILURE_OUTCOME, FAILURE_ERROR, FAILURE_QUEUE, FAILURE_TYPE };

static size_t n_rows(const struct rows *rows)
{
    return rows ? rows_count(rows) : 0;
}

void picture_store_done(struct picture_store *s)
{
    rows_free(s->counts);
    rows_free(s->ends);
    rows_free(s->workers);
    rows_free(s->slow);
    rows_free(s->failures);
    rows_free(s->cursors);
    *s = (struct picture_store){ 0 };
}

void picture_logs_done(struct picture_logs *l)
{
    free(l->places);
    *l = (struct picture_logs){ 0 };
}

void picture_done(struct picture *p)
{
    free(p->queues);
    free(p->workers);
    free(p->jobs);
    free(p->errors);
    *p = (struct picture){ 0 };
}

/* Without control characters, and cut between two characters. */
static void copy(char *ret, size_t size, struct span text)
{
    _cleanup_buf_ struct buf b = { 0 };
    printable_append(&b, text);
    size_t n = b.size < size ? b.size : size - 1;
    while (n > 0 && n < b.size && ((unsigned char)b.data[n] & 0xc0) == 0x80)
        n--;
    if (n)
        memcpy(ret, b.data, n);
    ret[n] = 0;
}

static void copy_column(char *ret, size_t size, const struct rows *rows, size_t row, int column)
{
    copy(ret, size, rows_is_null(rows, row, column) ? (struct span){ "", 0 } : rows_span(rows, row, column));
}

static void copy_id(char ret[40], const struct rows *rows, size_t row, int column)
{
    struct uuid id;
    rows_uuid(rows, row, column, &id);
    uuid_format(&id, ret);
}

/* --- Queues --- */

/* NULL without memory. */
static struct picture_queue *find_queue(struct picture *p, struct span name)
{
    for (size_t i = 0; i < p->n_queues; i++)
        if (span_equals(name, p->queues[i].name))
            return &p->queues[i];
    struct picture_queue *queues = reallocarray(p->queues, p->n_queues + 1, sizeof(*queues));
    if (!queues) {
        p->failed_to_make = true;
        return NULL;
    }
    p->queues = queues;
    struct picture_queue *q = &queues[p->n_queues++];
    *q = (struct picture_queue){
        .partitions = PICTURE_UNKNOWN, .lag = PICTURE_UNKNOWN, .in = -1, .out = -1, .failed = -1
    };
    snprintf(q->name, sizeof(q->name), "%.*s", (int)name.size, name.data);
    return q;
}

static void add_count(struct picture *p, const struct rows *rows, size_t i)
{
    const char *kind = rows_text(rows, i, COUNT_KIND);
    int64_t n = rows_bigint(rows, i, COUNT_N);
    if (rows_is_null(rows, i, COUNT_QUEUE)) {
        if (strcmp(kind, "now") != 0)
            *(strcmp(kind, "broker") == 0 ? &p->n_brokers
              : strcmp(kind, "dead") == 0 ? &p->n_dead
                                          : &p->n_leases) = n;
        return;
    }
    struct picture_queue *q = find_queue(p, rows_span(rows, i, COUNT_QUEUE));
    if (!q)
        return;
    if (strcmp(kind, "lease") == 0) {
        q->leases = n;
    } else if (strcmp(kind, "dead") == 0) {
        q->dead = n;
    } else if (strcmp(kind, "paused") == 0) {
        q->paused = true;
    } else {
        q->pending = n;
        q->due = rows_bigint(rows, i, COUNT_DUE);
        int64_t late_us = p->now_us - rows_time_us(rows, i, COUNT_AT);
        q->late_us = q->due > 0 && late_us > 0 ? late_us : 0;
    }
}

/* Per second, since the last time. */
static double rate(int64_t n, int64_t before_us, int64_t now_us)
{
    if (before_us == 0 || now_us <= before_us)
        return -1;
    return n <= 0 ? 0 : (double)n * USEC_PER_SEC / (double)(now_us - before_us);
}

static void add_to(double *total, double more)
{
    if (more >= 0)
        *total = (*total < 0 ? 0 : *total) + more;
}

static bool is_same_end(const struct rows *a, size_t i, const struct rows *b, size_t j)
{
    struct span queue = rows_span(b, j, END_QUEUE), state = rows_span(b, j, END_STATE);
    return rows_time_us(a, i, END_HOUR) == rows_time_us(b, j, END_HOUR) &&
           span_equals(queue, rows_text(a, i, END_QUEUE)) && span_equals(state, rows_text(a, i, END_STATE));
}

/* An hour that was not there before had no ends then. */
static int64_t count_before(const struct picture_input *in, size_t i)
{
    const struct rows *before = in->store_before->ends;
    for (size_t j = 0; j < n_rows(before); j++)
        if (is_same_end(in->store->ends, i, before, j))
            return rows_bigint(before, j, END_N);
    return 0;
}

static void add_ends(struct picture *p, const struct picture_input *in)
{
    const struct rows *ends = in->store->ends;
    int64_t before_us = in->store_before->ends ? in->store_before->mono_us : 0;
    for (size_t i = 0; i < p->n_queues; i++)
        p->queues[i].out = p->queues[i].failed = rate(0, before_us, in->store->mono_us);
    for (size_t i = 0; i < n_rows(ends); i++) {
        struct picture_queue *q = find_queue(p, rows_span(ends, i, END_QUEUE));
        double more = rate(rows_bigint(ends, i, END_N) - count_before(in, i), before_us, in->store->mono_us);
        if (!q)
            return;
        add_to(&q->out, more);
        add_to(&q->failed, strcmp(rows_text(ends, i, END_STATE), "dead") == 0 ? more : 0);
    }
}

static const struct picture_place *find_place(const struct picture_logs *l, const char *topic,
                                              int32_t partition)
{
    size_t low = 0, high = l->n_places;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct picture_place *p = &l->places[middle];
        int order = strcmp(p->topic, topic);
        if (order == 0 && p->partition == partition)
            return p;
        if (order < 0 || (order == 0 && p->partition < partition))
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* -1: it was never read. */
static int64_t find_cursor(const struct rows *cursors, const char *topic, int32_t partition)
{
    for (size_t i = 0; i < n_rows(cursors); i++)
        if (rows_int(cursors, i, 1) == partition && span_equals(rows_span(cursors, i, 0), topic))
            return rows_bigint(cursors, i, 2);
    return -1;
}

static void add_place(struct picture *p, const struct picture_input *in, const struct picture_place *place)
{
    struct picture_queue *q = find_queue(p, span_from_string(place->queue));
    const struct picture_place *before = find_place(in->logs_before, place->topic, place->partition);
    if (!q)
        return;
    q->partitions = (q->partitions < 0 ? 0 : q->partitions) + 1;
    if (before)
        add_to(&q->in, rate(place->end - before->end, in->logs_before->mono_us, in->logs->mono_us));
    if (in->store->mono_us == 0)
        return;
    int64_t cursor = find_cursor(in->store->cursors, place->topic, place->partition);
    int64_t from = cursor > place->start ? cursor : place->start;
    q->lag = (q->lag < 0 ? 0 : q->lag) + (place->end > from ? place->end - from : 0);
}

static int compare_queues(const void *a, const void *b)
{
    return strcmp(((const struct picture_queue *)a)->name, ((const struct picture_queue *)b)->name);
}

static void make_queues(struct picture *p, const struct picture_input *in)
{
    for (size_t i = 0; i < in->n_declared; i++)
        find_queue(p, span_from_string(in->declared[i]));
    for (size_t i = 0; i < in->logs->n_places; i++)
        add_place(p, in, &in->logs->places[i]);
    for (size_t i = 0; i < n_rows(in->store->counts); i++)
        add_count(p, in->store->counts, i);
    if (in->store->mono_us)
        add_ends(p, in);
    if (p->n_queues > 1)
        qsort(p->queues, p->n_queues, sizeof(*p->queues), compare_queues);
    p->in = p->out = p->failed = -1;
    for (size_t i = 0; i < p->n_queues; i++) {
        struct picture_queue *q = &p->queues[i];
        if (in->store->mono_us == 0)
            q->pending = q->due = q->leases = q->dead = q->workers = PICTURE_UNKNOWN;
        add_to(&p->in, q->in);
        add_to(&p->out, q->out);
        add_to(&p->failed, q->failed);
    }
}

/* --- Workers --- */

/* ["a", "b"] as "a,b"; names of queues need no more than that. */
static void copy_queues(char *ret, size_t size, const char *json)
{
    size_t n = 0;
    for (; *json && n + 1 < size; json++)
        if (!strchr("[]\" ", *json))
            ret[n++] = *json;
    ret[n] = 0;
}

static void count_worker(struct picture *p, const char *queues)
{
    while (*queues) {
        size_t size = strcspn(queues, ",");
        for (size_t i = 0; i < p->n_queues; i++)
            p->queues[i].workers += span_equals((struct span){ queues, size }, p->queues[i].name);
        queues += size + (queues[size] == ',');
    }
}

static void make_workers(struct picture *p, const struct picture_input *in)
{
    const struct rows *rows = in->store->workers;
    size_t n = n_rows(rows);
    p->workers = calloc(n + 1, sizeof(*p->workers));
    p->failed_to_make |= !p->workers;
    for (size_t i = 0; i < n && p->workers; i++) {
        struct picture_worker *w = &p->workers[p->n_workers++];
        copy_column(w->id, sizeof(w->id), rows, i, FLEET_ID);
        copy_column(w->state, sizeof(w->state), rows, i, FLEET_STATE);
        copy_queues(w->queues, sizeof(w->queues), rows_text(rows, i, FLEET_QUEUES));
        w->leases = rows_bigint(rows, i, FLEET_LEASES);
        w->partitions = rows_bigint(rows, i, FLEET_PARTITIONS);
        w->started_us = rows_time_us(rows, i, FLEET_STARTED_AT);
        w->beat_us = rows_time_us(rows, i, FLEET_BEAT_AT);
        if (strcmp(w->state, "running") == 0 || strcmp(w->state, "quiet") == 0)
            count_worker(p, w->queues);
    }
}

/* --- Jobs and errors --- */

static void make_jobs(struct picture *p, const struct picture_input *in)
{
    const struct rows *rows = in->store->slow;
    size_t n = n_rows(rows);
    p->jobs = calloc(n + 1, sizeof(*p->jobs));
    p->failed_to_make |= !p->jobs;
    for (size_t i = 0; i < n && p->jobs; i++) {
        struct picture_job *j = &p->jobs[p->n_jobs++];
        copy_id(j->id, rows, i, SLOW_ID);
        copy_column(j->queue, sizeof(j->queue), rows, i, SLOW_QUEUE);
        copy_column(j->type, sizeof(j->type), rows, i, SLOW_TYPE);
        copy_column(j->worker, sizeof(j->worker), rows, i, SLOW_WORKER);
        copy_column(j->progress, sizeof(j->progress), rows, i, SLOW_PROGRESS);
        j->attempt = rows_int(rows, i, SLOW_ATTEMPT);
        j->started_us = rows_time_us(rows, i, SLOW_STARTED_AT);
    }
}

static int compare_errors(const void *a, const void *b)
{
    const struct picture_error *x = a, *y = b;
    return x->last_us < y->last_us ? 1 : x->last_us > y->last_us ? -1 : strcmp(x->alike, y->alike);
}

static void make_errors(struct picture *p, const struct picture_errors *errors)
{
    p->errors = calloc(errors->n + 1, sizeof(*p->errors));
    if (!p->errors) {
        p->failed_to_make = true;
        return;
    }
    p->n_errors = errors->n;
    memcpy(p->errors, errors->list, errors->n * sizeof(*p->errors));
    if (p->n_errors > 1)
        qsort(p->errors, p->n_errors, sizeof(*p->errors), compare_errors);
}

/* A word is a number or an id when it has a digit and consists of what those consist of. */
static bool is_number(const char *word, size_t size)
{
    size_t digits = 0, letters = 0;
    for (size_t i = 0; i < size; i++) {
        digits += isdigit((unsigned char)word[i]) != 0;
        letters += !isxdigit((unsigned char)word[i]) && !strchr("-.xX", word[i]);
    }
    return digits > 0 && letters == 0;
}

void picture_make_alike(const char *error, char *ret, size_t size)
{
    size_t n = 0;
    while (*error && n + 2 < size) {
        size_t word = strspn(error, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.");
        if (word == 0) {
            ret[n++] = *error++;
        } else if (is_number(error, word)) {
            ret[n++] = '#';
            error += word;
        } else {
            size_t room = size - 1 - n < word ? size - 1 - n : word;
            memcpy(ret + n, error, room);
            n += room;
            error += word;
        }
    }
    ret[n] = 0;
}

/* Of this outcome and type; when there is no room for a new one, that which was seen longest ago gives way. */
static struct picture_error *find_error(struct picture_errors *e, const struct picture_error *like)
{
    size_t oldest = 0;
    for (size_t i = 0; i < e->n; i++) {
        if (strcmp(e->list[i].alike, like->alike) == 0 && strcmp(e->list[i].outcome, like->outcome) == 0 &&
            strcmp(e->list[i].type, like->type) == 0)
            return &e->list[i];
        if (e->list[i].last_us < e->list[oldest].last_us)
            oldest = i;
    }
    size_t at = e->n < PICTURE_MAX_ERRORS ? e->n++ : oldest;
    e->list[at] = (struct picture_error){ 0 };
    return &e->list[at];
}

void picture_add_failures(struct picture_errors *e, const struct rows *failures)
{
    for (size_t i = 0; i < n_rows(failures); i++) {
        struct picture_error error = { .last_us = rows_time_us(failures, i, FAILURE_AT) };
        copy_id(error.id, failures, i, FAILURE_ID);
        copy_column(error.outcome, sizeof(error.outcome), failures, i, FAILURE_OUTCOME);
        copy_column(error.error, sizeof(error.error), failures, i, FAILURE_ERROR);
        copy_column(error.queue, sizeof(error.queue), failures, i, FAILURE_QUEUE);
        copy_column(error.type, sizeof(error.type), failures, i, FAILURE_TYPE);
        picture_make_alike(error.error, error.alike, sizeof(error.alike));
        struct picture_error *known = find_error(e, &error);
        error.n = known->n + 1;
        *known = error;
        if (error.last_us > e->until_us)
            e->until_us = error.last_us;
    }
}

void picture_make(struct picture *ret, const struct picture_input *in)
{
    *ret = (struct picture){ .n_brokers = PICTURE_UNKNOWN,
                             .n_dead = PICTURE_UNKNOWN,
                             .n_leases = PICTURE_UNKNOWN };
    ret->now_us = in->store->mono_us ? in->store->now_us : clock_wall_us();
    snprintf(ret->store_away, sizeof(ret->store_away), "%s", in->store->away);
    snprintf(ret->kafka_away, sizeof(ret->kafka_away), "%s", in->logs->away);
    make_queues(ret, in);
    make_workers(ret, in);
    make_jobs(ret, in);
    make_errors(ret, in->errors);
}
