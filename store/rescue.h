/* SPDX-License-Identifier: Apache-2.0 */
/* Which workers are registered, and taking the jobs of those that are gone. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "store/db.h"

struct rescue_worker {
    const char *id, *host; /* valid as long as the rows */
    int32_t pid;
    int64_t beat_at_us; /* PostgreSQL's clock; only ever compared for being the same */
    bool idle;          /* holds no lease */
    bool lost;          /* was declared dead; some of its jobs are still to be taken from it */
};

struct rescue_part {
    int32_t n_jobs;  /* taken now */
    int32_t n_total; /* taken in all, by whomever, and the worker is gone; -1: there may be more */
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
 * Declares a worker dead, unless it has beaten since @beat_at_us: it can beat and take leases no more, and is listed as lost until all
 * of its jobs were taken from it.
 * @ret_declared: false: it has beaten, is about to, or is gone
 *
 * Return: as db_query().
 */
int rescue_declare_lost(struct db *db, const char *worker, int64_t beat_at_us, bool *ret_declared,
                        struct err *reterr);

/*
 * Takes some of its jobs from a worker that was declared dead: one transaction of up to 500 jobs and 4 MiB (a
 * larger one goes alone). Several brokers may do that at once. Nothing taken and not gone: somebody else is at it; look again later.
 *
 * Return: as db_query().
 */
int rescue_jobs(struct db *db, const char *worker, struct rescue_part *ret, struct err *reterr);
