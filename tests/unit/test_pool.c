/* SPDX-License-Identifier: Apache-2.0 */
/* Stopping jobs by their id, whatever the executor does with them at that moment. */
#include "worker/pool.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/support/suite.h"
#include "worker/zygote.h"

/* One executor, whose jobs wait until they can write into the fifo @gate. */
static char directory[] = "/tmp/test_pool.XXXXXX";
static char config_path[64], gate[64];
static struct job_config *config;
static struct job_type type;
static sd_event *event;
static struct pool *pool;
static struct job *ended[4]; /* in this order */
static size_t n_ended;

static void take_finished(struct job *job, void *userdata)
{
    (void)userdata;
    ended[n_ended++] = job;
}

static void take_unstarted(struct job *job, void *userdata)
{
    (void)job;
    (void)userdata;
    ck_abort_msg("no job comes back here");
}

static void take_progress(struct job *job, struct span progress, void *userdata)
{
    (void)job;
    (void)progress;
    (void)userdata;
}

static void take_broken(const char *why, void *userdata)
{
    (void)userdata;
    ck_abort_msg("%s", why);
}

static const struct pool_owner owner = {
    .finished = take_finished, .unstarted = take_unstarted, .progress = take_progress, .broken = take_broken
};

static void write_config(void)
{
    FILE *file = fopen(config_path, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_gt(fprintf(file,
                             "worker: { executors_min = 1; executors_max = 1; kill_grace = \"100ms\"; };\n"
                             "queues = ( { name = \"work\"; partitions = 1; } );\n"
                             "handlers = ( { type = \"gate\"; kind = \"command\"; queue = \"work\"; "
                             "argv = ( \"/bin/sh\", \"-c\", \"echo >%s\" ); } );\n",
                             gate),
                     0);
    ck_assert_int_eq(fclose(file), 0);
}

static void start(void)
{
    struct err err = { "" };
    int zygote;
    pid_t pid;
    ck_assert_int_eq(zygote_start(&zygote, &pid), 0);
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(config_path, sizeof(config_path), "%s/job.conf", directory);
    snprintf(gate, sizeof(gate), "%s/gate", directory);
    ck_assert_int_eq(mkfifo(gate, 0600), 0);
    write_config();
    ck_assert_msg(config_load(&config, config_path, NULL, &err) == 0, "%s", err.text);
    type = (struct job_type){ .handler = &config->handlers[0], .typical_us = 1, .name = "gate" };
    ck_assert_int_ge(sd_event_new(&event), 0);
    ck_assert_int_ge(pool_new(&pool, event, zygote, NULL, config, &owner), 0);
    ck_assert_int_ge(pool_start(pool), 0);
    while (!pool_is_proven(pool))
        ck_assert_int_ge(sd_event_run(event, UINT64_MAX), 0);
}

static void finish(void)
{
    for (size_t i = 0; i < n_ended; i++)
        job_free(ended[i]);
    pool_free(pool);
    sd_event_unref(event);
    config_free(config);
    unlink(gate);
    unlink(config_path);
    ck_assert_int_eq(rmdir(directory), 0);
}

/* Return: the job, in the executor. */
static struct job *dispatch(uint8_t id)
{
    struct job *job = job_new(NULL);
    ck_assert_ptr_nonnull(job);
    job->type = &type;
    job->envelope.id.bytes[15] = id;
    job->envelope.type = span_from_string("gate");
    job->envelope.payload = span_from_string("{}");
    ck_assert(pool_dispatch(pool, job));
    pool_flush(pool);
    return job;
}

/* Lets one job run to its end: it has started by then. */
static void let_through(void)
{
    char line[2];
    int fd = open(gate, O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(read(fd, line, sizeof(line)), 1);
    close(fd);
}

static void count(struct job *job, int64_t started_us, void *userdata)
{
    (void)job;
    (void)started_us;
    (*(size_t *)userdata)++;
}

static size_t count_running(void)
{
    size_t n = 0;
    pool_each_running(pool, count, &n);
    return n;
}

/* Without looking at what the executor says. The test's own time-out is the deadline. */
static void await_running(size_t n)
{
    while (count_running() != n)
        sched_yield();
}

static void await_ended(size_t n)
{
    while (n_ended < n)
        ck_assert_int_ge(sd_event_run(event, UINT64_MAX), 0);
}

static void cancel(const struct job *job)
{
    struct uuid id = job->envelope.id;
    pool_stop_id(pool, &id, OUTCOME_CANCELLED, "cancelled while it ran");
}

START_TEST(job_that_has_ended_is_what_it_says)
{
    start();
    struct job *job = dispatch(1);
    let_through();
    await_running(0); /* its answer is there, but was not read */
    cancel(job);
    ck_assert_uint_eq(n_ended, 0);
    await_ended(1);
    ck_assert_int_eq(job->outcome, OUTCOME_SUCCEEDED);
    finish();
}
END_TEST

START_TEST(job_that_waits_in_an_executor_never_starts)
{
    start();
    struct job *first = dispatch(1);
    await_running(1);
    struct job *second = dispatch(2);
    cancel(second);
    ck_assert_uint_eq(n_ended, 1);
    ck_assert_ptr_eq(ended[0], second);
    ck_assert_int_eq(second->outcome, OUTCOME_CANCELLED);
    ck_assert_int_eq(second->started_us, 0);
    let_through();
    await_ended(2);
    ck_assert_int_eq(first->outcome, OUTCOME_SUCCEEDED);
    finish();
}
END_TEST

START_TEST(running_job_is_stopped)
{
    start();
    struct job *job = dispatch(1);
    await_running(1);
    cancel(job);
    await_ended(1);
    ck_assert_int_eq(job->outcome, OUTCOME_CANCELLED);
    ck_assert_int_gt(job->started_us, 0);
    finish();
}
END_TEST

START_TEST(unknown_id_stops_nothing)
{
    start();
    struct job *job = dispatch(1);
    await_running(1);
    pool_stop_id(pool, &(struct uuid){ .bytes = { 7 } }, OUTCOME_CANCELLED, "cancelled while it ran");
    let_through();
    await_ended(1);
    ck_assert_int_eq(job->outcome, OUTCOME_SUCCEEDED);
    finish();
}
END_TEST

SUITE_MAIN("pool", job_that_has_ended_is_what_it_says, job_that_waits_in_an_executor_never_starts,
           running_job_is_stopped, unknown_id_stops_nothing)
