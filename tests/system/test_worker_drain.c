/* SPDX-License-Identifier: Apache-2.0 */
/* Workers that people look at and drain. */
#define SUITE_TIMEOUT_S 120
#include "tests/support/suite.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "tests/support/harness.h"
#include "tests/support/shell.h"
#include "tests/support/trace.h"

/* --- Tools --------------------------------------------------------------------------------------------------------------- */

#define HANDLER                                                                                              \
    "{ type = \"selftest.*\"; path = \"${build}/jobs/selftest/selftest.so\"; queue = \"selftest\"; }"
#define WORKER "queues = ( { name = \"selftest\"; } ); executors_max = 2;"

static struct site *site;
static char *output; /* both outputs of the last jobctl */

static void start(void)
{
    site = site_new(&(struct site_options){
        .queues = "{ name = \"selftest\"; partitions = 4; }", .worker = WORKER, .handlers = HANDLER });
    shell_enter(site);
    trace_start(site);
    site_start_broker(site);
}

static void finish(void)
{
    free(output);
    output = NULL;
    site_free(site);
}

static void __attribute__((format(printf, 2, 3))) jobctl(int status, const char *format, ...)
{
    char arguments[512];
    va_list ap;
    va_start(ap, format);
    vsnprintf(arguments, sizeof(arguments), format, ap);
    va_end(ap);
    free(output);
    output = NULL;
    int r = shell_run(site, &output, "jobctl %s", arguments);
    ck_assert_msg(r == status, "jobctl %s: exit status %d, expected %d\n%s", arguments, r, status, output);
}

static void says(const char *text)
{
    ck_assert_msg(strstr(output, text) != NULL, "\"%s\" is not in:\n%s", text, output);
}

/* Its id in PostgreSQL, to be freed. */
static char *id_of(const struct site_daemon *worker)
{
    site_await(site, 10, "SELECT count(*) = 1 FROM job.worker WHERE pid = %d", site_pid(worker));
    return site_ask_text(site, "SELECT id FROM job.worker WHERE pid = %d", site_pid(worker));
}

static void enqueue(const char *type, const char *payload, int n)
{
    char text[4352];
    trace_put_path(payload, text, sizeof(text));
    site_sql(site, "SELECT job.enqueue('selftest', '%s', '%s', key => n::text) FROM generate_series(1, %d) n",
             type, text, n); /* by their keys they go to all partitions */
}

static void await_results(int n)
{
    site_await(site, 40, "SELECT count(*) = %d FROM job.result WHERE state = 'succeeded'", n);
}

static void check_that_all_ran_once(size_t n)
{
    struct trace trace = trace_read();
    ck_assert_uint_eq(trace.n_starts, n);
    ck_assert_uint_eq(trace.n_repeated, 0);
    ck_assert_uint_eq(trace.n_ends, n);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.attempt WHERE outcome <> 'interrupted'"), 0);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.lease"), 0);
}

/* --- Draining -------------------------------------------------------------------------------------------------------------- */

START_TEST(drained_worker_gives_its_partitions_away_and_ends_what_runs)
{
    start();
    struct site_daemon *one = site_start_worker(site), *two = site_start_worker(site);
    _cleanup_free_ char *a = id_of(one), *b = id_of(two);
    site_await(site, 20, "SELECT count(DISTINCT owner) = 2 FROM job.cursor");
    trace_enqueue(site, "selftest.sleep", 4,
                  "{\"ms\": 8000, \"trace\": \"%s\"}"); /* they fill both workers */
    trace_await_starts(4);
    trace_enqueue(site, "selftest.sleep", 200, "{\"ms\": 20, \"trace\": \"%s\"}");
    jobctl(0, "worker drain '%s' --no-wait", a);
    says("draining");
    site_await(site, 8, "SELECT count(*) = 4 FROM job.cursor WHERE owner = '%s'", b);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.worker w WHERE phase = 'drained'"
                                    " AND (SELECT count(*) FROM job.result r WHERE r.worker = w.id) < 2"),
                     0);
    jobctl(0, "worker drain '%s'", a);
    says("drained");
    ck_assert_int_ge(site_ask(site, "SELECT count(*) FROM job.result WHERE worker = '%s'", a), 2);
    await_results(204);
    ck_assert_int_eq(site_ask(site,
                              "SELECT count(*) FROM job.result r JOIN job.worker w ON w.id = r.worker"
                              " WHERE w.id = '%s' AND r.started_at > w.drain_at + interval '1 second'",
                              a),
                     0);
    check_that_all_ran_once(204);
    ck_assert(site_is_running(one));
    finish();
}
END_TEST

