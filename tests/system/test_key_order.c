/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs of one key, one after the other, on real servers. */
#define SUITE_TIMEOUT_S 120
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stream/message.h"
#include "tests/support/harness.h"
#include "tests/support/keyed.h"
#include "tests/support/suite.h"
#include "tests/support/trace.h"

#define WORKER "queues = ( { name = \"selftest\"; } ); executors_max = 3; "
#define HANDLER(order, more)                                                                                 \
    "{ type = \"selftest.*\"; path = \"${build}/jobs/selftest/selftest.so\"; queue = \"selftest\"; "         \
    "order = \"" order "\"; backoff: { kind = \"constant\"; base = \"50ms\"; jitter = 0; }; " more " }"

static struct site *start(const char *worker, const char *handlers)
{
    struct site *site = site_new(&(struct site_options){
        .queues = "{ name = \"selftest\"; partitions = 4; }", .worker = worker, .handlers = handlers });
    trace_start(site);
    site_start_broker(site);
    return site;
}

static void await_successes(struct site *site, size_t n, double deadline_s)
{
    site_await(site, deadline_s, "SELECT count(*) = %zu FROM job.result WHERE state = 'succeeded'", n);
}

/* One message as a foreign producer would write it; @payload may name the trace file with "%s". */
static void produce(struct site *site, const char *type, const char *key, const char *payload,
                    int32_t partition)
{
    char text[4352];
    const struct message_header headers[] = { { "ce_type", span_from_string(type) } };
    trace_put_path(payload, text, sizeof(text));
    site_produce(site, "selftest",
                 &(struct message){ .partition = partition,
                                    .key = span_from_string(key),
                                    .value = span_from_string(text),
                                    .headers = (struct message_header *)headers,
                                    .n_headers = 1 });
}

/* --- The three orders ------------------------------------------------------------------------------------------------------ */

START_TEST(strict_keys_keep_their_order_while_jobs_fail)
{
    struct site *site = start(WORKER, HANDLER("key_strict", ""));
    struct keyed *keyed = keyed_new(20);
    site_start_worker(site);
    keyed_enqueue(keyed, site, 600, 2);
    await_successes(site, 600, 60);
    keyed_check_strict(keyed);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.hold"), 0);
    keyed_free(keyed);
    site_free(site);
}
END_TEST

START_TEST(later_jobs_of_a_key_pass_one_that_is_tried_again)
{
    struct site *site = start(WORKER, HANDLER("key", ""));
    struct keyed *keyed = keyed_new(5);
    site_start_worker(site);
    keyed_enqueue(keyed, site, 300, 1);
    await_successes(site, 300, 60);
    ck_assert_uint_gt(keyed_check_one_at_a_time(keyed), 0);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.hold"), 0);
    keyed_free(keyed);
    site_free(site);
}
END_TEST

START_TEST(keys_run_beside_each_other_in_one_partition)
{
    struct site *site = start(WORKER, HANDLER("key_strict", ""));
    char key[8];
    site_start_worker(site);
    for (int i = 0; i < 3; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        produce(site, "selftest.sleep", key, "{\"ms\": 1500, \"trace\": \"%s\"}", 1);
    }
    trace_await(3, 0, 1.4);
    await_successes(site, 3, 20);
    site_free(site);
}
END_TEST

START_TEST(failing_key_blocks_only_itself_until_it_is_dead)
{
    struct site *site = start(WORKER, HANDLER("key_strict", "max_attempts = 3;"));
    site_start_worker(site);
    produce(site, "selftest.fail", "bad", "{}", 0);
    produce(site, "selftest.echo", "bad", "{}", 0);
    for (int i = 0; i < 20; i++)
        produce(site, "selftest.echo", "good", "{}", 0);
    await_successes(site, 21, 20);
    ck_assert(site_ask(site, "SELECT bool_and(r.started_at > d.died_at) FROM job.result r, job.dead d "
                             "WHERE r.\"offset\" = 1 OR r.delivery > 1 AND r.state = 'succeeded'"));
    ck_assert(
        site_ask(site, "SELECT count(*) > 0 FROM job.result r, job.dead d WHERE r.started_at < d.died_at"));
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.attempt"), 3);
    site_free(site);
}
END_TEST

/* --- What leaves the log --------------------------------------------------------------------------------------------------- */

/* The retry comes back behind everything, and the window is far too small for what waits for it. */
START_TEST(blocked_key_does_not_fill_the_window)
{
    struct site *site = start(
        WORKER "window = 100;",
        HANDLER("key_strict", "") ", { type = \"selftest.fail\"; order = \"key_strict\"; "
                                  "path = \"${build}/jobs/selftest/selftest.so\"; queue = \"selftest\"; "
                                  "backoff: { kind = \"constant\"; base = \"1h\"; jitter = 0; }; }");
    char payload[32];
    site_start_worker(site);
    produce(site, "selftest.fail", "slow", "{\"times\": 1}", 2);
    site_await(site, 10, "SELECT count(*) = 1 FROM job.pending WHERE reason = 'retry'");
    for (int i = 0; i < 400; i++) {
        snprintf(payload, sizeof(payload), "{\"n\": %d}", i);
        produce(site, "selftest.echo", "slow", payload, 2);
        if (i % 10 == 0)
            produce(site, "selftest.echo", "other", "{}", 2);
    }
    site_await(site, 20, "SELECT count(*) = 40 FROM job.result WHERE state = 'succeeded'");
    ck_assert_int_gt(site_ask(site, "SELECT count(*) FROM job.status WHERE state = 'waiting'"), 250);
    site_sql(site, "UPDATE job.pending SET run_at = clock_timestamp() WHERE reason = 'retry'");
    await_successes(site, 441, 40);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.hold"), 0);
    ck_assert(site_ask(
        site, "SELECT bool_and(n = place) FROM (SELECT (result ->> 'n')::integer AS n, "
              "row_number() OVER (ORDER BY started_at) - 1 AS place FROM job.result WHERE result ? 'n') r"));
    site_free(site);
}
END_TEST

