/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of workers when something happens to their topics: deleted and made again, grown, cut short, trimmed. */
#define SUITE_TIMEOUT_S 120
#include "tests/support/suite.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/support/harness.h"
#include "tests/support/trace.h"

/* --- Tools --------------------------------------------------------------------------------------------------------------- */

#define HANDLER(more)                                                                                        \
    "{ type = \"selftest.*\"; path = \"${build}/jobs/selftest/selftest.so\"; queue = \"selftest\"; " more " }"
#define WORKER "queues = ( { name = \"selftest\"; } ); executors_max = 2; "
#define QUEUES "{ name = \"selftest\"; partitions = 4; }"

static struct site *start(const char *broker, const char *worker)
{
    struct site *site = site_new(&(struct site_options){
        .broker = broker, .queues = QUEUES, .worker = worker ? worker : WORKER, .handlers = HANDLER("") });
    trace_start(site);
    return site;
}

static char *topic_of(struct site *site)
{
    static char topic[250];
    return site_topic(site, "selftest", topic);
}

/* To one partition, as a foreign producer would. */
static void produce(struct site *site, int partition, const char *type, const char *payload, int n)
{
    const struct message_header header = { "ce_type", span_from_string(type) };
    char value[512];
    trace_put_path(payload, value, sizeof(value));
    for (int i = 0; i < n; i++)
        site_produce(site, "selftest",
                     &(struct message){ .partition = partition,
                                        .value = span_from_string(value),
                                        .n_headers = 1,
                                        .headers = &header });
}

/* Kafka answers before its broker has let go of the old log, which takes records for a moment and then is gone. */
static void recreate_topic(struct site *site, const char *topic, int n_partitions)
{
    struct err err = { 0 };
    struct admin_topic there = { 0 };
    struct admin_range ranges[4] = { { .end = 1 } };
    int64_t deadline_us = clock_mono_us() + 20 * USEC_PER_SEC;
    ck_assert_int_eq(admin_delete_topic(site_admin(site), topic, &err), 0);
    while (admin_find_topic(site_admin(site), topic, &there, &err) != ADMIN_NO_TOPIC) {
        free(there.name);
        there.name = NULL;
        ck_assert_int_lt(clock_mono_us(), deadline_us);
    }
    while (admin_create_topic(site_admin(site), topic, n_partitions, -1, &err) != 0)
        ck_assert_int_lt(clock_mono_us(), deadline_us);
    while (admin_read_ranges(site_admin(site), topic, n_partitions, ranges, &err) != 0 || ranges[0].end != 0)
        ck_assert_int_lt(clock_mono_us(), deadline_us);
}

/* The same name, another log. */
static void recreate(struct site *site)
{
    recreate_topic(site, topic_of(site), 4);
}

static int jobctl(struct site *site, const char *a, const char *b, const char *c, const char *d)
{
    const char *const arguments[] = { a, b, c, d, NULL };
    return site_jobctl(site, NULL, arguments);
}

/* Doctor has always something to say here: no worker takes jobs of the queue "default". */
static bool jobctl_says(struct site *site, int status, const char *what, const char *a, const char *b,
                        const char *c, const char *d)
{
    char *output;
    const char *const arguments[] = { a, b, c, d, NULL };
    int r = site_jobctl(site, &output, arguments);
    bool said = strstr(output, what) != NULL;
    if (r != status || !said)
        fprintf(stderr, "%s %s: %d\n%s\n", a, b, r, output);
    free(output);
    return r == status && said;
}

static int64_t log_start(struct site *site, int partition)
{
    struct err err = { 0 };
    struct admin_range ranges[4];
    int r = admin_read_ranges(site_admin(site), topic_of(site), 4, ranges, &err);
    ck_assert_msg(r == 0, "%s", err.text);
    return ranges[partition].start;
}

static void await_log_start(struct site *site, int partition, int64_t offset, double deadline_s)
{
    int64_t deadline_us = clock_mono_us() + (int64_t)(deadline_s * USEC_PER_SEC), start;
    while ((start = log_start(site, partition)) != offset)
        ck_assert_msg(clock_mono_us() < deadline_us, "the log begins at %lld", (long long)start);
}

