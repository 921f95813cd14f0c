/* SPDX-License-Identifier: Apache-2.0 */
/* Long jobs leave the log and go on: by age, at a rebalance, under a full window, and when somebody is away. */
#define SUITE_TIMEOUT_S 120
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/harness.h"
#include "tests/support/harness_site.h"
#include "tests/support/suite.h"
#include "tests/support/trace.h"

/* --- Tools --------------------------------------------------------------------------------------------------------------- */

#define HANDLERS                                                                                             \
    "{ type = \"selftest.*\"; kind = \"module\"; path = \"${build}/jobs/selftest/selftest.so\"; "            \
    "queue = \"selftest\"; backoff: { kind = \"constant\"; base = \"100ms\"; }; }"
#define WORKER "queues = ( { name = \"selftest\"; } ); executors_max = 4;"
#define QUEUES "{ name = \"selftest\"; partitions = 4; }"

static struct site *start(const char *worker)
{
    struct site *site =
        site_new(&(struct site_options){ .queues = QUEUES, .worker = worker, .handlers = HANDLERS });
    trace_start(site);
    return site;
}

static void check_each_ran_once(struct site *site, size_t n)
{
    site_await(site, 60, "SELECT count(*) = %zu FROM job.result", n);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.result WHERE state <> 'succeeded'"), 0);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.lease"), 0);
    struct trace trace = trace_read();
    ck_assert_uint_eq(trace.n_starts, n);
    ck_assert_uint_eq(trace.n_repeated, 0);
}

/* To one partition, as a foreign producer would. */
static void produce(struct site *site, const char *type, const char *id, const char *payload)
{
    const struct message_header headers[] = { { "ce_type", span_from_string(type) },
                                              { "ce_id", span_from_string(id ? id : "") } };
    char value[512];
    trace_put_path(payload, value, sizeof(value));
    site_produce(
        site, "selftest",
        &(struct message){
            .partition = 0, .value = span_from_string(value), .n_headers = id ? 2 : 1, .headers = headers });
}

/* --- When a job leaves the log --------------------------------------------------------------------------------------------- */

START_TEST(long_job_gets_a_lease_and_the_cursor_goes_on)
{
    struct site *site = start(WORKER);
    site_start_broker(site);
    site_start_worker(site);
    produce(site, "selftest.sleep", NULL, "{\"ms\": 2500, \"trace\": \"%s\"}");
    trace_await_starts(1);
    for (int i = 0; i < 20; i++)
        produce(site, "selftest.echo", NULL, "{\"trace\": \"%s\"}");
    site_await(
        site, 10,
        "SELECT next_offset = 21 AND done = '' FROM job.cursor WHERE topic NOT LIKE '%%.later' AND partition = 0");
    ck_assert(site_ask(site,
                       "SELECT type = 'selftest.sleep' AND token > 0 AND delivery = 1 AND partition = 0 AND "
                       "\"offset\" = 0 AND payload IS NOT NULL AND clock_timestamp() - started_at > "
                       "interval '250 milliseconds' FROM job.lease"));
    ck_assert(site_ask(site, "SELECT state = 'running' FROM job.status WHERE type = 'selftest.sleep'"));
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.result"), 20);
    check_each_ran_once(site, 21);
    ck_assert(site_ask(site,
                       "SELECT \"offset\" = 0 AND finished_at - started_at > interval '2400 milliseconds' "
                       "FROM job.result WHERE type = 'selftest.sleep'"));
    site_free(site);
}
END_TEST

START_TEST(short_jobs_get_no_lease)
{
    struct site *site = start(WORKER " handover_after = \"20s\";");
    site_sql(
        site,
        "CREATE TABLE public.taken (id uuid); CREATE RULE r AS ON INSERT TO job.lease DO ALSO INSERT INTO public.taken "
        "VALUES (new.id)");
    site_start_broker(site);
    site_start_worker(site);
    trace_enqueue(site, "selftest.sleep", 300, "{\"ms\": 5, \"trace\": \"%s\"}");
    check_each_ran_once(site, 300);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM public.taken"), 0);
    site_free(site);
}
END_TEST

