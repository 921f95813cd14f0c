/* SPDX-License-Identifier: Apache-2.0 */
/* jobctl on a terminal: what a person sees there, and nobody in a pipe. */
#define SUITE_TIMEOUT_S 60
#include "tests/support/suite.h"

#include <stdio.h>

#include "tests/support/control.h"
#include "tests/support/harness.h"
#include "tests/support/terminal.h"

#define DEAD_ID "0190a6c2-7d3e-7f00-8000-000000000001"

static struct site *site;

static void setup(void)
{
    site = site_new(&(struct site_options){ .queues = "{ name = \"mail\"; partitions = 1; }" });
    control_use(site);
}

static void teardown(void)
{
    control_use(NULL);
    site = site_free(site);
}

static void add_dead(const char *id, const char *error)
{
    site_sql(
        site,
        "INSERT INTO job.result (id, finished_at, attempt, delivery, queue, type, state, reason, error)"
        " VALUES ('%s', now() - interval '200 seconds', 3, 3, 'mail', 'welcome', 'dead', 'failed', '%s')",
        id, error);
}

/* jobctl with these arguments on a terminal; @environment: as env(1) takes it. */
static struct terminal *start(int n_columns, const char *environment, const char *arguments)
{
    char command[1200];
    snprintf(command, sizeof(command), "exec env %s '%s/cli/jobctl' -c '%s' %s", environment,
             site_build(site), site_config_path(site), arguments);
    return terminal_start((const char *const[]){ "sh", "-c", command, NULL }, 24, n_columns);
}

START_TEST(states_have_colours_unless_nobody_wants_them)
{
    setup();
    add_dead(DEAD_ID, "no");
    struct terminal *t = start(150, "-u NO_COLOR", "job list");
    ck_assert_int_eq(terminal_await_exit(t, 10), 0);
    ck_assert(terminal_is_coloured(t, "dead"));
    ck_assert(!terminal_is_coloured(t, "welcome"));
    terminal_free(t);
    t = start(150, "NO_COLOR=1", "job list");
    ck_assert_int_eq(terminal_await_exit(t, 10), 0);
    ck_assert_ptr_null(strstr(terminal_bytes(t), "\033["));
    terminal_free(t);
    t = start(150, "-u NO_COLOR TERM=dumb", "job list");
    ck_assert_int_eq(terminal_await_exit(t, 10), 0);
    ck_assert_ptr_null(strstr(terminal_bytes(t), "\033["));
    terminal_free(t);
    teardown();
}
END_TEST

START_TEST(times_are_relative_until_somebody_asks)
{
    setup();
    add_dead(DEAD_ID, "no");
    struct terminal *t = start(150, "", "job list");
    ck_assert_int_eq(terminal_await_exit(t, 10), 0);
    ck_assert_ptr_nonnull(strstr(terminal_screen(t), "m2"));
    ck_assert_ptr_nonnull(strstr(terminal_screen(t), "s ago"));
    terminal_free(t);
    t = start(150, "TZ=Asia/Kolkata", "job list --absolute");
    ck_assert_int_eq(terminal_await_exit(t, 10), 0);
    ck_assert_ptr_nonnull(strstr(terminal_screen(t), "+05:30"));
    terminal_free(t);
    t = start(150, "TZ=Asia/Kolkata", "job list --utc");
    ck_assert_int_eq(terminal_await_exit(t, 10), 0);
    ck_assert_ptr_null(strstr(terminal_screen(t), "+05:30"));
    ck_assert_ptr_null(strstr(terminal_screen(t), " ago"));
    terminal_free(t);
    teardown();
}
END_TEST