/* --- Deleted and made again ---------------------------------------------------------------------------------------------- */

START_TEST(recreated_topic_stands_until_it_is_reset_and_the_worker_goes_on)
{
    struct site *site = start("", NULL);
    site_start_broker(site);
    struct site_daemon *worker = site_start_worker(site);
    produce(site, 0, "selftest.echo", "{}", 10);
    site_await(site, 30, "SELECT count(*) = 10 FROM job.result");
    recreate(site);
    produce(site, 0, "selftest.echo", "{}", 3);
    produce(site, 1, "selftest.echo", "{}", 2); /* nothing of this one had been read */
    site_await(
        site, 60,
        "SELECT trouble = 'recreated' FROM job.cursor WHERE partition = 0 AND topic LIKE '%%.selftest'");
    site_await_log(worker, 5, "jobctl topic reset");
    site_await(site, 30, "SELECT count(*) = 12 FROM job.result");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.cursor WHERE trouble IS NOT NULL"), 1);
    ck_assert(site_ask(site, "SELECT count(*) = 1 AND bool_and((detail ->> 'next_offset')::bigint = 10) "
                             "FROM job.incident WHERE kind = 'recreated' AND partition = 0"));
    ck_assert(
        jobctl_says(site, 1, "it is not the one that was read up to offset 10", "doctor", NULL, NULL, NULL));
    ck_assert(jobctl_says(site, 0, "would be reset", "topic", "reset", "selftest", "--dry-run"));
    ck_assert_int_eq(jobctl(site, "topic", "reset", "selftest", NULL), 2); /* nobody can be asked */
    ck_assert(jobctl_says(site, 0, " reset  the log", "topic", "reset", "selftest", "--yes"));
    site_await(site, 20, "SELECT count(*) = 15 FROM job.result");
    ck_assert(site_ask(site, "SELECT trouble IS NULL AND reset_to IS NULL AND next_offset = 3 "
                             "FROM job.cursor WHERE partition = 0 AND topic LIKE '%%.selftest'"));
    produce(site, 0, "selftest.echo", "{}", 4);
    site_await(site, 20, "SELECT count(*) = 19 FROM job.result");
    ck_assert(site_is_running(worker));
    ck_assert(jobctl_says(site, 0, "kept", "topic", "reset", topic_of(site), "--yes"));
    ck_assert_int_eq(jobctl(site, "topic", "reset", "nothing", NULL), 3);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.audit WHERE action = 'reset'"), 1);
    site_free(site);
}
END_TEST

START_TEST(new_log_that_is_longer_than_the_old_one_is_told_by_its_time_stamps)
{
    struct site *site = start("", NULL);
    site_start_broker(site);
    struct site_daemon *worker = site_start_worker(site);
    produce(site, 0, "selftest.echo", "{}", 5);
    site_await(site, 30, "SELECT count(*) = 5 FROM job.result");
    ck_assert_int_eq(
        site_ask(site,
                 "SELECT checked_offset FROM job.cursor WHERE partition = 0 AND topic LIKE '%%.selftest'"),
        4);
    site_stop(worker);
    recreate(site);
    produce(site, 0, "selftest.echo", "{}", 9);
    worker = site_start_worker(site);
    site_await_log(worker, 30, "has the time stamp");
    site_await(
        site, 10,
        "SELECT trouble = 'recreated' FROM job.cursor WHERE partition = 0 AND topic LIKE '%%.selftest'");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.result"), 5);
    ck_assert_int_eq(jobctl(site, "topic", "reset", "selftest", "--yes"), 0);
    site_await(site, 20, "SELECT count(*) = 14 FROM job.result");
    site_free(site);
}
END_TEST

