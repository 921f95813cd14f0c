/* SPDX-License-Identifier: Apache-2.0 */
#include "store/results.h"

#include "store/array.h"

enum { STATEMENT_ENDED, STATEMENT_STATES };

#define COLUMNS                                                                                                 \
    "id, state, queue, type, reason, worker, error, result, progress, attempt, delivery, run_at, enqueued_at, " \
    "started_at, finished_at"

const struct session_statement results_statements[] = {
    [STATEMENT_ENDED] = { "SELECT " COLUMNS " FROM job.results_of($1)" },
    [STATEMENT_STATES] = { "SELECT " COLUMNS " FROM job.states_of($1)" },
};
const int results_n_statements = ARRAY_SIZE(results_statements);

static void add(struct session *s, int statement, const struct uuid *ids, size_t n)
{
    struct array array = { 0 };
    array_init(&array, PG_UUID_ARRAY);
    for (size_t i = 0; i < n; i++)
        array_append_uuid(&array, &ids[i]);
    const struct db_param param = array_param(&array);
    session_add(s, statement, &param, 1);
    array_done(&array);
}

void results_add_ended(struct session *s, const struct uuid *ids, size_t n)
{
    add(s, STATEMENT_ENDED, ids, n);
}

void results_add_states(struct session *s, const struct uuid *ids, size_t n)
{
    add(s, STATEMENT_STATES, ids, n);
}

static int64_t time_or_0(const struct rows *rows, size_t row, int column)
{
    return rows_is_null(rows, row, column) ? 0 : rows_time_us(rows, row, column);
}

void results_get(const struct rows *rows, size_t row, struct results_row *ret)
{
    *ret = (struct results_row){
        .state = rows_text(rows, row, 1),
        .queue = rows_text(rows, row, 2),
        .type = rows_text(rows, row, 3),
        .reason = rows_text(rows, row, 4),
        .worker = rows_text(rows, row, 5),
        .error = rows_text(rows, row, 6),
        .result = rows_text(rows, row, 7),
        .progress = rows_text(rows, row, 8),
        .attempt = rows_int(rows, row, 9),
        .delivery = rows_int(rows, row, 10),
        .run_at_us = time_or_0(rows, row, 11),
        .enqueued_us = time_or_0(rows, row, 12),
        .started_us = time_or_0(rows, row, 13),
        .finished_us = time_or_0(rows, row, 14),
    };
    rows_uuid(rows, row, 0, &ret->id);
}
