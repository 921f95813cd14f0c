/* SPDX-License-Identifier: Apache-2.0 */
/* `./dev bench [SCENARIO…] [--jobs N] [--rounds N] …`: what was measured, on the servers that ./dev has started. */
#include "bench/bench.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "bench/figures.h"
#include "bench/produce.h"

static int run_produce(const struct bench_options *o, FILE *out)
{
    struct bench_produce_result result;
    return bench_produce(
        &(struct bench_produce_options){
            .brokers = o->kafka,
            .queue = "bench",
            .partitions = o->partitions,
            .jobs = o->jobs,
            .rounds = o->rounds,
            .payload_size = 200,
        },
        &result, out);
}

static const struct scenario {
    const char *name;
    int (*run)(const struct bench_options *o, FILE *out);
    const char *help;
} scenarios[] = {
    { "produce", run_produce, "libjob beside bare librdkafka" },
    { "ipc", bench_ipc, "no-op jobs between the worker and its executors, without servers" },
    { "start", bench_start, "executors, from the request to the first job" },
    { "execute", bench_execute, "no-op jobs, executed and recorded" },
    { "keys", bench_keys, "no-op jobs with keys, in order and without" },
    { "handover", bench_handover, "no-op jobs beside long ones, handed over and not" },
    { "revoke", bench_revoke, "a rebalance under a thousand running jobs" },
    { "memory", bench_memory, "a million jobs wait" },
    { "enqueue_tx", bench_enqueue_tx, "jobs in the application's own transactions beside bare INSERTs" },
    { "wake", bench_wake, "from the commit that enqueues a job to its start" },
    { "relay", bench_relay, "due rows of job.pending into Kafka" },
    { "lateness", bench_lateness, "from the time of a scheduled job to its start, beside a million others" },
    { "unique", bench_unique, "jobs with unique keys, by SQL and by the topic job.later" },
    { "pages", bench_pages, "a page of `jobctl job list`, by filter; --jobs 10000000 are promised" },
    { "long_job", bench_long_job, "jobs that run for an hour, while they do" },
};

static int usage(void)
{
    fputs("usage: ./dev bench [SCENARIO…] [--jobs N] [--rounds N] [--partitions N] [--executors N]\n\n",
          stderr);
    for (size_t i = 0; i < ARRAY_SIZE(scenarios); i++)
        fprintf(stderr, "  %-10s %s\n", scenarios[i].name, scenarios[i].help);
    return 2;
}

static const struct scenario *find_scenario(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(scenarios); i++)
        if (strcmp(scenarios[i].name, name) == 0)
            return &scenarios[i];
    return NULL;
}

/* Moves the names of scenarios to the end of @argv. Return: false for a word that is no option and no scenario. */
static bool parse(int argc, char **argv, struct bench_options *ret)
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
            return false;
        *member = value;
    }
    for (int i = optind; i < argc; i++)
        if (!find_scenario(argv[i]))
            return false;
    return ret->rounds <= FIGURES_MAX_ROUNDS;
}

static int run(const struct scenario *scenario, const struct bench_options *o)
{
    int status = scenario->run(o, stdout);
    putchar('\n');
    fflush(stdout);
    return status;
}

int main(int argc, char **argv)
{
    struct bench_options o = {
        .kafka = getenv("JOB_TEST_KAFKA"),
        .database_url = getenv("JOB_TEST_DATABASE_URL"),
        .build = getenv("JOB_TEST_BUILD"),
        .servers = getenv("JOB_TEST_SERVERS"),
        .jobs = 500000,
        .rounds = 5,
        .partitions = 8,
        .executors = 2,
    };
    int status = 0;
    if (!parse(argc, argv, &o))
        return usage();
    if (!o.kafka || !o.database_url || !o.build || !o.servers) {
        fprintf(stderr, "bench: run it through ./dev bench, which starts the servers\n");
        return 2;
    }
    for (int i = optind; i < argc && status == 0; i++)
        status = run(find_scenario(argv[i]), &o);
    for (size_t i = 0; i < ARRAY_SIZE(scenarios) && optind == argc && status == 0; i++)
        status = run(&scenarios[i], &o);
    return status;
}