/* Between two looks of the running worker at the log: only the broker can see it. */
START_TEST(broker_finds_a_new_log_that_has_passed_the_worker)
{
    struct site *site = start("trim_after = \"2s\"; trim = false;", NULL);
    site_start_broker(site);
    struct site_daemon *worker = site_start_worker(site);
    produce(site, 0, "selftest.echo", "{}", 3);
    site_await(site, 30, "SELECT count(*) = 3 FROM job.result");
    site_kill(worker, SIGSTOP);
    recreate(site);
    produce(site, 0, "selftest.echo", "{}", 8);
    site_await(
        site, 30,
        "SELECT trouble = 'recreated' FROM job.cursor WHERE partition = 0 AND topic LIKE '%%.selftest'");
    site_kill(worker, SIGCONT);
    site_await_log(worker, 20, "it stands until");
    ck_assert_int_eq(jobctl(site, "topic", "reset", "selftest", "--yes"), 0);
    site_await(site, 30, "SELECT count(*) = 11 FROM job.result");
    site_await(site, 5,
               "SELECT next_offset = 8 FROM job.cursor WHERE partition = 0 AND topic LIKE '%%.selftest'");
    site_free(site);
}
END_TEST

START_TEST(jobs_of_the_old_log_that_run_go_on_to_their_end)
{
    struct site *site =
        start("", "queues = ( { name = \"selftest\"; } ); executors_max = 4; handover_after = \"1h\";");
    site_start_broker(site);
    site_start_worker(site);
    produce(site, 0, "selftest.echo", "{}", 4);
    produce(site, 0, "selftest.sleep", "{\"ms\": 15000, \"trace\": \"%s\"}", 1);
    produce(site, 0, "selftest.sleep", "{\"ms\": 15000, \"trace\": \"%s\"}", 1);
    trace_await_starts(2);
    recreate(site);
    site_await(
        site, 60,
        "SELECT trouble = 'recreated' FROM job.cursor WHERE partition = 0 AND topic LIKE '%%.selftest'");
    ck_assert_int_eq(jobctl(site, "topic", "reset", "selftest", "--yes"), 0);
    produce(site, 0, "selftest.echo", "{}", 8); /* among them the offsets of the two that run */
    site_await(site, 40, "SELECT count(*) = 14 AND bool_and(state = 'succeeded') FROM job.result");
    /* The offsets of two logs are never in one window. */
    ck_assert(site_ask(
        site,
        "SELECT min(n.started_at) >= max(o.finished_at) FROM job.result o JOIN job.result n "
        "ON n.enqueued_at > o.enqueued_at WHERE o.type = 'selftest.sleep' AND n.type = 'selftest.echo'"));
    ck_assert_uint_eq(trace_read().n_repeated, 0);
    ck_assert_uint_eq(trace_read().n_ends, 2);
    site_free(site);
}
END_TEST

/* The broker's own topic: a job that has a time goes there. */
static void wish(struct site *site, int n)
{
    const struct message_header headers[] = { { "ce_type", span_from_string("selftest.echo") },
                                              { "ce_queue", span_from_string("selftest") },
                                              { "ce_runat", span_from_string("2020-01-01T00:00:00Z") } };
    for (int i = 0; i < n; i++)
        site_produce(
            site, "later",
            &(struct message){
                .partition = 0, .value = span_from_string("{}"), .n_headers = 3, .headers = headers });
}

START_TEST(topic_of_what_comes_later_is_looked_after_like_the_others)
{
    char topic[250];
    struct err err = { 0 };
    struct site *site = start("later_partitions = 1; trim_after = \"2s\";", NULL);
    struct site_daemon *broker = site_start_broker(site);
    site_start_worker(site);
    site_topic(site, "later", topic);
    site_await_log(broker, 20, "later made with 1 partitions");
    wish(site, 5);
    site_await(site, 30, "SELECT count(*) = 5 FROM job.result");
    /* Trimmed, then records that nobody had read are gone, then it is another one. */
    site_await(site, 30, "SELECT log_start = 5 FROM job.cursor WHERE topic = '%s'", topic);
    site_stop(broker);
    wish(site, 6);
    struct admin_cut cut = { .before = 8 };
    ck_assert_int_eq(admin_delete_records(site_admin(site), topic, &cut, 1, &err), 0);
    broker = site_start_broker(site);
    site_await(site, 30, "SELECT count(*) = 8 FROM job.result");
    ck_assert(site_ask(
        site,
        "SELECT count(*) = 1 AND bool_and(kind = 'lost' AND topic = '%s' AND (detail ->> 'from') = '5' "
        "AND (detail ->> 'to') = '7') FROM job.incident",
        topic));
    recreate_topic(site, topic, 1);
    wish(site, 2);
    site_await(site, 60, "SELECT trouble = 'recreated' FROM job.cursor WHERE topic = '%s'", topic);
    ck_assert_int_eq(jobctl(site, "topic", "reset", topic, "--yes"), 0);
    site_await(site, 30, "SELECT count(*) = 10 FROM job.result");
    site_free(site);
}
END_TEST

