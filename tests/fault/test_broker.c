/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The broker under faults.
 *
 * Tier nightly has the figures that are promised, smoke small ones for a first look.
 */
#define SUITE_TIMEOUT_S 1800
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libjob/include/job.h"
#include "tests/support/harness.h"
#include "tests/support/suite.h"
#include "tests/support/trace.h"

static size_t pick(size_t smoke, size_t nightly)
{
    const char *tier = getenv("JOB_FAULT_TIER");
    return tier && strcmp(tier, "nightly") == 0 ? nightly : smoke;
}

static struct site *start(void)
{
    struct site *site = site_new(&(struct site_options){
        .queues = "{ name = \"selftest\"; partitions = 4; }",
        .worker = "queues = ( { name = \"selftest\"; } ); executors_max = 4;",
        .handlers =
            "{ type = \"selftest.*\"; path = \"${build}/jobs/selftest/selftest.so\"; queue = \"selftest\"; }",
    });
    trace_start(site);
    return site;
}

/* --- Killed between produce and delete -------------------------------------------------------------------------------------- */

#define GATE "4711" /* an advisory lock; whoever holds it keeps relays from deleting what they have sent */

static void build_gate(struct site *site)
{
    site_sql(site, "CREATE FUNCTION public.pass_gate() RETURNS trigger LANGUAGE plpgsql AS"
                   " 'BEGIN PERFORM pg_advisory_xact_lock_shared(" GATE "); RETURN OLD; END'");
    site_sql(site,
             "CREATE TRIGGER gate BEFORE DELETE ON job.pending FOR EACH ROW"
             " WHEN (current_setting('application_name') = 'relay') EXECUTE FUNCTION public.pass_gate()");
}

/* All of them are due from one moment on and there with one commit, so they are one batch; some have keys. */
static void enqueue_batch(struct site *site, size_t n)
{
    site_sql(
        site,
        "SELECT job.enqueue('selftest', 'selftest.sleep', '{\"ms\": 5, \"trace\": \"%s\"}',"
        " key => CASE WHEN n %% 2 = 0 THEN 'k' || n END, run_at => now()) FROM generate_series(1, %zu) n",
        trace_path(), n);
}

/* Kafka has acknowledged the whole batch: a relay deletes only then. */
static void await_sent_and_not_deleted(struct site *site, size_t n)
{
    site_await(site, 30,
               "SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = current_database()"
               " AND application_name = 'relay' AND wait_event_type = 'Lock' AND wait_event = 'advisory'");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.pending"), (int64_t)n);
}

/* Until workers have read and settled everything that lies in the topic, what was sent twice too. Return: how much that is. */
static size_t await_all_read(struct site *site)
{
    struct site_records *r = site_read_queue(site, "selftest");
    size_t n = r->n;
    site_records_free(r);
    site_await(site, 60, "SELECT sum(next_offset) = %zu FROM job.cursor WHERE topic LIKE '%%selftest'", n);
    return n;
}

static void check_each_ran_once(struct site *site, size_t n)
{
    struct trace trace = trace_read();
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.result WHERE state = 'succeeded'"), (int64_t)n);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.result"), (int64_t)n);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.attempt WHERE outcome <> 'succeeded'"), 0);
    ck_assert_uint_eq(trace.n_repeated, 0);
    ck_assert_uint_eq(trace.n_starts, n);
}

START_TEST(broker_killed_between_produce_and_delete_runs_each_job_once)
{
    size_t n_kills = pick(5, 100), batch = 50, n = n_kills * batch;
    struct site *site = start();
    build_gate(site);
    struct site_daemon *broker = site_start_broker(site);
    site_start_worker(site);
    site_start_worker(site);
    for (size_t i = 0; i < n_kills; i++) {
        site_sql(site, "SELECT pg_advisory_lock(" GATE ")");
        enqueue_batch(site, batch);
        await_sent_and_not_deleted(site, batch);
        if (i % 2) /* with what was sent under way, and already recorded */
            site_await(site, 30, "SELECT count(*) = %zu FROM job.result", (i + 1) * batch);
        site_destroy(broker);
        broker = site_start_broker(site);
        site_sql(site, "SELECT pg_advisory_unlock(" GATE ")");
        site_await(site, 30, "SELECT NOT EXISTS (SELECT FROM job.pending)");
    }
    site_await(site, 60, "SELECT count(*) = %zu FROM job.result", n);
    size_t n_records = await_all_read(site);
    printf("# %zu kills between produce and delete: %zu jobs, %zu messages, %zu starts\n", n_kills, n,
           n_records, trace_read().n_starts);
    ck_assert_uint_ge(n_records, 2 * n); /* each kill hit */
    check_each_ran_once(site, n);
    site_free(site);
}
END_TEST

/* --- Away for five minutes ---------------------------------------------------------------------------------------------------- */

