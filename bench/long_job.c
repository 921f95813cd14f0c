/* SPDX-License-Identifier: Apache-2.0 */
/* What a job that runs for an hour costs while it runs: a worker that holds leases beside one that has nothing to do. */
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "bench/figures.h"
#include "bench/process.h"
#include "bench/site.h"

#define MANY 20
#define SLICES 3
#define SLICE_US (20 * USEC_PER_SEC)
#define SETTLE_US (5 * USEC_PER_SEC)

struct slice {
    double worker_ms, executors_ms, transactions; /* per minute */
};

static void add_exact_us(pid_t pid, void *userdata)
{
    *(int64_t *)userdata += process_cpu_exact_us(pid);
}

static struct slice look(struct site *s, int worker)
{
    int64_t executors_us = 0;
    process_each_child(s->daemons[worker], add_exact_us, &executors_us);
    return (struct slice){
        .worker_ms = (double)process_cpu_exact_us(s->daemons[worker]) / 1000,
        .executors_ms = (double)executors_us / 1000,
        .transactions = (double)site_ask(s, "SELECT xact_commit + xact_rollback FROM pg_stat_database "
                                            "WHERE datname = current_database()"),
    };
}

static void measure_slice(struct site *s, int worker, struct slice *ret)
{
    const double per_minute = 60e6 / SLICE_US;
    struct slice before = look(s, worker);
    usleep(SLICE_US);
    struct slice after = look(s, worker);
    *ret = (struct slice){
        .worker_ms = per_minute * (after.worker_ms - before.worker_ms),
        .executors_ms = per_minute * (after.executors_ms - before.executors_ms),
        .transactions = per_minute * (after.transactions - before.transactions - 1), /* our own */
    };
}

static int measure(struct site *s, int n_long, struct slice slices[SLICES])
{
    char payload[256], trace[128];
    snprintf(payload, sizeof(payload), "{\"ms\": 3600000, \"trace\": \"%s\"}",
             site_trace(s, trace, sizeof(trace)));
    int worker = site_start(s, "worker/jobworkerd");
    if (worker < 0 || site_enqueue(s, "selftest.sleep", "selftest", payload, 0, n_long) != 0 ||
        site_await(s, s->options->partitions, "SELECT count(*) FROM job.cursor WHERE owner IS NOT NULL") <
            0 ||
        site_await(s, n_long, "SELECT count(*) FROM job.lease") < 0)
        return 1;
    usleep(SETTLE_US);
    for (int i = 0; i < SLICES; i++)
        measure_slice(s, worker, &slices[i]);
    return 0;
}

static int run_with(const struct bench_options *o, int n_long, FILE *out)
{
    static const struct figure figures[] = {
        { "CPU: worker, ms a minute", offsetof(struct slice, worker_ms) },
        { "CPU: executors and zygote, ms a minute", offsetof(struct slice, executors_ms) },
        { "PostgreSQL: transactions a minute", offsetof(struct slice, transactions) },
    };
    struct slice slices[SLICES];
    struct site site;
    int r = site_open(&site, o, &(struct site_layout){ 0 });
    if (r == 0)
        r = measure(&site, n_long, slices);
    site_close(&site, r);
    if (r == 0) {
        fprintf(out, " %d long jobs\n", n_long);
        figures_print(out, figures, ARRAY_SIZE(figures), slices, sizeof(*slices), SLICES);
    }
    return r;
}

int bench_long_job(const struct bench_options *o, FILE *out)
{
    struct bench_options wide = *o;
    wide.executors = MANY;
    fprintf(out,
            "long_job: a worker with %d executors for a minute; median (lowest … highest) of %d slices\n",
            MANY, SLICES);
    int r = run_with(&wide, 0, out);
    if (r == 0)
        r = run_with(&wide, 1, out);
    return r ? r : run_with(&wide, MANY, out);
}