/* --- Grown --------------------------------------------------------------------------------------------------------------- */

START_TEST(partitions_that_are_added_are_read_by_the_running_worker)
{
    struct err err = { 0 };
    struct site *site = start("", NULL);
    struct site_daemon *broker = site_start_broker(site);
    struct site_daemon *worker = site_start_worker(site);
    for (int partition = 0; partition < 4; partition++)
        produce(site, partition, "selftest.sleep", "{\"ms\": 100}", 20);
    site_await(site, 30, "SELECT count(*) >= 3 FROM job.result");
    ck_assert_int_eq(admin_grow_topic(site_admin(site), topic_of(site), 6, &err), 0);
    produce(site, 5, "selftest.echo", "{}",
            7); /* before any worker knows of it: none of them may be passed over */
    site_await(site, 40, "SELECT count(*) = 87 FROM job.result");
    ck_assert_int_eq(site_ask(site, "SELECT count(DISTINCT (partition, \"offset\")) FROM job.result"), 87);
    site_await(
        site, 5,
        "SELECT next_offset = 7 AND log_start = 0 FROM job.cursor WHERE partition = 5 AND topic LIKE '%%.selftest'");
    site_await_log(broker, 20, "it has 6 partitions, declared are 4");
    ck_assert(site_is_running(worker));
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.incident"), 0);
    site_free(site);
}
END_TEST

START_TEST(ordered_queue_is_grown_only_when_it_is_drained)
{
    struct site *site = site_new(&(struct site_options){ .queues = "{ name = \"selftest\"; partitions = 6; }",
                                                         .worker = WORKER,
                                                         .handlers = HANDLER("order = \"key\";") });
    trace_start(site); /* makes the topic, with four partitions */
    produce(site, 2, "selftest.echo", "{}", 3);
    ck_assert(jobctl_says(site, 1, "it is not drained: 3 records are not done", "topic", "apply", "--grow",
                          "--yes"));
    site_start_worker(site);
    site_await(site, 30, "SELECT count(*) = 3 FROM job.result");
    site_await(site, 5,
               "SELECT next_offset = 3 FROM job.cursor WHERE partition = 2 AND topic LIKE '%%.selftest'");
    site_sql(
        site,
        "SELECT job.enqueue('selftest', 'selftest.echo', '{}', key => 'k', run_at => now() + interval '1 h')");
    ck_assert(jobctl_says(site, 1, "1 jobs with a key wait or run", "topic", "apply", "--grow", "--yes"));
    ck_assert(jobctl_says(site, 1, "it has 4 partitions, declared are 6", "topic", "apply", NULL, NULL));
    site_sql(site, "DELETE FROM job.pending");
    ck_assert(jobctl_says(site, 1, "would be grown", "topic", "apply", "--grow", "--dry-run"));
    ck_assert_int_eq(jobctl(site, "topic", "apply", "--grow", NULL), 2); /* nobody can be asked */
    ck_assert(jobctl_says(site, 0, "grown", "topic", "apply", "--grow", "--yes"));
    ck_assert(jobctl_says(site, 0, "kept", "topic", "apply", "--grow", "--yes"));
    site_free(site);
}
END_TEST

/* --- Cut short ----------------------------------------------------------------------------------------------------------- */

/* As retention does: the start of the log moves. */
static void drop_records(struct site *site, int partition, int64_t before)
{
    struct err err = { 0 };
    struct admin_cut cut = { .partition = partition, .before = before };
    int r = admin_delete_records(site_admin(site), topic_of(site), &cut, 1, &err);
    ck_assert_msg(r == 0 && cut.start == before, "%d %s", r, err.text);
}

