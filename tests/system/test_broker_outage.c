/* SPDX-License-Identifier: Apache-2.0 */
/* jobbrokerd while its servers are away: it waits, says so once, goes on by itself, and nothing is lost. */
#define SUITE_TIMEOUT_S 180
#include "tests/support/suite.h"

#include <signal.h>
#include <stdio.h>

#include "base/clock.h"
#include "tests/support/harness.h"
#include "tests/support/trace.h"

static struct site *new_site(const char *kafka)
{
    return site_new(
        &(struct site_options){ .queues = "{ name = \"mail\"; partitions = 2; }", .kafka = kafka });
}

static void enqueue(struct site *s, int n)
{
    site_sql(s, "SELECT job.enqueue('mail', 'welcome') FROM generate_series(1, %d)", n);
}

static size_t count_at_least_once(struct site *s, int64_t expected)
{
    struct site_records *r = site_await_records(s, "mail", (size_t)expected, 20);
    size_t n = r->n;
    site_records_free(r);
    return n;
}

START_TEST(a_paused_kafka_costs_nothing_but_time)
{
    struct site_servers *kafka = site_servers_start("kafka");
    struct site *s = new_site(site_servers_address(kafka));
    struct site_daemon *broker = site_start_broker(s);
    enqueue(s, 10);
    site_await(s, 15, "SELECT NOT EXISTS (SELECT FROM job.pending)");
    site_servers_signal(kafka, SIGSTOP);
    enqueue(s, 10);
    site_await_log(broker, 20, "Kafka did not acknowledge 10 of 10 jobs");
    site_await_log(broker, 20, "relay waits: Kafka is away");
    /* Nothing holds the rows while Kafka is away. */
    site_await(s, 5, "SELECT count(*) = 10 FROM (SELECT FROM job.pending FOR UPDATE SKIP LOCKED) p");
    site_servers_signal(kafka, SIGCONT);
    site_await(s, 30, "SELECT NOT EXISTS (SELECT FROM job.pending)");
    site_await_log(broker, 5, "Kafka is back");
    ck_assert_uint_eq(site_count_log(broker, "did not acknowledge"), 1);
    ck_assert_uint_eq(site_count_log(broker, "Kafka is away"), 1);
    size_t n = count_at_least_once(s, 20);
    ck_assert_msg(n <= 40, "%zu", n);
    site_stop(broker);
    site_free(s);
    site_servers_free(kafka);
}
END_TEST

START_TEST(a_killed_kafka_comes_back)
{
    struct site_servers *kafka = site_servers_start("kafka");
    struct site *s = new_site(site_servers_address(kafka));
    struct site_daemon *broker = site_start_broker(s);
    enqueue(s, 10);
    site_await(s, 15, "SELECT NOT EXISTS (SELECT FROM job.pending)");
    site_servers_run(kafka, "kill");
    enqueue(s, 10);
    site_await_log(broker, 20, "relay waits: Kafka is away");
    site_servers_run(kafka, "start");
    site_await(s, 30, "SELECT NOT EXISTS (SELECT FROM job.pending)");
    count_at_least_once(s, 20);
    site_stop(broker);
    site_free(s);
    site_servers_free(kafka);
}
END_TEST

START_TEST(a_restarted_postgresql_loses_and_rescues_nothing)
{
    struct site_servers *postgres = site_servers_start("postgres");
    struct site *s = new_site(NULL);
    struct site_daemon *broker = site_start_broker(s);
    enqueue(s, 10);
    site_await(s, 15, "SELECT NOT EXISTS (SELECT FROM job.pending)");
    site_servers_run(postgres, "stop");
    site_await_log(broker, 15, "relay waits: PostgreSQL");
    site_await_log(broker, 15, "clock waits: PostgreSQL");
    site_servers_run(postgres, "start");
    site_await_log(broker, 30, "relay: PostgreSQL is back");
    site_await_log(broker, 30, "clock: PostgreSQL is back");
    site_await(s, 10, "SELECT true");
    enqueue(s, 10);
    site_await(s, 15, "SELECT NOT EXISTS (SELECT FROM job.pending)");
    ck_assert_uint_eq(count_at_least_once(s, 20), 20);
    ck_assert_uint_eq(site_count_log(broker, "relay waits: PostgreSQL"), 1);
    ck_assert_uint_eq(site_count_log(broker, "clock waits: PostgreSQL"), 1);
    site_stop(broker);
    site_free(s);
    site_servers_free(postgres);
}
END_TEST

