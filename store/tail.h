/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Following what ends: job.result and job.attempt, read again and again so that each row is met, and once.
 *
 * Nothing tells of each end, and the time of an end is not the order in which ends are committed. So a look is one transaction with
 * one snapshot, and it remembers the oldest transaction that was under way then (`horizon`). Whatever was not visible to it has been written
 * by that one or a later one (also by its subtransactions): the next look asks for rows from the horizon on, and leaves out what it
 * has met already. The time of the end only bounds what has to be read, by the BRIN index on it; whether the bounds were too narrow is told by
 * job.rollup, which counts ends in the transactions that write them.
 *
 * All calls belong between tail_begin() and tail_end(). Return: as db_query().
 */
#pragma once

#include "store/db.h"

struct tail_mark {
    int64_t now_us;   /* PostgreSQL's clock */
    uint32_t horizon; /* see above */
};

/* NULL: whatever it is. */
struct tail_filter {
    const char *queue, *type;
    const char *state;  /* "retrying": a try that failed and does not end the job */
    const char *worker; /* its id or the beginning of it */
    const char *error;  /* a part of it, large and small letters being the same */
};

enum tail_column {
    TAIL_ID,
    TAIL_FINISHED_AT,
    TAIL_STATE,
    TAIL_REASON, /* of a dead job; the outcome of a try */
    TAIL_QUEUE,  /* null, as is the type: of a try whose job went on before anybody looked */
    TAIL_TYPE,
    TAIL_ATTEMPT,
    TAIL_DELIVERY,
    TAIL_STARTED_AT,
    TAIL_RUN_MS,
    TAIL_WORKER,
    TAIL_ERROR,
    TAIL_IS_END, /* false: a try */
    TAIL_WANTED, /* the filter wants it; the other columns but id, finished_at and delivery are null when not */
    TAIL_XID,    /* bigint: the transaction that wrote it */
    TAIL_N,
};

int tail_begin(struct db *db, struct tail_mark *ret, struct err *reterr);
/* Never fails: nothing was changed. */
void tail_end(struct db *db);

/* How many jobs have ended since the hour of @from_us began, by their time of ending. */
int tail_count(struct db *db, int64_t from_us, int64_t *ret, struct err *reterr);

/* Where to look: ends from @from_us, tries from @tries_from_us on, both before @to_us (INT64_MAX: no bound), written from @horizon on. In the order of their ends. */
struct tail_range {
    int64_t from_us, tries_from_us, to_us;
    uint32_t horizon;
};
int tail_list(struct db *db, const struct tail_range *range, const struct tail_filter *filter,
              struct rows **ret, struct err *reterr);

/* The last @limit of what the filter wants from @from_us on and before @to_us, the last one first. */
int tail_list_last(struct db *db, int64_t from_us, int64_t to_us, const struct tail_filter *filter, int limit,
                   struct rows **ret, struct err *reterr);