START_TEST(dropped_records_are_named_to_the_offset_and_the_worker_goes_on)
{
    struct site *site = start("", NULL);
    site_start_broker(site);
    struct site_daemon *worker = site_start_worker(site);
    produce(site, 0, "selftest.echo", "{}", 5);
    site_await(site, 30, "SELECT count(*) = 5 FROM job.result");
    site_stop(worker);
    produce(site, 0, "selftest.echo", "{}", 20);
    drop_records(site, 0, 18);
    ck_assert(jobctl_says(site, 1, "Kafka has dropped offsets 5 to 17", "doctor", NULL, NULL, NULL));
    worker = site_start_worker(site);
    site_await(site, 30, "SELECT count(*) = 12 FROM job.result"); /* 5, and 18 to 24 */
    site_await(site, 5,
               "SELECT next_offset = 25 FROM job.cursor WHERE partition = 0 AND topic LIKE '%%.selftest'");
    ck_assert(site_ask(
        site,
        "SELECT count(*) = 1 AND bool_and(kind = 'lost' AND partition = 0 AND topic = '%s' AND detail = "
        "'{\"from\": 5, \"to\": 17, \"jobs\": 13, \"offsets\": \"5-17\"}') FROM job.incident",
        topic_of(site)));
    site_await_log(worker, 5, "Kafka has dropped 13 records that nobody had run, offsets 5-17");
    ck_assert(jobctl_says(site, 1, "lost jobs: 13", "doctor", NULL, NULL, NULL));
    site_free(site);
}
END_TEST

/* What was read before it was dropped is not lost, and what was done beyond the position is not either. */
START_TEST(records_that_were_read_or_done_are_not_lost)
{
    struct site *site = start("", WORKER "handover_after = \"1h\"; window = 100;");
    site_start_broker(site);
    struct site_daemon *worker = site_start_worker(site);
    produce(site, 0, "selftest.echo", "{}", 1);
    site_await(site, 30, "SELECT count(*) = 1 FROM job.result");
    produce(site, 0, "selftest.sleep", "{\"ms\": 30000, \"trace\": \"%s\"}",
            1); /* offset 1 holds the cursor up */
    trace_await_starts(1);
    produce(site, 0, "selftest.echo", "{}", 4);
    site_await(site, 20,
               "SELECT done <> '' FROM job.cursor WHERE partition = 0 AND topic LIKE '%%.selftest'");
    site_await(site, 20, "SELECT count(*) = 5 FROM job.result");
    drop_records(site, 0, 5);
    site_destroy(worker); /* now nobody has offset 1 */
    produce(site, 0, "selftest.echo", "{}", 1);
    site_start_worker(site);
    site_await(site, 40,
               "SELECT next_offset = 7 FROM job.cursor WHERE partition = 0 AND topic LIKE '%%.selftest'");
    ck_assert(site_ask(site, "SELECT count(*) = 1 AND bool_and((detail ->> 'jobs')::bigint = 1 AND "
                             "detail ->> 'offsets' = '1') FROM job.incident"));
    site_await(site, 20, "SELECT count(*) = 6 FROM job.result"); /* it was claimed first */
    site_free(site);
}
END_TEST

START_TEST(retention_that_is_shortened_under_a_running_worker_loses_what_it_had_not_read)
{
    struct site *site = start("", WORKER "window = 100; handover_after = \"1h\";");
    site_start_broker(site);
    struct site_daemon *worker = site_start_worker(site);
    produce(site, 0, "selftest.sleep", "{\"ms\": 4000, \"trace\": \"%s\"}", 2);
    trace_await_starts(2);
    site_kill(worker, SIGSTOP);
    produce(site, 0, "selftest.echo", "{}", 30);
    drop_records(site, 0, 25);
    site_kill(worker, SIGCONT);
    site_await(site, 60,
               "SELECT next_offset = 32 FROM job.cursor WHERE partition = 0 AND topic LIKE '%%.selftest'");
    /* What had come before it stood still is not lost: at least the two that ran, at most all. */
    ck_assert(site_ask(
        site,
        "SELECT count(*) + coalesce((SELECT sum((detail ->> 'jobs')::bigint) FROM job.incident), 0) = 32 "
        "FROM job.result"));
    ck_assert(site_ask(
        site,
        "SELECT count(*) > 0 FROM job.incident WHERE kind = 'lost' AND (detail ->> 'to')::bigint = 24"));
    ck_assert(site_is_running(worker));
    site_free(site);
}
END_TEST

