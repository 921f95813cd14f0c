/* SPDX-License-Identifier: Apache-2.0 */
/* What is done to many dead letters at once: which, how fast, and that it is gone on with wherever it was broken off. */
#define SUITE_TIMEOUT_S 120
#include "tests/support/suite.h"

#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>

#include "base/clock.h"
#include "tests/support/control.h"
#include "tests/support/letters.h"
#include "tests/support/terminal.h"

static struct site *site;

static void start(int n_letters)
{
    site = site_new(&(struct site_options){ .queues = "{ name = \"mail\"; }" });
    control_use(site);
    if (n_letters)
        letters_make(site, n_letters);
}

static void stop(void)
{
    control_use(NULL);
    site = site_free(site);
}

/* --- Broken off --------------------------------------------------------------------------------------------------------------- */

START_TEST(run_that_is_killed_again_and_again_replays_each_letter_once)
{
    start(2000);
    letters_replay_killed(site, 2000, "1500/s", 3);
    stop();
}
END_TEST

START_TEST(repeating_it_tells_how_to_go_on)
{
    start(200);
    site_destroy(letters_start(
        site, (const char *const[]){ "dead", "replay", "--all", "--type", "t", "--rate", "100/s", NULL },
        20));
    int64_t run = letters_run(site), done = site_ask(site, "SELECT done FROM job.bulk");
    control_expect(1, "dead replay --all --type t");
    control_says("killed, or still is at");
    control_says("of 200: `jobctl dead replay --resume");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.pending"), done);
    control_expect(2, "dead purge --resume %" PRId64 " --yes", run);
    control_says("is one of `jobctl dead replay`");
    control_expect(0, "dead replay --all --type t --new");
    ck_assert_int_eq(
        site_ask(site, "SELECT count(*) FROM job.bulk WHERE id = %" PRId64 " AND state = 'abandoned'", run),
        1);
    control_expect(1, "dead replay --resume %" PRId64, run);
    control_says("is abandoned");
    control_expect(1, "dead replay --resume %" PRId64, run + 1);
    control_says("is done: 1");
    control_expect(3, "dead replay --resume 4711");
    letters_check_replayed(site, 200);
    stop();
}
END_TEST

START_TEST(ctrl_c_ends_it_between_two_parts_and_says_how_far_it_came)
{
    start(200);
    struct site_daemon *d = letters_start(
        site, (const char *const[]){ "dead", "purge", "--all", "--yes", "--rate", "100/s", NULL }, 20);
    site_kill(d, SIGINT);
    ck_assert_int_eq(site_await_exit(d, 10), 130);
    int64_t done = site_ask(site, "SELECT done FROM job.bulk WHERE state = 'interrupted'");
    ck_assert_int_ge(done, 20);
    ck_assert_int_lt(done, 200);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.dead"), 200 - done);
    ck_assert_uint_eq(site_count_log(d, "interrupted; it has come to"), 1);
    ck_assert_uint_eq(site_count_log(d, "of 200: `jobctl dead purge --resume"), 1);
    control_expect(0, "dead purge --resume %" PRId64 " -o jsonl", letters_run(site));
    json_t *first = json_loads(control_output(), JSON_DISABLE_EOF_CHECK, NULL);
    ck_assert_str_eq(control_member(first, "action"), "purged");
    json_decref(first);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.dead"), 0);
    ck_assert_int_eq(
        site_ask(
            site,
            "SELECT sum((detail ->> 'jobs')::bigint) FROM job.audit WHERE action = 'purge' AND detail ? 'run'"),
        200);
    stop();
}
END_TEST

START_TEST(who_resumes_takes_it_over_and_nothing_is_done_twice)
{
    start(400);
    struct site_daemon *first =
        letters_start(site, (const char *const[]){ "dead", "replay", "--all", "--rate", "100/s", NULL }, 20);
    char run[24];
    snprintf(run, sizeof(run), "%" PRId64, letters_run(site));
    struct site_daemon *second =
        site_spawn(site, "cli/jobctl",
                   (const char *const[]){ "dead", "replay", "--resume", run, "--rate", "300/s", NULL });
    ck_assert_int_eq(site_await_exit(first, 20), 1);
    ck_assert_uint_eq(site_count_log(first, "somebody else has taken run"), 1);
    ck_assert_int_eq(site_await_exit(second, 30), 0);
    letters_check_replayed(site, 400);
    stop();
}
END_TEST