START_TEST(leased_job_keeps_its_key_wherever_the_partition_goes)
{
    struct site *site = start(WORKER "handover_after = \"300ms\";", HANDLER("key", ""));
    struct site_daemon *first = site_start_worker(site);
    produce(site, "selftest.sleep", "k", "{\"ms\": 4000, \"trace\": \"%s\"}", 3);
    produce(site, "selftest.echo", "k", "{\"trace\": \"%s\"}", 3);
    site_await(site, 10, "SELECT count(*) = 1 FROM job.lease");
    site_start_worker(site);
    site_start_worker(site);
    site_await(site, 10, "SELECT count(DISTINCT owner) = 3 FROM job.cursor");
    await_successes(site, 2, 20);
    ck_assert(site_ask(site, "SELECT a.finished_at <= b.started_at FROM job.result a, job.result b "
                             "WHERE a.type = 'selftest.sleep' AND b.type = 'selftest.echo'"));
    ck_assert_uint_eq(trace_read().n_starts, 2);
    site_stop(first);
    site_free(site);
}
END_TEST

START_TEST(order_survives_kills_and_rebalances)
{
    struct site *site = start(WORKER, HANDLER("key_strict", "max_crashes = 100;"));
    struct keyed *keyed = keyed_new(12);
    struct site_daemon *workers[3];
    for (int i = 0; i < 3; i++)
        workers[i] = site_start_worker(site);
    keyed_enqueue(keyed, site, 400, 2);
    for (int i = 0; i < 3; i++) {
        site_await(site, 40, "SELECT count(*) >= %d FROM job.result", 60 * (i + 1));
        site_destroy(workers[i]);
        workers[i] = site_start_worker(site);
    }
    await_successes(site, 400, 80);
    keyed_check_strict(keyed);
    keyed_free(keyed);
    site_free(site);
}
END_TEST

/* --- People ---------------------------------------------------------------------------------------------------------------- */

START_TEST(cancelling_the_first_lets_the_next_go)
{
    struct site *site =
        start(WORKER, HANDLER("key_strict",
                              "") ", { type = \"selftest.fail\"; order = \"key_strict\"; "
                                  "path = \"${build}/jobs/selftest/selftest.so\"; queue = \"selftest\"; "
                                  "backoff: { kind = \"constant\"; base = \"1h\"; }; }");
    char *id, *text;
    site_start_worker(site);
    produce(site, "selftest.fail", "k", "{}", 0);
    produce(site, "selftest.echo", "k", "{}", 0);
    site_await(site, 10, "SELECT count(*) = 1 FROM job.pending WHERE reason = 'retry'");
    id = site_ask_text(site, "SELECT id::text FROM job.pending WHERE reason = 'retry'");
    ck_assert_int_eq(
        site_jobctl(site, &text, (const char *const[]){ "queue", "keys", "selftest", "-o", "json", NULL }),
        0);
    ck_assert_ptr_nonnull(strstr(text, id));
    ck_assert_ptr_nonnull(strstr(text, "\"retrying\""));
    free(text);
    ck_assert_int_eq(site_jobctl(site, NULL, (const char *const[]){ "job", "cancel", id, NULL }), 0);
    site_await(site, 5, "SELECT count(*) = 1 FROM job.result WHERE state = 'succeeded'");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.held_key"), 0);
    free(id);
    site_free(site);
}
END_TEST

START_TEST(retry_comes_back_to_the_partition_that_its_producer_chose)
{
    struct site *site = start(WORKER, HANDLER("key_strict", ""));
    site_start_worker(site);
    for (int partition = 0; partition < 4; partition++)
        produce(site, "selftest.fail", "same", "{\"times\": 1}", partition);
    await_successes(site, 4, 20);
    ck_assert_int_eq(site_ask(site, "SELECT count(DISTINCT partition) FROM job.result WHERE delivery = 2"),
                     4);
    site_free(site);
}
END_TEST

SUITE_MAIN("key_order", strict_keys_keep_their_order_while_jobs_fail,
           later_jobs_of_a_key_pass_one_that_is_tried_again, keys_run_beside_each_other_in_one_partition,
           failing_key_blocks_only_itself_until_it_is_dead, blocked_key_does_not_fill_the_window,
           leased_job_keeps_its_key_wherever_the_partition_goes, order_survives_kills_and_rebalances,
           cancelling_the_first_lets_the_next_go, retry_comes_back_to_the_partition_that_its_producer_chose)
