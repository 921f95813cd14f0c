/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker's pool and its executors without Kafka and PostgreSQL: what it costs to hand a job to another process and to
 * get its answer. This process is the worker: it gives the pool as many jobs as it takes, and reads the answers.
 */
#include "bench/bench.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "bench/figures.h"
#include "bench/process.h"
#include "bench/syscalls.h"
#include "worker/pool.h"
#include "worker/zygote.h"

#define PAYLOAD_SIZE 200
#define SOME_JOBS 20000 /* to warm up; to count system calls */

struct ipc {
    sd_event *event;
    struct pool *pool;
    struct job_type type;
    struct span payload;
    struct job *returned; /* the pool had no room for it */
    int64_t n_given, n_done;
    bool broken;
};

struct round {
    double jobs_per_s;
    double worker_us, executors_us;       /* CPU per job */
    double worker_calls, executors_calls; /* system calls per job; -1: not known */
};

/* --- The pool's owner ----------------------------------------------------------------------------------------------------- */

static void take_finished(struct job *job, void *userdata)
{
    struct ipc *ipc = userdata;
    ipc->broken |= job->outcome != OUTCOME_SUCCEEDED;
    ipc->n_done++;
    job_free(job);
}

static void take_unstarted(struct job *job, void *userdata)
{
    struct ipc *ipc = userdata;
    ipc->n_given--;
    job_free(job);
}

static void take_progress(struct job *job, struct span progress, void *userdata)
{
    (void)job;
    (void)progress;
    (void)userdata;
}

static void take_broken(const char *why, void *userdata)
{
    struct ipc *ipc = userdata;
    fprintf(stderr, "bench: %s\n", why);
    ipc->broken = true;
}

static struct job *make_job(struct ipc *ipc)
{
    struct job *job = job_new(NULL);
    if (!job)
        abort();
    job->type = &ipc->type;
    job->envelope.type = span_from_string(ipc->type.name);
    job->envelope.payload = ipc->payload;
    job->envelope.attempt = job->envelope.delivery = 1;
    return job;
}

static void fill(struct ipc *ipc)
{
    for (;;) {
        struct job *job = ipc->returned ? steal(ipc->returned) : make_job(ipc);
        if (!pool_dispatch(ipc->pool, job)) {
            ipc->returned = job;
            break;
        }
        ipc->n_given++;
    }
    pool_flush(ipc->pool);
}

static int run_until(struct ipc *ipc, int64_t n_done)
{
    while (ipc->n_done < n_done && !ipc->broken) {
        fill(ipc);
        if (sd_event_run(ipc->event, UINT64_MAX) < 0)
            return 1;
    }
    return ipc->broken;
}

/* --- Measuring ------------------------------------------------------------------------------------------------------------- */

static void add_exact_us(pid_t pid, void *userdata)
{
    *(int64_t *)userdata += process_cpu_exact_us(pid);
}

static int64_t children_us(void)
{
    int64_t sum = 0;
    process_each_child(getpid(), add_exact_us, &sum);
    return sum;
}

static int measure_time(struct ipc *ipc, int n_jobs, struct round *ret)
{
    int64_t start_us = clock_mono_us(), worker_us = process_cpu_exact_us(getpid()),
            executors_us = children_us(), before = ipc->n_done;
    if (run_until(ipc, before + n_jobs) != 0)
        return 1;
    double n = (double)(ipc->n_done - before);
    *ret = (struct round){
        .jobs_per_s = n * 1e6 / (double)(clock_mono_us() - start_us),
        .worker_us = (double)(process_cpu_exact_us(getpid()) - worker_us) / n,
        .executors_us = (double)(children_us() - executors_us) / n,
        .worker_calls = -1,
        .executors_calls = -1,
    };
    return 0;
}

