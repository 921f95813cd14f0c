/* SPDX-License-Identifier: Apache-2.0 */
/* jobctl queue show: everything about one queue, from whichever of the two servers answers. */
#include "cli/commands.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/timefmt.h"
#include "cli/dialog.h"
#include "cli/queue/places.h"
#include "cli/print/present.h"
#include "store/queues.h"

/* Reading one record of each partition that has jobs waiting is slow: not of more than so many, nor for longer. */
#define AGES_MAX 16
#define AGES_BUDGET_US (2 * USEC_PER_SEC)

struct view {
    struct invocation *in;
    const char *queue;
    struct places places;
    int64_t *
        oldest_us; /* of each place, the time of the first record that is to be done; 0: none, or not known */
    struct rows *described, *reasons, *takers, *ended; /* as queues_…() have them; NULL: PostgreSQL is away */
    bool kafka;
};

static void view_done(struct view *v)
{
    places_done(&v->places);
    free(v->oldest_us);
    rows_free(v->described);
    rows_free(v->reasons);
    rows_free(v->takers);
    rows_free(v->ended);
}

/* --- Gathering --- */

static int read_store(struct view *v, struct err *reterr)
{
    struct db *db;
    int r = places_read_store(v->in, v->queue, &v->places, reterr);
    if (r)
        return r;
    db = v->in->db;
    r = queues_list_reasons(db, v->queue, &v->reasons, reterr);
    if (r == 0)
        r = queues_list_takers(db, v->queue, &v->takers, reterr);
    if (r == 0)
        r = queues_list_ended(db, v->queue, &v->ended, reterr);
    if (r == 0)
        r = queues_describe(db, v->queue, &v->described, reterr);
    return invocation_judge_store(v->in, r, reterr);
}

static int read_kafka(struct view *v, struct err *reterr)
{
    int r = places_read_kafka(v->in, v->queue, &v->places, reterr);
    v->kafka = r == STATUS_DONE;
    return r;
}

/* The first record that is to be done is the oldest of its partition. What cannot be read is left out. */
static void read_age(struct view *v, size_t i)
{
    const struct place *p = &v->places.list[i];
    int64_t ms, at = p->has_cursor && p->next_offset > p->start ? p->next_offset : p->start;
    if (admin_read_time(v->in->admin, p->topic, p->partition, at, &ms, NULL) == 0)
        v->oldest_us[i] = ms * 1000;
}

static int read_ages(struct view *v, struct err *reterr)
{
    size_t n_waiting = 0, n_read = 0;
    int64_t deadline_us = clock_mono_us() + AGES_BUDGET_US;
    v->oldest_us = calloc(v->places.n + 1, sizeof(*v->oldest_us));
    if (!v->oldest_us)
        return err_set(reterr, STATUS_FAILED, "out of memory");
    for (size_t i = 0; v->kafka && v->described && i < v->places.n; i++) {
        if (place_lag(&v->places.list[i]) <= 0)
            continue;
        n_waiting++;
        if (n_read == AGES_MAX || clock_mono_us() >= deadline_us)
            continue;
        n_read++;
        read_age(v, i);
    }
    if (n_read < n_waiting)
        dialog_say("the oldest waiting job was looked for in %zu of the %zu partitions that have any", n_read,
                   n_waiting);
    return STATUS_DONE;
}

/* With one of the servers away half of the picture is better than none. */
static int gather(struct view *v, struct err *reterr)
{
    struct err store_err = { 0 }, kafka_err = { 0 };
    int store = read_store(v, &store_err), kafka = read_kafka(v, &kafka_err);
    if (store && kafka)
        return err_set(reterr, store == STATUS_AWAY && kafka == STATUS_AWAY ? STATUS_AWAY : STATUS_FAILED,
                       "%.480s; %.480s", store_err.text, kafka_err.text);
    if (store)
        dialog_say("%s (what waits there, runs and died, and who takes it, is not known)", store_err.text);
    if (kafka)
        dialog_say("%s (what lies in Kafka is not known)", kafka_err.text);
    return read_ages(v, reterr);
}

