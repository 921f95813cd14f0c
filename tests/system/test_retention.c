/* SPDX-License-Identifier: Apache-2.0 */
/* How long what has ended is kept, that it goes in small steps, and that it stays counted. */
#define SUITE_TIMEOUT_S 120
#include "tests/support/suite.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "tests/support/harness.h"

/* --- Tools --------------------------------------------------------------------------------------------------------------- */

#define DEFAULT_QUEUES "{ name = \"mail\"; }, { name = \"brief\"; retention = \"2s\"; }"

static struct site *site;

static void start(const char *retention)
{
    char broker[256];
    snprintf(broker, sizeof(broker), "retention: { %s };", retention);
    site = site_new(&(struct site_options){ .queues = DEFAULT_QUEUES, .broker = broker });
}

/* Results whose ids and ends lie so far back. */
static void add(const char *queue, const char *state, const char *age, int n)
{
    site_sql(
        site,
        "INSERT INTO job.result (id, queue, type, state, attempt, delivery, finished_at)"
        " SELECT (left(job.first_id_after(clock_timestamp() - interval '%s')::text, 14) || '7' || substr(gen_random_uuid()::text, 16))::uuid,"
        " '%s', 't', '%s', 1, 1, clock_timestamp() - interval '%s' FROM generate_series(1, %d)",
        age, queue, state, age, n);
}

static void make_day(int days_ago)
{
    site_sql(site,
             "SELECT job.create_partition(p, current_date - %d) FROM unnest('{result,attempt}'::text[]) p",
             days_ago);
}

static int64_t count_days(int days_ago)
{
    return site_ask(
        site,
        "SELECT count(*) FROM pg_class WHERE relname IN ('result_' || to_char(current_date - %d, 'YYYYMMDD'))",
        days_ago);
}

/* --- Whole days -------------------------------------------------------------------------------------------------------------- */

START_TEST(days_go_when_nothing_in_them_is_kept_any_longer)
{
    start("");
    make_day(20);
    make_day(10);
    make_day(5);
    add("mail", "succeeded", "20 days", 500);
    add("mail", "succeeded", "10 days", 500);
    add("mail", "succeeded", "5 days", 500);
    /* Of that day too, but it has waited long for its time. */
    site_sql(
        site,
        "UPDATE job.result SET finished_at = clock_timestamp() WHERE id ="
        " (SELECT id FROM job.result WHERE id >= job.first_id_of(current_date - 10) AND id < job.first_id_of(current_date - 9) LIMIT 1)");
    struct site_daemon *broker = site_start_broker(site);
    site_await_log(broker, 20, "dropped: nothing in it is kept any longer");
    site_await(site, 20, "SELECT count(*) = 1000 FROM job.result");
    ck_assert_int_eq(count_days(20), 0);
    ck_assert_int_eq(count_days(10), 1);
    ck_assert_int_eq(count_days(5), 1);
    ck_assert_int_eq(
        site_ask(site, "SELECT sum(n) FROM job.rollup WHERE queue = 'mail' AND state = 'succeeded'"), 1500);
    site_free(site);
}
END_TEST

START_TEST(dead_letter_outlives_the_day_of_its_result)
{
    start("");
    make_day(20);
    add("mail", "dead", "20 days", 1);
    site_sql(site, "INSERT INTO job.dead (id, died_at, delivery, attempt, queue, type, reason, headers)"
                   " SELECT id, finished_at, 1, 1, queue, type, 'failed', '{}' FROM job.result");
    site_start_broker(site);
    site_await(site, 20, "SELECT NOT EXISTS (SELECT FROM job.result)");
    ck_assert_int_eq(
        site_ask(site, "SELECT count(*) FROM job.status WHERE state = 'dead' AND reason = 'failed'"), 1);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.replay(ARRAY(SELECT id FROM job.dead))"), 1);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.dead"), 0);
    site_free(site);
}
END_TEST

/* --- Rules --------------------------------------------------------------------------------------------------------------- */

START_TEST(each_state_has_its_time)
{
    start("duplicate = \"2s\"; dead = \"2s\"; expired = \"1h\";");
    add("mail", "succeeded", "10 minutes", 3000);
    add("mail", "duplicate", "10 minutes", 2500);
    add("mail", "expired", "10 minutes", 10);
    add("mail", "dead", "10 minutes", 2);
    site_sql(
        site,
        "INSERT INTO job.dead (id, died_at, delivery, attempt, queue, type, reason, headers)"
        " SELECT id, finished_at, 1, 1, queue, type, 'failed', '{}' FROM job.result WHERE state = 'dead' LIMIT 1");
    site_start_broker(site);
    site_await(site, 30, "SELECT count(*) = 3011 FROM job.result");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.result WHERE state = 'dead'"), 1);
    site_sql(site, "DELETE FROM job.dead; UPDATE job.cleaned SET until = until - interval '1 hour'");
    site_await(site, 30, "SELECT count(*) = 3010 FROM job.result");
    ck_assert_int_eq(site_ask(site, "SELECT sum(n) FROM job.rollup"), 5512);
    site_free(site);
}
END_TEST

