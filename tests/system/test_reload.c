/* SPDX-License-Identifier: Apache-2.0 */
/* SIGHUP: a changed configuration is taken up while jobs run, and a wrong one is not. */
#define SUITE_TIMEOUT_S 120
#include "tests/support/suite.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "tests/support/harness.h"
#include "tests/support/http_service.h"
#include "tests/support/trace.h"

/* --- Tools --------------------------------------------------------------------------------------------------------------- */

#define SELFTEST(more)                                                                                       \
    "{ type = \"selftest.*\"; path = \"${build}/jobs/selftest/selftest.so\"; queue = \"selftest\"; " more " }"
#define COMMAND(type, script)                                                                                \
    "{ type = \"" type "\"; kind = \"command\"; argv = ( \"/bin/sh\", \"-c\", \"" script                     \
    "\" ); queue = \"selftest\"; }"
#define WORKER "queues = ( { name = \"selftest\"; } ); executors_min = 1; "

static struct site *site;
static struct site_daemon *worker;
static size_t n_reloads;

static void start(const char *worker_options, const char *handlers)
{
    site = site_new(&(struct site_options){ .queues = "{ name = \"selftest\"; partitions = 4; }",
                                            .worker = worker_options,
                                            .handlers = handlers });
    trace_start(site);
    site_start_broker(site);
    worker = site_start_worker(site);
    n_reloads = 0;
}

static char *read_config(void)
{
    _cleanup_buf_ struct buf text = { 0 };
    FILE *file = fopen(site_config_path(site), "re");
    ck_assert_ptr_nonnull(file);
    size_t n = fread(buf_reserve(&text, 64 * 1024), 1, 64 * 1024, file);
    text.size = n;
    fclose(file);
    buf_append_char(&text, 0);
    return steal(text.data);
}

static void write_config(const char *text)
{
    char path[512];
    snprintf(path, sizeof(path), "%s.new", site_config_path(site));
    FILE *file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_int_eq(rename(path, site_config_path(site)), 0);
}

/* The first @from in the configuration file becomes @to. */
static void change(const char *from, const char *to)
{
    _cleanup_free_ char *text = read_config();
    _cleanup_buf_ struct buf out = { 0 };
    char *at = strstr(text, from);
    ck_assert_msg(at, "no %s in %s", from, text);
    buf_append(&out, text, (size_t)(at - text));
    buf_append_string(&out, to);
    buf_append_string(&out, at + strlen(from));
    write_config(out.data);
}

static void add_handler(const char *handler)
{
    char to[2048];
    snprintf(to, sizeof(to), "handlers = (\n %s, ", handler);
    change("handlers = (\n", to);
}

/* Until it has been taken up. */
static void reload(void)
{
    site_kill(worker, SIGHUP);
    n_reloads++;
    for (int tries = 0; site_count_log(worker, "reload: done") < n_reloads; tries++) {
        ck_assert_int_lt(tries, 2000);
        ck_assert(site_is_running(worker));
        usleep(10000);
    }
}

/* Until it has been refused, for a reason with @why in it. */
static void reload_refused(const char *why)
{
    site_kill(worker, SIGHUP);
    site_await_log(worker, 20, why);
    site_await_log(worker, 5, "the old configuration stays");
    ck_assert_uint_eq(site_count_log(worker, "reload: done"), n_reloads);
}

static char *enqueue(const char *type, const char *payload)
{
    return site_ask_text(site, "SELECT id FROM job.enqueue('selftest', '%s', '%s') AS e (id)", type, payload);
}

static void check_result(const char *type, const char *payload, const char *result)
{
    char *id = enqueue(type, payload);
    site_await(site, 20,
               "SELECT state = 'succeeded' AND result #>> '{}' = '%s' FROM job.result WHERE id = '%s'",
               result, id);
    free(id);
}

/* --- Nothing is lost ------------------------------------------------------------------------------------------------------- */