/* Is there any trace of it, as far as could be asked? */
static bool is_known(const struct view *v)
{
    if (config_find_queue(v->in->config, span_from_string(v->queue)) || v->places.n > 0)
        return true;
    if (!v->described || !v->kafka)
        return true; /* nobody can tell */
    int64_t sum = (int64_t)(rows_count(v->takers) + rows_count(v->ended));
    for (int column = 4; column <= 6; column++)
        sum += rows_bigint(v->described, 0, column);
    return sum + rows_bigint(v->described, 0, 2) > 0 || !rows_is_null(v->described, 0, 0);
}

/* --- The parts --- */

static const struct output_column place_columns[] = {
    { "topic", CELL_TEXT, OUTPUT_CUTTABLE },
    { "partition", CELL_INT },
    { "log_start", CELL_INT, OUTPUT_NOT_IN_TABLE },
    { "log_end", CELL_INT },
    { "next_offset", CELL_INT },
    { "lag", CELL_INT },
    { "oldest_at", CELL_TIME },
    { "owner", CELL_TEXT, OUTPUT_CUTTABLE },
    { "owner_beat_at", CELL_TIME },
    { "recorded_at", CELL_TIME, OUTPUT_NOT_IN_TABLE },
    { "crash_count", CELL_INT, OUTPUT_NOT_IN_TABLE },
    { "trouble", CELL_TEXT },
};

static const struct output_column reason_columns[] = {
    { "reason", CELL_TEXT },
    { "jobs", CELL_INT },
    { "next_run_at", CELL_TIME },
};

static const struct output_column taker_columns[] = {
    { "worker", CELL_TEXT }, { "host", CELL_TEXT, OUTPUT_CUTTABLE },
    { "pid", CELL_INT },     { "beat_at", CELL_TIME },
    { "leases", CELL_INT },  { "phase", CELL_TEXT },
    { "quiet", CELL_BOOL },  { "narrow", CELL_TEXT },
};

static const struct output_column ended_columns[] = {
    { "state", CELL_TEXT },
    { "this_hour", CELL_INT },
    { "last_hour", CELL_INT },
    { "day", CELL_INT },
};

static struct cell cell_known(int64_t number)
{
    return number < 0 ? cell_null() : cell_int(number);
}

static struct cell cell_time(int64_t us)
{
    return us ? (struct cell){ .kind = CELL_TIME, .number = us } : cell_null();
}

static void fill_place(const struct view *v, size_t i, struct cell *cells)
{
    const struct place *p = &v->places.list[i];
    const struct cell filled[] = {
        cell_text(p->topic),
        cell_int(p->partition),
        cell_known(p->start),
        cell_known(p->end),
        p->has_cursor ? cell_int(p->next_offset) : cell_null(),
        v->described ? cell_known(place_lag(p)) : cell_null(),
        cell_time(v->oldest_us[i]),
        cell_text(p->owner),
        p->owner ? cell_time(p->beat_us) : cell_null(),
        cell_time(p->updated_us),
        p->has_cursor ? cell_int(p->crash_count) : cell_null(),
        cell_text(p->trouble),
    };
    memcpy(cells, filled, sizeof(filled));
}

/* --- As JSON inside of the one object --- */

static void append_places(struct buf *json, const struct view *v)
{
    struct cell cells[ARRAY_SIZE(place_columns)];
    buf_append_char(json, '[');
    for (size_t i = 0; i < v->places.n; i++) {
        fill_place(v, i, cells);
        buf_append_string(json, i ? ", " : "");
        output_append_object(json, place_columns, ARRAY_SIZE(place_columns), cells);
    }
    buf_append_char(json, ']');
}

