/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs that hang, crash or leave things behind: each costs itself, on time, and nobody else. */
#define SUITE_TIMEOUT_S 120
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/harness.h"
#include "tests/support/suite.h"
#include "tests/support/trace.h"

/* --- Tools --------------------------------------------------------------------------------------------------------------- */

#define HANDLERS(more)                                                                                       \
    "{ type = \"selftest.*\"; kind = \"module\"; path = \"${build}/jobs/selftest/selftest.so\"; "            \
    "queue = \"selftest\"; backoff: { kind = \"constant\"; base = \"100ms\"; }; " more " }"

static struct site *start(const char *worker, const char *handlers)
{
    struct site *site = site_new(&(struct site_options){
        .queues = "{ name = \"selftest\"; partitions = 4; }", .worker = worker, .handlers = handlers });
    trace_start(site);
    site_start_broker(site);
    return site;
}

#define WORKER "queues = ( { name = \"selftest\"; } ); executors_max = 2; kill_grace = \"600ms\";"

/* --- Time-outs ------------------------------------------------------------------------------------------------------------- */

START_TEST(job_that_runs_for_its_timeout_is_asked_to_stop)
{
    struct site *site = start(WORKER, HANDLERS("timeout = \"500ms\"; max_attempts = 2;"));
    site_start_worker(site);
    trace_enqueue(site, "selftest.sleep", 1, "{\"ms\": 20000, \"trace\": \"%s\"}");
    site_await(site, 20, "SELECT true FROM job.dead");
    ck_assert(site_ask(
        site, "SELECT reason = 'exhausted' AND error LIKE '%%longer than its timeout; it said: asked to stop "
              "while asleep' FROM job.dead"));
    ck_assert(site_ask(
        site, "SELECT count(*) = 2 AND bool_and(outcome = 'timeout') AND max(finished_at - started_at) < "
              "interval '800 milliseconds' AND min(finished_at - started_at) >= interval '500 "
              "milliseconds' AND max(attempt) = 2 FROM job.attempt"));
    site_free(site);
}
END_TEST

START_TEST(stubborn_job_is_killed_on_time_and_its_neighbours_do_not_notice)
{
    struct site *site = start(WORKER, HANDLERS("timeout = \"500ms\"; max_attempts = 1;"));
    site_start_worker(site);
    trace_enqueue(site, "selftest.sleep", 2, "{\"ms\": 60000, \"stubborn\": true, \"trace\": \"%s\"}");
    trace_await_starts(site, 2); /* both executors */
    trace_enqueue(site, "selftest.echo", 100, "{}");
    site_await(site, 10, "SELECT count(*) = 100 FROM job.result WHERE state = 'succeeded'");
    site_await(site, 10, "SELECT count(*) = 2 FROM job.dead");
    ck_assert(site_ask(
        site, "SELECT bool_and(outcome = 'timeout' AND finished_at - started_at BETWEEN interval '1 second' "
              "AND interval '2100 milliseconds') FROM job.attempt"));
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.attempt"), 2);
    site_free(site);
}
END_TEST

START_TEST(timeout_of_the_message_counts_before_that_of_the_type)
{
    struct site *site = start(WORKER, HANDLERS("timeout = \"1h\"; max_attempts = 1;"));
    site_start_worker(site);
    site_sql(site,
             "SELECT job.enqueue('selftest', 'selftest.sleep', '{\"ms\": 20000}', timeout => interval '300 "
             "milliseconds')");
    site_await(site, 10, "SELECT outcome = 'timeout' FROM job.attempt");
    site_free(site);
}
END_TEST

START_TEST(job_that_is_done_in_spite_of_being_asked_to_stop_has_succeeded)
{
    struct site *site = start("queues = ( { name = \"selftest\"; } ); kill_grace = \"10s\";",
                              HANDLERS("timeout = \"300ms\";"));
    site_start_worker(site);
    trace_enqueue(site, "selftest.sleep", 1, "{\"ms\": 1500, \"stubborn\": true, \"trace\": \"%s\"}");
    site_await(site, 10, "SELECT state = 'succeeded' FROM job.result");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.attempt"), 0);
    site_free(site);
}
END_TEST