START_TEST(reloads_under_load_repeat_and_lose_nothing)
{
    enum { N = 3000, RELOADS = 5 };
    start(WORKER "executors_max = 4;", SELFTEST("timeout = \"1m\";"));
    trace_enqueue(site, "selftest.sleep", N, "{\"ms\": 2, \"trace\": \"%s\"}");
    for (size_t i = 1; i <= RELOADS; i++) {
        trace_await_starts(i * N / (RELOADS + 2));
        change(i % 2 ? "executors_max = 4" : "executors_max = 3",
               i % 2 ? "executors_max = 3" : "executors_max = 4");
        change(i % 2 ? "timeout = \"1m\"" : "timeout = \"2m\"",
               i % 2 ? "timeout = \"2m\"" : "timeout = \"1m\"");
        reload();
    }
    site_await(site, 60, "SELECT count(*) = %d FROM job.result", N);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.result WHERE state <> 'succeeded'"), 0);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.attempt"), 0);
    struct trace trace = trace_read();
    ck_assert_uint_eq(trace.n_starts, N);
    ck_assert_uint_eq(trace.n_repeated, 0);
    site_free(site);
}
END_TEST

START_TEST(storm_of_signals_is_one_reload_after_the_other)
{
    enum { N = 1000 };
    start(WORKER "executors_max = 3;", SELFTEST(""));
    trace_enqueue(site, "selftest.sleep", N, "{\"ms\": 3, \"trace\": \"%s\"}");
    trace_await_starts(10);
    for (int i = 0; i < 500; i++) {
        site_kill(worker, SIGHUP);
        usleep(1000);
    }
    add_handler(COMMAND("fresh", "printf fresh"));
    site_kill(worker, SIGHUP);
    site_await_log(worker, 20, "reload: done; 2 handlers");
    check_result("fresh", "{}", "fresh");
    site_await(site, 30,
               "SELECT count(*) = %d FROM job.result WHERE type = 'selftest.sleep' AND state = 'succeeded'",
               N);
    ck_assert_uint_eq(trace_read().n_repeated, 0);
    site_stop(worker);
    site_free(site);
}
END_TEST

START_TEST(job_that_runs_ends_by_the_configuration_that_it_began_with)
{
    start(WORKER "executors_max = 2;", SELFTEST("") ", " COMMAND("gone", "sleep 2; printf done"));
    char *gone = enqueue("gone", "{}"), *stays = enqueue("selftest.sleep", "{\"ms\": 2000}");
    site_await(site, 20,
               "SELECT count(*) = 2 FROM job.lease WHERE started_at < clock_timestamp() - interval '300 ms'");
    change("type = \"gone\"", "type = \"other\"");
    change("queue = \"selftest\";  }", "queue = \"selftest\"; timeout = \"1s\"; max_attempts = 1; }");
    reload();
    site_await(site, 20,
               "SELECT count(*) = 2 FROM job.result WHERE state = 'succeeded' AND id IN ('%s', '%s')", gone,
               stays);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.attempt"), 0);
    /* Those that start now go by the new one. */
    free(enqueue("gone", "{}"));
    free(enqueue("selftest.sleep", "{\"ms\": 20000}"));
    site_await(site, 20, "SELECT count(*) = 1 FROM job.attempt WHERE outcome = 'parked'");
    site_await(site, 20,
               "SELECT count(*) = 1 FROM job.dead WHERE type = 'selftest.sleep' AND reason = 'exhausted'");
    free(gone);
    free(stays);
    site_free(site);
}
END_TEST

/* --- What is taken up ------------------------------------------------------------------------------------------------------ */

START_TEST(new_type_runs_what_had_to_wait_for_it)
{
    start(WORKER "executors_max = 2;", SELFTEST(""));
    char *id = enqueue("late", "{}");
    site_await(site, 20, "SELECT count(*) = 1 FROM job.pending WHERE reason = 'parked' AND id = '%s'", id);
    add_handler(COMMAND("late", "printf late"));
    reload();
    site_sql(site, "UPDATE job.pending SET run_at = clock_timestamp()");
    site_await(site, 20,
               "SELECT state = 'succeeded' AND result #>> '{}' = 'late' FROM job.result WHERE id = '%s'", id);
    free(id);
    site_free(site);
}
END_TEST

START_TEST(job_that_waits_to_start_starts_by_the_new_configuration)
{
    start(WORKER "executors_max = 1;", COMMAND("blocks", "sleep 1") ", " COMMAND(
                                           "changed", "printf before") ", " COMMAND("gone", "printf gone"));
    free(enqueue("blocks", "{}"));
    site_await(site, 20, "SELECT count(*) = 1 FROM job.lease WHERE type = 'blocks'");
    free(enqueue("changed", "{}"));
    free(enqueue("gone", "{}"));
    site_await(site, 20, "SELECT count(*) = 3 FROM job.lease");
    change("printf before", "printf after");
    change("type = \"gone\"", "type = \"else\"");
    reload();
    site_await(site, 20, "SELECT result #>> '{}' = 'after' FROM job.result WHERE type = 'changed'");
    site_await(site, 20, "SELECT reason = 'parked' FROM job.pending WHERE type = 'gone'");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.attempt WHERE outcome <> 'parked'"), 0);
    site_free(site);
}
END_TEST

