/* SPDX-License-Identifier: Apache-2.0 */
/* What is in nobody's way: a queue of which Kafka has enough, many rows, large ones, malformed ones, and ones without a topic. */
#define SUITE_TIMEOUT_S 120
#include "tests/support/suite.h"

#include <stdio.h>

#include "base/clock.h"
#include "tests/support/harness.h"

#define QUEUES "{ name = \"selftest\"; partitions = 4; }, { name = \"other\"; partitions = 1; }"
#define HANDLER                                                                                              \
    "{ type = \"selftest.*\"; path = \"${build}/jobs/selftest/selftest.so\"; queue = \"selftest\"; }"
#define WORKER "queues = ( { name = \"selftest\"; } ); executors_max = 2;"
#define BACKLOG 100

static struct site *s;

static void start(const char *broker)
{
    s = site_new(
        &(struct site_options){ .queues = QUEUES, .worker = WORKER, .handlers = HANDLER, .broker = broker });
}

static void fill(const char *queue, const char *headers, const char *payload, int n)
{
    site_sql(
        s,
        "INSERT INTO job.pending (id, run_at, delivery, attempt, queue, type, reason, headers, payload)"
        " SELECT job.new_id(), now() - interval '1 minute', 1, 1, '%s', 'selftest.echo', 'outbox', %s, %s"
        " FROM generate_series(1, %d)",
        queue, headers, payload, n);
}

static int64_t count_waiting(const char *queue)
{
    return site_ask(s, "SELECT count(*) FROM job.pending WHERE queue = '%s'", queue);
}

/* A row of another queue goes all the way: the relay has looked at everything since. */
static void pass_one_row(void)
{
    char *id = site_ask_text(s, "SELECT job.enqueue('other', 'welcome')");
    site_await(s, 10, "SELECT NOT EXISTS (SELECT FROM job.pending WHERE id = '%s')", id);
    free(id);
}

START_TEST(a_queue_of_which_kafka_has_enough_is_held_back)
{
    start("relay_backlog = 100;");
    fill("selftest", "'{}'", "'1'", 1000);
    site_start_broker(s);
    site_await(s, 20, "SELECT count(*) = 1000 - %d FROM job.pending", BACKLOG);
    for (int i = 0; i < 20; i++)
        pass_one_row();
    ck_assert_int_eq(count_waiting("selftest"), 1000 - BACKLOG);
    struct site_records *r = site_read_queue(s, "selftest");
    ck_assert_uint_eq(r->n, BACKLOG);
    site_records_free(r);
    site_start_worker(s);
    site_await(s, 60, "SELECT count(*) = 1000 FROM job.result WHERE state = 'succeeded'");
    ck_assert_int_eq(count_waiting("selftest"), 0);
    site_free(s);
}
END_TEST

START_TEST(two_brokers_hold_back_what_both_have_sent)
{
    start("relay_backlog = 100;");
    site_start_broker(s);
    site_start_broker(s);
    fill("selftest", "'{}'", "'1'", 1000);
    site_await(s, 20, "SELECT count(*) <= 1000 - %d FROM job.pending WHERE queue = 'selftest'", BACKLOG);
    for (int i = 0; i < 20; i++)
        pass_one_row();
    ck_assert_int_ge(count_waiting("selftest"), 1000 - 2 * BACKLOG);
    site_start_worker(s);
    site_await(s, 60, "SELECT count(*) = 1000 FROM job.result WHERE state = 'succeeded'");
    site_free(s);
}
END_TEST

START_TEST(a_job_that_others_wait_for_goes_all_the_same)
{
    start("relay_backlog = 100;");
    fill("selftest", "'{}'", "'1'", 1000);
    site_start_broker(s);
    site_await(s, 20, "SELECT count(*) = 1000 - %d FROM job.pending", BACKLOG);
    fill("selftest", "'{\"ce_keyseq\": \"7\"}'", "'2'", 5);
    site_await(s, 10, "SELECT NOT EXISTS (SELECT FROM job.pending WHERE headers ? 'ce_keyseq')");
    ck_assert_int_eq(count_waiting("selftest"), 1000 - BACKLOG);
    site_free(s);
}
END_TEST