START_TEST(drain_asks_running_jobs_to_stop)
{
    struct site *site =
        start("queues = ( { name = \"selftest\"; } ); drain_timeout = \"200ms\"; kill_grace = \"20s\";",
              HANDLERS(""));
    struct site_daemon *worker = site_start_worker(site);
    trace_enqueue(site, "selftest.sleep", 2, "{\"ms\": 60000, \"trace\": \"%s\"}");
    trace_await_starts(site, 2);
    site_kill(worker, SIGTERM);
    ck_assert_int_eq(site_await_exit(worker, 8), 0);
    ck_assert(site_ask(
        site,
        "SELECT count(*) = 2 AND bool_and(outcome = 'interrupted' AND error LIKE 'its worker stopped%%') "
        "FROM job.attempt"));
    site_free(site);
}
END_TEST

/* --- Deaths ------------------------------------------------------------------------------------------------------------------ */

START_TEST(crash_loop_of_one_job_costs_no_other)
{
    struct site *site = start(WORKER, HANDLERS("max_crashes = 3;"));
    site_start_worker(site);
    trace_enqueue(site, "selftest.crash", 4, "{\"signal\": 11, \"trace\": \"%s\"}");
    trace_enqueue(site, "selftest.sleep", 200, "{\"ms\": 2, \"trace\": \"%s\"}");
    site_await(
        site, 30,
        "SELECT count(*) = 4 FROM job.dead WHERE reason = 'crashed' AND error LIKE 'killed by signal 11 %%'");
    site_await(site, 10, "SELECT count(*) = 200 FROM job.result WHERE state = 'succeeded'");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.attempt WHERE outcome = 'crashed'"), 12);
    ck_assert_uint_eq(trace_read().n_starts, 212);
    site_free(site);
}
END_TEST

START_TEST(job_that_kills_its_worker_is_dead_after_its_budget_and_others_run)
{
    struct site *site = start(WORKER, HANDLERS("max_crashes = 2;"));
    trace_enqueue(site, "selftest.crash", 1, "{\"signal\": 9, \"worker\": true, \"trace\": \"%s\"}");
    trace_enqueue(site, "selftest.echo", 20, "{\"trace\": \"%s\"}");
    for (int i = 0; i < 8 && !site_ask(site, "SELECT count(*) FROM job.dead"); i++) {
        struct site_daemon *worker = site_spawn(site, "worker/jobworkerd", NULL);
        while (site_is_running(worker) && !site_ask(site, "SELECT count(*) FROM job.dead"))
            site_ask(site, "SELECT pg_sleep(0.02) IS NULL");
    }
    ck_assert(site_ask(site, "SELECT reason = 'crashed' FROM job.dead"));
    struct site_daemon *last = site_spawn(site, "worker/jobworkerd", NULL);
    site_await(site, 20, "SELECT count(*) = 20 FROM job.result WHERE state = 'succeeded'");
    ck_assert(site_is_running(last));
    site_free(site);
}
END_TEST

/* --- Without servers ------------------------------------------------------------------------------------------------------------ */

START_TEST(single_run_tells_what_became_of_the_handler)
{
    struct site *site = start(WORKER, HANDLERS(""));
    const char *const crash[] = { "--run", "selftest.crash", NULL }, *const nothing[] = { "--payload", "1",
                                                                                          NULL };
    struct site_daemon *once = site_spawn(site, "worker/jobworkerd", crash);
    ck_assert_int_eq(site_await_exit(once, 10), 1);
    ck_assert_uint_eq(site_count_log(once, "crashed: killed by signal 11"), 1);
    ck_assert_int_eq(site_await_exit(site_spawn(site, "worker/jobworkerd", nothing), 10), 2);
    site_free(site);
}
END_TEST

SUITE_MAIN("executors", job_that_runs_for_its_timeout_is_asked_to_stop,
           stubborn_job_is_killed_on_time_and_its_neighbours_do_not_notice,
           timeout_of_the_message_counts_before_that_of_the_type,
           job_that_is_done_in_spite_of_being_asked_to_stop_has_succeeded, drain_asks_running_jobs_to_stop,
           crash_loop_of_one_job_costs_no_other,
           job_that_kills_its_worker_is_dead_after_its_budget_and_others_run,
           single_run_tells_what_became_of_the_handler)
