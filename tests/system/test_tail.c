/* SPDX-License-Identifier: Apache-2.0 */
/* jobctl job tail: each end comes, and once, in whatever order transactions commit. */
#define SUITE_TIMEOUT_S 120
#include "tests/support/suite.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "tests/support/control.h"
#include "tests/support/harness.h"
#include "tests/support/trace.h"

/* --- Tools --------------------------------------------------------------------------------------------------------------- */

#define HANDLER                                                                                              \
    "{ type = \"selftest.*\"; path = \"${build}/jobs/selftest/selftest.so\"; queue = \"selftest\"; }"

static struct site *site;

static void start(void)
{
    site = site_new(
        &(struct site_options){ .handlers = HANDLER,
                                .queues = "{ name = \"selftest\"; partitions = 4; }, { name = \"mail\"; }",
                                .worker = "queues = ( { name = \"selftest\"; } );" });
    control_use(site);
}

static void finish(void)
{
    control_use(NULL);
    site_free(site);
}

/* A row of job.result per call, whose id can be found by its error. */
#define END                                                                                                  \
    "INSERT INTO job.result (id, queue, type, state, attempt, delivery, error, started_at, finished_at)"     \
    " VALUES (job.new_id(), 'mail', 'welcome', '%s', 1, 1, '%s', now() - interval '2 s', %s);"

static void end_job(const char *mark)
{
    site_sql(site, END, "succeeded", mark, "clock_timestamp()");
}

