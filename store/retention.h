/* SPDX-License-Identifier: Apache-2.0 */
/* What is kept of ended jobs, and what goes. Each call is one transaction that is short, and that any number of brokers may ask for. */
#pragma once

#include <stdint.h>

#include "store/db.h"

/*
 * Drops one whole day of results and attempts in which nothing ended within these times, if there is one.
 * @ret_name: its table, to be freed; NULL: there was none, or it is in use just now. Return: as db_query().
 */
int retention_drop_day(struct db *db, int64_t results_us, int64_t attempts_us, char **ret_name,
                       struct err *reterr);

/* A rule that is stricter than whole days. */
struct retention_rule {
    const char *queue;               /* NULL: all but `other_queues` */
    const char *const *other_queues; /* these have rules of their own */
    size_t n_other_queues;
    const char *state; /* NULL: all */
    int64_t keep_us;
};

/* Deletes at most @at_most results; so many in *ret_n mean that there are more. Return: as db_query(). */
int retention_delete(struct db *db, const struct retention_rule *rule, int at_most, int *ret_n,
                     struct err *reterr);

/* Keeps the default partitions empty. Return: as db_query(). */
int retention_empty_defaults(struct db *db, int64_t results_us, int64_t attempts_us, int at_most,
                             struct err *reterr);

/* Runs over many jobs, and what replayed jobs had died of, longer ago than @keep_us. Return: as db_query(). */
int retention_forget_bulk(struct db *db, int64_t keep_us, int at_most, struct err *reterr);
