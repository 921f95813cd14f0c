/* SPDX-License-Identifier: Apache-2.0 */
/* Which job starts next, seen from outside: lanes, limits and shares of real workers. */
#define SUITE_TIMEOUT_S 120
#include <stdio.h>
#include <stdlib.h>

#include "libjob/include/job.h"
#include "tests/support/harness.h"
#include "tests/support/suite.h"
#include "tests/support/trace.h"

/* --- Tools --------------------------------------------------------------------------------------------------------------- */

#define HANDLER(type, more)                                                                                  \
    "{ type = \"" type "\"; path = \"${build}/jobs/selftest/selftest.so\"; queue = \"selftest\"; "           \
    "backoff: { kind = \"constant\"; base = \"100ms\"; }; " more " }"

static struct site *start(const struct site_options *options)
{
    struct site *site = site_new(options);
    trace_start(site);
    return site;
}

/* Enqueues @n jobs that sleep @ms. */
static void enqueue_sleep(struct site *site, const char *queue, int priority, size_t n, int ms)
{
    const struct job_client_options options = { .brokers = site_kafka(site), .prefix = site_prefix(site) };
    struct job_client *client;
    char payload[64];
    snprintf(payload, sizeof(payload), "{\"ms\": %d}", ms);
    ck_assert_int_eq(job_client_open(&client, &options), 0);
    for (size_t i = 0; i < n; i++)
        ck_assert_int_eq(job_enqueue(client,
                                     &(struct job_spec){ .type = "selftest.sleep",
                                                         .queue = queue,
                                                         .payload = payload,
                                                         .priority = priority },
                                     NULL),
                         0);
    ck_assert_int_eq(job_flush(client, 10000), 0);
    job_client_close(client, 1000);
}

static void await_results(struct site *site, size_t n, double deadline_s)
{
    site_await(site, deadline_s, "SELECT count(*) = %zu FROM job.result", n);
}

/* Most jobs that ran at one moment, by the recorded times, which both may be a little late. */
static int64_t most_at_once(struct site *site, const char *type)
{
    return site_ask(site,
                    "SELECT max(n) FROM (SELECT count(*) AS n FROM job.result a JOIN job.result b "
                    "ON b.started_at <= a.started_at AND b.finished_at > a.started_at + interval '5 ms' "
                    "WHERE a.type = '%s' AND b.type = '%s' GROUP BY a.id) x",
                    type, type);
}

/* --- Lanes --------------------------------------------------------------------------------------------------------------- */

static const struct site_options lanes = {
    .queues = "{ name = \"selftest\"; partitions = 4; lanes = true; }",
    .worker = "queues = ( { name = \"selftest\"; } ); executors_min = 1; executors_max = 1;",
    .handlers = HANDLER("selftest.*", ""),
};

START_TEST(high_priority_overtakes_and_low_does_not_starve)
{
    struct site *site = start(&lanes);
    struct site_daemon *broker = site_start_broker(site);
    site_await_log(broker, 10, "selftest.low made");
    /* What is read in the meantime is there when the only executor is free. */
    trace_enqueue(site, "selftest.sleep", 1, "{\"ms\": 2000, \"trace\": \"%s\"}");
    site_start_worker(site);
    trace_await_starts(1);
    enqueue_sleep(site, "selftest", JOB_PRIORITY_LOW, 5, 2);
    enqueue_sleep(site, "selftest", JOB_PRIORITY_NORMAL, 100, 2);
    enqueue_sleep(site, "selftest", JOB_PRIORITY_HIGH, 20, 2);
    await_results(site, 126, 30);
    ck_assert(site_ask(
        site, "SELECT h.mean < n.mean AND n.mean < l.last AND l.first < n.last FROM "
              "(SELECT avg(extract(epoch FROM started_at)) AS mean FROM job.result WHERE topic LIKE "
              "'%%.high') h, (SELECT avg(extract(epoch FROM started_at)) AS mean, "
              "max(extract(epoch FROM started_at)) AS last FROM job.result WHERE topic LIKE "
              "'%%.selftest') n, (SELECT max(extract(epoch FROM started_at)) AS last, "
              "min(extract(epoch FROM started_at)) AS first FROM job.result WHERE topic LIKE '%%.low') l"));
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.result WHERE queue = 'selftest'"), 126);
    site_free(site);
}
END_TEST

