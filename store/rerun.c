/* SPDX-License-Identifier: Apache-2.0 */
#include "store/rerun.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/timefmt.h"
#include "store/array.h"

#define NUMBER_SIZE 24

/* @text holds it. */
static struct db_param number(int64_t value, char text[NUMBER_SIZE])
{
    snprintf(text, NUMBER_SIZE, "%" PRId64, value);
    return db_text(text);
}

static struct db_param moment(int64_t us, char text[RFC3339_SIZE])
{
    return db_text(rfc3339_format(us, 6, text));
}

static void put_states(struct array *array, const struct rerun_filter *filter)
{
    array_init(array, PG_TEXT_ARRAY);
    for (size_t i = 0; i < filter->n_states; i++)
        array_append_span(array, span_from_string(filter->states[i]));
}

/* $1 from (or later, by its last index), $2 to, $3 queue, $4 type, $5 states */
#define ENDED                                                                                                \
    " FROM job.result r WHERE r.finished_at >= $1::timestamptz AND r.finished_at < $2::timestamptz"          \
    " AND ($3::text IS NULL OR r.queue = $3) AND ($4::text IS NULL OR r.type = $4) AND r.state = ANY ($5)"

int rerun_count(struct db *db, const struct rerun_filter *filter, int64_t from_us, int64_t to_us,
                int64_t *ret, struct err *reterr)
{
    char from[RFC3339_SIZE], to[RFC3339_SIZE];
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    _cleanup_(array_done) struct array states = { 0 };
    put_states(&states, filter);
    const struct db_param params[] = { moment(from_us, from), moment(to_us, to), db_text(filter->queue),
                                       db_text(filter->type), array_param(&states) };
    int r = db_query(db, "SELECT count(*)" ENDED, params, ARRAY_SIZE(params), &rows, reterr);
    if (r == 0)
        *ret = rows_bigint(rows, 0, 0);
    return r;
}

int rerun_list(struct db *db, const struct rerun_filter *filter, int64_t after_us,
               const struct uuid *after_id, int64_t to_us, int limit, struct rows **ret, struct err *reterr)
{
    char after[RFC3339_SIZE], to[RFC3339_SIZE], most[NUMBER_SIZE];
    _cleanup_(array_done) struct array states = { 0 };
    put_states(&states, filter);
    const struct db_param params[] = {
        moment(after_us, after), moment(to_us, to),
        db_text(filter->queue),  db_text(filter->type),
        array_param(&states),    db_uuid(after_id),
        number(limit, most),     db_text(filter->with_result ? "true" : "false"),
    };
    return db_query(
        db,
        "SELECT r.id, r.finished_at, r.queue, r.type, r.state, r.topic, r.partition, r.\"offset\","
        " CASE WHEN $8::boolean THEN r.result::text END" ENDED
        " AND (r.finished_at, r.id) > ($1::timestamptz, $6) ORDER BY r.finished_at, r.id LIMIT $7::integer",
        params, ARRAY_SIZE(params), ret, reterr);
}

int rerun_find_oldest(struct db *db, int64_t *ret_us, struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    int r = db_query(db,
                     "SELECT CASE WHEN EXISTS (SELECT FROM job.result_default d WHERE d.finished_at < o.day)"
                     " THEN '-infinity' ELSE o.day END"
                     " FROM (SELECT job.oldest_day('result') - interval '1 day' AS day) AS o",
                     NULL, 0, &rows, reterr);
    if (r == 0)
        *ret_us = rows_time_us(rows, 0, 0);
    return r;
}

/* --- New jobs --- */

struct job_arrays {
    struct array ids, queues, types, lanes, keys, headers, payloads;
};

static void job_arrays_done(struct job_arrays *a)
{
    array_done(&a->ids);
    array_done(&a->queues);
    array_done(&a->types);
    array_done(&a->lanes);
    array_done(&a->keys);
    array_done(&a->headers);
    array_done(&a->payloads);
}

static void put_jobs(struct job_arrays *a, const struct rerun_part *part)
{
    array_init(&a->ids, PG_UUID_ARRAY);
    array_init(&a->queues, PG_TEXT_ARRAY);
    array_init(&a->types, PG_TEXT_ARRAY);
    array_init(&a->lanes, PG_TEXT_ARRAY);
    array_init(&a->keys, PG_BYTEA_ARRAY);
    array_init(&a->headers, PG_TEXT_ARRAY);
    array_init(&a->payloads, PG_BYTEA_ARRAY);
    for (size_t i = 0; i < part->n; i++) {
        const struct rerun_job *job = &part->jobs[i];
        array_append_uuid(&a->ids, &job->id);
        array_append_span(&a->queues, span_from_string(job->queue));
        array_append_span(&a->types, span_from_string(job->type));
        array_append_span(&a->lanes, span_from_string(job->lane));
        array_append_span(&a->keys, job->key);
        array_append_span(&a->headers, span_from_string(job->headers_json));
        array_append_span(&a->payloads, job->payload);
    }
}

int rerun_put(struct db *db, int64_t run, const char *owner, const struct rerun_part *part, int64_t *ret_done,
              struct err *reterr)
{
    char id[NUMBER_SIZE], upto[RFC3339_SIZE], gone[NUMBER_SIZE];
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    _cleanup_(job_arrays_done) struct job_arrays a = { 0 };
    put_jobs(&a, part);
    if (a.headers.buf.failed || a.payloads.buf.failed || a.keys.buf.failed || a.ids.buf.failed)
        return -ENOMEM;
    const struct db_param params[] = {
        number(run, id),
        db_text(owner),
        moment(part->upto_us, upto),
        db_uuid(&part->upto_id),
        number(part->n_gone, gone),
        db_text(part->is_last ? "true" : "false"),
        array_param(&a.ids),
        array_param(&a.queues),
        array_param(&a.types),
        array_param(&a.lanes),
        array_param(&a.keys),
        array_param(&a.headers),
        array_param(&a.payloads),
    };
    int r = db_query(
        db,
        "SELECT job.bulk_rerun($1::bigint, $2, $3::timestamptz, $4, $5::bigint, $6::boolean, $7, $8, $9, $10, $11, $12, $13)",
        params, ARRAY_SIZE(params), &rows, reterr);
    if (r == 0)
        *ret_done = rows_is_null(rows, 0, 0) ? -1 : rows_bigint(rows, 0, 0);
    return r;
}

/* --- One that waits --- */

int rerun_make_due(struct db *db, const struct uuid *ids, size_t n, struct rows **ret, struct err *reterr)
{
    _cleanup_(array_done) struct array array = { 0 };
    array_init(&array, PG_UUID_ARRAY);
    for (size_t i = 0; i < n; i++)
        array_append_uuid(&array, &ids[i]);
    struct db_param params[] = { array_param(&array) };
    return db_query(
        db,
        "SELECT n.job, n.action, n.queue, q.paused_at IS NOT NULL FROM job.run_now($1) WITH ORDINALITY AS n"
        " LEFT JOIN job.queue q ON q.name = n.queue ORDER BY n.ordinality",
        params, 1, ret, reterr);
}
