/* SPDX-License-Identifier: Apache-2.0 */
/* Which workers are registered, and taking the jobs of those that are gone. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "store/db.h"

struct rescue_worker {
    const char *id, *host; /* valid as long as the rows */
    int32_t pid;
    int64_t beat_at_us; /* PostgreSQL's clock; only ever compared for being the same */
    bool idle;          /* holds no lease */
};

/* All registered workers. Return: as db_query(). */
int rescue_list_workers(struct db *db, struct rows **ret, struct err *reterr);
void rescue_get_worker(const struct rows *rows, size_t row, struct rescue_worker *ret);

/* The connection hears of the first lease while brokers rest: NOTIFY job_lease. Return: as db_execute(). */
int rescue_listen(struct db *db, struct err *reterr);

/*
 * Nobody is watched from here on, or somebody is again; all brokers are told of the latter. A lease whose transaction began before a
 * rest is not told of: look again. Return: as db_query().
 */
int rescue_rest(struct db *db, struct err *reterr);
int rescue_wake(struct db *db, struct err *reterr);

/*
 * Declares a worker dead, unless it has beaten since @beat_at_us: one transaction.
 * @ret_jobs: how many jobs were taken from it; -1 when it has beaten or is gone
 *
 * Return: as db_query().
 */
int rescue_jobs(struct db *db, const char *worker, int64_t beat_at_us, int *ret_jobs, struct err *reterr);