/* Apart from the time: the tracepoint makes each call slower. */
static int count_calls(struct ipc *ipc, struct round *ret)
{
    struct syscalls mine = { 0 }, theirs = { 0 };
    int64_t before = ipc->n_done;
    bool counted = syscalls_add(&mine, getpid()) == 0 && syscalls_add_children(&theirs, getpid()) == 0;
    int r = run_until(ipc, before + SOME_JOBS);
    double n = (double)(ipc->n_done - before);
    double calls = (double)syscalls_stop(&mine) / n, their_calls = (double)syscalls_stop(&theirs) / n;
    if (counted)
        ret->worker_calls = calls, ret->executors_calls = their_calls;
    return r;
}

static int measure(struct ipc *ipc, int n_jobs, struct round *ret)
{
    int r = run_until(ipc, SOME_JOBS);
    if (r == 0)
        r = measure_time(ipc, n_jobs, ret);
    return r ? r : count_calls(ipc, ret);
}

static int start(struct ipc *ipc, int zygote, const struct job_config *config)
{
    const struct pool_owner owner = { .finished = take_finished,
                                      .unstarted = take_unstarted,
                                      .progress = take_progress,
                                      .broken = take_broken,
                                      .userdata = ipc };
    ipc->type =
        (struct job_type){ .handler = &config->handlers[0], .typical_us = 1, .name = "selftest.echo" };
    if (sd_event_new(&ipc->event) < 0 || pool_new(&ipc->pool, ipc->event, zygote, NULL, config, &owner) < 0 ||
        pool_start(ipc->pool) < 0)
        return 1;
    while (!pool_is_proven(ipc->pool) && !ipc->broken)
        if (sd_event_run(ipc->event, UINT64_MAX) < 0)
            return 1;
    return ipc->broken;
}

static int run_round(const struct bench_options *o, const struct job_config *config, struct round *ret)
{
    char payload[PAYLOAD_SIZE + 1];
    int zygote;
    pid_t pid;
    memset(payload, 'x', PAYLOAD_SIZE);
    payload[0] = payload[PAYLOAD_SIZE - 1] = '"';
    struct ipc ipc = { .payload = { payload, PAYLOAD_SIZE } };
    if (zygote_start(&zygote, &pid) < 0)
        return 1;
    int r = start(&ipc, zygote, config);
    if (r == 0)
        r = measure(&ipc, o->jobs, ret);
    job_free(ipc.returned);
    pool_free(ipc.pool);
    sd_event_unref(ipc.event);
    waitpid(pid, NULL, 0);
    return r;
}

static int load_config(const struct bench_options *o, struct job_config **ret)
{
    char path[] = "/tmp/libjob-bench.XXXXXX";
    struct err err = { 0 };
    int fd = mkstemp(path);
    if (fd < 0)
        return 1;
    dprintf(fd,
            "worker: { executors_min = %d; executors_max = %d; };\n"
            "handlers = ( { type = \"selftest.*\"; path = \"%s/jobs/selftest/selftest.so\"; } );\n",
            o->executors, o->executors, o->build);
    close(fd);
    int r = config_load(ret, path, NULL, &err);
    unlink(path);
    if (r)
        fprintf(stderr, "bench: %s\n", err.text);
    return r != 0;
}

int bench_ipc(const struct bench_options *o, FILE *out)
{
    static const struct figure figures[] = {
        { "executed, jobs/s", offsetof(struct round, jobs_per_s) },
        { "CPU per job: worker, us", offsetof(struct round, worker_us) },
        { "CPU per job: executors, us", offsetof(struct round, executors_us) },
        { "system calls per job: worker", offsetof(struct round, worker_calls) },
        { "system calls per job: executors", offsetof(struct round, executors_calls) },
    };
    struct round rounds[FIGURES_MAX_ROUNDS];
    _cleanup_config_ struct job_config *config = NULL;
    if (load_config(o, &config) != 0)
        return 1;
    for (int i = 0; i < o->rounds; i++)
        if (run_round(o, config, &rounds[i]) != 0)
            return 1;
    fprintf(
        out,
        "ipc: %d no-op jobs of %d bytes to %d executors and back; median (lowest … highest) of %d rounds\n",
        o->jobs, PAYLOAD_SIZE, o->executors, o->rounds);
    figures_print(out, figures, ARRAY_SIZE(figures), rounds, sizeof(*rounds), o->rounds);
    return 0;
}
