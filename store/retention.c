/* SPDX-License-Identifier: Apache-2.0 */
#include "store/retention.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/array.h"

#define NUMBER_SIZE 24

/* @text holds it. */
static struct db_param number(int64_t value, char text[NUMBER_SIZE])
{
    snprintf(text, NUMBER_SIZE, "%" PRId64, value);
    return db_text(text);
}

static int drop(struct db *db, const char *parent, int64_t keep_us, char **ret_name, struct err *reterr)
{
    char keep[NUMBER_SIZE];
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    const struct db_param params[] = { db_text(parent), number(keep_us, keep) };
    int r = db_query(db, "SELECT job.drop_old_partition($1, $2::bigint * interval '1 microsecond')", params,
                     2, &rows, reterr);
    if (r || rows_is_null(rows, 0, 0))
        return r;
    *ret_name = strdup(rows_text(rows, 0, 0));
    return *ret_name ? 0 : -ENOMEM;
}

int retention_drop_day(struct db *db, int64_t results_us, int64_t attempts_us, char **ret_name,
                       struct err *reterr)
{
    *ret_name = NULL;
    int r = drop(db, "result", results_us, ret_name, reterr);
    return r || *ret_name ? r : drop(db, "attempt", attempts_us, ret_name, reterr);
}

int retention_delete(struct db *db, const struct retention_rule *rule, int at_most, int *ret_n,
                     struct err *reterr)
{
    char keep[NUMBER_SIZE], limit[NUMBER_SIZE];
    _cleanup_(array_done) struct array others = { 0 };
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    array_init(&others, PG_TEXT_ARRAY);
    for (size_t i = 0; i < rule->n_other_queues; i++)
        array_append_span(&others, span_from_string(rule->other_queues[i]));
    const struct db_param params[] = { db_text(rule->queue), array_param(&others), db_text(rule->state),
                                       number(rule->keep_us, keep), number(at_most, limit) };
    if (others.buf.failed)
        return -ENOMEM;
    int r = db_query(
        db, "SELECT job.delete_results($1, $2, $3, $4::bigint * interval '1 microsecond', $5::integer)",
        params, ARRAY_SIZE(params), &rows, reterr);
    if (r == 0)
        *ret_n = rows_int(rows, 0, 0);
    return r;
}

int retention_empty_defaults(struct db *db, int64_t results_us, int64_t attempts_us, int at_most,
                             struct err *reterr)
{
    char results[NUMBER_SIZE], attempts[NUMBER_SIZE], limit[NUMBER_SIZE];
    const struct db_param params[] = { number(results_us, results), number(attempts_us, attempts),
                                       number(at_most, limit) };
    return db_query(db,
                    "SELECT job.empty_defaults($1::bigint * interval '1 microsecond',"
                    " $2::bigint * interval '1 microsecond', $3::integer)",
                    params, ARRAY_SIZE(params), NULL, reterr);
}

int retention_forget_bulk(struct db *db, int64_t keep_us, int at_most, struct err *reterr)
{
    char keep[NUMBER_SIZE], limit[NUMBER_SIZE];
    const struct db_param params[] = { number(keep_us, keep), number(at_most, limit) };
    return db_query(db, "SELECT job.forget_bulk($1::bigint * interval '1 microsecond', $2::integer)", params,
                    ARRAY_SIZE(params), NULL, reterr);
}
