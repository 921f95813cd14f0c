/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The jobs that PostgreSQL knows, newest first by the time in the id, whatever is asked of them and however many there are.
 *
 * A job is in one of five relations (as job.status has them). One step reads at most so many rows of each that can have what is asked for, in the
 * order of the id, by its index, and looks at what it has read only then. So a step costs the same whether the filter
 * leaves all or nothing; the caller takes steps until it has enough or nothing is left.
 *
 * Ids that no UUIDv7 of today can be (foreign producers' own) come last, not first.
 *
 * What is not recorded cannot be looked for: a job that has ended has no key, tags, headers or payload in PostgreSQL unless it is dead.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/condition.h"
#include "store/db.h"

enum listing_state {
    LISTING_SCHEDULED = 1 << 0,
    LISTING_QUEUED = 1 << 1,
    LISTING_WAITING = 1 << 2,
    LISTING_RUNNING = 1 << 3,
    LISTING_RETRYING = 1 << 4,
    LISTING_SUCCEEDED = 1 << 5,
    LISTING_DEAD = 1 << 6, /* alone: those with a dead letter, by job.dead */
    LISTING_CANCELLED = 1 << 7,
    LISTING_EXPIRED = 1 << 8,
    LISTING_DUPLICATE = 1 << 9,
};
#define LISTING_N_STATES 10
extern const char
    *const listing_state_names[LISTING_N_STATES + 1]; /* in the order of the bits; NULL-terminated */

/* Everything that is set must hold. All borrowed. NULL, 0: any. */
struct listing_filter {
    unsigned states; /* of enum listing_state */
    const char *queue, *type;
    const char *worker; /* its id, or its host */
    const char
        *error; /* contained in the error, whatever the case; of one to be tried again: its last try's */
    const char *trace;       /* trace id: 32 hexadecimal digits */
    const char *key;         /* ordering key */
    const char *const *tags; /* it has all of them */
    size_t n_tags;
    const struct uuid *parent;
    int64_t since_us, until_us;                   /* the time in its id, from … to before …; 0: any */
    int64_t finished_since_us, finished_until_us; /* 0: any */
    const struct condition *conditions;
    size_t n_conditions;
};

/* What a filter asks for that ended jobs do not have; they are left out then. */
enum listing_gap {
    LISTING_GAP_KEY = 1 << 0,
    LISTING_GAP_TAG = 1 << 1,
    LISTING_GAP_HEADERS = 1 << 2,
    LISTING_GAP_PAYLOAD = 1 << 3,
};
unsigned listing_gaps(const struct listing_filter *filter);
/* Does anything but the range of ids decide which rows are listed? */
bool listing_picks(const struct listing_filter *filter);

/* How far it has been read. */
struct listing_place {
    struct uuid ceiling; /* ids from here on are not of today */
    struct uuid below;   /* read is what is not before this; null UUID: nothing */
    bool odd;            /* reading the ids from the ceiling on */
    bool ended;
};

/* Begins at the newest job, or right behind @after (NULL: none). Return: as db_query(). */
int listing_begin(struct db *db, const struct uuid *after, struct listing_place *ret, struct err *reterr);

struct listing_step {
    int n_read;   /* rows of each relation, at most */
    int n_wanted; /* matches that are wanted, at most */
};

/* How many rows the first step reads when the filter picks, and the next one, after one that has read as many in so long: few enough for a step to take some milliseconds. */
#define LISTING_READ_FIRST 1000
int listing_pace(int n_read, int64_t took_us);

/*
 * listing_read() - one step
 * @at:    moves behind what has been read; `ended` when there is no more
 * @ret:   NULL still when no relation can have what is asked for
 * @ret_n: how many of the rows are jobs, from the first one on
 *
 * Columns: id uuid; state, queue, type text; attempt, delivery integer; run_at, started_at, finished_at timestamptz; worker,
 * reason, error text; enqueued_at timestamptz; key bytea; tags JSON as text; trace_id text; parent uuid; cpu_ms, peak_kib integer;
 * topic text; partition integer; offset bigint.
 *
 * Return: as db_query(). On failure @at is where it was.
 */
int listing_read(struct db *db, const struct listing_filter *filter, struct listing_place *at,
                 struct listing_step step, struct rows **ret, size_t *ret_n, struct err *reterr);
#define LISTING_N_COLUMNS 22

/* The statement of one step, for a look at its plan in a transaction with JOB_SQL_BY_INDEX. False when no relation can have what is asked for. */
bool listing_build(struct statement *s, const struct listing_filter *filter, const struct listing_place *at,
                   struct listing_step step);
