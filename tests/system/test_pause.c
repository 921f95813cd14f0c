/* SPDX-License-Identifier: Apache-2.0 */
/* Queues that people pause, let go on, and drain; and that it is known who did it. */
#define SUITE_TIMEOUT_S 120
#include "tests/support/suite.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "tests/support/harness.h"
#include "tests/support/trace.h"

/* --- Tools --------------------------------------------------------------------------------------------------------------- */

#define QUEUES "{ name = \"selftest\"; partitions = 4; }, { name = \"other\"; partitions = 1; }"
#define HANDLER                                                                                              \
    "{ type = \"selftest.*\"; path = \"${build}/jobs/selftest/selftest.so\"; queue = \"selftest\"; }"
#define WORKER "queues = ( { name = \"selftest\"; }, { name = \"other\"; } ); executors_max = 2;"
#define PAUSED_US USEC_PER_SEC /* until it is so everywhere */

static struct site *site;

static void start(void)
{
    site = site_new(&(struct site_options){ .queues = QUEUES, .worker = WORKER, .handlers = HANDLER });
    trace_start(site);
    site_start_broker(site);
}

/* jobctl queue VERB selftest. */
static void queue(const char *verb, int status, const char *said)
{
    char *output;
    const char *const arguments[] = { "queue", verb, "selftest", "-o", "json", NULL };
    ck_assert_int_eq(site_jobctl(site, &output, arguments), status);
    if (said)
        ck_assert_msg(strstr(output, said) != NULL, "%s", output);
    free(output);
}

static void enqueue(const char *where, const char *type, const char *payload, int n)
{
    char text[4352];
    trace_put_path(payload, text, sizeof(text));
    site_sql(site, "SELECT job.enqueue('%s', '%s', '%s') FROM generate_series(1, %d)", where, type, text, n);
}

static void await_successes(size_t n)
{
    site_await(site, 30, "SELECT count(*) = %zu FROM job.result WHERE state = 'succeeded'", n);
}

/* Starts later than @since_us by the clock of the traces. */
static size_t count_starts(int64_t since_us)
{
    struct trace_event *events;
    size_t n = trace_events(&events), late = 0;
    for (size_t i = 0; i < n; i++)
        late += events[i].is_start && events[i].mono_us > since_us;
    free(events);
    return late;
}

/* --- Pausing --------------------------------------------------------------------------------------------------------------- */

START_TEST(paused_queue_starts_nothing_on_any_worker_and_others_go_on)
{
    start();
    site_start_worker(site);
    site_start_worker(site);
    site_await(site, 20, "SELECT count(DISTINCT owner) = 2 FROM job.cursor");
    enqueue("selftest", "selftest.sleep", "{\"ms\": 100, \"trace\": \"%s\"}", 300);
    site_await(site, 30, "SELECT count(*) >= 8 FROM job.result");
    queue("pause", 0, "\"paused\"");
    int64_t since_us = clock_mono_us() + PAUSED_US;
    enqueue("other", "selftest.sleep", "{\"ms\": 400}", 12); /* for longer than a second */
    site_await(site, 30, "SELECT count(*) = 12 FROM job.result WHERE queue = 'other'");
    ck_assert_uint_eq(count_starts(since_us), 0);
    ck_assert_int_lt(site_ask(site, "SELECT count(*) FROM job.result WHERE queue = 'selftest'"), 300);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.lease"), 0);
    queue("pause", 0, "was paused");
    queue("resume", 0, "\"resumed\"");
    await_successes(312);
    ck_assert_uint_eq(trace_read().n_starts, 300);
    queue("resume", 0, "was not paused");
    site_free(site);
}
END_TEST

