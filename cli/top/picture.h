/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What jobctl top shows: one moment, made of what PostgreSQL and Kafka have told last and what they had told before (for rates).
 *
 * Strings are copied and cut; what is not known is PICTURE_UNKNOWN. A count of more than its limit in store/top.h means "at least so many".
 * Pure: takes rows and numbers, asks nobody.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/db.h"

#define PICTURE_UNKNOWN INT64_C(-1)
#define PICTURE_MAX_ERRORS 200

struct picture_queue {
    char name[64];
    bool paused;
    int64_t partitions, lag, pending, due, leases, dead, workers;
    double in, out,
        failed;      /* per second; negative: not known. `in` counts what comes into the topics, also again */
    int64_t late_us; /* how long the first row of job.pending is due already; 0: none is */
};

struct picture_worker {
    char id[100], state[12], queues[128];
    int64_t leases, partitions;
    int64_t started_us, beat_us; /* µs since 1970 */
};

struct picture_job {
    char id[40], queue[64], type[80], worker[100], progress[80];
    int64_t attempt, started_us;
};

/* Tries that failed alike: their errors are the same but for numbers. */
struct picture_error {
    char outcome[12], queue[64], type[80], error[200]; /* of the last one */
    char id[40];
    char alike[200];
    int64_t n, last_us;
};

/* Grows from look to look. */
struct picture_errors {
    struct picture_error list[PICTURE_MAX_ERRORS];
    size_t n;
    int64_t until_us; /* up to where they have been read */
};

struct picture {
    int64_t now_us; /* PostgreSQL's clock; before it was heard, ours */
    struct picture_queue *queues;
    struct picture_worker *workers;
    struct picture_job *jobs;
    struct picture_error *errors; /* the last one first */
    size_t n_queues, n_workers, n_jobs, n_errors;
    int64_t n_brokers, n_dead, n_leases; /* PICTURE_UNKNOWN without PostgreSQL */
    double in, out, failed;              /* per second, of all queues; negative: not known */
    char store_away[200], kafka_away[200];
    bool failed_to_make; /* no memory: something is missing */
};

/* What PostgreSQL has told. */
struct picture_store {
    int64_t mono_us; /* when; 0: nothing yet */
    int64_t now_us;
    struct rows *counts, *ends, *workers, *slow, *failures,
        *cursors;   /* of store/top.h, workers_list(), queues_list_cursors() */
    char away[200]; /* why it has not this time; then the rest is of the last time */
};
void picture_store_done(struct picture_store *s);

/* What Kafka has told. */
struct picture_place {
    char topic[250], queue[64];
    int32_t partition;
    int64_t start, end;
};
struct picture_logs {
    int64_t mono_us;
    struct picture_place *places; /* by topic and partition */
    size_t n_places;
    char away[200];
};
void picture_logs_done(struct picture_logs *l);

struct picture_input {
    const struct picture_store *store, *store_before; /* never NULL; mono_us may be 0 */
    const struct picture_logs *logs, *logs_before;
    const struct picture_errors *errors;
    const char *const *declared; /* queues of the configuration */
    size_t n_declared;
};

/* picture_done() @ret in every case. */
void picture_make(struct picture *ret, const struct picture_input *in);
void picture_done(struct picture *p);

/* Adds rows of top_list_failures(). */
void picture_add_failures(struct picture_errors *e, const struct rows *failures);
/* The text that tells whether two errors are alike: numbers, and what looks like an id, are "#". */
void picture_make_alike(const char *error, char *ret, size_t size);
