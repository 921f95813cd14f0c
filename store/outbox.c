/* SPDX-License-Identifier: Apache-2.0 */
#include "store/outbox.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/timefmt.h"
#include "store/array.h"

/* Decimal text of @value, or SQL NULL when it is 0. */
static struct db_param number(int64_t value, char text[24])
{
    snprintf(text, 24, "%" PRId64, value);
    return db_text(value ? text : NULL);
}

static int insert(struct db *db, const struct outbox_job *job, int n, struct rows **ret, struct err *reterr)
{
    char run_at[RFC3339_SIZE], delay[24], attempts[24], timeout[24], count[24], expires[24];
    struct db_param params[] = {
        db_text(job->queue),
        db_text(job->type),
        db_text(job->payload),
        db_text(job->key),
        db_text(job->run_at_us ? rfc3339_format(job->run_at_us, 6, run_at) : NULL),
        number(job->delay_us, delay),
        number(job->max_attempts, attempts),
        number(job->timeout_ms, timeout),
        db_text(job->tags),
        db_text(job->headers),
        job->id ? db_uuid(job->id) : db_null(),
        number(n, count),
        number(job->expires_ms, expires),
    };
    return db_query(
        db,
        "SELECT job.enqueue(queue => $1, type => $2, payload => $3::jsonb, key => $4,"
        " run_at => coalesce($5::timestamptz, clock_timestamp() + $6::bigint * interval '1 microsecond'),"
        " max_attempts => $7::integer, timeout => $8::bigint * interval '1 millisecond',"
        " tags => string_to_array($9::text, ','), headers => $10::jsonb, id => $11::uuid,"
        " expires => clock_timestamp() + $13::bigint * interval '1 millisecond') AS id"
        " FROM generate_series(1, $12::integer)",
        params, ARRAY_SIZE(params), ret, reterr);
}

/* What the SQL function has no parameter for, because applications that enqueue in SQL do not wait. */
static int complete(struct db *db, const struct outbox_job *job, const struct rows *ids, struct err *reterr)
{
    _cleanup_(array_done) struct array array = { 0 };
    array_init(&array, PG_UUID_ARRAY);
    for (size_t i = 0; i < rows_count(ids); i++) {
        struct uuid id;
        rows_uuid(ids, i, 0, &id);
        array_append_uuid(&array, &id);
    }
    struct db_param params[] = { array_param(&array), db_text(job->reply ? "1" : NULL), db_text(job->topic) };
    return db_query(
        db,
        "UPDATE job.pending SET topic = $3, headers = headers || jsonb_strip_nulls(jsonb_build_object('ce_reply', $2::text))"
        " WHERE id = ANY ($1)",
        params, 3, NULL, reterr);
}

int outbox_enqueue(struct db *db, const struct outbox_job *job, int n, struct rows **ret, struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *ids = NULL;
    int r = db_begin(db, reterr);
    if (r == 0)
        r = insert(db, job, n, &ids, reterr);
    if (r == 0 && (job->reply || job->topic))
        r = complete(db, job, ids, reterr);
    if (r == 0)
        r = db_commit(db, reterr);
    if (r) {
        db_rollback(db);
        return r;
    }
    *ret = steal(ids);
    return 0;
}
