/* SPDX-License-Identifier: Apache-2.0 */
#include "store/trim.h"

#include <inttypes.h>
#include <stdio.h>

struct number {
    char text[24];
};

static struct db_param number(int64_t value, struct number *room)
{
    snprintf(room->text, sizeof(room->text), "%" PRId64, value);
    return db_text(room->text);
}

static int ask_bool(struct db *db, const char *sql, const struct db_param *params, int n, bool *ret,
                    struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    int r = db_query(db, sql, params, n, &rows, reterr);
    if (r == 0)
        *ret = rows_bool(rows, 0, 0);
    return r;
}

int trim_note_points(struct db *db, int64_t trim_after_us, struct err *reterr)
{
    struct number us;
    struct db_param params[] = { number(trim_after_us, &us) };
    return db_query(db, "SELECT job.note_trim_points($1::bigint * interval '1 microsecond')", params, 1, NULL,
                    reterr);
}

int trim_list(struct db *db, const char *prefix, int64_t trim_after_us, struct rows **ret, struct err *reterr)
{
    struct number us;
    struct db_param params[] = { db_text(prefix), number(trim_after_us, &us) };
    return db_query(
        db,
        "SELECT topic, partition, next_offset, log_start, checked_offset, checked_ts, trouble, trim_to "
        "FROM job.trim_places($1, $2::bigint * interval '1 microsecond')",
        params, 2, ret, reterr);
}

static int64_t bigint_or_none(const struct rows *rows, size_t row, int column)
{
    return rows_is_null(rows, row, column) ? -1 : rows_bigint(rows, row, column);
}

void trim_get(const struct rows *rows, size_t row, struct trim_place *ret)
{
    *ret = (struct trim_place){
        .topic = rows_text(rows, row, 0),
        .partition = rows_int(rows, row, 1),
        .next_offset = rows_bigint(rows, row, 2),
        .log_start = bigint_or_none(rows, row, 3),
        .checked_offset = bigint_or_none(rows, row, 4),
        .checked_ms = bigint_or_none(rows, row, 5),
        .trouble = rows_text(rows, row, 6),
        .trim_to = bigint_or_none(rows, row, 7),
    };
}

int trim_note_start(struct db *db, const char *topic, int32_t partition, int64_t start, struct err *reterr)
{
    struct number numbers[2];
    struct db_param params[] = { db_text(topic), number(partition, &numbers[0]), number(start, &numbers[1]) };
    return db_query(db, "SELECT job.note_log_start($1, $2::integer, $3::bigint)", params, 3, NULL, reterr);
}

int trim_is_confirmed(struct db *db, bool *ret, struct err *reterr)
{
    return ask_bool(db, "SELECT job.trim_is_confirmed()", NULL, 0, ret, reterr);
}

int trim_confirm(struct db *db, bool *ret, struct err *reterr)
{
    return ask_bool(db, "SELECT job.confirm_trim()", NULL, 0, ret, reterr);
}

int trim_note_recreated(struct db *db, const char *topic, int32_t partition, int64_t log_start,
                        int64_t log_end, const char *why, bool *ret_news, struct err *reterr)
{
    struct number numbers[3];
    struct db_param params[] = { db_text(topic), number(partition, &numbers[0]),
                                 number(log_start, &numbers[1]), number(log_end, &numbers[2]), db_text(why) };
    return ask_bool(db, "SELECT job.note_recreated($1, $2::integer, $3::bigint, $4::bigint, $5)", params, 5,
                    ret_news, reterr);
}

int trim_note_lost(struct db *db, const char *topic, int32_t partition, int64_t epoch, int64_t from,
                   int64_t to, struct err *reterr)
{
    struct number numbers[5];
    char range[64];
    snprintf(range, sizeof(range), "%" PRId64 "-%" PRId64, from, to);
    struct db_param params[] = { db_text(topic),
                                 number(partition, &numbers[0]),
                                 number(epoch, &numbers[1]),
                                 number(from, &numbers[2]),
                                 number(to, &numbers[3]),
                                 number(to - from + 1, &numbers[4]),
                                 db_text(range) };
    return db_query(
        db, "SELECT job.note_lost($1, $2::integer, $3::bigint, $4::bigint, $5::bigint, $6::bigint, $7)",
        params, 7, NULL, reterr);
}

int trim_reset(struct db *db, const char *topic, int32_t partition, int64_t offset, bool *ret,
               struct err *reterr)
{
    struct number numbers[2];
    struct db_param params[] = { db_text(topic), number(partition, &numbers[0]),
                                 number(offset, &numbers[1]) };
    return ask_bool(db, "SELECT job.reset_cursor($1, $2::integer, $3::bigint)", params, 3, ret, reterr);
}

int trim_count_keyed(struct db *db, const char *queue, int64_t *ret_left, struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    struct db_param params[] = { db_text(queue) };
    int r = db_query(db,
                     "SELECT (SELECT count(*) FROM job.pending WHERE queue = $1 AND key IS NOT NULL) + "
                     "(SELECT count(*) FROM job.lease WHERE queue = $1 AND key IS NOT NULL)",
                     params, 1, &rows, reterr);
    if (r == 0)
        *ret_left = rows_bigint(rows, 0, 0);
    return r;
}

int trim_sum_up(struct db *db, struct rows **ret, struct err *reterr)
{
    return db_query(
        db,
        "SELECT (SELECT coalesce(sum((detail ->> 'jobs')::bigint), 0)::bigint FROM job.incident WHERE kind = 'lost'), "
        "(SELECT count(*) FROM job.cursor WHERE trouble IS NOT NULL AND reset_to IS NULL), "
        "coalesce((SELECT value = job.history() FROM job.setting WHERE name = 'trim_history'), true)",
        NULL, 0, ret, reterr);
}
