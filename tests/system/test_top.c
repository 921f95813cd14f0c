/* SPDX-License-Identifier: Apache-2.0 */
/* jobctl top on a terminal, and one moment of it for scripts. */
#define SUITE_TIMEOUT_S 120
#include "tests/support/suite.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/top.h"
#include "tests/support/control.h"
#include "tests/support/harness.h"
#include "tests/support/shell.h"
#include "tests/support/terminal.h"
#include "tests/support/trace.h"

/* --- Tools --------------------------------------------------------------------------------------------------------------- */

#define HANDLER                                                                                              \
    "{ type = \"selftest.*\"; path = \"${build}/jobs/selftest/selftest.so\"; queue = \"selftest\"; }"

static struct site *site;
static struct terminal *terminal;

static void start(void)
{
    site = site_new(
        &(struct site_options){ .handlers = HANDLER,
                                .queues = "{ name = \"selftest\"; partitions = 4; }, { name = \"mail\"; }",
                                .worker = "queues = ( { name = \"selftest\"; } ); executors_max = 2;" });
    control_use(site);
    shell_enter(site);
}

static void finish(void)
{
    control_use(NULL);
    terminal = terminal ? terminal_free(terminal) : NULL;
    site_free(site);
}

static void open_top(int n_rows, int n_columns)
{
    terminal = terminal_start((const char *const[]){ "jobctl", "top", "--interval", "250ms", NULL }, n_rows,
                              n_columns);
    terminal_await(terminal, 10, "1 Queues: 3");
    ck_assert(terminal_is_full_screen(terminal));
}

static void type(const char *keys, const char *awaited)
{
    terminal_type(terminal, keys);
    terminal_await(terminal, 5, awaited);
}

static void close_top(int status)
{
    ck_assert_int_eq(terminal_await_exit(terminal, 10), status);
    ck_assert(!terminal_is_full_screen(terminal));
}

/* --- On a terminal -------------------------------------------------------------------------------------------------------------- */

START_TEST(it_shows_what_goes_on)
{
    start();
    trace_start(site);
    site_start_broker(site);
    site_start_worker(site);
    site_sql(site, "SELECT job.enqueue('selftest', 'selftest.sleep', '{\"ms\": 60000}');"
                   "SELECT job.enqueue('selftest', 'selftest.fail', '{\"times\": 1, \"permanent\": true}');"
                   "SELECT job.enqueue('mail', 'welcome', run_at => now() + interval '1 hour');"
                   "SELECT job.pause_queue('mail')");
    site_await(site, 20,
               "SELECT (SELECT count(*) FROM job.lease) = 1 AND (SELECT count(*) FROM job.dead) = 1");
    open_top(40, 132);
    terminal_await(terminal, 5, "workers 1 · brokers 1");
    terminal_await(terminal, 5, "dead letters 1");
    terminal_await(terminal, 5, "mail                 paused");
    terminal_await(terminal, 5, "selftest.sleep");
    type("4", "failed   selftest.fail");
    type("2", "selftest.fail"); /* the others stay, smaller */
    terminal_await(terminal, 5, "running");
    type("3", "RUNS");
    trace_enqueue(site, "selftest.echo", 300, "{\"trace\": \"%s\"}");
    site_await(site, 30, "SELECT count(*) = 301 FROM job.result");
    control_expect(0, "top --once -o json");
    type("q", "");
    close_top(0);
    finish();
}
END_TEST

START_TEST(keys_sort_filter_and_help)
{
    start();
    open_top(24, 100);
    type("s", "↓QUEUE");
    type("/mai", "filter: mai");
    terminal_await_gone(terminal, 5, "selftest");
    type("\r", "1 of 3 with \"mai\"");
    type("\033", "selftest");
    type("h", "any key");
    type("x", "mail");
    type("p", "STANDS STILL");
    terminal_type(terminal, "p");
    terminal_await_gone(terminal, 5, "STANDS STILL");
    type("+", "every 500ms");
    type("\t", " 2 Workers: 0");
    type("q", "");
    close_top(0);
    finish();
}
END_TEST

START_TEST(it_fits_whatever_size_the_terminal_has)
{
    start();
    open_top(24, 100);
    terminal_resize(terminal, 12, 50);
    terminal_await_gone(terminal, 5, "WORKERS");
    terminal_await(terminal, 5, "selftest");
    terminal_resize(terminal, 50, 160);
    terminal_await(terminal, 5, "WORKERS");
    terminal_resize(terminal, 2, 5);
    terminal_await_gone(terminal, 5, "selftest");
    terminal_resize(terminal, 24, 100);
    terminal_await(terminal, 5, "selftest");
    type("\003", "");
    close_top(130);
    finish();
}
END_TEST

static void check_signal(int signal)
{
    open_top(24, 100);
    kill(terminal_pid(terminal), signal);
    close_top(128 + signal);
    ck_assert_ptr_nonnull(strstr(terminal_bytes(terminal), "\033[?1049l"));
    terminal = terminal_free(terminal);
}

START_TEST(terminal_is_as_before_whatever_ends_it)
{
    start();
    check_signal(SIGINT);
    check_signal(SIGTERM);
    check_signal(SIGHUP);
    check_signal(SIGABRT); /* as when it crashes */
    finish();
}
END_TEST