/* As a handler; @path: of the service. */
static const char *web(int port, const char *path)
{
    static char handler[256];
    snprintf(handler, sizeof(handler),
             "{ type = \"web\"; kind = \"http\"; url = \"http://127.0.0.1:%d%s\"; allow = ( \"127.0.0.1\" );"
             " queue = \"selftest\"; }",
             port, path);
    return handler;
}

static void await_inside(int port, const char *n)
{
    for (int tries = 0;; tries++) {
        _cleanup_free_ char *counts = http_service_ask(port, "/counts");
        const char *inside = strchr(counts, ' ');
        ck_assert_ptr_nonnull(inside);
        if (strncmp(inside + 1, n, strlen(n)) == 0)
            return;
        ck_assert_int_lt(tries, 2000);
        usleep(10000);
    }
}

START_TEST(web_services_come_and_change_and_go)
{
    int port = http_service_start();
    start(WORKER "executors_max = 1;", COMMAND("old", "printf old"));
    add_handler(web(port, "/gate/a"));
    reload();
    char *waits = enqueue("web", "\"first\"");
    await_inside(port, "1 ");
    change("/gate/a", "/status/202");
    reload();
    char *id = enqueue("web", "{}");
    site_await(site, 20, "SELECT result #>> '{}' = 'said 202' FROM job.result WHERE id = '%s'", id);
    add_handler("{ type = \"m\"; path = \"/etc/hostname\"; queue = \"selftest\"; }");
    reload_refused("/etc/hostname: ");
    change("path = \"/etc/hostname\"", "kind = \"command\"; argv = ( \"/bin/true\" )");
    change("type = \"web\"", "type = \"else\"");
    reload();
    free(enqueue("web", "{}"));
    site_await(site, 20, "SELECT count(*) = 1 FROM job.pending WHERE reason = 'parked' AND type = 'web'");
    check_result("old", "{}", "old");
    free(http_service_ask(port, "/open/a"));
    site_await(site, 20, "SELECT result #>> '{}' = 'first' FROM job.result WHERE id = '%s'", waits);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.attempt WHERE outcome <> 'parked'"), 0);
    free(waits);
    free(id);
    site_free(site);
}
END_TEST

START_TEST(number_of_executors_follows)
{
    start(WORKER "executors_max = 1;", SELFTEST(""));
    trace_enqueue(site, "selftest.sleep", 8, "{\"ms\": 1500, \"trace\": \"%s\"}");
    site_await(site, 20, "SELECT count(*) = 1 FROM job.lease");
    change("executors_max = 1", "executors_max = 4");
    reload();
    site_kill(worker, SIGUSR1);
    site_await_log(worker, 10, "executors of at most 4");
    site_await(site, 20, "SELECT count(*) >= 4 FROM job.result");
    change("executors_max = 4", "executors_max = 1");
    reload();
    site_await(site, 60, "SELECT count(*) = 8 FROM job.result WHERE state = 'succeeded'");
    /* Four at once in between; never more, whatever old and new executors there were. */
    int64_t most =
        site_ask(site, "SELECT max(n) FROM (SELECT count(*) AS n FROM job.result a JOIN job.result b ON"
                       " b.started_at <= a.started_at AND b.finished_at > a.started_at GROUP BY a.id) x");
    ck_assert_int_eq(most, 4);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.attempt"), 0);
    site_free(site);
}
END_TEST

