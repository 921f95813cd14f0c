/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scenarios of `./dev bench`, one file each.
 *
 * Each prints a table of medians to @out. Return: 0; 1 when something could not be used, said on stderr.
 */
#pragma once

#include <stdio.h>

struct bench_options {
    const char *kafka;        /* address */
    const char *database_url; /* superuser's */
    const char *build;        /* folder of the programs */
    const char *servers;      /* folder of the servers: their pids are there */
    int jobs;                 /* per round */
    int rounds;
    int partitions;
    int executors;
};

/* No-op jobs through the worker's pool alone, without servers. */
int bench_ipc(const struct bench_options *options, FILE *out);
/* How long an executor takes from the request to fork it until its first job runs, its modules loaded. */
int bench_start(const struct bench_options *options, FILE *out);
/* No-op jobs that wait in Kafka: how fast one worker executes and records them, and what each stage costs. */
int bench_execute(const struct bench_options *options, FILE *out);
/* What order per key costs. */
int bench_keys(const struct bench_options *options, FILE *out);
/* What hand-over of long jobs costs the no-op jobs beside them. */
int bench_handover(const struct bench_options *options, FILE *out);
/* A rebalance takes the partitions of a thousand running jobs away. */
int bench_revoke(const struct bench_options *options, FILE *out);
/* A million jobs wait: the memory of the worker's parent process. */
int bench_memory(const struct bench_options *options, FILE *out);
/* A job that runs for an hour: CPU and queries per minute. */
int bench_long_job(const struct bench_options *options, FILE *out);
/* Jobs that are enqueued in transactions by 16 clients, beside bare INSERTs of the same rows. */
int bench_enqueue_tx(const struct bench_options *options, FILE *out);
/* How long it takes from the commit that enqueues a job until its handler runs. */
int bench_wake(const struct bench_options *options, FILE *out);
/* Due rows of job.pending, and how fast brokers move them to Kafka. No worker runs. */
int bench_relay(const struct bench_options *options, FILE *out);
/* From the time of a scheduled job until its handler runs, while many wait for a later one. */
int bench_lateness(const struct bench_options *options, FILE *out);
/* How long a page of a list takes, whatever is asked for, beside as many results as jobs are said. */
int bench_pages(const struct bench_options *options, FILE *out);
/* Jobs with unique keys: in transactions of 16 clients, and through the topic of the later ones. */
int bench_unique(const struct bench_options *options, FILE *out);
