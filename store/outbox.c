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

int outbox_enqueue(struct db *db, const struct outbox_job *job, int n, struct rows **ret, struct err *reterr)
{
    char run_at[RFC3339_SIZE], delay[24], attempts[24], timeout[24], count[24], expires[24], unique_for[24];
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
        db_text(job->unique_key),
        number(job->unique_for_ms, unique_for),
        db_text(job->priority),
        db_text(job->reply ? "true" : NULL),
    };
    return db_query(
        db,
        "SELECT job.enqueue(queue => $1, type => $2, payload => $3::jsonb, key => $4,"
        " run_at => coalesce($5::timestamptz, clock_timestamp() + $6::bigint * interval '1 microsecond'),"
        " max_attempts => $7::integer, timeout => $8::bigint * interval '1 millisecond',"
        " tags => string_to_array($9::text, ','), headers => $10::jsonb, id => $11::uuid,"
        " expires => clock_timestamp() + $13::bigint * interval '1 millisecond', unique_key => $14,"
        " unique_for => $15::bigint * interval '1 millisecond', priority => $16, reply => $17::boolean) AS id"
        " FROM generate_series(1, $12::integer)",
        params, ARRAY_SIZE(params), ret, reterr);
}
