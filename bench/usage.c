/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/usage.h"

#include "base/clock.h"
#include "bench/process.h"

struct usage usage_read(const struct site *s, int worker)
{
    pid_t pid = s->daemons[worker];
    return (struct usage){
        .wall_us = clock_mono_us(),
        .worker_us = process_cpu_us(pid),
        .executors_us = process_children_cpu_us(pid),
        .postgres_us = process_cpu_us(s->postgres) + process_children_cpu_us(s->postgres),
        .kafka_us = process_cpu_us(s->kafka),
    };
}

struct usage_per_job usage_divide(const struct usage *before, const struct usage *after, int64_t n_jobs)
{
    double n = (double)n_jobs;
    int64_t all_us = after->worker_us + after->executors_us + after->postgres_us + after->kafka_us -
                     before->worker_us - before->executors_us - before->postgres_us - before->kafka_us;
    return (struct usage_per_job){
        .jobs_per_s = n * 1e6 / (double)(after->wall_us - before->wall_us),
        .worker_us = (double)(after->worker_us - before->worker_us) / n,
        .executors_us = (double)(after->executors_us - before->executors_us) / n,
        .postgres_us = (double)(after->postgres_us - before->postgres_us) / n,
        .kafka_us = (double)(after->kafka_us - before->kafka_us) / n,
        .all_us = (double)all_us / n,
    };
}

int usage_measure_worker(struct site *s, int *ret_worker, struct usage_per_job *ret)
{
    int worker = *ret_worker = site_start(s, "worker/jobworkerd");
    int64_t first = worker < 0 ? -1 : site_await(s, 1, SITE_COUNT_RECORDED);
    struct usage before = usage_read(s, worker);
    int64_t last = first < 0 ? -1 : site_await(s, s->options->jobs, SITE_COUNT_RECORDED);
    struct usage after = usage_read(s, worker);
    if (last < 0)
        return 1;
    *ret = usage_divide(&before, &after, last - first);
    return 0;
}