START_TEST(queue_may_have_a_time_of_its_own)
{
    start("");
    add("brief", "succeeded", "10 minutes", 1500);
    add("brief", "cancelled", "10 minutes", 100);
    add("mail", "succeeded", "10 minutes", 100);
    site_start_broker(site);
    site_await(site, 30, "SELECT count(*) = 100 FROM job.result");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.result WHERE queue = 'brief'"), 0);
    add("brief", "succeeded", "0 seconds", 10);
    site_await(site, 30, "SELECT count(*) = 100 FROM job.result"); /* again and again */
    site_free(site);
}
END_TEST

START_TEST(key_of_a_deleted_result_is_free)
{
    start("succeeded = \"1s\";");
    add("mail", "succeeded", "10 minutes", 1);
    site_sql(site,
             "INSERT INTO job.unique (queue, type, key, id) SELECT queue, type, 'k', id FROM job.result");
    site_start_broker(site);
    site_await(site, 30,
               "SELECT NOT EXISTS (SELECT FROM job.result) AND NOT EXISTS (SELECT FROM job.unique)");
    site_free(site);
}
END_TEST

START_TEST(default_partitions_are_emptied)
{
    start("");
    add("mail", "succeeded", "30 days", 20); /* its day has no table */
    site_sql(site, "UPDATE job.result SET finished_at = clock_timestamp()");
    site_sql(
        site,
        "INSERT INTO job.result (id, queue, type, state, attempt, delivery, finished_at)"
        " SELECT gen_random_uuid(), 'mail', 't', 'succeeded', 1, 1, clock_timestamp() - interval '8 days' FROM generate_series(1, 30)");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.result_default"), 50);
    site_start_broker(site);
    site_await(site, 30, "SELECT NOT EXISTS (SELECT FROM job.result_default)");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.result"), 20);
    ck_assert_int_eq(count_days(30), 1);
    site_free(site);
}
END_TEST

/* What is not summarised would be read whole by each step, in a table that grows. */
START_TEST(index_by_time_is_summarised_as_its_table_grows)
{
    start("");
    make_day(3);
    ck_assert_int_eq(
        site_ask(site,
                 "SELECT count(*) FROM pg_class WHERE relkind = 'i' AND relname LIKE '%%_finished_at_idx'"
                 " AND NOT 'autosummarize=on' = ANY (reloptions)"),
        0);
    ck_assert_int_ge(
        site_ask(site,
                 "SELECT count(*) FROM pg_class WHERE relkind = 'i' AND relname LIKE '%%_finished_at_idx'"),
        4);
    site_free(site);
}
END_TEST

/* --- Beside others ---------------------------------------------------------------------------------------------------------- */

/* Writes a row at a time until the broker has nothing more to do. Return: the longest time that one took, in seconds. */
static double write_until(const char *done)
{
    int64_t longest_us = 0;
    do {
        int64_t began_us = clock_mono_us();
        add("mail", "succeeded", "0 seconds", 1);
        int64_t us = clock_mono_us() - began_us;
        longest_us = us > longest_us ? us : longest_us;
    } while (!site_ask(site, "%s", done));
    return (double)longest_us / USEC_PER_SEC;
}

START_TEST(cleaning_does_not_keep_writers_waiting)
{
    start("");
    make_day(20);
    add("mail", "succeeded", "20 days", 200000);
    add("brief", "succeeded", "10 minutes", 20000);
    site_start_broker(site);
    double longest_s = write_until("SELECT count(*) = 0 FROM (SELECT FROM job.result WHERE queue = 'brief'"
                                   " OR finished_at < now() - interval '8 days' LIMIT 1) r");
    ck_assert_msg(longest_s < 1, "%.3f s", longest_s);
    site_free(site);
}
END_TEST

SUITE_MAIN("retention", days_go_when_nothing_in_them_is_kept_any_longer,
           dead_letter_outlives_the_day_of_its_result, each_state_has_its_time,
           queue_may_have_a_time_of_its_own, key_of_a_deleted_result_is_free, default_partitions_are_emptied,
           index_by_time_is_summarised_as_its_table_grows, cleaning_does_not_keep_writers_waiting)