START_TEST(retry_stays_in_its_lane)
{
    struct site *site = start(&lanes);
    struct site_daemon *broker = site_start_broker(site);
    site_await_log(broker, 10, "selftest.low made");
    site_start_worker(site);
    ck_assert_int_eq(site_jobctl(site, NULL,
                                 (const char *const[]){ "enqueue", "selftest.fail", "--priority", "high",
                                                        "--payload", "{\"times\": 1}", NULL }),
                     0);
    ck_assert_int_eq(site_jobctl(site, NULL,
                                 (const char *const[]){ "enqueue", "selftest.echo", "--priority", "low",
                                                        "--in", "10ms", NULL }),
                     0);
    await_results(site, 2, 20);
    ck_assert(site_ask(site, "SELECT topic LIKE '%%.selftest.high' AND delivery = 2 AND queue = 'selftest' "
                             "FROM job.result WHERE type = 'selftest.fail'"));
    ck_assert(
        site_ask(site, "SELECT topic LIKE '%%.selftest.low' FROM job.result WHERE type = 'selftest.echo'"));
    site_free(site);
}
END_TEST

START_TEST(queue_without_lanes_refuses_a_priority)
{
    struct site *site = start(&(struct site_options){ .queues = "{ name = \"selftest\"; partitions = 4; }",
                                                      .handlers = HANDLER("selftest.*", "") });
    ck_assert_int_eq(site_jobctl(site, NULL, (const char *const[]){ "topic", "apply", NULL }), 0);
    ck_assert_int_eq(
        site_jobctl(site, NULL,
                    (const char *const[]){ "enqueue", "selftest.echo", "--priority", "high", NULL }),
        3);
    site_free(site);
}
END_TEST

/* --- Limits -------------------------------------------------------------------------------------------------------------- */

START_TEST(handler_at_its_limit_waits_and_others_pass)
{
    struct site *site = start(&(struct site_options){
        .queues = "{ name = \"selftest\"; partitions = 4; }",
        .worker = "queues = ( { name = \"selftest\"; } ); executors_max = 6;",
        .handlers = HANDLER("selftest.*", "") ", " HANDLER("selftest.sleep", "concurrency = 2;"),
    });
    site_start_broker(site);
    site_start_worker(site);
    enqueue_sleep(site, "selftest", 0, 16, 250);
    trace_enqueue(site, "selftest.echo", 50, "{\"trace\": \"%s\"}");
    site_await(site, 10, "SELECT count(*) = 50 FROM job.result WHERE type = 'selftest.echo'");
    ck_assert_int_lt(site_ask(site, "SELECT count(*) FROM job.result WHERE type = 'selftest.sleep'"), 16);
    await_results(site, 66, 20);
    ck_assert_int_le(most_at_once(site, "selftest.sleep"), 2);
    site_free(site);
}
END_TEST

/* Also when its jobs are claimed, of which a worker may hold only so many. */
START_TEST(throttled_queue_does_not_hold_up_another)
{
    struct site *site = start(&(struct site_options){
        .queues =
            "{ name = \"selftest\"; partitions = 4; }, { name = \"slow\"; partitions = 4; concurrency = 1; }",
        .worker = "queues = ( { name = \"slow\"; }, { name = \"selftest\"; } ); executors_max = 4;",
        .handlers = HANDLER("selftest.*", ""),
    });
    site_start_broker(site);
    site_sql(site,
             "SELECT job.enqueue('slow', 'selftest.sleep', '{\"ms\": 200}') FROM generate_series(1, 5000)");
    site_start_worker(site);
    site_await(site, 20, "SELECT count(*) > 0 FROM job.result WHERE queue = 'slow'");
    trace_enqueue(site, "selftest.echo", 2000, "{\"trace\": \"%s\"}");
    site_await(site, 20, "SELECT count(*) = 2000 FROM job.result WHERE queue = 'selftest'");
    ck_assert_int_le(most_at_once(site, "selftest.sleep"), 1);
    site_free(site);
}
END_TEST

SUITE_MAIN("order", high_priority_overtakes_and_low_does_not_starve, retry_stays_in_its_lane,
           queue_without_lanes_refuses_a_priority, handler_at_its_limit_waits_and_others_pass,
           throttled_queue_does_not_hold_up_another)