START_TEST(half_full_window_hands_over_what_holds_it_up)
{
    struct site *site = start(WORKER " handover_after = \"1h\"; window = 100;");
    site_start_broker(site);
    site_start_worker(site);
    produce(site, "selftest.sleep", NULL, "{\"ms\": 4000, \"trace\": \"%s\"}");
    trace_await_starts(1);
    for (int i = 0; i < 150; i++)
        produce(site, "selftest.echo", NULL, "{\"trace\": \"%s\"}");
    site_await(site, 3,
               "SELECT next_offset = 151 FROM job.cursor WHERE topic NOT LIKE '%%.later' AND partition = 0");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.lease"), 1);
    check_each_ran_once(site, 151);
    site_free(site);
}
END_TEST

START_TEST(rebalance_waits_for_the_hand_over_and_not_for_the_job)
{
    struct site *site =
        start("queues = ( { name = \"selftest\"; } ); executors_max = 8; handover_after = \"1h\";");
    site_start_broker(site);
    site_start_worker(site);
    trace_enqueue(site, "selftest.sleep", 4, "{\"ms\": 6000, \"trace\": \"%s\"}");
    trace_await_starts(4);
    site_start_worker(site);
    site_await(site, 5, "SELECT count(DISTINCT owner) = 2 FROM job.cursor");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.lease"), 4);
    trace_enqueue(site, "selftest.echo", 40, "{\"trace\": \"%s\"}");
    site_await(site, 5, "SELECT count(*) = 40 FROM job.result");
    check_each_ran_once(site, 44);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.attempt"), 0);
    site_free(site);
}
END_TEST

START_TEST(scaling_up_and_down_repeats_no_long_job)
{
    enum { N = 24 };
    struct site_daemon *workers[3];
    struct site *site = start(WORKER);
    site_start_broker(site);
    workers[0] = site_start_worker(site);
    trace_enqueue(site, "selftest.sleep", N, "{\"ms\": 2000, \"trace\": \"%s\"}");
    trace_await_starts(4);
    workers[1] = site_start_worker(site);
    workers[2] = site_start_worker(site);
    trace_await_starts(N / 2);
    site_stop(workers[0]); /* waits for what it runs */
    site_stop(workers[2]);
    check_each_ran_once(site, N);
    site_free(site);
}
END_TEST

/* --- Who else may have it ---------------------------------------------------------------------------------------------------- */

START_TEST(second_message_of_a_running_job_is_stopped_at_its_hand_over)
{
    static const char id[] = "01920000-0000-7000-8000-000000000001";
    struct site *site = start(WORKER);
    site_start_broker(site);
    struct site_daemon *worker = site_start_worker(site);
    produce(site, "selftest.sleep", id, "{\"ms\": 2500, \"trace\": \"%s\"}");
    trace_await_starts(1);
    site_await(site, 5, "SELECT count(*) = 1 FROM job.lease");
    produce(site, "selftest.sleep", id, "{\"ms\": 60000, \"trace\": \"%s\"}");
    site_await_log(worker, 10, "is taken or has ended elsewhere");
    site_await(
        site, 10,
        "SELECT count(*) = 1 FROM job.result WHERE id = '%s' AND state = 'succeeded' AND \"offset\" = 0", id);
    site_await(site, 10,
               "SELECT next_offset = 2 FROM job.cursor WHERE topic NOT LIKE '%%.later' AND partition = 0");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.attempt"), 0);
    site_stop(worker); /* nothing runs any more */
    site_free(site);
}
END_TEST

