/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps what has ended as long as the configuration says, a step at a time.
 *
 * Whole days go when nothing in them is kept any longer by any rule. States and queues with a shorter time are rules; what they do
 * not keep is deleted, CLEAN_ROWS at a time. Part of the clock duty, which has other things to do: a step takes as long as one short transaction.
 */
#pragma once

#include <stdint.h>

#include "libjob/config.h"
#include "store/db.h"

#define CLEAN_ROWS 1000

struct clean {
    const struct job_config *config;
    const char *
        *own_queues; /* those that have a time of their own; owned, the names are the configuration's */
    size_t n_own_queues;
    int64_t days_us; /* the longest time of all rules: whole days go after it */
    size_t next_rule;
    int64_t next_us; /* monotonic: when to look again; before that everything is done */
};

/* Return: 0; -ENOMEM. */
int clean_init(struct clean *c, const struct job_config *config);
void clean_done(struct clean *c);

/* One step, if one is due. @ret_more: the next one is due at once. Return: as db_query(). */
int clean_step(struct clean *c, struct db *db, bool *ret_more, struct err *reterr);