START_TEST(without_postgresql_it_ends_and_says_how_to_go_on)
{
    start(200);
    struct site_daemon *d =
        letters_start(site, (const char *const[]){ "dead", "replay", "--all", "--rate", "50/s", NULL }, 10);
    site_sql(
        site,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'jobctl'");
    ck_assert_int_eq(site_await_exit(d, 10), 4);
    ck_assert_uint_eq(site_count_log(d, "--resume"), 1);
    control_expect(0, "dead replay --resume %" PRId64, letters_run(site));
    letters_check_replayed(site, 200);
    stop();
}
END_TEST

START_TEST(letter_of_a_job_that_dies_again_meanwhile_is_left_alone)
{
    start(100);
    site_destroy(
        letters_start(site, (const char *const[]){ "dead", "replay", "--all", "--rate", "50/s", NULL }, 10));
    site_sql(
        site,
        "INSERT INTO job.dead (id, died_at, delivery, attempt, queue, type, reason, headers)"
        " SELECT id, clock_timestamp(), 4, 1, 'mail', 't', 'failed', '{}' FROM job.pending ORDER BY id LIMIT 1;"
        "INSERT INTO job.dead (id, died_at, delivery, attempt, queue, type, reason, headers)"
        " VALUES (job.new_id(), clock_timestamp(), 4, 1, 'mail', 't', 'failed', '{}')");
    control_expect(0, "dead replay --resume %" PRId64, letters_run(site));
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.dead WHERE delivery = 4"), 2);
    ck_assert_int_eq(site_ask(site, "SELECT done FROM job.bulk"), 100);
    stop();
}
END_TEST

/* --- Which, and how fast -------------------------------------------------------------------------------------------------------- */

static void would_be(int n, const char *filters)
{
    control_expect(0, "dead replay --all --dry-run -o json %s", filters);
    json_t *json = control_json();
    ck_assert_msg(json_array_size(json) == (size_t)n, "%s: %zu", filters, json_array_size(json));
    json_decref(json);
}

START_TEST(filters_say_which)
{
    start(120);
    site_sql(
        site,
        "UPDATE job.dead SET died_at = died_at - interval '3 hours' WHERE error IN ('E1', 'E2');"
        "UPDATE job.dead SET queue = 'other' WHERE error = 'E9'; UPDATE job.dead SET reason = 'malformed' WHERE error = 'E8'");
    would_be(119, "");
    would_be(118, "-q mail");
    would_be(1, "-q other");
    would_be(0, "-t u");
    would_be(40, "--reason exhausted");
    would_be(32, "--error e1"); /* E1, E10 to E19, E100 to E120 … */
    would_be(117, "--since 1h");
    would_be(2, "--until 1h");
    would_be(1, "--since 2000-01-01T00:00:00Z --until 1h --error E2");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.bulk"), 0);
    control_expect(0, "dead replay --all --since 4h --until 1h");
    control_prints("replayed");
    control_says("replayed: 2");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.pending"), 2);
    control_expect(0, "dead purge --all --reason malformed --yes");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.dead"), 117);
    stop();
}
END_TEST

static size_t count(const char *text, const char *what)
{
    size_t n = 0;
    while ((text = strstr(text, what))) {
        n++;
        text += strlen(what);
    }
    return n;
}

START_TEST(what_is_shown_before_is_how_many_and_a_few_of_them)
{
    start(7);
    control_expect(0, "dead replay --all --dry-run");
    control_prints("would be replayed");
    control_says("7 dead letters, such as");
    ck_assert_uint_eq(count(control_remarks(), " mail/t "), 5);
    control_says("exhausted: E");
    control_expect(2, "dead purge --all");
    control_says("7 dead letters, such as");
    control_says("Throw away 7 dead letters");
    control_says("--yes");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.dead"), 7);
    stop();
}
END_TEST

START_TEST(rate_is_kept_evenly)
{
    start(40);
    int64_t since_us = clock_mono_us();
    control_expect(0, "dead replay --all --rate 40/s");
    ck_assert_int_ge(clock_mono_us() - since_us, 800 * USEC_PER_MSEC);
    ck_assert_int_ge(site_ask(site, "SELECT count(*) FROM job.audit WHERE action = 'replay'"), 10);
    ck_assert_int_le(
        site_ask(site, "SELECT max((detail ->> 'jobs')::integer) FROM job.audit WHERE action = 'replay'"), 4);
    stop();
}
END_TEST

START_TEST(large_letters_go_in_small_parts)
{
    start(12);
    site_sql(site, "UPDATE job.dead SET payload = convert_to('\"' || repeat('x', 1000000) || '\"', 'UTF8')");
    control_expect(0, "dead replay --all");
    ck_assert_int_le(
        site_ask(site, "SELECT max((detail ->> 'jobs')::integer) FROM job.audit WHERE action = 'replay'"), 4);
    letters_check_replayed(site, 12);
    stop();
}
END_TEST

START_TEST(what_it_had_died_of_is_kept)
{
    start(3);
    control_expect(0, "dead replay --all --error E2");
    char *id = site_ask_text(site, "SELECT id FROM job.dead WHERE error = 'E1'");
    control_expect(0, "dead replay %s", id);
    ck_assert_int_eq(
        site_ask(
            site,
            "SELECT count(*) FROM job.replayed WHERE error = 'E2' AND reason = 'crashed' AND delivery = 3 AND attempt = 3"
            " AND run = (SELECT id FROM job.bulk) AND replayed_by LIKE '_%%@_%%' AND replayed_at > died_at"),
        1);
    ck_assert_int_eq(
        site_ask(site, "SELECT count(*) FROM job.replayed WHERE id = '%s' AND run IS NULL AND error = 'E1'",
                 id),
        1);
    control_expect(0, "job show %s", id);
    control_prints("E1");
    control_expect(0, "job show %s -o json", id);
    json_t *job = control_json(), *event;
    size_t at, n_seen = 0;
    json_array_foreach(json_object_get(job, "timeline"), at, event)
    {
        n_seen += strcmp(control_member(event, "event"), "dead") == 0 &&
                  strcmp(control_member(event, "detail"), "E1") == 0;
        n_seen += strcmp(control_member(event, "event"), "replay") == 0 &&
                  strchr(control_member(event, "actor"), '@');
    }
    ck_assert_uint_eq(n_seen, 2);
    json_decref(job);
    site_sql(site,
             "INSERT INTO job.dead (id, died_at, delivery, attempt, queue, type, reason, headers)"
             " VALUES ('%s', now(), 4, 1, 'mail', 't', 'failed', '{}')",
             id);
    control_expect(0, "dead show %s -o json", id);
    control_prints("\"replays\": [{\"delivery\": 3, ");
    site_sql(site, "DELETE FROM job.pending; DELETE FROM job.dead");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.replayed"), 2);
    ck_assert_int_eq(
        site_ask(
            site,
            "SELECT count(*) FROM job.audit WHERE action = 'dead replay' AND detail -> 'filter' ->> 'error' = 'E2'"),
        1);
    free(id);
    stop();
}
END_TEST

START_TEST(runs_and_replays_are_forgotten_in_time)
{
    start(3);
    control_expect(0, "dead replay --all");
    ck_assert_int_eq(site_ask(site, "SELECT job.forget_bulk(interval '1 hour', 1000)"), 0);
    site_sql(
        site,
        "UPDATE job.replayed SET replayed_at = replayed_at - interval '2 days'; UPDATE job.bulk SET moved_at = moved_at - interval '2 days'");
    ck_assert_int_eq(site_ask(site, "SELECT job.forget_bulk(interval '1 day', 2)"), 3);
    site_sql(site, "UPDATE job.replayed SET replayed_at = replayed_at - interval '40 days'");
    site_start_broker(site);
    site_await(site, 20, "SELECT NOT EXISTS (SELECT FROM job.replayed)");
    stop();
}
END_TEST

/* --- At a terminal ---------------------------------------------------------------------------------------------------------------- */

START_TEST(at_a_terminal_it_asks_and_shows_how_far_it_is)
{
    start(100);
    struct terminal *t =
        terminal_start((const char *const[]){ "cli/jobctl", "-c", site_config_path(site), "dead", "replay",
                                              "--all", "--rate", "50/s", NULL },
                       24, 100);
    terminal_await(t, 10, "Run 100 dead jobs again? [y/N]");
    terminal_await(t, 5, "100 dead letters, such as");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.bulk"), 0);
    terminal_type(t, "y\r");
    terminal_await(t, 10, " of 100 ");
    terminal_await(t, 10, "/s, ");
    terminal_await(t, 10, " left");
    terminal_type(t, "\003");
    ck_assert_int_eq(terminal_await_exit(t, 10), 130);
    terminal_await(t, 1, "goes on");
    ck_assert_ptr_null(strstr(terminal_screen(t), " left"));
    terminal_free(t);
    t = terminal_start(
        (const char *const[]){ "cli/jobctl", "-c", site_config_path(site), "dead", "purge", "--all", NULL },
        24, 100);
    terminal_await(t, 10, "[y/N]");
    terminal_type(t, "n\r");
    ck_assert_int_eq(terminal_await_exit(t, 10), 1);
    terminal_await(t, 1, "nothing was changed");
    terminal_free(t);
    stop();
}
END_TEST

/* --- Bad input -------------------------------------------------------------------------------------------------------------------- */

START_TEST(what_is_wrong_names_itself_and_the_rule)
{
    static const struct {
        const char *arguments, *rule;
    } cases[] = {
        { "dead replay --all --rate 5/x", "expected so many per second like \"50/s\"" },
        { "dead replay --all --rate 0", "expected so many per second" },
        { "dead replay --all --rate 99999999/s", "at most 1000000/s" },
        { "dead replay --all --rate ''", "expected so many per second" },
        { "dead replay --resume x", "--resume: expected a whole number" },
        { "dead replay --resume 1 --all", "only --rate goes with it" },
        { "dead replay --resume 1 --type t", "only --rate goes with it" },
        { "dead replay --all --since yesterday", "expected a time like" },
        { "dead replay --error x", "say --all besides the filters" },
        { "dead replay 0190a6c2-7d3e-7f00-8000-000000000001 --rate 5/s", "--rate is for --all" },
        { "dead purge 0190a6c2-7d3e-7f00-8000-000000000001 --since 1h", "not both" },
        { "job run-now", "needs ID" },
        { "job run-now x", "is no job id" },
    };
    start(0);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        control_expect(2, "%s", cases[i].arguments);
        control_says(cases[i].rule);
        ck_assert_str_eq(control_output(), "");
    }
    stop();
}
END_TEST

