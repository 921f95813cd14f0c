/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker runtime under faults, with the product's own times. tests/system shows the same with short ones.
 *
 * Tier nightly has the figures that are promised, smoke small ones for a first look.
 */
#define SUITE_TIMEOUT_S 1800
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/uuid.h"
#include "libjob/include/job.h"
#include "tests/support/harness.h"
#include "tests/support/harness_site.h"
#include "tests/support/keyed.h"
#include "tests/support/suite.h"
#include "tests/support/trace.h"

#define LOAD_PAUSE_US 5000
#define PAUSE_LIMIT_S 5

static bool is_nightly(void)
{
    const char *tier = getenv("JOB_FAULT_TIER");
    return tier && strcmp(tier, "nightly") == 0;
}

static size_t pick(size_t smoke, size_t nightly)
{
    return is_nightly() ? nightly : smoke;
}

/* @more_worker, @more_handler: further members of these groups. */
static struct site *start_with(const char *kafka, int executors, int partitions, const char *more_worker,
                               const char *more_handler)
{
    char worker[256], handlers[256], queues[80], topic[256];
    struct err err = { 0 };
    snprintf(worker, sizeof(worker), "queues = ( { name = \"selftest\"; } ); executors_max = %d; %s",
             executors, more_worker);
    snprintf(handlers, sizeof(handlers),
             "{ type = \"selftest.*\"; kind = \"module\"; path = \"${build}/jobs/selftest/selftest.so\"; "
             "queue = \"selftest\"; %s }",
             more_handler);
    snprintf(queues, sizeof(queues), "{ name = \"selftest\"; partitions = %d; }", partitions);
    struct site *site = site_new(&(struct site_options){
        .kafka = kafka,
        .long_times = true,
        .queues = queues,
        .worker = worker,
        .handlers = handlers,
    });
    int r = admin_create_topic(site_admin(site), site_topic(site, "selftest", topic), partitions, -1, &err);
    ck_assert_msg(r == 0, "%s", err.text);
    trace_start(site);
    return site;
}

static struct site *start(const char *kafka, int executors)
{
    return start_with(kafka, executors, 4, "", "");
}

static void enqueue_sleepers(struct site *site, size_t n, size_t ms)
{
    char payload[128];
    snprintf(payload, sizeof(payload), "{\"ms\": %zu, \"trace\": \"%%s\"}", ms);
    trace_enqueue(site, "selftest.sleep", n, payload);
}

static void check_each_ran_once(struct site *site, size_t n, double deadline_s)
{
    site_await(site, deadline_s, "SELECT count(*) = %zu FROM job.result WHERE state = 'succeeded'", n);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.result WHERE state <> 'succeeded'"), 0);
    struct trace trace = trace_read();
    ck_assert_uint_eq(trace.n_starts, n);
    ck_assert_uint_eq(trace.n_repeated, 0);
}

START_TEST(scaling_and_a_rolling_restart_repeat_and_lose_nothing)
{
    struct site_daemon *workers[4];
    size_t n = pick(24, 200), ms = pick(4000, 20000);
    struct site *site = start(NULL, 12);
    site_start_broker(site);
    workers[0] = site_start_worker(site);
    enqueue_sleepers(site, n, ms);
    trace_await(n / 12, 0, 120);
    for (int i = 1; i < 4; i++)
        workers[i] = site_start_worker(site);
    trace_await(n / 4, 0, 120);
    for (int i = 0; i < 4; i++) { /* a deploy: the old one drains while the new one works */
        site_kill(workers[i], SIGTERM);
        struct site_daemon *next = site_start_worker(site);
        ck_assert_int_eq(site_await_exit(workers[i], 90), 0);
        workers[i] = next;
    }
    for (int i = 1; i < 4; i++)
        site_kill(workers[i], SIGTERM);
    for (int i = 1; i < 4; i++)
        ck_assert_int_eq(site_await_exit(workers[i], 90), 0);
    check_each_ran_once(site, n, 900);
    site_free(site);
}
END_TEST