START_TEST(worker_that_starts_later_knows_what_is_paused)
{
    char *output;
    start();
    queue("pause", 0, "\"paused\"");
    enqueue("selftest", "selftest.echo", "{\"trace\": \"%s\"}", 20);
    enqueue("other", "selftest.echo", "{}", 1);
    site_start_worker(site);
    await_successes(1);
    ck_assert_uint_eq(trace_read().n_starts, 0);
    ck_assert_int_eq(
        site_jobctl(site, &output, (const char *const[]){ "queue", "list", "-o", "jsonl", NULL }), 0);
    const char *line = strstr(output, "\"selftest\"");
    ck_assert_ptr_nonnull(line);
    ck_assert_ptr_nonnull(strstr(line, "\"paused\": true"));
    free(output);
    queue("resume", 0, "\"resumed\"");
    await_successes(21);
    site_free(site);
}
END_TEST

START_TEST(worker_without_postgresql_hears_of_it_when_it_is_back)
{
    start();
    site_start_worker(site);
    enqueue("selftest", "selftest.echo", "{}", 1);
    await_successes(1);
    site_sql(
        site,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid() AND application_name LIKE '%%worker%%'; SELECT job.pause_queue('selftest')");
    site_await(site, 20, "SELECT quiet = '{selftest}' FROM job.worker");
    enqueue("selftest", "selftest.echo", "{\"trace\": \"%s\"}", 5);
    enqueue("other", "selftest.echo", "{}", 1);
    await_successes(2);
    ck_assert_uint_eq(trace_read().n_starts, 0);
    site_free(site);
}
END_TEST

/* --- Draining -------------------------------------------------------------------------------------------------------------- */

START_TEST(drain_ends_when_nothing_of_the_queue_runs)
{
    start();
    site_start_worker(site);
    enqueue("selftest", "selftest.sleep", "{\"ms\": 1500, \"trace\": \"%s\"}", 6);
    site_await(site, 20, "SELECT count(*) > 0 FROM job.lease");
    queue("drain", 0, "\"drained\"");
    struct trace trace = trace_read();
    ck_assert_uint_ge(trace.n_starts, 1);
    ck_assert_uint_eq(trace.n_starts, trace.n_ends);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.result"), (int64_t)trace.n_ends);
    queue("resume", 0, NULL);
    await_successes(6);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.attempt WHERE outcome <> 'interrupted'"), 0);
    site_free(site);
}
END_TEST

START_TEST(drain_has_a_time_out_and_the_queue_stays_paused)
{
    start();
    site_start_worker(site);
    enqueue("selftest", "selftest.sleep", "{\"ms\": 600000}", 1);
    site_await(site, 20, "SELECT count(*) = 1 FROM job.lease");
    ck_assert_int_eq(
        site_jobctl(site, NULL,
                    (const char *const[]){ "queue", "drain", "selftest", "--timeout", "300ms", NULL }),
        5);
    ck_assert_int_eq(
        site_ask(site, "SELECT count(*) FROM job.queue WHERE name = 'selftest' AND paused_at IS NOT NULL"),
        1);
    site_free(site);
}
END_TEST

/* --- Who did it ------------------------------------------------------------------------------------------------------------- */

START_TEST(it_is_known_who_did_what)
{
    char *id;
    start();
    queue("pause", 0, NULL);
    queue("resume", 0, NULL);
    site_start_worker(site);
    enqueue("selftest", "selftest.fail", "{\"times\": 1, \"permanent\": true}", 3);
    site_await(site, 20, "SELECT count(*) = 3 FROM job.dead");
    ck_assert_int_eq(
        site_jobctl(site, NULL, (const char *const[]){ "dead", "purge", "--all", "--yes", NULL }), 0);
    enqueue("selftest", "selftest.fail", "{\"times\": 1, \"permanent\": true}", 1);
    site_await(site, 20, "SELECT count(*) = 1 FROM job.dead");
    id = site_ask_text(site, "SELECT id FROM job.dead");
    ck_assert_int_eq(site_jobctl(site, NULL, (const char *const[]){ "dead", "replay", id, NULL }), 0);
    ck_assert_int_eq(
        site_ask(site, "SELECT count(*) FROM job.audit WHERE action = 'replay' AND job = '%s'", id), 1);
    ck_assert_int_eq(
        site_ask(site, "SELECT count(*) FROM job.audit WHERE action = 'purge' AND detail ->> 'jobs' = '3'"),
        1);
    ck_assert_int_eq(
        site_ask(site,
                 "SELECT count(*) FROM job.audit WHERE action IN ('pause', 'resume') AND queue = 'selftest'"),
        2);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.audit WHERE actor NOT LIKE '_%%@_%%'"), 0);
    site_sql(site, "SELECT job.pause_queue('other')");
    ck_assert_int_eq(
        site_ask(site, "SELECT count(*) FROM job.audit WHERE queue = 'other' AND actor = session_user"), 1);
    free(id);
    site_free(site);
}
END_TEST

static void check_audit(const char *action, int64_t n, const char *detail)
{
    ck_assert_int_eq(site_ask(site,
                              "SELECT count(*) FROM job.audit WHERE action = '%s' AND actor = 'ada'"
                              " AND detail @> '%s'",
                              action, detail),
                     n);
}

START_TEST(what_is_done_by_sql_is_known_too)
{
    start();
    site_sql(site, "SET job.actor = 'ada';"
                   "INSERT INTO job.dead (id, queue, type, reason, delivery, attempt, died_at, headers)"
                   " SELECT job.new_id(), 'selftest', 'selftest.echo', 'failed', 1, 1, now(), '{}'"
                   " FROM generate_series(1, 1500)");
    site_sql(site, "SELECT job.replay(ARRAY(SELECT id FROM job.dead LIMIT 2))");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.pending"), 2);
    check_audit("replay", 1, "{\"jobs\": 2}");
    check_audit("purge", 0, "{}"); /* what is replayed leaves job.dead, and is there */
    site_sql(site, "SELECT job.cancel_jobs(ARRAY(SELECT id FROM job.pending))");
    check_audit("cancel", 1, "{\"jobs\": 2}");
    site_sql(site, "DELETE FROM job.dead WHERE id IN (SELECT id FROM job.dead LIMIT 1100)");
    check_audit("purge", 1, "{\"jobs\": 1100}");
    ck_assert_int_eq(
        site_ask(site, "SELECT jsonb_array_length(detail -> 'ids') FROM job.audit WHERE action = 'purge'"),
        1000);
    site_sql(site, "DELETE FROM job.dead WHERE false; SELECT job.replay('{}'); SELECT job.cancel_jobs('{}')");
    site_sql(site, "TRUNCATE job.dead");
    check_audit("purge", 1, "{\"jobs\": 398}");
    site_sql(
        site,
        "DO $$ BEGIN EXECUTE format('CREATE ROLE %%I', 'audit_' || current_database()); END $$;"
        "SELECT job.grant_right('audit_' || current_database(), 'enqueue');"
        "SELECT job.revoke_right('audit_' || current_database(), 'enqueue');"
        "DO $$ BEGIN EXECUTE format('REVOKE USAGE ON SCHEMA job FROM %%I', 'audit_' || current_database());"
        " EXECUTE format('DROP ROLE %%I', 'audit_' || current_database()); END $$");
    check_audit("grant", 1, "{\"right\": \"enqueue\"}");
    check_audit("revoke", 1, "{\"right\": \"enqueue\"}");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.audit"), 6);
    site_free(site);
}
END_TEST

SUITE_MAIN("pause", paused_queue_starts_nothing_on_any_worker_and_others_go_on,
           worker_that_starts_later_knows_what_is_paused,
           worker_without_postgresql_hears_of_it_when_it_is_back, drain_ends_when_nothing_of_the_queue_runs,
           drain_has_a_time_out_and_the_queue_stays_paused, it_is_known_who_did_what,
           what_is_done_by_sql_is_known_too)
