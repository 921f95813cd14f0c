/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A round: a fresh database and topic, all jobs produced, then one worker started. The clock runs from the first recorded
 * job to the last, as job.cursor tells them, so neither the worker's start nor joining the group is in it.
 */
#include "base/cleanup.h"
#include "bench/figures.h"
#include "bench/process.h"
#include "bench/site.h"
#include "bench/usage.h"

#define PAYLOAD_SIZE 200

struct round {
    struct usage_per_job per_job;
    double peak_mib;
};

static int measure(struct site *s, struct round *ret)
{
    if (site_enqueue(s, "selftest.echo", "selftest", NULL, PAYLOAD_SIZE, s->options->jobs) != 0)
        return 1;
    int worker;
    if (usage_measure_worker(s, &worker, &ret->per_job) != 0)
        return 1;
    ret->peak_mib = (double)process_peak_kib(s->daemons[worker]) / 1024;
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

int bench_execute(const struct bench_options *o, FILE *out)
{
    static const struct figure figures[] = {
        USAGE_FIGURES(struct round, per_job),
        { "worker's peak memory, MiB", offsetof(struct round, peak_mib) },
    };
    struct round rounds[FIGURES_MAX_ROUNDS];
    for (int i = 0; i < o->rounds; i++)
        if (run_round(o, &rounds[i]) != 0)
            return 1;
    fprintf(
        out,
        "execute: %d no-op jobs of %d bytes, %d partitions, %d executors; median (lowest … highest) of %d rounds\n",
        o->jobs, PAYLOAD_SIZE, o->partitions, o->executors, o->rounds);
    figures_print(out, figures, ARRAY_SIZE(figures), rounds, sizeof(*rounds), o->rounds);
    return 0;
}
