/* SPDX-License-Identifier: Apache-2.0 */
/* No-op jobs that wait in Kafka: how fast one worker executes and records them, and what each stage costs. */
#pragma once

#include <stdio.h>

struct bench_execute_options {
    const char *brokers;
    const char *database_url; /* superuser's */
    const char *build;        /* folder of the programs */
    const char *servers;      /* folder of the servers: their pids are there */
    int partitions;
    int jobs;   /* per round */
    int rounds; /* the median counts */
    int payload_size;
    int executors;
};

/* Prints a table to @out. Return: 0; 1 when something could not be used, said on stderr. */
int bench_execute(const struct bench_execute_options *options, FILE *out);