START_TEST(worker_that_stands_still_is_fenced_and_records_nothing_twice)
{
    size_t n = pick(400, 4000);
    struct site *site = start(NULL, 4);
    site_start_broker(site);
    struct site_daemon *first = site_start_worker(site);
    enqueue_sleepers(site, n, 20);
    enqueue_sleepers(site, 2, 8000);
    trace_await(n / 10, 0, 60);
    site_kill(first, SIGSTOP);
    int64_t stopped_us = clock_mono_us();
    site_start_worker(site);
    site_await(site, 300, "SELECT count(*) = %zu FROM job.result", n + 2);
    while (clock_mono_us() - stopped_us < 24 * USEC_PER_SEC) /* three session time-outs */
        site_ask(site, "SELECT pg_sleep(0.2) IS NULL");
    site_kill(first, SIGCONT);
    enqueue_sleepers(site, 40, 20);
    site_await(site, 60, "SELECT count(*) = %zu FROM job.result WHERE state = 'succeeded'", n + 42);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.dead"), 0);
    ck_assert(site_is_running(first));
    size_t n_fenced = site_count_log(first, "was taken over by another worker");
    struct trace trace = trace_read();
    printf("# stood still for three session time-outs: %zu jobs, one record each; %zu of them ran twice; "
           "writes of %zu partitions fenced\n",
           n + 42, trace.n_repeated, n_fenced);
    ck_assert_uint_ge(n_fenced, 1);
    site_free(site);
}
END_TEST

static void stop_for_a_while(const char *which)
{
    size_t n = pick(2000, 20000), away_s = pick(10, 60);
    struct site_servers *servers = site_servers_start(which);
    bool kafka = strcmp(which, "kafka") == 0;
    struct site *site = start(kafka ? site_servers_address(servers) : NULL, 4);
    struct site_daemon *broker = site_start_broker(site), *worker = site_start_worker(site);
    enqueue_sleepers(site, n, 5);
    enqueue_sleepers(site, 2, away_s * 1000);
    site_await(site, 60, "SELECT count(*) > %zu FROM job.result", n / 10);
    site_servers_run(servers, "stop");
    int64_t back_us = clock_mono_us() + (int64_t)away_s * USEC_PER_SEC;
    while (site_nap(back_us)) {
    }
    site_servers_run(servers, "start");
    check_each_ran_once(site, n + 2, 300);
    ck_assert(site_is_running(worker));
    ck_assert(site_is_running(broker));
    site_free(site);
    site_servers_free(servers);
}

START_TEST(postgresql_away_under_load_costs_only_time)
{
    stop_for_a_while("postgres");
}
END_TEST

START_TEST(kafka_away_under_load_costs_only_time)
{
    stop_for_a_while("kafka");
}
END_TEST

/* --- How long it takes ------------------------------------------------------------------------------------------------------ */

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* @values in order. Return: what @percent of them do not exceed. */
static double percentile(const double *values, size_t n, size_t percent)
{
    return values[(n * percent + 99) / 100 - 1];
}

/* When each job of the killed worker started again, after its death. */
static void take_restarts(int64_t killed_us, double *ret_s, size_t n_lost)
{
    struct trace_event *events;
    size_t n = trace_events(&events), found = 0;
    for (size_t i = 0; i < n; i++)
        if (events[i].is_start && events[i].mono_us >= killed_us && found++ < n_lost)
            ret_s[found - 1] = (double)(events[i].mono_us - killed_us) / 1e6;
    free(events);
    ck_assert_uint_eq(found, n_lost);
}

