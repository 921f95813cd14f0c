/* SPDX-License-Identifier: Apache-2.0 */
/* CPU time of every process that a job passes through, between two looks. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "bench/site.h"

struct usage {
    int64_t wall_us, worker_us, executors_us, postgres_us, kafka_us;
};

struct usage_per_job {
    double jobs_per_s;
    double worker_us, executors_us, postgres_us, kafka_us, all_us;
};

/* @worker: of site_start(). */
struct usage usage_read(const struct site *s, int worker);
struct usage_per_job usage_divide(const struct usage *before, const struct usage *after, int64_t n_jobs);

/*
 * Starts a worker for options->jobs jobs that wait in queue "selftest", and counts from the first recorded one to the last. @ret_worker: of
 * site_start(). Return: 0; 1, said on stderr.
 */
int usage_measure_worker(struct site *s, int *ret_worker, struct usage_per_job *ret);

/* Rows of a table of figures, for a struct usage_per_job in a round. */
#define USAGE_FIGURES(round, member)                                                                         \
    { "executed and recorded, jobs/s", offsetof(round, member.jobs_per_s) },                                 \
        { "CPU per job: worker, us", offsetof(round, member.worker_us) },                                    \
        { "CPU per job: executors, us", offsetof(round, member.executors_us) },                              \
        { "CPU per job: PostgreSQL, us", offsetof(round, member.postgres_us) },                              \
    {                                                                                                        \
        "CPU per job: Kafka, us", offsetof(round, member.kafka_us)                                           \
    }
