/* SPDX-License-Identifier: Apache-2.0 */
/* bench_produce [JOBS [ROUNDS [QUEUE]]], against $JOB_KAFKA or $JOB_TEST_KAFKA */
#include <stdlib.h>

#include "bench/produce.h"

static const char *brokers_of_environment(void)
{
    const char *brokers = getenv("JOB_KAFKA");
    return brokers ? brokers : getenv("JOB_TEST_KAFKA");
}

int main(int argc, char **argv)
{
    const struct bench_produce_options options = {
        .brokers = brokers_of_environment(),
        .jobs = argc > 1 ? atoi(argv[1]) : 300000,
        .rounds = argc > 2 ? atoi(argv[2]) : 5,
        .queue = argc > 3 ? argv[3] : "bench",
        .partitions = 4,
        .payload_size = 200,
    };
    struct bench_produce_result result;
    if (!options.brokers || options.jobs < 1 || options.rounds < 1 || options.rounds > 64) {
        fprintf(stderr, "usage: JOB_KAFKA=host:port bench_produce [JOBS [ROUNDS up to 64 [QUEUE]]]\n");
        return 2;
    }
    return bench_produce(&options, &result, stdout);
}