/* An array; null when @rows is NULL. */
static void append_rows(struct buf *json, const struct output_column *columns, size_t n_columns,
                        const struct rows *rows)
{
    struct cell cells[PRESENT_MAX_COLUMNS];
    buf_append_string(json, rows ? "[" : "null");
    for (size_t i = 0; rows && i < rows_count(rows); i++) {
        present_fill(columns, n_columns, rows, i, cells);
        buf_append_string(json, i ? ", " : "");
        output_append_object(json, columns, n_columns, cells);
    }
    buf_append_string(json, rows ? "]" : "");
}

/* --- The whole --- */

static const struct output_column columns[] = {
    { "queue", CELL_TEXT },
    { "declared", CELL_BOOL },
    { "declared_partitions", CELL_INT },
    { "lanes", CELL_BOOL },
    { "concurrency", CELL_INT },
    { "retention", CELL_TEXT },
    { "paused", CELL_BOOL },
    { "paused_at", CELL_TIME },
    { "paused_by", CELL_TEXT },
    { "partitions", CELL_INT },
    { "lag", CELL_INT },
    { "oldest_waiting_at", CELL_TIME },
    { "pending", CELL_INT },
    { "next_run_at", CELL_TIME },
    { "leases", CELL_INT },
    { "dead", CELL_INT },
    { "workers", CELL_INT },
    { "places", CELL_JSON, OUTPUT_NOT_IN_TABLE },
    { "pending_by_reason", CELL_JSON, OUTPUT_NOT_IN_TABLE },
    { "takers", CELL_JSON, OUTPUT_NOT_IN_TABLE },
    { "ended", CELL_JSON, OUTPUT_NOT_IN_TABLE },
};
enum {
    QUEUE,
    DECLARED,
    DECLARED_PARTITIONS,
    LANES,
    CONCURRENCY,
    RETENTION,
    PAUSED,
    PAUSED_AT,
    PAUSED_BY,
    PARTITIONS,
    LAG,
    OLDEST,
    PENDING,
    NEXT_RUN_AT,
    LEASES,
    DEAD,
    WORKERS,
    PLACES,
    REASONS,
    TAKERS,
    ENDED,
    N_COLUMNS
};

static void fill_declared(const struct view *v, char *retention, struct cell *cells)
{
    const struct config_queue *q = config_find_queue(v->in->config, span_from_string(v->queue));
    cells[QUEUE] = cell_text(v->queue);
    cells[DECLARED] = cell_bool(q != NULL);
    if (!q)
        return;
    cells[DECLARED_PARTITIONS] = cell_int(q->partitions);
    cells[LANES] = cell_bool(q->lanes);
    cells[CONCURRENCY] = q->concurrency ? cell_int(q->concurrency) : cell_null();
    cells[RETENTION] = q->retention_us ? cell_text(duration_format(q->retention_us, retention)) : cell_null();
}

static void fill_described(const struct view *v, struct cell *cells)
{
    struct cell found[7];
    static const struct output_column described[] = {
        { "paused_at", CELL_TIME },   { "paused_by", CELL_TEXT }, { "pending", CELL_INT },
        { "next_run_at", CELL_TIME }, { "leases", CELL_INT },     { "dead", CELL_INT },
        { "workers", CELL_INT },
    };
    static const int places[] = { PAUSED_AT, PAUSED_BY, PENDING, NEXT_RUN_AT, LEASES, DEAD, WORKERS };
    if (!v->described)
        return;
    present_fill(described, ARRAY_SIZE(described), v->described, 0, found);
    for (size_t i = 0; i < ARRAY_SIZE(places); i++)
        cells[places[i]] = found[i];
    cells[PAUSED] = cell_bool(cells[PAUSED_AT].kind != CELL_NULL);
}

static void fill_kafka(const struct view *v, struct cell *cells)
{
    int64_t partitions = 0, lag = 0, oldest_us = 0;
    for (enum name_lane lane = 0; lane < LANE_COUNT; lane++)
        partitions += v->places.n_partitions[lane];
    for (size_t i = 0; i < v->places.n; i++) {
        int64_t of_place = place_lag(&v->places.list[i]), at_us = v->oldest_us[i];
        lag += of_place > 0 ? of_place : 0;
        if (at_us && (!oldest_us || at_us < oldest_us))
            oldest_us = at_us;
    }
    cells[PARTITIONS] = v->kafka ? cell_int(partitions) : cell_null();
    cells[LAG] = v->kafka && v->described ? cell_int(lag) : cell_null();
    cells[OLDEST] = cell_time(oldest_us);
}