/* By an administrator who does not know better, with Kafka's own tool. */
static void set_retention(struct site *site, const char *value)
{
    char command[1024];
    snprintf(command, sizeof(command), "'%s' set '%s' %s retention.ms=%s >&2", getenv("JOB_TEST_SERVICES"),
             getenv("JOB_TEST_SERVERS"), topic_of(site), value);
    ck_assert_int_eq(system(command), 0);
}

START_TEST(log_that_kafka_itself_has_cut_under_a_running_worker)
{
    struct site *site = start("", WORKER "window = 100; handover_after = \"1h\";");
    struct site_daemon *worker = site_start_worker(site);
    produce(site, 0, "selftest.sleep", "{\"ms\": 4000, \"trace\": \"%s\"}", 2);
    trace_await_starts(2);
    site_kill(worker, SIGSTOP);
    produce(site, 0, "selftest.echo", "{}", 30);
    set_retention(site, "1");
    await_log_start(site, 0, 32, 30);
    set_retention(site, "-1");
    produce(site, 0, "selftest.echo", "{}", 5);
    site_kill(worker, SIGCONT);
    site_await(site, 60,
               "SELECT next_offset = 37 FROM job.cursor WHERE partition = 0 AND topic LIKE '%%.selftest'");
    ck_assert(site_ask(
        site,
        "SELECT count(*) + coalesce((SELECT sum((detail ->> 'jobs')::bigint) FROM job.incident), 0) = 37 "
        "FROM job.result"));
    ck_assert(site_ask(
        site,
        "SELECT count(*) > 0 FROM job.incident WHERE kind = 'lost' AND (detail ->> 'to')::bigint = 31"));
    ck_assert(site_is_running(worker));
    site_free(site);
}
END_TEST

/* --- Trimmed ------------------------------------------------------------------------------------------------------------- */

START_TEST(records_go_when_they_have_been_done_for_long_enough)
{
    struct site *site = start("trim_after = \"4s\";", NULL);
    site_start_broker(site);
    site_start_broker(site); /* two of them are harmless */
    site_start_worker(site);
    produce(site, 0, "selftest.echo", "{}", 6);
    site_await(site, 30,
               "SELECT next_offset = 6 FROM job.cursor WHERE partition = 0 AND topic LIKE '%%.selftest'");
    int64_t done_us = clock_mono_us();
    await_log_start(site, 0, 6, 30);
    ck_assert_int_ge(clock_mono_us() - done_us, 3500 * USEC_PER_MSEC);
    site_await(site, 5,
               "SELECT log_start = 6 FROM job.cursor WHERE partition = 0 AND topic LIKE '%%.selftest'");
    ck_assert(jobctl_says(site, 0, "\"trim_to\": 6", "topic", "trim", "-o", "json"));
    /* The next owner is not confused by that: neither is anything lost, nor is it another log. */
    site_start_worker(site);
    produce(site, 0, "selftest.echo", "{}", 3);
    site_await(site, 30, "SELECT count(*) = 9 FROM job.result");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.incident"), 0);
    ck_assert(jobctl_says(site, 1, "are those that were read", "doctor", NULL, NULL, NULL));
    site_free(site);
}
END_TEST

