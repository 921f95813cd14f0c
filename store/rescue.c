/* SPDX-License-Identifier: Apache-2.0 */
#include "store/rescue.h"

#include <endian.h>

#include "store/pgtypes.h"

int rescue_list_workers(struct db *db, struct rows **ret, struct err *reterr)
{
    return db_query(
        db,
        "SELECT w.id, w.host, w.pid, w.beat_at, NOT EXISTS (SELECT FROM job.lease l WHERE l.worker = w.id), "
        "w.lost_at IS NOT NULL FROM job.worker w ORDER BY w.id",
        NULL, 0, ret, reterr);
}

void rescue_get_worker(const struct rows *rows, size_t row, struct rescue_worker *ret)
{
    *ret = (struct rescue_worker){
        .id = rows_text(rows, row, 0),
        .host = rows_text(rows, row, 1),
        .pid = rows_int(rows, row, 2),
        .beat_at_us = rows_time_us(rows, row, 3),
        .idle = rows_bool(rows, row, 4),
        .lost = rows_bool(rows, row, 5),
    };
}

int rescue_listen(struct db *db, struct err *reterr)
{
    return db_execute(db, "LISTEN job_lease", reterr);
}

int rescue_rest(struct db *db, struct err *reterr)
{
    return db_query(db, "UPDATE job.lookout SET rests = true WHERE NOT rests", NULL, 0, NULL, reterr);
}

int rescue_wake(struct db *db, struct err *reterr)
{
    return db_query(db,
                    "WITH woken AS (UPDATE job.lookout SET rests = false WHERE rests RETURNING rests) "
                    "SELECT pg_notify('job_lease', '') FROM woken",
                    NULL, 0, NULL, reterr);
}

int rescue_declare_lost(struct db *db, const char *worker, int64_t beat_at_us, bool *ret_declared,
                        struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    uint64_t beat = htobe64((uint64_t)(beat_at_us - PG_EPOCH_US));
    const struct db_param params[] = {
        db_text(worker),
        { .oid = PG_TIMESTAMPTZ, .data = &beat, .size = sizeof(beat), .binary = true },
    };
    int r = db_query(db, "SELECT job.declare_lost($1, $2)", params, ARRAY_SIZE(params), &rows, reterr);
    if (r == 0)
        *ret_declared = rows_bool(rows, 0, 0);
    return r;
}

int rescue_jobs(struct db *db, const char *worker, struct rescue_part *ret, struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    const struct db_param params[] = { db_text(worker) };
    int r = db_query(db, "SELECT jobs, total FROM job.rescue($1)", params, ARRAY_SIZE(params), &rows, reterr);
    if (r == 0)
        *ret = (struct rescue_part){
            .n_jobs = rows_is_null(rows, 0, 0) ? 0 : rows_int(rows, 0, 0),
            .n_total = rows_is_null(rows, 0, 1) ? -1 : rows_int(rows, 0, 1),
        };
    return r;
}