START_TEST(killed_workers_jobs_start_elsewhere_within_15_s)
{
    enum { N = 24, ROUNDS_MAX = 10 };
    size_t rounds = pick(2, ROUNDS_MAX);
    double restarts_s[ROUNDS_MAX * N] = { 0 };
    for (size_t round = 0; round < rounds; round++) {
        struct site *site = start(NULL, N);
        site_start_broker(site);
        struct site_daemon *worker = site_start_worker(site);
        enqueue_sleepers(site, N, 60000);
        trace_await(N, 0, 60);
        if (round % 2) /* with leases, and without */
            site_await(site, 60, "SELECT count(*) = %d FROM job.lease", N);
        site_start_worker(site);
        site_await(site, 60, "SELECT count(DISTINCT owner) = 2 FROM job.cursor");
        int64_t killed_us = clock_mono_us();
        site_destroy(worker);
        trace_await(2 * (size_t)N, 0, 60);
        take_restarts(killed_us, &restarts_s[round * N], N);
        site_free(site);
    }
    qsort(restarts_s, rounds * N, sizeof(*restarts_s), compare_doubles);
    printf(
        "# %zu jobs of %zu killed workers started elsewhere within %.1f s (p50), %.1f s (p99), %.1f s (all)\n",
        rounds * N, rounds, percentile(restarts_s, rounds * N, 50), percentile(restarts_s, rounds * N, 99),
        restarts_s[rounds * N - 1]);
    ck_assert_double_le(percentile(restarts_s, rounds * N, 99), 15);
}
END_TEST

/* Short jobs, one after the other, until it is stopped. */
struct load {
    struct job_client *client;
    pthread_t thread;
    atomic_bool stop;
    size_t n; /* how many there were */
    int error;
};

static void *load_main(void *arg)
{
    struct load *load = arg;
    char payload[4200];
    trace_put_path("{\"ms\": 2, \"trace\": \"%s\"}", payload, sizeof(payload));
    const struct job_spec spec = { .type = "selftest.sleep", .queue = "selftest", .payload = payload };
    int64_t next_us = clock_mono_us();
    while (!atomic_load(&load->stop) && !load->error) {
        load->error = job_enqueue(load->client, &spec, NULL);
        load->n += load->error == 0;
        next_us += LOAD_PAUSE_US;
        while (site_nap(next_us)) {
        }
    }
    return NULL;
}

static void load_start(struct load *load, struct site *site)
{
    const struct job_client_options options = { .brokers = site_kafka(site), .prefix = site_prefix(site) };
    *load = (struct load){ 0 };
    ck_assert_int_eq(job_client_open(&load->client, &options), 0);
    ck_assert_int_eq(pthread_create(&load->thread, NULL, load_main, load), 0);
}

static void load_stop(struct load *load)
{
    atomic_store(&load->stop, true);
    ck_assert_int_eq(pthread_join(load->thread, NULL), 0);
    ck_assert_int_eq(load->error, 0);
    ck_assert_int_eq(job_flush(load->client, 60000), 0);
    ck_assert_int_eq(job_client_close(load->client, 1000), 0);
}

/* How long a job waited from its enqueueing, which its id tells, to its start. */
static double wait_s(const struct trace_event *start)
{
    struct uuid id;
    ck_assert_int_eq(uuid_parse(start->id, strlen(start->id), &id), 0);
    return (double)(start->wall_us - uuid_time_ms(&id) * USEC_PER_MSEC) / 1e6;
}

static void check_waits(double pause_limit_s)
{
    struct trace_event *events;
    size_t n = trace_events(&events), n_starts = 0;
    double *waits_s = calloc(n, sizeof(*waits_s)), pause_s = 0;
    int64_t last_us = 0;
    for (size_t i = 0; i < n; i++) {
        if (!events[i].is_start)
            continue;
        if (last_us && (double)(events[i].mono_us - last_us) / 1e6 > pause_s)
            pause_s = (double)(events[i].mono_us - last_us) / 1e6;
        last_us = events[i].mono_us;
        waits_s[n_starts++] = wait_s(&events[i]);
    }
    qsort(waits_s, n_starts, sizeof(*waits_s), compare_doubles);
    printf("# longest time without any start: %.2f s; from enqueueing to start: %.2f s (p50), %.2f s (p99), "
           "%.2f s (all)\n",
           pause_s, percentile(waits_s, n_starts, 50), percentile(waits_s, n_starts, 99),
           waits_s[n_starts - 1]);
    free(waits_s);
    free(events);
    ck_assert_double_le(pause_s, pause_limit_s);
}