#define N_BATCH 300
#define N_KILLS 4

/* What the relay has committed is not on disk yet: its rows come back, and are sent once more. */
START_TEST(rows_that_a_dying_postgresql_brings_back_run_once)
{
    struct site_servers *postgres = site_servers_start("postgres");
    struct site *s = site_new(&(struct site_options){
        .queues = "{ name = \"selftest\"; partitions = 4; }",
        .worker = "queues = ( { name = \"selftest\"; } );",
        .handlers =
            "{ type = \"selftest.*\"; path = \"${build}/jobs/selftest/selftest.so\"; queue = \"selftest\"; }" });
    char payload[512];
    trace_start(s);
    trace_put_path("{\"trace\": \"%s\"}", payload, sizeof(payload));
    site_start_broker(s);
    for (int i = 0; i < N_KILLS; i++) {
        site_sql(s, "SELECT job.enqueue('selftest', 'selftest.echo', '%s') FROM generate_series(1, %d)",
                 payload, N_BATCH);
        site_await(s, 20, "SELECT NOT EXISTS (SELECT FROM job.pending)");
        site_servers_run(postgres, "kill");
        site_servers_run(postgres, "start");
        site_await(s, 20, "SELECT true");
    }
    site_start_worker(s);
    site_await(s, 60, "SELECT count(*) = %d FROM job.result WHERE state = 'succeeded'", N_KILLS * N_BATCH);
    site_await(s, 30, "SELECT NOT EXISTS (SELECT FROM job.pending) AND NOT EXISTS (SELECT FROM job.lease)");
    struct site_records *r = site_read_queue(s, "selftest");
    printf("# %d jobs were sent as %zu messages\n", N_KILLS * N_BATCH, r->n);
    site_records_free(r);
    struct trace trace = trace_read();
    ck_assert_uint_eq(trace.n_starts, N_KILLS * N_BATCH);
    ck_assert_uint_eq(trace.n_repeated, 0);
    site_free(s);
    site_servers_free(postgres);
}
END_TEST

START_TEST(silence_during_an_outage_is_no_loss)
{
    struct site *s = new_site(NULL);
    struct site_daemon *broker = site_start_broker(s);
    site_add_worker(s, "w", 1);
    /* The broker itself is paused for longer than the lease time-out of 2 s. */
    int64_t seen_us = clock_mono_us();
    site_kill(broker, SIGSTOP);
    site_await(s, 10, "SELECT clock_timestamp() > beat_at + interval '3 s' FROM job.worker");
    site_beat(s, "w");
    int64_t beat_us = clock_mono_us();
    site_kill(broker, SIGCONT);
    site_await_log(broker, 15, "worker w is gone");
    ck_assert_int_ge(clock_mono_us() - beat_us, 2 * USEC_PER_SEC);
    ck_assert_int_ge(clock_mono_us() - seen_us, 5 * USEC_PER_SEC);
    site_free(s);
}
END_TEST

START_TEST(a_broker_stops_while_postgresql_hangs)
{
    struct site_servers *postgres = site_servers_start("postgres");
    struct site *s = new_site(NULL);
    struct site_daemon *broker = site_start_broker(s);
    site_await(s, 15, "SELECT asleep FROM job.relay");
    site_sql(s, "BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0; "
                "LOCK TABLE job.worker, job.pending IN ACCESS EXCLUSIVE MODE");
    site_kill(broker, SIGTERM);
    site_await_exit(broker, 20); /* 0, or 1 when a thread had to be left behind */
    site_sql(s, "ROLLBACK");
    site_free(s);
    site_servers_free(postgres);
}
END_TEST

SUITE_MAIN("broker_outage", a_paused_kafka_costs_nothing_but_time, a_killed_kafka_comes_back,
           a_restarted_postgresql_loses_and_rescues_nothing,
           rows_that_a_dying_postgresql_brings_back_run_once, silence_during_an_outage_is_no_loss,
           a_broker_stops_while_postgresql_hangs)
