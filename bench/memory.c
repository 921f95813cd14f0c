/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory of a worker's parent process while a million jobs wait.
 *
 * First idle: its executors are held by sleeping jobs, its prefetch is full and nothing moves. Then at full rate, when the sleepers
 * have ended. Resident memory includes the pages of shared libraries, which other processes share.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "bench/figures.h"
#include "bench/process.h"
#include "bench/site.h"

#define PAYLOAD_SIZE 200
#define JOBS 1000000
#define SLEEP_MS 15000
#define SETTLE_US                                                                                            \
    (8 * USEC_PER_SEC) /* librdkafka looks once a second whether a partition's prefetch is full */

struct round {
    double idle_mib, idle_private_mib, busy_mib;
};

static int enqueue(struct site *s)
{
    char payload[256], trace[128];
    snprintf(payload, sizeof(payload), "{\"ms\": %d, \"trace\": \"%s\"}", SLEEP_MS,
             site_trace(s, trace, sizeof(trace)));
    int r = site_enqueue(s, "selftest.sleep", "selftest", payload, 0, s->options->executors);
    return r ? r : site_enqueue(s, "selftest.echo", "selftest", NULL, PAYLOAD_SIZE, JOBS);
}

static int measure(struct site *s, struct round *ret)
{
    if (enqueue(s) != 0)
        return 1;
    int worker = site_start(s, "worker/jobworkerd");
    if (worker < 0 || site_await_starts(s, s->options->executors) != 0)
        return 1;
    pid_t pid = s->daemons[worker];
    usleep(SETTLE_US);
    ret->idle_mib = (double)process_resident_kib(pid) / 1024;
    ret->idle_private_mib = (double)process_private_kib(pid) / 1024;
    process_reset_peak(pid);
    if (site_await(s, JOBS, SITE_COUNT_RECORDED) < 0)
        return 1;
    ret->busy_mib = (double)process_peak_kib(pid) / 1024;
    return 0;
}

static int run_round(const struct bench_options *o, struct round *ret)
{
    struct site site;
    int r = site_open(&site, o, &(struct site_layout){ 0 });
    if (r == 0)
        r = measure(&site, ret);
    site_close(&site, r);
    return r;
}

int bench_memory(const struct bench_options *o, FILE *out)
{
    static const struct figure figures[] = {
        { "worker, idle: resident, MiB", offsetof(struct round, idle_mib) },
        { "worker, idle: private, MiB", offsetof(struct round, idle_private_mib) },
        { "worker, at full rate: peak resident, MiB", offsetof(struct round, busy_mib) },
    };
    struct round rounds[FIGURES_MAX_ROUNDS];
    for (int i = 0; i < o->rounds; i++)
        if (run_round(o, &rounds[i]) != 0)
            return 1;
    fprintf(
        out,
        "memory: %d jobs of %d bytes wait in %d partitions, %d executors; median (lowest … highest) of %d "
        "rounds\n",
        JOBS, PAYLOAD_SIZE, o->partitions, o->executors, o->rounds);
    figures_print(out, figures, ARRAY_SIZE(figures), rounds, sizeof(*rounds), o->rounds);
    return 0;
}