START_TEST(trimmed_log_that_is_made_again_is_told_by_its_start)
{
    struct site *site = start("trim_after = \"1s\";", NULL);
    site_start_broker(site);
    struct site_daemon *worker = site_start_worker(site);
    produce(site, 0, "selftest.echo", "{}", 6);
    await_log_start(site, 0, 6, 30);
    site_await(site, 5,
               "SELECT log_start = 6 FROM job.cursor WHERE partition = 0 AND topic LIKE '%%.selftest'");
    site_stop(worker);
    recreate(site);
    produce(site, 0, "selftest.echo", "{}", 8);
    site_await(
        site, 30,
        "SELECT trouble = 'recreated' FROM job.cursor WHERE partition = 0 AND topic LIKE '%%.selftest'");
    ck_assert_int_eq(log_start(site, 0), 0); /* and nothing of the new one is deleted */
    ck_assert_int_eq(jobctl(site, "topic", "reset", "selftest", "--yes"), 0);
    site_start_worker(site);
    site_await(site, 30, "SELECT count(*) = 14 FROM job.result");
    site_free(site);
}
END_TEST

START_TEST(nothing_is_trimmed_beyond_a_job_that_is_not_done)
{
    struct site *site = start("trim_after = \"1s\";", WORKER "handover_after = \"1h\";");
    site_start_broker(site);
    site_start_worker(site);
    produce(site, 0, "selftest.echo", "{}", 2);
    site_await(site, 20, "SELECT count(*) = 2 FROM job.result");
    produce(site, 0, "selftest.sleep", "{\"ms\": 6000, \"trace\": \"%s\"}", 1);
    produce(site, 0, "selftest.echo", "{}", 3);
    site_await(site, 20, "SELECT count(*) = 5 FROM job.result");
    await_log_start(site, 0, 2, 20);
    site_await(site, 20, "SELECT count(*) = 6 FROM job.result");
    await_log_start(site, 0, 6, 20);
    site_free(site);
}
END_TEST

/* What a standby does that takes over: PostgreSQL recovers to the end of its log and goes on in a history of its own. */
static void fail_over(struct site *site, struct site_servers *postgres)
{
    char path[512];
    struct stat owner;
    char *data = site_ask_text(site, "SELECT current_setting('data_directory')");
    site_sql(site, "ALTER SYSTEM SET restore_command = 'false'");
    ck_assert_int_eq(stat(data, &owner), 0);
    site_servers_run(postgres, "stop");
    snprintf(path, sizeof(path), "%s/recovery.signal", data);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fchown(fd, owner.st_uid, owner.st_gid), 0);
    close(fd);
    site_servers_run(postgres, "start");
    free(data);
}

START_TEST(failover_of_postgresql_stops_trimming_until_it_is_confirmed)
{
    struct site_servers *postgres = site_servers_start("postgres");
    struct site *site = start("trim_after = \"1s\";", NULL);
    struct site_daemon *broker = site_start_broker(site);
    site_start_worker(site);
    produce(site, 0, "selftest.echo", "{}", 3);
    await_log_start(site, 0, 3, 30);
    char *before = site_ask_text(site, "SELECT job.history()");
    fail_over(site, postgres);
    site_await(site, 30, "SELECT NOT pg_is_in_recovery() AND job.history() <> '%s'", before);
    produce(site, 0, "selftest.echo", "{}", 4);
    site_await(site, 60, "SELECT count(*) = 7 FROM job.result");
    site_await_log(broker, 30, "no records are deleted");
    ck_assert_int_eq(jobctl(site, "topic", "trim", NULL, NULL), 1);
    ck_assert(jobctl_says(site, 1, "trimming", "doctor", NULL, NULL, NULL));
    ck_assert_int_eq(log_start(site, 0), 3);
    ck_assert_int_eq(jobctl(site, "topic", "trim", "--confirm", NULL), 2); /* nobody can be asked */
    ck_assert_int_eq(log_start(site, 0), 3);
    ck_assert_int_eq(jobctl(site, "topic", "trim", "--confirm", "--yes"), 0);
    await_log_start(site, 0, 7, 30);
    ck_assert_int_eq(jobctl(site, "topic", "trim", NULL, NULL), 0);
    ck_assert_uint_eq(site_count_log(broker, "no records are deleted"), 1);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.audit WHERE action = 'confirm_trim'"), 1);
    free(before);
    site_free(site);
    site_servers_free(postgres);
}
END_TEST