START_TEST(replaced_module_is_read_by_new_executors)
{
    char path[512], one[2048], two[2048], handler[1024];
    start(WORKER "executors_max = 2;", SELFTEST(""));
    snprintf(path, sizeof(path), "%s/answer.so", site_folder(site));
    snprintf(one, sizeof(one), "cp %s/tests/answer_one.so %s", site_build(site), path);
    snprintf(two, sizeof(two), "cp %s/tests/answer_two.so %s.new && mv %s.new %s", site_build(site), path,
             path, path);
    snprintf(handler, sizeof(handler), "{ type = \"answer\"; path = \"%s\"; queue = \"selftest\"; }", path);
    ck_assert_int_eq(system(one), 0);
    add_handler(handler);
    reload();
    check_result("answer", "{}", "1");
    char *slow = enqueue("answer", "{\"ms\":2000}");
    site_await(site, 20,
               "SELECT count(*) = 1 FROM job.lease WHERE started_at < clock_timestamp() - interval '300 ms'");
    ck_assert_int_eq(system(two), 0);
    reload();
    check_result("answer", "{}", "2");
    site_await(site, 20, "SELECT result #>> '{}' = '1' AND delivery = 1 FROM job.result WHERE id = '%s'",
               slow);
    free(slow);
    site_free(site);
}
END_TEST

START_TEST(type_that_must_start_once_is_claimed_from_now_on)
{
    start(WORKER "executors_max = 1;", SELFTEST("concurrency = 1;"));
    free(enqueue("selftest.sleep", "{\"ms\": 3000}"));
    site_await(site, 20,
               "SELECT count(*) = 1 FROM job.lease WHERE started_at < clock_timestamp() - interval '300 ms'");
    trace_enqueue(site, "selftest.sleep", 5, "{\"ms\": 1, \"trace\": \"%s\"}");
    site_await(site, 20, "SELECT sum(next_offset) >= 0 FROM job.cursor");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.lease"), 1);
    change("concurrency = 1", "delivery = \"at_most_once\"");
    reload();
    site_await(site, 20, "SELECT count(*) = 6 FROM job.lease");
    site_await(site, 20, "SELECT count(*) = 6 FROM job.result WHERE state = 'succeeded'");
    site_free(site);
}
END_TEST

START_TEST(log_level_follows)
{
    start(WORKER, SELFTEST(""));
    change("prefix", "log_level = \"error\";\nprefix");
    add_handler(COMMAND("known", "printf known"));
    site_kill(worker, SIGHUP);
    char *id = enqueue("known", "{}");
    site_await(site, 30, "SELECT count(*) = 1 FROM job.result WHERE id = '%s'",
               id); /* at the latest when it was parked */
    ck_assert_uint_eq(site_count_log(worker, "reload: reading"), 1);
    ck_assert_uint_eq(site_count_log(worker, "reload: done"), 0);
    change("\"error\"", "\"info\"");
    reload();
    ck_assert_uint_eq(site_count_log(worker, "reload: reading"), 1);
    free(id);
    site_free(site);
}
END_TEST

/* --- What is not ------------------------------------------------------------------------------------------------------------ */

START_TEST(what_needs_a_restart_is_named_and_stays)
{
    start(WORKER "window = 1000;", SELFTEST(""));
    change("window = 1000", "window = 2000; group = \"other\"; drain_timeout = \"1s\"; x"), change("x;", "");
    change("partitions = 4", "partitions = 5");
    add_handler(COMMAND("fresh", "printf fresh"));
    reload();
    ck_assert_uint_eq(site_count_log(worker, "changed, and stays as it was until a restart: worker.window,"
                                             " worker.group, queues[0].partitions"),
                      1);
    check_result("fresh", "{}", "fresh");
    reload();
    ck_assert_uint_eq(site_count_log(worker, "until a restart"), 2);
    site_free(site);
}
END_TEST

START_TEST(wrong_configuration_is_refused_and_the_old_one_stays)
{
    char place[1024];
    start(WORKER "executors_max = 2;", SELFTEST("") ", " COMMAND("old", "printf old"));
    _cleanup_free_ char *right = read_config();
    change("executors_max", "executers_max");
    reload_refused("worker.executers_max: unknown key; the nearest known key is \"executors_max\"");
    snprintf(place, sizeof(place), "%s:", site_config_path(site));
    site_await_log(worker, 1, place); /* with its line */
    write_config(right);
    change("handlers = (", "handlers = ((");
    reload_refused("syntax error");
    write_config(right);
    change("printf old\"", "printf new\"");
    add_handler("{ type = \"m\"; path = \"nowhere.so\"; queue = \"selftest\"; }");
    reload_refused("cannot load handler module");
    write_config(right);
    change("printf old\"", "printf new\"");
    add_handler("{ type = \"m\"; path = \"/etc/hostname\"; queue = \"selftest\"; }");
    reload_refused("/etc/hostname: ");
    ck_assert_int_eq(unlink(site_config_path(site)), 0);
    reload_refused("No such file or directory");
    check_result("old", "{}", "old");
    write_config(right);
    change("printf old\"", "printf new\"");
    reload();
    check_result("old", "{}", "new");
    site_free(site);
}
END_TEST