/* From its first look on; what ended before is not printed. */
static struct site_daemon *follow(const char *const *more)
{
    const char *arguments[16] = { "job", "tail", "-o", "jsonl", "-n", "0" };
    for (size_t i = 0; more && more[i]; i++)
        arguments[6 + i] = more[i];
    struct site_daemon *tail = site_spawn(site, "cli/jobctl", arguments);
    /* It looks for the second time, so it has looked for the first. */
    site_await(
        site, 10,
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = 'jobctl' AND query = 'ROLLBACK' AND state_change > backend_start + interval '600 ms'");
    return tail;
}

static void check_once(struct site_daemon *tail, const char *mark)
{
    site_await_log(tail, 10, mark);
    ck_assert_msg(site_count_log(tail, mark) == 1, "%s came %zu times", mark, site_count_log(tail, mark));
}

/* Another connection, with a transaction open. */
static struct db *begin(void)
{
    struct db *db = NULL;
    struct db_options options = { .url = site_database_url(site),
                                  .name = "test",
                                  .idle_timeout_us = 60000000 };
    ck_assert_int_eq(db_new(&db, &options), 0);
    ck_assert_int_eq(db_begin(db, NULL), 0);
    return db;
}

static void end_job_in(struct db *db, const char *mark, const char *at)
{
    char sql[512];
    snprintf(sql, sizeof(sql), END, "succeeded", mark, at);
    ck_assert_int_eq(db_execute(db, sql, NULL), 0);
}

static void commit(struct db *db)
{
    ck_assert_int_eq(db_commit(db, NULL), 0);
    db_free(db);
}

/* --- Each, and once ---------------------------------------------------------------------------------------------------------- */

START_TEST(end_that_is_committed_late_comes_once)
{
    start();
    struct site_daemon *tail = follow(NULL);
    struct db *slow = begin(), *nested = begin();
    end_job_in(slow, "slow-1", "clock_timestamp()");
    ck_assert_int_eq(db_execute(nested, "SAVEPOINT s", NULL), 0);
    end_job_in(nested, "nested-1", "clock_timestamp()");
    ck_assert_int_eq(db_execute(nested, "RELEASE s", NULL), 0);
    for (int i = 0; i < 5; i++) { /* several looks while those are open */
        char mark[16];
        snprintf(mark, sizeof(mark), "quick-%d", i);
        end_job(mark);
        check_once(tail, mark);
    }
    ck_assert_uint_eq(site_count_log(tail, "slow-1") + site_count_log(tail, "nested-1"), 0);
    commit(slow);
    check_once(tail, "slow-1");
    commit(nested);
    check_once(tail, "nested-1");
    end_job("last-1");
    check_once(tail, "last-1");
    ck_assert_uint_eq(site_count_log(tail, "slow-1") + site_count_log(tail, "nested-1"), 2);
    ck_assert_uint_eq(site_count_log(tail, "\n"), 8);
    finish();
}
END_TEST

/* As after an outage: the workers kept it, and the time of its end is long ago. */
START_TEST(end_that_lies_back_when_it_is_recorded_comes_once)
{
    start();
    struct site_daemon *tail = follow(NULL);
    site_sql(site, END END END, "succeeded", "minute-1", "now() - interval '1 minute'", "succeeded", "half-1",
             "now() - interval '30 minutes'", "succeeded", "hour-1", "now() - interval '55 minutes'");
    check_once(tail, "minute-1");
    check_once(tail, "half-1");
    check_once(tail, "hour-1");
    site_sql(site, "DELETE FROM job.result WHERE error = 'hour-1'"); /* what was counted is no more */
    end_job("now-1");
    check_once(tail, "now-1");
    ck_assert_uint_eq(site_count_log(tail, "\n"), 4);
    finish();
}
END_TEST

START_TEST(ends_of_a_busy_worker_all_come_once)
{
    char *count;
    start();
    trace_start(site);
    site_start_broker(site);
    site_start_worker(site);
    struct site_daemon *tail = follow(NULL);
    trace_enqueue(site, "selftest.echo", 5000, "{\"n\": 1}");
    site_await(site, 60, "SELECT count(*) = 5000 FROM job.result");
    end_job("after-all");
    site_await_log(tail, 10, "after-all");
    ck_assert_uint_eq(site_count_log(tail, "\n"), 5001);
    ck_assert_int_ge(asprintf(&count, "sort -u '%s/jobctl.3.log' | wc -l | grep -qx 5001", site_folder(site)),
                     0);
    ck_assert_int_eq(system(count), 0);
    free(count);
    finish();
}
END_TEST

START_TEST(what_ended_while_postgresql_was_away_comes_when_it_is_back)
{
    start();
    struct site_daemon *tail = follow(NULL);
    end_job("before-1");
    check_once(tail, "before-1");
    site_sql(site, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
                   " AND application_name = 'jobctl'");
    end_job("during-1");
    check_once(tail, "during-1");
    ck_assert_uint_eq(site_count_log(tail, "before-1"), 1);
    finish();
}
END_TEST

/* Nobody read for a while: piece by piece. */
START_TEST(tail_that_stood_still_catches_up)
{
    start();
    struct site_daemon *tail = follow(NULL);
    site_kill(tail, SIGSTOP);
    site_sql(site, END END END, "succeeded", "a-1", "now() + interval '3 s'", "succeeded", "b-1",
             "now() + interval '12 s'", "succeeded", "c-1", "now() + interval '25 s'");
    site_await(site, 60, "SELECT clock_timestamp() > max(finished_at) + interval '3 s' FROM job.result");
    site_kill(tail, SIGCONT);
    end_job("d-1");
    check_once(tail, "d-1");
    check_once(tail, "a-1");
    check_once(tail, "b-1");
    check_once(tail, "c-1");
    ck_assert_uint_eq(site_count_log(tail, "state"), 4);
    finish();
}
END_TEST

/* --- What comes ---------------------------------------------------------------------------------------------------------------- */

START_TEST(tries_that_fail_come_and_a_death_comes_once)
{
    start();
    site_start_broker(site);
    site_start_worker(site);
    struct site_daemon *tail = follow((const char *const[]){ "--type", "selftest.fail", NULL });
    control_expect(0, "enqueue selftest.fail --payload '{\"times\": 1}'");
    site_await_log(tail, 20, "\"state\": \"succeeded\"");
    site_await_log(tail, 20, "\"state\": \"retrying\", \"reason\": \"failed\", \"queue\": \"selftest\"");
    control_expect(0, "enqueue selftest.fail --payload '{\"times\": 1, \"permanent\": true}'");
    control_expect(0, "enqueue selftest.echo --wait");
    site_await_log(tail, 20, "\"state\": \"dead\", \"reason\": \"failed\"");
    control_expect(0, "enqueue selftest.fail --payload '{\"times\": 0}' --wait");
    site_await_log(tail, 20, "\"attempt\": 1, \"delivery\": 1, ");
    site_await_log(tail, 20, "\"attempt\": 2, ");
    ck_assert_uint_eq(site_count_log(tail, "\"state\": \"retrying\""), 1);
    ck_assert_uint_eq(site_count_log(tail, "\"state\": \"dead\""), 1);
    finish();
}
END_TEST

START_TEST(last_ones_come_first_and_filters_filter)
{
    start();
    for (int i = 0; i < 12; i++)
        site_sql(
            site,
            "INSERT INTO job.result (id, queue, type, state, attempt, delivery, error, worker, finished_at) VALUES"
            " (job.new_id(), '%s', 'welcome', '%s', 1, 1, 'Time-out %02d', 'web%d/1/aa', now() - interval '%d s')",
            i % 2 ? "mail" : "report", i % 3 ? "succeeded" : "dead", i, i % 4, 40000 - 3000 * i);
    struct site_daemon *all = site_spawn(site, "cli/jobctl", (const char *const[]){ "job", "tail", NULL });
    site_await_log(all, 10, "Time-out 11");
    ck_assert_uint_eq(site_count_log(all, "\n"), 11); /* ten, and the names of the columns */
    ck_assert_uint_eq(site_count_log(all, "Time-out 01"), 0);
    struct site_daemon *some = site_spawn(
        site, "cli/jobctl",
        (const char *const[]){ "job", "tail", "-q", "mail", "--state", "dead", "--worker", "web3", "--error",
                               "TIME-out", "-o", "csv", "--columns", "queue,error", NULL });
    site_await_log(some, 10, "mail,Time-out 03\n");
    end_job("unwanted");
    site_await_log(all, 10, "unwanted");
    ck_assert_uint_eq(site_count_log(some, "\n"), 2);
    site_kill(all, SIGINT);
    ck_assert_int_eq(site_await_exit(all, 5), 130);
    finish();
}
END_TEST

START_TEST(job_data_moves_no_cursor)
{
    start();
    site_sql(site, END, "dead", "one\x1b[2Jtwo", "now()");
    struct site_daemon *tail = site_spawn(site, "cli/jobctl", (const char *const[]){ "job", "tail", NULL });
    site_await_log(tail, 10, "one\\x1b[2Jtwo");
    finish();
}
END_TEST

START_TEST(what_it_cannot_do_is_refused)
{
    start();
    control_expect(2, "job tail -o json");
    control_says("-o jsonl");
    control_expect(2, "job tail --sort id");
    control_expect(2, "job tail --columns quue");
    control_says("did you mean \"queue\"");
    control_expect(2, "job tail --state running");
    control_expect(2, "job tail -n -1");
    control_says("from 0 to 10000");
    control_expect(2, "job tail ID");
    control_expect_with("JOB_DATABASE_URL=postgresql://x@127.0.0.1:9/x", 4, "job tail");
    finish();
}
END_TEST

SUITE_MAIN("tail", end_that_is_committed_late_comes_once, end_that_lies_back_when_it_is_recorded_comes_once,
           ends_of_a_busy_worker_all_come_once, what_ended_while_postgresql_was_away_comes_when_it_is_back,
           tail_that_stood_still_catches_up, tries_that_fail_come_and_a_death_comes_once,
           last_ones_come_first_and_filters_filter, job_data_moves_no_cursor, what_it_cannot_do_is_refused)
