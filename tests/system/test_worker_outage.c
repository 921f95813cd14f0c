/* SPDX-License-Identifier: Apache-2.0 */
/* Servers that go away and come back in the middle of the work: nothing is lost, nothing repeated, nobody restarted. */
#define SUITE_TIMEOUT_S 180
#include <signal.h>
#include <stdlib.h>

#include "tests/support/harness.h"
#include "tests/support/harness_site.h"
#include "tests/support/suite.h"
#include "tests/support/trace.h"

#define N 2000

static struct site *start(struct site_servers *kafka)
{
    struct site *site = site_new(&(struct site_options){
        .kafka = kafka ? site_servers_address(kafka) : NULL,
        .queues = "{ name = \"selftest\"; partitions = 4; }",
        .worker = "queues = ( { name = \"selftest\"; } ); executors_max = 2;",
        .handlers =
            "{ type = \"selftest.*\"; kind = \"module\"; path = \"${build}/jobs/selftest/selftest.so\"; "
            "queue = \"selftest\"; backoff: { kind = \"constant\"; base = \"100ms\"; }; }",
    });
    trace_start(site);
    return site;
}

static void check_all_recorded_once(struct site *site, size_t n)
{
    site_await(site, 60, "SELECT count(*) = %zu FROM job.result WHERE state = 'succeeded'", n);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.dead"), 0);
    struct trace trace = trace_read();
    ck_assert_uint_eq(trace.n_starts, n);
    ck_assert_uint_eq(trace.n_repeated, 0);
}

/* Or the next loss could come before the worker has noticed the end of this one. */
static void await_back(struct site_daemon *worker, size_t times)
{
    int64_t deadline_us = site_deadline(30);
    while (site_count_log(worker, "PostgreSQL is back") < times)
        ck_assert(site_nap(deadline_us));
}

static void restart_postgres(const char *how)
{
    struct site_servers *postgres = site_servers_start("postgres");
    struct site *site = start(NULL);
    struct site_daemon *broker = site_start_broker(site), *worker = site_start_worker(site);
    for (size_t round = 1; round <= 3;
         round++) { /* new jobs each time: those that are there go on meanwhile */
        trace_enqueue(site, "selftest.sleep", N, "{\"ms\": 4, \"trace\": \"%s\"}");
        site_await(site, 30, "SELECT count(*) >= %zu FROM job.result", (round - 1) * N + N / 5);
        ck_assert_int_lt(site_ask(site, "SELECT count(*) FROM job.result"), (int64_t)round * N);
        site_servers_run(postgres, how);
        site_servers_run(postgres, "start");
        await_back(worker, round);
    }
    check_all_recorded_once(site, 3 * N);
    ck_assert(site_is_running(worker));
    ck_assert(site_is_running(broker));
    site_free(site);
    site_servers_free(postgres);
}

START_TEST(stopped_postgresql_costs_nothing_but_time)
{
    restart_postgres("stop");
}
END_TEST

START_TEST(killed_postgresql_costs_nothing_but_time)
{
    restart_postgres("kill");
}
END_TEST

START_TEST(worker_waits_for_postgresql_at_its_start)
{
    struct site_servers *postgres = site_servers_start("postgres");
    struct site *site = start(NULL);
    trace_enqueue(site, "selftest.echo", 10, "{}");
    site_servers_run(postgres, "stop");
    struct site_daemon *worker = site_spawn(site, "worker/jobworkerd", NULL),
                       *broker = site_spawn(site, "broker/jobbrokerd", NULL);
    site_await_log(worker, 20, "waiting for it");
    site_servers_run(postgres, "start");
    site_await(site, 60, "SELECT count(*) = 10 FROM job.result");
    ck_assert_uint_eq(site_count_log(worker, "waiting for it"), 1);
    site_stop(worker);
    site_stop(broker);
    site_free(site);
    site_servers_free(postgres);
}
END_TEST

START_TEST(service_manager_hears_what_the_worker_does)
{
    struct site_servers *postgres = site_servers_start("postgres");
    struct site *site = start(NULL);
    site_servers_run(postgres, "stop");
    setenv("WATCHDOG_USEC", "1000000", 1);
    struct site_daemon *worker = site_spawn(site, "worker/jobworkerd", NULL);
    site_await_notify(worker, 20, "STATUS=waiting for PostgreSQL; running: 0 jobs");
    site_await_notify(worker, 20, "WATCHDOG=1");
    site_servers_run(postgres, "start");
    site_await_notify(worker, 60, "READY=1");
    trace_enqueue(site, "selftest.sleep", 1, "{\"ms\": 3000, \"trace\": \"%s\"}");
    site_await_notify(worker, 20, "STATUS=running: 1 jobs on");
    site_kill(worker, SIGUSR1);
    site_await_log(worker, 20, "runs 0");
    site_await_log(worker, 20, "selftest[3]: open");
    ck_assert_uint_eq(site_count_log(worker, "state: partition"), 4);
    site_kill(worker, SIGTERM);
    site_await_notify(worker, 20, "EXTEND_TIMEOUT_USEC=");
    ck_assert_int_eq(site_await_exit(worker, 20), 0);
    check_all_recorded_once(site, 1);
    site_free(site);
    site_servers_free(postgres);
}
END_TEST

START_TEST(restarted_kafka_costs_nothing_but_time)
{
    struct site_servers *kafka = site_servers_start("kafka");
    struct site *site = start(kafka);
    struct site_daemon *broker = site_start_broker(site), *worker = site_start_worker(site);
    trace_enqueue(site, "selftest.sleep", N, "{\"ms\": 1, \"trace\": \"%s\"}");
    site_await(site, 30, "SELECT count(*) >= %d FROM job.result", N / 5);
    site_servers_run(kafka, "stop");
    site_servers_run(kafka, "start");
    trace_enqueue(site, "selftest.sleep", N, "{\"ms\": 1, \"trace\": \"%s\"}");
    site_await(site, 90, "SELECT count(*) = %d FROM job.result WHERE state = 'succeeded'", 2 * N);
    ck_assert(site_is_running(worker));
    ck_assert(site_is_running(broker));
    site_free(site);
    site_servers_free(kafka);
}
END_TEST

SUITE_MAIN("worker_outage", stopped_postgresql_costs_nothing_but_time,
           killed_postgresql_costs_nothing_but_time, worker_waits_for_postgresql_at_its_start,
           service_manager_hears_what_the_worker_does, restarted_kafka_costs_nothing_but_time)