START_TEST(worker_declared_dead_stops_its_leased_jobs)
{
    struct site *site = start(WORKER);
    site_start_broker(site);
    struct site_daemon *worker = site_start_worker(site);
    trace_enqueue(site, "selftest.sleep", 2, "{\"ms\": 3000, \"trace\": \"%s\"}");
    site_await(site, 10, "SELECT count(*) = 2 FROM job.lease");
    ck_assert_int_eq(site_ask(site, "SELECT job.declare_lost(id, beat_at) FROM job.worker"), 1);
    site_await_log(worker, 10, "2 leased jobs are others' now");
    site_await(site, 30, "SELECT count(*) = 2 FROM job.result WHERE state = 'succeeded' AND delivery = 2");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.attempt WHERE outcome = 'lost'"), 2);
    ck_assert_uint_eq(trace_read().n_starts, 4);
    site_free(site);
}
END_TEST

START_TEST(killed_workers_long_jobs_go_on_elsewhere)
{
    struct site *site = start(WORKER);
    site_start_broker(site);
    struct site_daemon *worker = site_start_worker(site);
    trace_enqueue(site, "selftest.sleep", 4, "{\"ms\": 1500, \"trace\": \"%s\"}");
    site_await(site, 10, "SELECT count(*) = 4 FROM job.lease");
    site_destroy(worker);
    site_start_worker(site);
    site_await(site, 30, "SELECT count(*) = 4 FROM job.result WHERE state = 'succeeded' AND delivery = 2");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.attempt WHERE outcome = 'lost'"), 4);
    site_free(site);
}
END_TEST

START_TEST(worker_that_stood_still_records_nothing_twice)
{
    struct site *site = start(WORKER);
    site_start_broker(site);
    struct site_daemon *first = site_start_worker(site);
    trace_enqueue(site, "selftest.sleep", 8, "{\"ms\": 1500, \"trace\": \"%s\"}");
    site_await(site, 10, "SELECT count(*) >= 4 FROM job.lease");
    site_kill(first, SIGSTOP);
    site_start_worker(site);
    site_await(site, 60, "SELECT count(*) = 8 FROM job.result WHERE state = 'succeeded'");
    site_kill(first, SIGCONT);
    site_await_log(first, 20, "was declared dead");
    trace_enqueue(site, "selftest.echo", 20, "{\"trace\": \"%s\"}");
    site_await(site, 30, "SELECT count(*) = 28 FROM job.result WHERE state = 'succeeded'");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.lease"), 0);
    ck_assert(site_is_running(first));
    site_free(site);
}
END_TEST

/* --- PostgreSQL is away ------------------------------------------------------------------------------------------------------ */