/* In a pipe the same list is whole, without colours, and always the same. */
START_TEST(tables_fit_the_terminal_and_only_there)
{
    setup();
    add_dead(DEAD_ID, "no");
    struct terminal *t = start(60, "", "job show " DEAD_ID);
    ck_assert_int_eq(terminal_await_exit(t, 10), 0);
    terminal_free(t);
    site_sql(site,
             "UPDATE job.result SET worker = 'a-host-with-a-name-that-is-much-too-long-for-narrow-screens'");
    t = start(110, "", "job list");
    ck_assert_int_eq(terminal_await_exit(t, 10), 0);
    ck_assert_ptr_null(strstr(terminal_screen(t), "narrow-screens"));
    terminal_free(t);
    control_expect_with("COLUMNS=60", 0, "job list");
    control_prints("a-host-with-a-name-that-is-much-too-long-for-narrow-screens");
    ck_assert_ptr_null(strchr(control_output(), '\033'));
    teardown();
}
END_TEST

START_TEST(escapes_in_job_data_do_not_reach_the_terminal)
{
    setup();
    add_dead(DEAD_ID, "boom");
    site_sql(site, "UPDATE job.result SET error = E'\\x1b]0;owned\\x07\\x1b[31mred', worker = E'w\\x1b[2J'");
    struct terminal *t = start(150, "NO_COLOR=1", "job show " DEAD_ID);
    ck_assert_int_eq(terminal_await_exit(t, 10), 0);
    ck_assert_ptr_null(strchr(terminal_bytes(t), '\033'));
    ck_assert_ptr_null(strchr(terminal_bytes(t), '\a'));
    ck_assert_ptr_nonnull(strstr(terminal_screen(t), "\\x1b[31mred"));
    terminal_free(t);
    teardown();
}
END_TEST

START_TEST(watching_refreshes_in_place)
{
    setup();
    add_dead(DEAD_ID, "no");
    struct terminal *t = start(150, "", "job list --watch --interval 200ms");
    terminal_await(t, 10, "jobctl job list, every 200ms");
    terminal_await(t, 10, "dead");
    add_dead("0190a6c2-7d3e-7f00-8000-000000000002", "again");
    terminal_await(t, 10, "000000000002");
    terminal_await(t, 10, "000000000001");
    site_sql(site, "DELETE FROM job.result WHERE id = '" DEAD_ID "'");
    terminal_await_gone(t, 10, "000000000001");
    terminal_type(t, "\003");
    ck_assert_int_eq(terminal_await_exit(t, 5), 130);
    terminal_free(t);
    teardown();
}
END_TEST

START_TEST(watching_cuts_what_does_not_fit)
{
    setup();
    site_sql(
        site,
        "INSERT INTO job.result (id, finished_at, attempt, delivery, queue, type, state)"
        " SELECT job.first_id_after(now() - n * interval '1 minute'), now(), 1, 1, 'mail', 'welcome', 'succeeded'"
        " FROM generate_series(1, 40) AS n");
    struct terminal *t = start(150, "", "job list --watch --interval 200ms");
    terminal_await(t, 10, "lines more)");
    ck_assert_ptr_nonnull(strstr(terminal_screen(t), "jobctl job list, every"));
    terminal_resize(t, 50, 150);
    terminal_await_gone(t, 10, "lines more)");
    terminal_free(t);
    teardown();
}
END_TEST

START_TEST(watching_needs_a_place)
{
    setup();
    control_expect(2, "job list --watch");
    control_says("--watch needs a terminal to draw on; with -o jsonl rows follow rows");
    control_expect(2, "job list --watch --interval 1ms -o jsonl");
    control_says("--interval: at least 100ms");
    control_expect(2, "job cancel " DEAD_ID " --watch");
    control_says("unknown option --watch");
    teardown();
}
END_TEST

SUITE_MAIN("jobctl_terminal", states_have_colours_unless_nobody_wants_them,
           times_are_relative_until_somebody_asks, tables_fit_the_terminal_and_only_there,
           escapes_in_job_data_do_not_reach_the_terminal, watching_refreshes_in_place,
           watching_cuts_what_does_not_fit, watching_needs_a_place)
