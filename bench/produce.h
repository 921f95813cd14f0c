/* SPDX-License-Identifier: Apache-2.0 */
/* How much libjob costs on top of librdkafka: the same messages produced both ways, in turns. */
#pragma once

#include <stdio.h>

struct bench_produce_options {
    const char *brokers;
    const char *queue; /* its topic "job.<queue>" is created when it is not there */
    int partitions;    /* then with so many */
    int jobs;          /* per round and side */
    int rounds;        /* the median counts */
    int payload_size;  /* bytes of JSON */
};

struct bench_produce_result {
    double raw_per_s, libjob_per_s;   /* acknowledged messages per second of wall time */
    double raw_cpu_us, libjob_cpu_us; /* CPU of all threads of this process, per message */
};

/* Prints a table to @out (may be NULL). Return: 0; 1 when Kafka could not be used, said on stderr. */
int bench_produce(const struct bench_produce_options *options, struct bench_produce_result *ret, FILE *out);