START_TEST(a_job_that_is_held_back_can_expire_and_be_cancelled)
{
    start("relay_backlog = 100;");
    fill("selftest", "'{}'", "'1'", 300);
    site_start_broker(s);
    site_await(s, 20, "SELECT count(*) = 300 - %d FROM job.pending", BACKLOG);
    fill("selftest",
         "jsonb_build_object('ce_expires', to_char(now() AT TIME ZONE 'UTC' + interval '1 s',"
         " 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'))",
         "'2'", 5);
    site_await(s, 20, "SELECT count(*) = 5 FROM job.result WHERE state = 'expired'");
    char *id = site_ask_text(s, "SELECT id FROM job.pending LIMIT 1");
    const char *const arguments[] = { "job", "cancel", id, NULL };
    ck_assert_int_eq(site_jobctl(s, NULL, arguments), 0);
    site_await(s, 10, "SELECT state = 'cancelled' FROM job.status WHERE id = '%s'", id);
    ck_assert_int_eq(count_waiting("selftest"), 300 - BACKLOG - 1);
    free(id);
    site_free(s);
}
END_TEST

START_TEST(feeding_a_queue_that_is_held_back_wakes_nobody)
{
    start("relay_backlog = 100;");
    fill("selftest", "'{}'", "'1'", 300);
    site_start_broker(s);
    site_await(s, 20, "SELECT count(*) = 300 - %d FROM job.pending", BACKLOG);
    bool was_down = false;
    for (int i = 0; i < 500 && !was_down; i++) {
        site_sql(s, "SELECT job.enqueue('selftest', 'selftest.echo')");
        was_down = site_ask(s, "SELECT (NOT asleep)::integer FROM job.relay");
    }
    ck_assert(was_down);
    pass_one_row(); /* found without a flag */
    site_await(s, 10, "SELECT asleep FROM job.relay");
    site_free(s);
}
END_TEST

START_TEST(many_rows_of_one_queue_are_not_in_the_way_of_another)
{
    start("relay_backlog = 0; relay_batch = 100;");
    fill("selftest", "'{}'", "'1'", 30000);
    site_start_broker(s);
    site_await(s, 20, "SELECT count(*) < 29000 FROM job.pending");
    pass_one_row();
    ck_assert_int_gt(count_waiting("selftest"), 5000);
    site_free(s);
}
END_TEST

START_TEST(large_rows_are_not_in_the_way)
{
    start("relay_backlog = 0;");
    fill("selftest", "'{}'", "convert_to('\"' || repeat('x', 900000) || '\"', 'UTF8')", 200);
    fill("other", "'{}'", "'1'", 200);
    site_start_broker(s);
    site_await(s, 30, "SELECT NOT EXISTS (SELECT FROM job.pending WHERE queue = 'other')");
    ck_assert_int_gt(count_waiting("selftest"), 150);
    site_await(s, 60, "SELECT NOT EXISTS (SELECT FROM job.pending)");
    struct site_records *r = site_read_queue(s, "selftest");
    ck_assert_uint_eq(r->n, 200);
    for (size_t i = 0; i < r->n; i++)
        ck_assert_uint_eq(strlen(r->records[i].value), 900002);
    site_records_free(r);
    site_free(s);
}
END_TEST

START_TEST(malformed_rows_are_not_in_the_way)
{
    start("relay_backlog = 0;");
    fill("selftest", "'[1]'", "'1'", 10000);
    site_start_broker(s);
    site_await(s, 20, "SELECT EXISTS (SELECT FROM job.dead)");
    pass_one_row();
    site_await(s, 60, "SELECT count(*) = 10000 FROM job.dead WHERE reason = 'malformed'");
    ck_assert_int_eq(count_waiting("selftest"), 0);
    site_free(s);
}
END_TEST

START_TEST(rows_without_a_topic_are_neither_in_the_way_nor_rewritten_again_and_again)
{
    start("relay_backlog = 0;");
    fill("nowhere", "'{}'", "'1'", 20000);
    site_start_broker(s);
    site_await(s, 20, "SELECT EXISTS (SELECT FROM job.pending WHERE run_at > now())");
    for (int i = 0; i < 20; i++)
        pass_one_row();
    ck_assert_int_eq(count_waiting("nowhere"), 20000);
    ck_assert_int_le(site_ask(s, "SELECT count(*) FROM job.pending WHERE run_at > now() - interval '10 s'"),
                     3000);
    site_free(s);
}
END_TEST

SUITE_MAIN("pressure", a_queue_of_which_kafka_has_enough_is_held_back,
           two_brokers_hold_back_what_both_have_sent, a_job_that_others_wait_for_goes_all_the_same,
           a_job_that_is_held_back_can_expire_and_be_cancelled,
           feeding_a_queue_that_is_held_back_wakes_nobody,
           many_rows_of_one_queue_are_not_in_the_way_of_another, large_rows_are_not_in_the_way,
           malformed_rows_are_not_in_the_way,
           rows_without_a_topic_are_neither_in_the_way_nor_rewritten_again_and_again)