/* The min of where the cursor has been counts, not where it is: a restored or reset cursor goes back. */
START_TEST(trimming_waits_for_the_history_of_the_cursor)
{
    struct site *site = start("", NULL);
#define PLACE "(SELECT trim_to FROM job.trim_places('t.', '1 hour'))"
    site_sql(site, "INSERT INTO job.cursor (topic, partition, epoch, next_offset) VALUES ('t.q', 0, 1, 50)");
    site_sql(site, "SELECT job.note_trim_points('1 hour')");
    ck_assert(site_ask(site, "SELECT " PLACE " IS NULL"));
    site_sql(site, "UPDATE job.trim_point SET seen_at = seen_at - interval '59 minutes'; "
                   "UPDATE job.cursor SET next_offset = 80; SELECT job.note_trim_points('1 hour')");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.trim_point"), 2);
    ck_assert(site_ask(site, "SELECT " PLACE " IS NULL"));
    site_sql(site, "UPDATE job.trim_point SET seen_at = seen_at - interval '2 minutes'");
    ck_assert_int_eq(site_ask(site, "SELECT " PLACE), 50);
    /* Not noted again so soon, nor when it has not moved. */
    site_sql(site, "UPDATE job.cursor SET next_offset = 90; SELECT job.note_trim_points('1 hour')");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.trim_point"), 2);
    /* Back in time. */
    site_sql(site, "UPDATE job.cursor SET next_offset = 20");
    ck_assert_int_eq(site_ask(site, "SELECT " PLACE), 20);
    site_sql(
        site,
        "UPDATE job.cursor SET next_offset = 80; "
        "UPDATE job.trim_point SET seen_at = seen_at - interval '1 hour'; SELECT job.note_trim_points('1 hour')");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.trim_point"), 1);
    ck_assert_int_eq(site_ask(site, "SELECT " PLACE), 80);
    site_sql(site, "UPDATE job.cursor SET trouble = 'recreated'");
    ck_assert(site_ask(site, "SELECT " PLACE " IS NULL"));
    site_free(site);
}
END_TEST

/* --- Made and looked at -------------------------------------------------------------------------------------------------- */

START_TEST(topic_that_is_not_as_declared_is_said_once)
{
    struct site *site =
        site_new(&(struct site_options){ .queues = QUEUES, .worker = WORKER, .handlers = HANDLER("") });
    struct err err = { 0 };
    ck_assert_int_eq(admin_create_topic(site_admin(site), topic_of(site), 2, -1, &err), 0);
    struct site_daemon *broker = site_start_broker(site);
    site_await_log(broker, 30, "it has 2 partitions, declared are 4");
    ck_assert_uint_eq(site_count_log(broker, "it has 2 partitions, declared are 4"), 1);
    ck_assert(jobctl_says(site, 1, "it has 2 partitions, declared are 4", "topic", "apply", NULL, NULL));
    site_free(site);
}
END_TEST

SUITE_MAIN("logs", recreated_topic_stands_until_it_is_reset_and_the_worker_goes_on,
           new_log_that_is_longer_than_the_old_one_is_told_by_its_time_stamps,
           broker_finds_a_new_log_that_has_passed_the_worker, jobs_of_the_old_log_that_run_go_on_to_their_end,
           topic_of_what_comes_later_is_looked_after_like_the_others,
           partitions_that_are_added_are_read_by_the_running_worker,
           ordered_queue_is_grown_only_when_it_is_drained,
           dropped_records_are_named_to_the_offset_and_the_worker_goes_on,
           records_that_were_read_or_done_are_not_lost,
           retention_that_is_shortened_under_a_running_worker_loses_what_it_had_not_read,
           log_that_kafka_itself_has_cut_under_a_running_worker,
           records_go_when_they_have_been_done_for_long_enough,
           trimmed_log_that_is_made_again_is_told_by_its_start,
           nothing_is_trimmed_beyond_a_job_that_is_not_done,
           failover_of_postgresql_stops_trimming_until_it_is_confirmed,
           trimming_waits_for_the_history_of_the_cursor, topic_that_is_not_as_declared_is_said_once)