START_TEST(rolling_restart_under_load_repeats_nothing_and_hardly_pauses)
{
    enum { WORKERS = 4 };
    struct site_daemon *workers[WORKERS];
    struct load load;
    size_t n_workers = pick(2, WORKERS);
    struct site *site = start_with(NULL, 4, 24, "", "");
    site_start_broker(site);
    for (size_t i = 0; i < n_workers; i++)
        workers[i] = site_start_worker(site);
    site_await(site, 60, "SELECT count(DISTINCT owner) = %zu FROM job.cursor", n_workers);
    load_start(&load, site);
    trace_await(100, 0, 60);
    for (size_t i = 0; i < n_workers; i++) {
        site_stop(workers[i]);
        site_start_worker(site);
        site_await(site, 60, "SELECT count(DISTINCT owner) = %zu FROM job.cursor", n_workers);
    }
    size_t before = trace_read().n_starts;
    trace_await(before + 100, 0, 60);
    load_stop(&load);
    check_each_ran_once(site, load.n, 60);
    check_waits(PAUSE_LIMIT_S);
    site_free(site);
}
END_TEST

/* Strictly, through failures, a killed worker and a rebalance. */
START_TEST(strict_order_per_key_survives_everything)
{
    size_t n = pick(1000, 10000);
    struct keyed *keyed = keyed_new(n / 100);
    struct site *site = site_new(&(struct site_options){
        .long_times = true,
        .queues = "{ name = \"selftest\"; partitions = 4; }",
        .worker = "queues = ( { name = \"selftest\"; } ); executors_max = 4;",
        .handlers =
            "{ type = \"selftest.*\"; path = \"${build}/jobs/selftest/selftest.so\"; queue = \"selftest\"; "
            "order = \"key_strict\"; backoff: { kind = \"constant\"; base = \"100ms\"; }; }",
    });
    trace_start(site);
    site_start_broker(site);
    site_start_worker(site);
    struct site_daemon *second = site_start_worker(site);
    keyed_enqueue(keyed, site, n, 2);
    site_await(site, 600, "SELECT count(*) > %zu FROM job.result", n / 4);
    site_destroy(second);
    site_await(site, 600, "SELECT count(*) > %zu FROM job.result", n / 2);
    site_start_worker(site);
    site_await(site, 900, "SELECT count(*) = %zu FROM job.result WHERE state = 'succeeded'", n);
    keyed_check_strict(keyed);
    printf("# %zu jobs of %zu keys kept their order; %zu starts\n", n, n / 100, trace_read().n_starts);
    keyed_free(keyed);
    site_free(site);
}
END_TEST

/* --- Jobs that behave badly: each costs itself -------------------------------------------------------------------------------- */

/* One such job on two executors, and neighbours that must not notice. */
static struct site *run_beside_neighbours(const char *more_worker, const char *more_handler, const char *type,
                                          const char *payload)
{
    struct site *site = start_with(NULL, 2, 4, more_worker, more_handler);
    site_start_broker(site);
    site_start_worker(site);
    trace_enqueue(site, type, 1, payload);
    trace_await_starts(1);
    trace_enqueue(site, "selftest.echo", 1000, "{}");
    site_await(site, 60,
               "SELECT count(*) = 1000 FROM job.result WHERE type = 'selftest.echo' AND state = 'succeeded'");
    return site;
}

/* Both executors are there again: two jobs that last run at the same time. */
static void check_places_are_back(struct site *site)
{
    size_t before = trace_read().n_starts;
    enqueue_sleepers(site, 2, 3000);
    trace_await(before + 2, 0, 3);
    site_free(site);
}