static int print_object(struct view *v, struct err *reterr)
{
    struct cell cells[N_COLUMNS] = { 0 };
    char retention[32];
    _cleanup_buf_ struct buf places = { 0 }, reasons = { 0 }, takers = { 0 }, ended = { 0 };
    fill_declared(v, retention, cells);
    fill_described(v, cells);
    fill_kafka(v, cells);
    append_places(&places, v);
    append_rows(&reasons, reason_columns, ARRAY_SIZE(reason_columns), v->reasons);
    append_rows(&takers, taker_columns, ARRAY_SIZE(taker_columns), v->takers);
    append_rows(&ended, ended_columns, ARRAY_SIZE(ended_columns), v->ended);
    if (places.failed || reasons.failed || takers.failed || ended.failed)
        return err_set(reterr, STATUS_FAILED, "out of memory");
    cells[PLACES] = cell_json(places.data);
    cells[REASONS] = cell_json(reasons.data);
    cells[TAKERS] = cell_json(takers.data);
    cells[ENDED] = cell_json(ended.data);
    return present_one(v->in, columns, ARRAY_SIZE(columns), cells, reterr);
}

/* --- For people: one table after the other --- */

static int print_places(const struct view *v, struct invocation *plain, struct err *reterr)
{
    struct cell cells[ARRAY_SIZE(place_columns)];
    _cleanup_(output_free_cleanup) struct output *o = NULL;
    if (v->places.n == 0)
        return STATUS_DONE;
    fputs("\n", v->in->to);
    int r = present_begin(plain, place_columns, ARRAY_SIZE(place_columns), &o, reterr);
    for (size_t i = 0; r == STATUS_DONE && i < v->places.n; i++) {
        fill_place(v, i, cells);
        output_add(o, cells);
    }
    return r ? r : output_end(o, reterr);
}

static int print_part(const struct invocation *plain, const struct output_column *part, size_t n_columns,
                      const struct rows *rows, struct err *reterr)
{
    if (!rows || rows_count(rows) == 0)
        return STATUS_DONE;
    fputs("\n", plain->to);
    return present_rows(plain, part, n_columns, rows, reterr);
}

static int print(struct view *v, struct err *reterr)
{
    struct invocation plain = *v->in;
    int r = print_object(v, reterr);
    if (r || v->in->style.format != OUTPUT_TABLE || v->in->style.columns)
        return r;
    plain.style.sort = NULL;
    r = print_places(v, &plain, reterr);
    if (r == STATUS_DONE)
        r = print_part(&plain, reason_columns, ARRAY_SIZE(reason_columns), v->reasons, reterr);
    if (r == STATUS_DONE)
        r = print_part(&plain, taker_columns, ARRAY_SIZE(taker_columns), v->takers, reterr);
    if (r == STATUS_DONE)
        r = print_part(&plain, ended_columns, ARRAY_SIZE(ended_columns), v->ended, reterr);
    return r;
}

int command_queue_show(struct invocation *in, struct err *reterr)
{
    _cleanup_(view_done) struct view v = { .in = in, .queue = in->arguments.words[0] };
    int r = gather(&v, reterr);
    if (r)
        return r;
    dialog_remark_queue(in, v.queue);
    if (!is_known(&v))
        return err_set(reterr, STATUS_NOT_FOUND,
                       "there is no trace of a queue %s; jobctl queue create %s makes it", v.queue, v.queue);
    if (v.described && rows_bigint(v.described, 0, 2) == QUEUES_COUNT_MAX)
        dialog_say("pending is counted up to %d; there may be more", QUEUES_COUNT_MAX);
    return print(&v, reterr);
}