/* Jobs of the relay have a lease before they start: that goes back, too. */
START_TEST(drained_worker_gives_back_what_it_has_claimed)
{
    start();
    struct site_daemon *one = site_start_worker(site);
    site_start_worker(site);
    _cleanup_free_ char *a = id_of(one);
    site_await(site, 20, "SELECT count(DISTINCT owner) = 2 FROM job.cursor");
    enqueue("selftest.sleep", "{\"ms\": 30, \"trace\": \"%s\"}", 300);
    site_await(site, 30, "SELECT count(*) >= 10 FROM job.result WHERE worker = '%s'", a);
    jobctl(0, "worker drain '%s' --timeout 20s", a);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.lease WHERE worker = '%s'", a), 0);
    await_results(300);
    check_that_all_ran_once(300);
    finish();
}
END_TEST

START_TEST(drained_worker_takes_jobs_again_when_it_is_undone)
{
    start();
    struct site_daemon *one = site_start_worker(site);
    _cleanup_free_ char *a = id_of(one);
    site_await(site, 20, "SELECT count(*) = 4 FROM job.cursor WHERE owner = '%s'", a);
    jobctl(0, "worker drain '%s' --timeout 20s", a);
    site_await(site, 5, "SELECT count(*) = 0 FROM job.cursor WHERE owner IS NOT NULL");
    trace_enqueue(site, "selftest.echo", 20, "{\"trace\": \"%s\"}");
    ck_assert_uint_eq(trace_read().n_starts, 0);
    jobctl(0, "worker list -o jsonl");
    says("\"state\": \"drained\"");
    jobctl(0, "queue list -o csv --columns queue,workers"); /* nobody takes its jobs */
    says("selftest,0");
    jobctl(0, "worker drain --undo '%s'", a);
    says("undone");
    await_results(20);
    jobctl(0, "worker drain --undo '%s'", a);
    says("was not drained");
    check_that_all_ran_once(20);
    finish();
}
END_TEST

START_TEST(worker_drained_and_undone_again_and_again_loses_nothing)
{
    start();
    struct site_daemon *one = site_start_worker(site);
    _cleanup_free_ char *a = id_of(one);
    site_start_worker(site);
    site_await(site, 20, "SELECT count(DISTINCT owner) = 2 FROM job.cursor");
    trace_enqueue(site, "selftest.sleep", 600, "{\"ms\": 10, \"trace\": \"%s\"}");
    for (int i = 0; i < 10; i++) { /* also in the middle of rebalances */
        site_sql(site, "SELECT job.drain_worker('%s')", a);
        jobctl(0, "worker drain --undo '%s'", a);
    }
    jobctl(0, "worker drain '%s' --timeout 20s", a);
    jobctl(0, "worker drain --undo '%s'", a);
    await_results(600);
    check_that_all_ran_once(600);
    site_await(site, 20, "SELECT count(DISTINCT owner) = 2 FROM job.cursor");
    finish();
}
END_TEST

START_TEST(worker_without_postgresql_hears_of_it_when_it_is_back)
{
    start();
    struct site_daemon *one = site_start_worker(site);
    _cleanup_free_ char *a = id_of(one);
    site_await(site, 20, "SELECT count(*) = 4 FROM job.cursor WHERE owner = '%s'", a);
    site_sql(
        site,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid() AND application_name LIKE '%%worker%%'; SELECT job.drain_worker('%s')",
        a);
    site_await(site, 20, "SELECT phase = 'drained' FROM job.worker");
    trace_enqueue(site, "selftest.echo", 5, "{\"trace\": \"%s\"}");
    ck_assert_uint_eq(trace_read().n_starts, 0);
    finish();
}
END_TEST