/* --- One that waits ---------------------------------------------------------------------------------------------------------------- */

#define WAITING(n) "0190a6c2-7d3e-7f00-8000-00000000000" #n

START_TEST(job_that_waits_for_a_time_runs_now)
{
    start(0);
    site_sql(
        site,
        "INSERT INTO job.pending (id, run_at, delivery, attempt, queue, type, reason, headers)"
        " SELECT ('0190a6c2-7d3e-7f00-8000-00000000000' || n)::uuid, now() + CASE n WHEN 3 THEN interval '-1 s' ELSE interval '1 day' END,"
        " 2, 2, 'mail', 't', (ARRAY['delay', 'retry', 'snooze'])[n], '{}' FROM generate_series(1, 3) n;"
        "INSERT INTO job.result (id, finished_at, attempt, delivery, queue, type, state)"
        " VALUES ('" WAITING(4) "', now(), 1, 1, 'mail', 't', 'succeeded'), ('" WAITING(
            5) "', now(), 1, 1, 'mail', 't', 'dead')");
    site_add_worker(site, "w1", 1);
    control_expect(0, "job run-now %s %s %s -o csv", WAITING(1), WAITING(2), WAITING(3));
    control_prints(WAITING(1) ",due");
    control_prints(WAITING(2) ",due");
    control_prints(WAITING(3) ",was due");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.pending WHERE run_at <= now()"), 3);
    ck_assert_int_eq(
        site_ask(site, "SELECT count(*) FROM job.audit WHERE action = 'run-now' AND detail ->> 'jobs' = '2'"),
        1);
    control_expect(1, "job run-now %s", WAITING(4));
    control_says("has ended (succeeded)");
    control_prints("refused");
    control_expect(1, "job run-now %s", WAITING(5));
    control_says("jobctl dead replay " WAITING(5));
    char *leased = site_ask_text(site, "SELECT id FROM job.lease");
    control_expect(1, "job run-now %s", leased);
    control_says("a worker has it already");
    control_expect(3, "job run-now %s", WAITING(9));
    control_says("queued in Kafka, or was never enqueued");
    control_expect(0, "queue pause mail");
    control_expect(0, "job run-now %s", WAITING(1));
    control_says("queue mail is paused");
    free(leased);
    stop();
}
END_TEST

SUITE_MAIN("bulk", run_that_is_killed_again_and_again_replays_each_letter_once,
           repeating_it_tells_how_to_go_on, ctrl_c_ends_it_between_two_parts_and_says_how_far_it_came,
           who_resumes_takes_it_over_and_nothing_is_done_twice,
           without_postgresql_it_ends_and_says_how_to_go_on,
           letter_of_a_job_that_dies_again_meanwhile_is_left_alone, filters_say_which,
           what_is_shown_before_is_how_many_and_a_few_of_them, rate_is_kept_evenly,
           large_letters_go_in_small_parts, what_it_had_died_of_is_kept,
           runs_and_replays_are_forgotten_in_time, at_a_terminal_it_asks_and_shows_how_far_it_is,
           what_is_wrong_names_itself_and_the_rule, job_that_waits_for_a_time_runs_now)