enum { N_EACH = 20 };

/* Through the topic of what comes later. */
static void enqueue_later(struct site *site, int64_t delay_ms)
{
    char payload[4200];
    struct job_client *client;
    const struct job_client_options options = { .brokers = site_kafka(site), .prefix = site_prefix(site) };
    const struct job_spec spec = {
        .type = "selftest.echo", .queue = "selftest", .payload = payload, .delay_ms = delay_ms
    };
    trace_put_path("{\"trace\": \"%s\"}", payload, sizeof(payload));
    ck_assert_int_eq(job_client_open(&client, &options), 0);
    for (int i = 0; i < N_EACH; i++)
        ck_assert_int_eq(job_enqueue(client, &spec, NULL), 0);
    ck_assert_int_eq(job_flush(client, 60000), 0);
    ck_assert_int_eq(job_client_close(client, 1000), 0);
}

static void enqueue_in_sql(struct site *site, int64_t delay_s)
{
    site_sql(site,
             "SELECT job.enqueue('selftest', 'selftest.echo', '{\"trace\": \"%s\"}',"
             " run_at => clock_timestamp() + interval '%jd s') FROM generate_series(1, %d)",
             trace_path(), (intmax_t)delay_s, N_EACH);
}

/*
 * By PostgreSQL's clock jobs are due and entries tick: everything that it is compared with is put back by five minutes. Ticks of
 * the entries were due 210 s and 90 s ago, the next is in 30 s.
 */
static void move_clock(struct site *site)
{
    site_sql(site, "UPDATE job.pending SET run_at = run_at - interval '5 minutes'");
    site_sql(site, "UPDATE job.cron SET since = clock_timestamp() - interval '300 s',"
                   " anchor = clock_timestamp() - interval '330 s', next_at = '-infinity'");
    site_sql(
        site,
        "CREATE TABLE public.due AS SELECT id, run_at, run_at > clock_timestamp() AS ahead FROM job.pending");
}

static int64_t count_ticks_done(struct site *site, const char *name)
{
    struct site_records *r = site_read_queue(site, "selftest");
    int64_t n = 0;
    for (size_t i = 0; i < r->n; i++) {
        const char *found = site_header(&r->records[i], "cron-name");
        n += found && strcmp(found, name) == 0;
    }
    site_records_free(r);
    return n;
}

START_TEST(broker_that_was_away_for_five_minutes_is_late_with_nothing_else)
{
    struct site *site = start();
    struct site_daemon *broker = site_start_broker(site);
    site_start_worker(site);
    site_sql(
        site,
        "INSERT INTO job.cron (name, expression, queue, type, missed, payload) SELECT m, '@every 120s', 'selftest',"
        " 'selftest.echo', m, '{\"trace\": \"%s\"}' FROM unnest('{skip,last,all}'::text[]) m",
        trace_path());
    enqueue_later(site, 120000);
    enqueue_later(site, 315000);
    site_await(site, 30, "SELECT count(*) = %d FROM job.pending", 2 * N_EACH);
    site_destroy(broker);
    enqueue_in_sql(site, 150); /* while it is away */
    enqueue_in_sql(site, 315);
    move_clock(site);
    enqueue_later(site, 1); /* on the topic when it comes back */
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.result"), 0);
    site_start_broker(site);
    site_sql(site, "CREATE TABLE public.back AS SELECT clock_timestamp() AS at");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.pending WHERE run_at > clock_timestamp()"),
                     2 * N_EACH);
    size_t n = 5 * N_EACH + 3; /* one tick by the policy last, two by all */
    site_await(site, 25, "SELECT count(*) = %zu FROM job.result", n);
    site_sql(site, "UPDATE job.cron SET enabled = false");
    await_all_read(site);
    check_each_ran_once(site, n);
    ck_assert_int_eq(count_ticks_done(site, "skip"), 0);
    ck_assert_int_eq(count_ticks_done(site, "last"), 1);
    ck_assert_int_eq(count_ticks_done(site, "all"), 2);
    ck_assert_int_eq(site_ask(site,
                              "SELECT count(*) FROM job.result r JOIN public.due d USING (id), public.back b"
                              " WHERE NOT d.ahead AND r.started_at < b.at + interval '5 s'"),
                     2 * N_EACH);
    ck_assert_int_eq(site_ask(site,
                              "SELECT count(*) FROM job.result r JOIN public.due d USING (id) WHERE d.ahead"
                              " AND r.started_at BETWEEN d.run_at AND d.run_at + interval '2 s'"),
                     2 * N_EACH);
    site_free(site);
}
END_TEST

SUITE_MAIN("fault_broker", broker_killed_between_produce_and_delete_runs_each_job_once,
           broker_that_was_away_for_five_minutes_is_late_with_nothing_else)