START_TEST(worker_that_was_declared_dead_stays_drained_under_its_new_name)
{
    start();
    struct site_daemon *one = site_start_worker(site);
    _cleanup_free_ char *a = id_of(one);
    jobctl(0, "worker drain '%s' --timeout 20s", a);
    site_await(site, 5, "SELECT job.declare_lost(id, beat_at) FROM job.worker");
    site_await(site, 30, "SELECT count(*) = 1 FROM job.worker WHERE id <> '%s' AND lost_at IS NULL", a);
    site_await(site, 5,
               "SELECT count(*) = 1 FROM job.worker WHERE id <> '%s' AND phase = 'drained'"
               " AND drain_by LIKE '_%%@_%%'",
               a);
    finish();
}
END_TEST

START_TEST(drained_worker_says_so_and_stops_in_good_order)
{
    start();
    struct site_daemon *one = site_spawn(site, "worker/jobworkerd", NULL);
    site_await_notify(one, 15, "STATUS=running");
    _cleanup_free_ char *a = id_of(one);
    trace_enqueue(site, "selftest.sleep", 1, "{\"ms\": 3000, \"trace\": \"%s\"}");
    trace_await_starts(1);
    jobctl(0, "worker drain '%s' --no-wait", a);
    site_await_notify(one, 5, "STATUS=being drained: 1 jobs on");
    site_await_notify(one, 10, "STATUS=drained: 0 jobs on");
    site_stop(one);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.worker"), 0);
    check_that_all_ran_once(1);
    finish();
}
END_TEST

START_TEST(drain_that_is_stopped_ends_in_good_order)
{
    start();
    struct site_daemon *one = site_start_worker(site);
    _cleanup_free_ char *a = id_of(one);
    trace_enqueue(site, "selftest.sleep", 1, "{\"ms\": 2000, \"trace\": \"%s\"}");
    trace_await_starts(1);
    jobctl(0, "worker drain '%s' --no-wait", a);
    site_stop(one);
    check_that_all_ran_once(1);
    finish();
}
END_TEST

/* --- Looking at them, and what is refused --------------------------------------------------------------------------------------- */

START_TEST(drain_has_a_time_out_and_is_known)
{
    start();
    struct site_daemon *one = site_start_worker(site);
    _cleanup_free_ char *a = id_of(one);
    trace_enqueue(site, "selftest.sleep", 1, "{\"ms\": 60000, \"trace\": \"%s\"}");
    trace_await_starts(1);
    jobctl(5, "worker drain '%s' --timeout 300ms", a);
    says("was not done within 300ms");
    jobctl(0, "worker drain '%s' --no-wait", a);
    says("was draining");
    jobctl(0, "worker list --state draining -o jsonl");
    says(a);
    jobctl(0, "worker drain --undo '%s'", a);
    ck_assert_int_eq(site_ask(site,
                              "SELECT count(*) FROM job.audit WHERE action IN ('drain', 'undrain')"
                              " AND detail ->> 'worker' = '%s' AND actor LIKE '_%%@_%%'",
                              a),
                     2);
    finish();
}
END_TEST

START_TEST(worker_is_shown_with_its_jobs_and_partitions)
{
    start();
    struct site_daemon *one = site_start_worker(site);
    _cleanup_free_ char *a = id_of(one);
    site_await(site, 20, "SELECT count(*) = 4 FROM job.cursor WHERE owner = '%s'", a);
    enqueue("selftest.sleep", "{\"ms\": 60000, \"trace\": \"%s\"}", 2);
    trace_await_starts(2);
    site_await(site, 10, "SELECT count(*) = 2 FROM job.lease");
    site_sql(site, "UPDATE job.lease SET progress = '{\"percent\": 40}'");
    jobctl(0, "worker show '%s' -o json", a);
    says("\"state\": \"running\"");
    says("\"leases\": 2");
    says("\"type\": \"selftest.sleep\"");
    says("\"progress\": {\"percent\": 40}");
    says("\"partition\": 3");
    says("\"lag\": 0");
    jobctl(0, "worker show '%s'", a);
    says("selftest.sleep");
    says("next_offset");
    jobctl(0, "worker list");
    says(a);
    free(output);
    output = NULL;
    ck_assert_int_eq(shell_run(site, &output, "JOB_KAFKA=127.0.0.1:9 jobctl worker show '%s'", a), 0);
    says("lag is not known");
    finish();
}
END_TEST