START_TEST(leased_jobs_are_stopped_when_postgresql_falls_silent)
{
    struct site *site = start(WORKER);
    site_start_broker(site);
    struct site_daemon *worker = site_start_worker(site);
    trace_enqueue(site, "selftest.sleep", 2, "{\"ms\": 20000, \"trace\": \"%s\"}");
    site_await(site, 10, "SELECT count(*) = 2 FROM job.lease");
    pid_t backend = (pid_t)site_ask(
        site,
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'jobworkerd' AND datname = current_database()");
    ck_assert_int_gt(backend, 1);
    kill(backend, SIGSTOP);
    site_await_log(worker, 20, "stopping 2 leased jobs");
    kill(backend, SIGCONT);
    site_await(site, 30, "SELECT count(*) = 2 FROM job.attempt WHERE outcome IN ('interrupted', 'lost')");
    trace_await_starts(4);
    site_free(site);
}
END_TEST

START_TEST(leased_jobs_go_on_while_postgresql_refuses)
{
    struct site_servers *postgres = site_servers_start("postgres");
    struct site *site = start(WORKER);
    site_start_broker(site);
    struct site_daemon *worker = site_start_worker(site);
    trace_enqueue(site, "selftest.sleep", 2, "{\"ms\": 5000, \"trace\": \"%s\"}");
    site_await(site, 10, "SELECT count(*) = 2 FROM job.lease");
    site_servers_run(postgres, "stop");
    trace_await(0, 2, 30);
    site_servers_run(postgres, "start");
    check_each_ran_once(site, 2);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.attempt"), 0);
    ck_assert_uint_eq(site_count_log(worker, "stopping 2 leased jobs"), 0);
    site_free(site);
    site_servers_free(postgres);
}
END_TEST

START_TEST(revocation_waits_for_postgresql)
{
    struct site_servers *postgres = site_servers_start("postgres");
    struct site *site = start(WORKER " handover_after = \"1h\";");
    site_start_broker(site);
    struct site_daemon *first = site_start_worker(site);
    trace_enqueue(site, "selftest.sleep", 4, "{\"ms\": 8000, \"trace\": \"%s\"}");
    trace_await_starts(4);
    site_servers_run(postgres, "kill");
    struct site_daemon *second = site_spawn(site, "worker/jobworkerd", NULL);
    site_await_log(first, 20, "handing over 4 running jobs");
    site_servers_run(postgres, "start");
    check_each_ran_once(site, 4);
    site_await(site, 20, "SELECT count(DISTINCT owner) = 2 FROM job.cursor");
    ck_assert(site_is_running(first));
    ck_assert(site_is_running(second));
    site_free(site);
    site_servers_free(postgres);
}
END_TEST

/* --- A message that kills workers -------------------------------------------------------------------------------------------- */

/* Return: false when the worker died first. */
static bool await_burial(struct site *site, struct site_daemon *worker)
{
    int64_t deadline_us = site_deadline(20);
    while (site_is_running(worker)) {
        if (site_ask(site, "SELECT count(*) FROM job.dead"))
            return true;
        ck_assert(site_nap(deadline_us));
    }
    return false;
}

START_TEST(message_that_kills_workers_is_found_and_buried_unread)
{
    struct site *site = start(WORKER);
    struct site_daemon *worker;
    size_t deaths = 0;
    site_start_broker(site);
    for (int i = 0; i < 11; i++)
        produce(site, "selftest.echo", NULL, i == 5 ? "poison" : "{\"trace\": \"%s\"}");
    while (!await_burial(site, worker = site_spawn(site, "tests/jobworkerd_poisoned", NULL)))
        deaths++;
    ck_assert_uint_ge(deaths, 4);
    ck_assert_uint_le(deaths, 6);
    ck_assert(site_ask(
        site, "SELECT reason = 'crashed' AND type IS NULL AND payload = 'poison' AND \"offset\" = 5 AND "
              "headers = '{}' AND error LIKE '%%not read%%' FROM job.dead"));
    site_await(site, 20, "SELECT count(*) = 10 FROM job.result WHERE state = 'succeeded'");
    site_await(
        site, 20,
        "SELECT next_offset = 11 AND crash_count = 0 FROM job.cursor WHERE topic NOT LIKE '%%.later' AND partition = 0");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.replay(ARRAY(SELECT id FROM job.dead))"), 0);
    ck_assert(site_is_running(worker));
    site_free(site);
}
END_TEST

SUITE_MAIN("handover", long_job_gets_a_lease_and_the_cursor_goes_on, short_jobs_get_no_lease,
           half_full_window_hands_over_what_holds_it_up,
           rebalance_waits_for_the_hand_over_and_not_for_the_job, scaling_up_and_down_repeats_no_long_job,
           second_message_of_a_running_job_is_stopped_at_its_hand_over,
           worker_declared_dead_stops_its_leased_jobs, killed_workers_long_jobs_go_on_elsewhere,
           worker_that_stood_still_records_nothing_twice,
           leased_jobs_are_stopped_when_postgresql_falls_silent, leased_jobs_go_on_while_postgresql_refuses,
           revocation_waits_for_postgresql, message_that_kills_workers_is_found_and_buried_unread)
