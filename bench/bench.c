/* SPDX-License-Identifier: Apache-2.0 */
/* `./dev bench [all|produce|execute|start] [--jobs N] [--rounds N]`: what was measured, on the servers that ./dev has started. */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/execute.h"
#include "bench/produce.h"
#include "bench/start.h"

struct arguments {
    const char *scenario;
    int jobs, rounds, partitions, executors;
};

static int usage(void)
{
    fprintf(
        stderr,
        "usage: ./dev bench [all|produce|execute|start] [--jobs N] [--rounds N] [--partitions N] [--executors N]\n");
    return 2;
}

static int run_produce(const struct arguments *a)
{
    struct bench_produce_result result;
    return bench_produce(
        &(struct bench_produce_options){
            .brokers = getenv("JOB_TEST_KAFKA"),
            .queue = "bench",
            .partitions = a->partitions,
            .jobs = a->jobs,
            .rounds = a->rounds,
            .payload_size = 200,
        },
        &result, stdout);
}

static int run_execute(const struct arguments *a)
{
    return bench_execute(
        &(struct bench_execute_options){
            .brokers = getenv("JOB_TEST_KAFKA"),
            .database_url = getenv("JOB_TEST_DATABASE_URL"),
            .build = getenv("JOB_TEST_BUILD"),
            .servers = getenv("JOB_TEST_SERVERS"),
            .partitions = a->partitions,
            .jobs = a->jobs,
            .rounds = a->rounds,
            .payload_size = 200,
            .executors = a->executors,
        },
        stdout);
}

static int parse(int argc, char **argv, struct arguments *ret)
{
    static const struct option options[] = {
        { "jobs", required_argument, NULL, 'j' },
        { "rounds", required_argument, NULL, 'r' },
        { "partitions", required_argument, NULL, 'p' },
        { "executors", required_argument, NULL, 'e' },
        { 0 },
    };
    int c;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        int value = optarg ? atoi(optarg) : 0;
        int *member = c == 'j'   ? &ret->jobs
                      : c == 'r' ? &ret->rounds
                      : c == 'p' ? &ret->partitions
                      : c == 'e' ? &ret->executors
                                 : NULL;
        if (!member || value < 1)
            return 1;
        *member = value;
    }
    if (optind < argc)
        ret->scenario = argv[optind];
    return ret->rounds > 64;
}

int main(int argc, char **argv)
{
    struct arguments a = { .scenario = "all", .jobs = 500000, .rounds = 5, .partitions = 8, .executors = 2 };
    if (parse(argc, argv, &a) != 0)
        return usage();
    bool all = strcmp(a.scenario, "all") == 0, produce = strcmp(a.scenario, "produce") == 0;
    bool execute = strcmp(a.scenario, "execute") == 0, start = strcmp(a.scenario, "start") == 0;
    if (!all && !produce && !execute && !start)
        return usage();
    if (!getenv("JOB_TEST_KAFKA") || !getenv("JOB_TEST_DATABASE_URL") || !getenv("JOB_TEST_BUILD") ||
        !getenv("JOB_TEST_SERVERS")) {
        fprintf(stderr, "bench: run it through ./dev bench, which starts the servers\n");
        return 2;
    }
    int status = 0;
    if (all || start)
        status = bench_start(
            &(struct bench_start_options){ .build = getenv("JOB_TEST_BUILD"), .starts = 500 }, stdout);
    if (status == 0 && (all || produce))
        status = run_produce(&a);
    if (status == 0 && (all || execute))
        status = run_execute(&a);
    return status;
}
