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

/* All of them are due with one commit, so they are one batch; some have keys. */
static void enqueue_batch(struct site *site, size_t n)
{
    site_sql(site,
             "SELECT job.enqueue('selftest', 'selftest.sleep', '{\"ms\": 5, \"trace\": \"%s\"}',"
             " key => CASE WHEN n %% 2 = 0 THEN 'k' || n END) FROM generate_series(1, %zu) n",
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

SUITE_MAIN("fault_broker", broker_killed_between_produce_and_delete_runs_each_job_once)