START_TEST(it_can_be_stopped_and_goes_on)
{
    start();
    terminal = terminal_start(
        (const char *const[]){ "env", "PS1=ready:", "bash", "--norc", "--noprofile", "-i", NULL }, 24, 100);
    terminal_await(terminal, 10, "ready:");
    type("jobctl top --interval 250ms\r", "1 Queues: 3");
    type("\032", "Stopped");
    ck_assert(!terminal_is_full_screen(terminal));
    type("stty -a | grep -o ' icanon'; fg\r", "1 Queues: 3");
    ck_assert(terminal_is_full_screen(terminal));
    terminal_type(terminal, "q");
    terminal_await(terminal, 5, " icanon");
    type("echo status:$?\r", "status:0");
    terminal_type(terminal, "exit\r");
    terminal_await_exit(terminal, 5);
    finish();
}
END_TEST

START_TEST(it_goes_on_with_one_server_and_with_none)
{
    start();
    site_sql(site, "SELECT job.pause_queue('mail')");
    setenv("JOB_KAFKA", "127.0.0.1:9", 1);
    terminal = terminal_start((const char *const[]){ "jobctl", "top", "--interval", "250ms", NULL }, 24, 132);
    terminal_await(terminal, 10, "mail                 paused");
    terminal_await(terminal, 20, "lag and in/s are old or missing");
    type("q", "");
    close_top(0);
    terminal = terminal_free(terminal);
    setenv("JOB_DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none", 1);
    terminal = terminal_start((const char *const[]){ "jobctl", "top", "--interval", "250ms", NULL }, 24, 132);
    terminal_await(terminal, 20, "what PostgreSQL knows is old or missing");
    terminal_await(terminal, 20, "selftest"); /* the configuration has it */
    type("q", "");
    close_top(0);
    finish();
}
END_TEST

START_TEST(job_data_moves_no_cursor)
{
    start();
    site_sql(site, "INSERT INTO job.attempt (id, finished_at, delivery, attempt, outcome, error)"
                   " VALUES (job.new_id(), now(), 1, 1, 'failed', E'one\\x1b[2Jtwo')");
    open_top(40, 132);
    terminal_await(terminal, 5, "one\\x1b[2Jtwo");
    type("q", "");
    close_top(0);
    finish();
}
END_TEST

/* --- One moment -------------------------------------------------------------------------------------------------------------------- */

START_TEST(one_moment_is_printed)
{
    start();
    trace_start(site); /* makes the topic */
    site_sql(site, "SELECT job.pause_queue('mail'); SELECT job.enqueue('mail', 'welcome')");
    control_expect(0, "top --once -o json");
    json_t *json = control_json();
    json_t *queues = json_object_get(json, "queues");
    ck_assert_uint_eq(json_array_size(queues), 3); /* there always is a default one */
    json_t *mail = json_array_get(queues, 1), *selftest = json_array_get(queues, 2);
    ck_assert_str_eq(control_member(mail, "queue"), "mail");
    ck_assert(json_is_true(json_object_get(mail, "paused")));
    ck_assert_int_eq(json_integer_value(json_object_get(mail, "pending")), 1);
    ck_assert_int_eq(json_integer_value(json_object_get(mail, "due")), 1);
    ck_assert(json_is_real(json_object_get(mail, "out_per_s")));
    ck_assert_int_eq(json_integer_value(json_object_get(selftest, "partitions")), 4);
    ck_assert_int_eq(json_integer_value(json_object_get(selftest, "lag")), 0);
    ck_assert(json_is_null(json_object_get(json, "kafka_away")));
    json_decref(json);
    control_expect(0, "top --once");
    control_prints("1 Queues: 3");
    control_expect_with("JOB_KAFKA=127.0.0.1:9", 0, "top --once");
    control_prints("lag and in/s are old or missing");
    control_expect_with("JOB_KAFKA=127.0.0.1:9 JOB_DATABASE_URL=postgresql://x@127.0.0.1:9/x", 4,
                        "top --once");
    finish();
}
END_TEST

START_TEST(what_it_cannot_do_is_refused)
{
    start();
    control_expect(2, "top");
    control_says("--once");
    control_expect(2, "top -o json");
    control_expect(2, "top --once -o csv");
    control_expect(2, "top --once --columns id");
    control_expect(2, "top --once --interval 1ms");
    control_says("250ms");
    terminal = terminal_start((const char *const[]){ "env", "TERM=nonsense", "jobctl", "top", NULL }, 24, 80);
    terminal_await(terminal, 5, "nothing is known of a terminal \"nonsense\"");
    ck_assert_int_eq(terminal_await_exit(terminal, 5), 2);
    finish();
}
END_TEST

SUITE_MAIN("top", it_shows_what_goes_on, keys_sort_filter_and_help, it_fits_whatever_size_the_terminal_has,
           terminal_is_as_before_whatever_ends_it, it_can_be_stopped_and_goes_on,
           it_goes_on_with_one_server_and_with_none, job_data_moves_no_cursor, one_moment_is_printed,
           what_it_cannot_do_is_refused)
