/* SPDX-License-Identifier: Apache-2.0 */
/* How long an executor takes from the request to fork it until its first job runs, its modules loaded. */
#pragma once

#include <stdio.h>

struct bench_start_options {
    const char *build; /* folder of the programs */
    int starts;        /* one after the other */
};

/* Prints a table to @out. Return: 0; 1 when something could not be used, said on stderr. */
int bench_start(const struct bench_start_options *options, FILE *out);