static void add_worker(const char *id, const char *host)
{
    site_sql(site, "INSERT INTO job.worker (id, host, pid, queues) VALUES ('%s', '%s', 1, '{mail}')", id,
             host);
}

START_TEST(worker_is_named_by_its_id_a_beginning_or_its_host)
{
    site = site_new(&(struct site_options){ 0 });
    shell_enter(site);
    jobctl(3, "worker show web1");
    says("no worker is registered at all");
    add_worker("web1/17/aaaaaa", "web1");
    add_worker("web2/18/bbbbbb", "web2");
    add_worker("web2/181/cccccc", "web2");
    jobctl(0, "worker show web1 -o jsonl");
    says("\"id\": \"web1/17/aaaaaa\"");
    jobctl(0, "worker show web2/181 -o jsonl");
    says("\"id\": \"web2/181/cccccc\"");
    jobctl(0, "worker show web2/18/ -o jsonl");
    says("\"id\": \"web2/18/bbbbbb\"");
    jobctl(2, "worker show web2");
    says("could be one of 2 workers: web2/18/bbbbbb, web2/181/cccccc");
    jobctl(3, "worker drain wep1");
    says("the nearest name is \"web1\"");
    jobctl(2, "worker drain ''");
    jobctl(2, "worker drain web1 --undo --timeout 3s");
    jobctl(2, "worker drain web1 --no-wait --timeout 3s");
    jobctl(2, "worker drain");
    jobctl(2, "worker list --state drainin");
    says("did you mean \"draining\"");
    site_sql(site, "UPDATE job.worker SET lost_at = now() WHERE host = 'web1'");
    jobctl(1, "worker drain web1");
    says("declared dead");
    site_sql(site, "UPDATE job.worker SET beat_at = now() - interval '16 s' WHERE id LIKE 'web2/18/%%';"
                   "UPDATE job.worker SET quiet = '{mail}' WHERE id LIKE 'web2/181%%'");
    jobctl(0, "worker list -o csv --columns id,state --sort id --no-headers");
    ck_assert_str_eq(output, "web1/17/aaaaaa,lost\nweb2/18/bbbbbb,silent\nweb2/181/cccccc,quiet\n");
    free(output);
    output = NULL;
    ck_assert_int_eq(
        shell_run(site, &output, "JOB_DATABASE_URL=postgresql://x@127.0.0.1:9/x jobctl worker list"), 4);
    finish();
}
END_TEST

START_TEST(drain_of_a_worker_that_goes_ends)
{
    site = site_new(&(struct site_options){ 0 });
    shell_enter(site);
    add_worker("web1/17/aaaaaa", "web1");
    site_sql(site, "CREATE FUNCTION public.leave() RETURNS trigger LANGUAGE plpgsql AS"
                   " $$ BEGIN DELETE FROM job.worker; RETURN NULL; END $$;"
                   "CREATE CONSTRAINT TRIGGER leave AFTER INSERT ON job.audit DEFERRABLE INITIALLY DEFERRED"
                   " FOR EACH ROW EXECUTE FUNCTION public.leave()");
    jobctl(0, "worker drain web1 -o jsonl");
    says("\"action\": \"gone\"");
    finish();
}
END_TEST

SUITE_MAIN("worker_drain", drained_worker_gives_its_partitions_away_and_ends_what_runs,
           drained_worker_gives_back_what_it_has_claimed, drained_worker_takes_jobs_again_when_it_is_undone,
           worker_drained_and_undone_again_and_again_loses_nothing,
           worker_without_postgresql_hears_of_it_when_it_is_back,
           worker_that_was_declared_dead_stays_drained_under_its_new_name,
           drained_worker_says_so_and_stops_in_good_order, drain_that_is_stopped_ends_in_good_order,
           drain_has_a_time_out_and_is_known, worker_is_shown_with_its_jobs_and_partitions,
           worker_is_named_by_its_id_a_beginning_or_its_host, drain_of_a_worker_that_goes_ends)