START_TEST(job_that_cannot_be_stopped_is_killed_on_time)
{
    struct site *site = run_beside_neighbours("", "timeout = \"5s\"; max_attempts = 1;", "selftest.burn",
                                              "{\"ms\": 86400000, \"stubborn\": true, \"trace\": \"%s\"}");
    site_await(site, 30, "SELECT outcome = 'timeout' FROM job.attempt");
    ck_assert(site_ask(site, "SELECT finished_at - started_at BETWEEN interval '15 seconds' AND interval '16 "
                             "seconds' FROM job.attempt"));
    check_places_are_back(site);
}
END_TEST

START_TEST(job_that_always_crashes_is_dead_after_its_budget)
{
    struct site *site =
        run_beside_neighbours("", "", "selftest.crash", "{\"signal\": 11, \"trace\": \"%s\"}");
    site_await(site, 60, "SELECT reason = 'crashed' FROM job.dead");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.attempt WHERE outcome = 'crashed'"), 5);
    check_places_are_back(site);
}
END_TEST

START_TEST(output_without_end_is_cut)
{
    char payload[128];
    snprintf(payload, sizeof(payload), "{\"mib\": %zu, \"trace\": \"%%s\"}", pick(500, 10240));
    struct site *site = run_beside_neighbours("", "", "selftest.spew", payload);
    site_await(site, 300, "SELECT true FROM job.result WHERE type = 'selftest.spew' AND state = 'succeeded'");
    check_places_are_back(site);
}
END_TEST

/* Without a delegated control group the allocation fails; with one, the kernel ends the job. */
START_TEST(allocation_beyond_the_limit_is_the_jobs_own_trouble)
{
    struct site *site =
        run_beside_neighbours("limits: { memory = \"512 MiB\"; };", "max_attempts = 1; max_crashes = 1;",
                              "selftest.alloc", "{\"mib\": 1024, \"trace\": \"%s\"}");
    site_await(site, 30, "SELECT true FROM job.dead");
    ck_assert(site_ask(site, "SELECT outcome = 'oom' OR error = 'no memory for 1024 MiB' FROM job.attempt"));
    check_places_are_back(site);
}
END_TEST

static void explode(const char *more)
{
    char payload[160];
    snprintf(payload, sizeof(payload),
             "{\"processes\": %zu, \"ms\": 86400000, \"stubborn\": true, %s\"trace\": \"%%s\"}",
             pick(100, 400), more);
    struct site *site =
        run_beside_neighbours("", "timeout = \"5s\"; max_attempts = 1;", "selftest.bomb", payload);
    site_await(site, 30, "SELECT outcome = 'timeout' FROM job.attempt");
    ck_assert(site_ask(site, "SELECT finished_at - started_at < interval '16 seconds' FROM job.attempt"));
    check_places_are_back(site);
}

START_TEST(fork_bomb_is_ended_on_time)
{
    explode("");
}
END_TEST

START_TEST(fork_bomb_of_daemons_is_ended_on_time)
{
    explode("\"daemon\": true, ");
}
END_TEST

SUITE_MAIN("fault_runtime", job_that_cannot_be_stopped_is_killed_on_time,
           job_that_always_crashes_is_dead_after_its_budget, output_without_end_is_cut,
           allocation_beyond_the_limit_is_the_jobs_own_trouble, fork_bomb_is_ended_on_time,
           fork_bomb_of_daemons_is_ended_on_time, scaling_and_a_rolling_restart_repeat_and_lose_nothing,
           rolling_restart_under_load_repeats_nothing_and_hardly_pauses,
           worker_that_stands_still_is_fenced_and_records_nothing_twice,
           postgresql_away_under_load_costs_only_time, kafka_away_under_load_costs_only_time,
           killed_workers_jobs_start_elsewhere_within_15_s, strict_order_per_key_survives_everything)