START_TEST(signal_that_comes_too_early_or_too_late_ends_nothing)
{
    site = site_new(&(struct site_options){
        .queues = "{ name = \"selftest\"; }", .worker = WORKER, .handlers = SELFTEST("") });
    site_start_broker(site);
    worker = site_spawn(site, "worker/jobworkerd", NULL);
    site_await_log(worker, 20, "jobworkerd");
    site_kill(worker, SIGHUP);
    site_await_log(worker, 20, "reload: done");
    free(enqueue("selftest.sleep", "{\"ms\": 1000}"));
    site_await(site, 20,
               "SELECT count(*) = 1 FROM job.lease WHERE started_at < clock_timestamp() - interval '300 ms'");
    site_kill(worker, SIGTERM);
    site_await_log(worker, 20, "stopping:");
    site_kill(worker, SIGHUP);
    site_await_log(worker, 20, "the worker is stopping");
    ck_assert_int_eq(site_await_exit(worker, 20), 0);
    site_free(site);
}
END_TEST

/* --- Who is told ------------------------------------------------------------------------------------------------------------ */

START_TEST(service_manager_hears_of_both_ends)
{
    site = site_new(&(struct site_options){
        .queues = "{ name = \"selftest\"; }", .worker = WORKER, .handlers = SELFTEST("") });
    worker = site_spawn(site, "worker/jobworkerd", NULL);
    site_await_notify(worker, 30, "READY=1");
    site_kill(worker, SIGHUP);
    site_await_notify(worker, 20, "RELOADING=1\nMONOTONIC_USEC=");
    site_await_notify(worker, 20, "READY=1");
    change("executors_min", "executers_min");
    site_kill(worker, SIGHUP);
    site_await_notify(worker, 20, "RELOADING=1\nMONOTONIC_USEC=");
    site_await_notify(worker, 20, "READY=1");
    site_free(site);
}
END_TEST

START_TEST(broker_begins_anew_with_what_is_right)
{
    site = site_new(&(struct site_options){ .queues = "{ name = \"mail\"; partitions = 1; }" });
    struct site_daemon *broker = site_spawn(site, "broker/jobbrokerd", NULL);
    site_await_notify(broker, 20, "READY=1");
    site_await_log(broker, 20, "relay: ready");
    change("name = \"mail\"", "nome = \"mail\"");
    site_kill(broker, SIGHUP);
    site_await_notify(broker, 20, "RELOADING=1\nMONOTONIC_USEC=");
    site_await_notify(broker, 20, "READY=1");
    site_await_log(
        broker, 5,
        "queues[0].nome: unknown key; the nearest known key is \"name\"; the old configuration stays");
    change("nome = \"mail\"", "name = \"other\"; partitions = 1; }, { name = \"mail\"");
    site_kill(broker, SIGHUP);
    site_await_notify(broker, 20, "RELOADING=1\nMONOTONIC_USEC=");
    site_await_notify(broker, 20, "READY=1");
    site_await_log(broker, 20, ".other made with 1 partitions");
    site_sql(site, "SELECT job.enqueue('other', 't'); SELECT job.enqueue('mail', 't')");
    site_records_free(site_await_records(site, "other", 1, 20));
    site_records_free(site_await_records(site, "mail", 1, 20));
    site_stop(broker);
    site_free(site);
}
END_TEST

SUITE_MAIN("reload", reloads_under_load_repeat_and_lose_nothing,
           storm_of_signals_is_one_reload_after_the_other,
           job_that_runs_ends_by_the_configuration_that_it_began_with, new_type_runs_what_had_to_wait_for_it,
           job_that_waits_to_start_starts_by_the_new_configuration, web_services_come_and_change_and_go,
           number_of_executors_follows, replaced_module_is_read_by_new_executors,
           type_that_must_start_once_is_claimed_from_now_on, log_level_follows,
           what_needs_a_restart_is_named_and_stays, wrong_configuration_is_refused_and_the_old_one_stays,
           signal_that_comes_too_early_or_too_late_ends_nothing, service_manager_hears_of_both_ends,
           broker_begins_anew_with_what_is_right)
