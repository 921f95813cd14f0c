/* SPDX-License-Identifier: Apache-2.0 */
/* A job's way through the real worker, on real servers: what it becomes, and what survives which death. */
#define SUITE_TIMEOUT_S 120
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libjob/include/job.h"
#include "tests/support/harness.h"
#include "tests/support/suite.h"
#include "tests/support/trace.h"

/* --- Tools --------------------------------------------------------------------------------------------------------------- */

/* The selftest module with fast retries. */
#define HANDLERS(more)                                                                                       \
    "{ type = \"selftest.*\"; kind = \"module\"; path = \"${build}/jobs/selftest/selftest.so\"; "            \
    "queue = \"selftest\"; backoff: { kind = \"constant\"; base = \"100ms\"; }; " more " }"

static const struct site_options plain = {
    .queues = "{ name = \"selftest\"; partitions = 4; }",
    .worker = "queues = ( { name = \"selftest\"; } ); executors_max = 4;",
    .handlers = HANDLERS(""),
};

static struct site *start(const struct site_options *options)
{
    struct site *site = site_new(options);
    trace_start(site);
    return site;
}

static struct job_client *open_client(struct site *site)
{
    struct job_client *client;
    const struct job_client_options options = { .brokers = site_kafka(site), .prefix = site_prefix(site) };
    ck_assert_int_eq(job_client_open(&client, &options), 0);
    return client;
}

static void produce(struct site *site, const char *value, const struct message_header *headers,
                    size_t n_headers)
{
    site_produce(
        site, "selftest",
        &(struct message){
            .partition = -1, .value = span_from_string(value), .n_headers = n_headers, .headers = headers });
}

#define HEADER(n, v)                                                                                         \
    {                                                                                                        \
        .name = (n), .value = {(v), sizeof(v) - 1 }                                                          \
    }

static size_t count_starts(void)
{
    return trace_read().n_starts;
}

static void await_results(struct site *site, size_t n, double deadline_s)
{
    site_await(site, deadline_s, "SELECT count(*) = %zu FROM job.result", n);
}

/* --- What a job becomes ---------------------------------------------------------------------------------------------------- */

START_TEST(enqueued_job_is_recorded_with_its_result)
{
    struct site *site = start(&plain);
    site_start_broker(site);
    struct site_daemon *worker = site_start_worker(site);
    struct job_client *client = open_client(site);
    struct job_id id;
    char text[JOB_ID_TEXT_SIZE];
    const struct job_spec spec = {
        .type = "selftest.echo",
        .queue = "selftest",
        .payload = "{\"hello\": \"world\"}",
        .traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    };
    ck_assert_int_eq(job_enqueue_wait(client, &spec, &id, 10000), 0);
    job_id_format(&id, text);
    site_await(site, 10, "SELECT true FROM job.result WHERE id = '%s'", text);
    ck_assert(site_ask(
        site,
        "SELECT state = 'succeeded' AND result = '{\"hello\": \"world\"}' AND attempt = 1 AND delivery = 1 "
        "AND queue = 'selftest' AND type = 'selftest.echo' AND error IS NULL AND reason IS NULL "
        "AND trace_id = '0af7651916cd43dd8448eb211c80319c' AND worker IS NOT NULL "
        "AND enqueued_at <= started_at AND started_at <= finished_at AND finished_at <= clock_timestamp() "
        "AND topic = '%s.selftest' AND \"offset\" = 0 FROM job.result WHERE id = '%s'",
        site_prefix(site), text));
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.attempt"), 0);
    job_client_close(client, 1000);
    site_stop(worker);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.worker"), 0);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.cursor WHERE owner IS NOT NULL"), 0);
    site_free(site);
}
END_TEST

START_TEST(failed_job_is_retried_until_it_succeeds)
{
    struct site *site = start(&plain);
    site_start_broker(site);
    site_start_worker(site);
    trace_enqueue(site, "selftest.fail", 1, "{\"times\": 2, \"trace\": \"%s\"}");
    await_results(site, 1, 20);
    ck_assert(site_ask(site, "SELECT state = 'succeeded' AND attempt = 3 AND delivery = 3 FROM job.result"));
    char *attempts =
        site_ask_text(site, "SELECT string_agg(concat_ws('/', delivery, attempt, outcome, error <> ''), ' ' "
                            "ORDER BY delivery) FROM job.attempt");
    ck_assert_str_eq(attempts, "1/1/failed/t 2/2/failed/t");
    free(attempts);
    ck_assert_uint_eq(count_starts(), 3);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.lease"), 0);
    site_free(site);
}
END_TEST

START_TEST(exhausted_job_is_dead_and_succeeds_after_replay)
{
    struct site *site = start(&(struct site_options){
        .queues = plain.queues, .worker = plain.worker, .handlers = HANDLERS("max_attempts = 2;") });
    site_start_broker(site);
    site_start_worker(site);
    trace_enqueue(site, "selftest.fail", 1, "{\"times\": 2, \"trace\": \"%s\"}");
    site_await(site, 20, "SELECT true FROM job.dead");
    ck_assert(site_ask(site,
                       "SELECT reason = 'exhausted' AND attempt = 2 AND delivery = 2 AND payload IS NOT NULL "
                       "AND error <> '' FROM job.dead"));
    ck_assert(site_ask(site, "SELECT state = 'dead' AND reason = 'exhausted' FROM job.result"));
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.attempt"), 2);
    /* The handler fails while attempt <= 2, and a replayed job begins at attempt 1: so mend the payload, as a person would. */
    site_sql(site, "UPDATE job.dead SET payload = '{\"times\": 0}'");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.replay(ARRAY(SELECT id FROM job.dead))"), 1);
    site_await(site, 20, "SELECT state = 'succeeded' FROM job.result");
    ck_assert(site_ask(site, "SELECT attempt = 1 AND delivery = 3 FROM job.result"));
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.dead"), 0);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.attempt"), 2);
    site_free(site);
}
END_TEST

START_TEST(permanent_failure_is_dead_at_once)
{
    struct site *site = start(&plain);
    site_start_broker(site);
    site_start_worker(site);
    trace_enqueue(site, "selftest.fail", 1, "{\"permanent\": true, \"trace\": \"%s\"}");
    site_await(site, 20, "SELECT reason = 'failed' AND attempt = 1 FROM job.dead");
    ck_assert(site_ask(site, "SELECT state = 'dead' AND reason = 'failed' FROM job.result"));
    ck_assert_uint_eq(count_starts(), 1);
    site_free(site);
}
END_TEST

START_TEST(plain_foreign_message_runs)
{
    struct site *site = start(&plain);
    site_start_broker(site);
    site_start_worker(site);
    const struct message_header headers[] = { HEADER("ce_type", "selftest.echo") };
    produce(site, "{\"from\": \"elsewhere\"}", headers, 1);
    produce(site, "{\"from\": \"elsewhere\"}", headers, 1);
    await_results(site, 2, 20);
    ck_assert_int_eq(site_ask(site, "SELECT count(DISTINCT id) FROM job.result WHERE state = 'succeeded' AND "
                                    "result = '{\"from\": \"elsewhere\"}' AND substr(id::text, 15, 1) = '7'"),
                     2);
    site_free(site);
}
END_TEST

START_TEST(malformed_messages_become_dead_letters_and_stop_nothing)
{
    struct site *site = start(&plain);
    site_start_broker(site);
    site_start_worker(site);
    const struct message_header good[] = { HEADER("ce_type", "selftest.echo") };
    const struct message_header none[] = { HEADER("x-other", "1") };
    const struct message_header bad_type[] = { HEADER("ce_type", "no spaces please") };
    const struct message_header bad_id[] = { HEADER("ce_type", "selftest.echo"), HEADER("ce_id", "42") };
    const struct message_header bad_number[] = { HEADER("ce_type", "selftest.echo"),
                                                 HEADER("ce_attempt", "-1") };
    produce(site, "{}", none, 1);
    produce(site, "{}", bad_type, 1);
    produce(site, "{}", bad_id, 2);
    produce(site, "{}", bad_number, 2);
    produce(site, "{\"broken\": ", good, 1);
    produce(site, "{\"whole\": true}", good, 1);
    await_results(site, 6, 20);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.result WHERE state = 'succeeded'"), 1);
    ck_assert_int_eq(site_ask(site,
                              "SELECT count(*) FROM job.dead WHERE reason = 'malformed' AND error <> '' AND "
                              "topic IS NOT NULL AND partition IS NOT NULL AND \"offset\" IS NOT NULL"),
                     5);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.dead WHERE payload = '{\"broken\": '"), 1);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.dead WHERE headers ->> 'ce_id' = '42'"), 1);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.attempt"), 0);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.replay(ARRAY(SELECT id FROM job.dead))"), 0);
    site_free(site);
}
END_TEST

START_TEST(unknown_type_waits_and_is_dead_after_the_grace)
{
    struct site *site = start(&(struct site_options){
        .queues = plain.queues,
        .worker = "queues = ( { name = \"selftest\"; } ); unknown_type_grace = \"200ms\";",
        .handlers = plain.handlers,
    });
    site_start_broker(site);
    site_start_worker(site);
    const struct message_header strange[] = { HEADER("ce_type", "nobody.knows") };
    const struct message_header missing[] = { HEADER("ce_type", "selftest.nothing") };
    produce(site, "{}", strange, 1);
    produce(site, "{}", missing, 1);
    site_await(
        site, 20,
        "SELECT count(*) = 2 FROM job.pending WHERE reason = 'parked' AND delivery = 2 AND attempt = 1 "
        "AND run_at > clock_timestamp() + interval '5 s'");
    site_await(site, 5, "SELECT max(finished_at) < clock_timestamp() - interval '200 ms' FROM job.attempt");
    site_sql(site, "UPDATE job.pending SET run_at = clock_timestamp()");
    site_await(site, 20, "SELECT count(*) = 2 FROM job.dead WHERE reason = 'unknown_type'");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.dead WHERE error LIKE '%%selftest.*%%'"), 2);
    ck_assert_int_eq(
        site_ask(site, "SELECT count(*) FROM job.attempt WHERE outcome = 'parked' AND attempt = 1"), 4);
    site_free(site);
}
END_TEST

START_TEST(crashing_handler_costs_itself_and_is_dead_after_its_budget)
{
    struct site *site = start(&(struct site_options){
        .queues = plain.queues, .worker = plain.worker, .handlers = HANDLERS("max_crashes = 2;") });
    site_start_broker(site);
    struct site_daemon *worker = site_start_worker(site);
    trace_enqueue(site, "selftest.crash", 1, "{\"trace\": \"%s\"}");
    trace_enqueue(site, "selftest.echo", 200, "{\"a\": 1}");
    site_await(site, 20, "SELECT reason = 'crashed' AND delivery = 2 AND attempt = 1 FROM job.dead");
    await_results(site, 201, 20);
    ck_assert_int_eq(
        site_ask(site,
                 "SELECT count(*) FROM job.attempt WHERE outcome = 'crashed' AND error LIKE '%%signal 11%%'"),
        2);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.result WHERE state = 'succeeded'"), 200);
    ck_assert(
        site_ask(site, "SELECT max(finished_at) - min(finished_at) >= interval '900 ms' FROM job.attempt"));
    ck_assert(site_is_running(worker));
    site_free(site);
}
END_TEST

START_TEST(result_that_jsonb_cannot_hold_costs_only_itself)
{
    struct site *site = start(&plain);
    site_start_worker(site);
    trace_enqueue(site, "selftest.echo", 300, "{\"a\": 1}");
    trace_enqueue(site, "selftest.echo", 1, "{\"huge\": 1e999999}");
    trace_enqueue(site, "selftest.echo", 300, "{\"a\": 2}");
    trace_enqueue(site, "selftest.echo", 1, "\"nul \\u0000 here\"");
    await_results(site, 602, 30);
    ck_assert_int_eq(
        site_ask(site, "SELECT count(*) FROM job.result WHERE state = 'succeeded' AND error IS NULL"), 601);
    ck_assert(site_ask(
        site,
        "SELECT state = 'succeeded' AND result IS NULL AND error = 'result refused: 22003' FROM job.result "
        "WHERE error IS NOT NULL"));
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.result WHERE jsonb_typeof(result) = 'string'"),
                     1);
    site_free(site);
}
END_TEST

/* --- Twice delivered, once run ----------------------------------------------------------------------------------------------- */

START_TEST(relayed_message_that_comes_twice_runs_once)
{
    struct site *site = start(&plain);
    site_start_worker(site);
    const struct message_header headers[] = { HEADER("ce_type", "selftest.sleep"),
                                              HEADER("ce_id", "0199c41f-0000-7000-8000-000000000001"),
                                              HEADER("ce_delivery", "2"), HEADER("ce_attempt", "2") };
    char payload[4200];
    snprintf(payload, sizeof(payload), "{\"ms\": 50, \"trace\": \"%s\"}", trace_path());
    for (int i = 0; i < 5; i++)
        produce(site, payload, headers, 4);
    await_results(site, 1, 20);
    trace_enqueue(site, "selftest.echo", 40, "{}");
    await_results(site, 41, 20);
    produce(site, payload, headers, 4);
    trace_enqueue(site, "selftest.echo", 40, "{}");
    await_results(site, 81, 20);
    ck_assert_uint_eq(count_starts(), 1);
    ck_assert(
        site_ask(site, "SELECT delivery = 2 AND attempt = 2 FROM job.result WHERE type = 'selftest.sleep'"));
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.lease"), 0);
    site_free(site);
}
END_TEST

START_TEST(job_enqueued_again_with_its_id_runs_once)
{
    struct site *site = start(&plain);
    site_start_worker(site);
    struct job_client *client = open_client(site);
    struct job_id id;
    char payload[4200];
    job_id_new(&id);
    snprintf(payload, sizeof(payload), "{\"ms\": 20, \"trace\": \"%s\"}", trace_path());
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(job_enqueue_wait(client,
                                          &(struct job_spec){ .type = "selftest.sleep",
                                                              .queue = "selftest",
                                                              .payload = payload,
                                                              .id = &id },
                                          NULL, 10000),
                         0);
    job_client_close(client, 1000);
    trace_enqueue(site, "selftest.echo", 40, "{}");
    await_results(site, 41, 20);
    ck_assert_uint_eq(count_starts(), 1);
    site_free(site);
}
END_TEST

START_TEST(job_enqueued_again_while_it_waits_still_waits)
{
    static const char id[] = "01920000-0000-7000-8000-000000000001";
    struct site *site = start(&plain);
    site_start_broker(site);
    site_start_worker(site);
    site_sql(site,
             "SELECT job.enqueue('selftest', 'selftest.echo', '{\"first\": 1}', id => '%s', "
             "run_at => now() + interval '3 seconds')",
             id);
    const struct message_header headers[] = { HEADER("ce_type", "selftest.echo"),
                                              { "ce_id", span_from_string(id) },
                                              HEADER("ce_claim", "1") };
    produce(site, "{\"second\": 2}", headers, 3);
    site_await(site, 10, "SELECT sum(next_offset) = 1 FROM job.cursor");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.result"), 0);
    await_results(site, 1, 20);
    ck_assert(site_ask(site, "SELECT result = '{\"first\": 1}' AND delivery = 1 FROM job.result"));
    site_free(site);
}
END_TEST

START_TEST(job_that_is_too_late_does_not_start)
{
    struct site *site = start(&plain);
    site_start_broker(site);
    const struct message_header late[] = { HEADER("ce_type", "selftest.echo"),
                                           HEADER("ce_expires", "2020-01-01T00:00:00Z") };
    const struct message_header timely[] = { HEADER("ce_type", "selftest.echo"),
                                             HEADER("ce_expires", "2100-01-01T00:00:00Z") };
    produce(site, "{}", late, 2);
    produce(site, "{}", timely, 2);
    site_start_worker(site);
    await_results(site, 2, 20);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.result WHERE state = 'succeeded'"), 1);
    ck_assert(site_ask(
        site, "SELECT started_at IS NULL AND reason IS NULL AND error = 'it had not started in time' "
              "FROM job.result WHERE state = 'expired'"));
    site_sql(site,
             "INSERT INTO job.pending (id, run_at, delivery, attempt, queue, type, reason, headers) VALUES "
             "(job.new_id(), now(), 3, 2, 'selftest', 'selftest.echo', 'retry', "
             "'{\"ce_expires\": \"2020-01-01T00:00:00Z\"}')");
    await_results(site, 3, 20);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.result WHERE state = 'expired'"), 2);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.dead") +
                         site_ask(site, "SELECT count(*) FROM job.lease"),
                     0);
    site_free(site);
}
END_TEST

/* --- Deaths ------------------------------------------------------------------------------------------------------------------ */

static void check_all_recorded_once(struct site *site, size_t n)
{
    await_results(site, n, 60);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.result WHERE state <> 'succeeded'"), 0);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.pending"), 0);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.dead"), 0);
    site_await(site, 10, "SELECT count(*) = 0 FROM job.lease");
}

START_TEST(killed_worker_loses_nothing_and_records_nothing_twice)
{
    enum { N = 5000 };
    struct site *site = start(&plain);
    site_start_broker(site);
    struct site_daemon *first = site_start_worker(site);
    trace_enqueue(site, "selftest.sleep", N, "{\"ms\": 1, \"trace\": \"%s\"}");
    trace_await_starts(N / 3);
    site_destroy(first);
    size_t before = count_starts();
    ck_assert_uint_lt(before, N);
    site_start_worker(site);
    check_all_recorded_once(site, N);
    struct trace trace = trace_read();
    ck_assert_uint_eq(trace.n_starts - trace.n_repeated, N);
    /* What was in flight on the killed worker: its executors' jobs and what was not yet recorded. */
    ck_assert_uint_le(trace.n_repeated, 4000 + 4 * 32);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.cursor WHERE unclean"), 4);
    site_free(site);
}
END_TEST

START_TEST(stopped_worker_repeats_nothing)
{
    enum { N = 3000 };
    struct site *site = start(&plain);
    site_start_broker(site);
    struct site_daemon *worker = site_start_worker(site);
    trace_enqueue(site, "selftest.sleep", N, "{\"ms\": 1, \"trace\": \"%s\"}");
    for (int i = 1; i <= 3; i++) {
        trace_await_starts((size_t)i * N / 5);
        site_kill(worker, SIGTERM);
        ck_assert_int_eq(site_await_exit(worker, 20), 0);
        worker = site_start_worker(site);
    }
    check_all_recorded_once(site, N);
    struct trace trace = trace_read();
    ck_assert_uint_eq(trace.n_starts, N);
    ck_assert_uint_eq(trace.n_repeated, 0);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.attempt"), 0);
    site_free(site);
}
END_TEST

START_TEST(rebalance_repeats_nothing)
{
    enum { N = 4000 };
    struct site *site = start(&plain);
    site_start_broker(site);
    site_start_worker(site);
    trace_enqueue(site, "selftest.sleep", N, "{\"ms\": 2, \"trace\": \"%s\"}");
    trace_await_starts(N / 10);
    struct site_daemon *second = site_start_worker(site);
    site_await(site, 20, "SELECT count(DISTINCT owner) = 2 FROM job.cursor");
    trace_await_starts(N / 2);
    site_stop(second);
    check_all_recorded_once(site, N);
    struct trace trace = trace_read();
    ck_assert_uint_eq(trace.n_starts, N);
    ck_assert_uint_eq(trace.n_repeated, 0);
    site_free(site);
}
END_TEST

START_TEST(job_beyond_the_drain_time_is_interrupted_and_goes_on_elsewhere)
{
    struct site *site = start(&(struct site_options){
        .queues = plain.queues,
        .worker = "queues = ( { name = \"selftest\"; } ); drain_timeout = \"300ms\";",
        .handlers = plain.handlers,
    });
    site_start_broker(site);
    struct site_daemon *worker = site_start_worker(site);
    trace_enqueue(site, "selftest.sleep", 1, "{\"ms\": 3000, \"trace\": \"%s\"}");
    trace_await_starts(1);
    site_kill(worker, SIGTERM);
    ck_assert_int_eq(site_await_exit(worker, 20), 0);
    ck_assert(site_ask(site, "SELECT outcome = 'interrupted' AND attempt = 1 FROM job.attempt"));
    site_start_worker(site);
    await_results(site, 1, 20);
    ck_assert(site_ask(site, "SELECT state = 'succeeded' AND attempt = 1 AND delivery = 2 FROM job.result"));
    site_free(site);
}
END_TEST

START_TEST(lost_connections_repeat_nothing)
{
    enum { N = 5000 };
    struct site *site = start(&plain);
    site_start_broker(site);
    struct site_daemon *worker = site_start_worker(site);
    pid_t pid = site_pid(worker);
    trace_enqueue(site, "selftest.sleep", N, "{\"ms\": 1, \"trace\": \"%s\"}");
    size_t cuts = 0;
    for (int64_t n; (n = site_ask(site, "SELECT count(*) FROM job.result")) < N;) {
        cuts += (size_t)site_ask(site, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE "
                                       "application_name = 'jobworkerd' AND datname = current_database()");
        site_await(site, 20, "SELECT count(*) > %lld FROM job.result", (long long)n);
    }
    ck_assert_uint_gt(cuts, 3);
    check_all_recorded_once(site, N);
    struct trace trace = trace_read();
    ck_assert_uint_eq(trace.n_starts, N);
    ck_assert_int_eq(site_pid(worker), pid);
    ck_assert(site_is_running(worker));
    site_free(site);
}
END_TEST

START_TEST(fenced_partition_is_dropped_and_taken_over_again)
{
    enum { N = 2000 };
    struct site *site = start(&plain);
    site_start_broker(site);
    struct site_daemon *worker = site_start_worker(site);
    trace_enqueue(site, "selftest.sleep", N, "{\"ms\": 1, \"trace\": \"%s\"}");
    trace_await_starts(N / 4);
    site_sql(site, "UPDATE job.cursor SET epoch = epoch + 1, owner = 'somebody else'");
    site_await_log(worker, 20, "was taken over by another worker");
    check_all_recorded_once(site, N);
    ck_assert(site_is_running(worker));
    site_free(site);
}
END_TEST

START_TEST(fence_during_a_revocation_does_not_hold_up_the_group)
{
    struct site *site = start(&plain);
    site_start_broker(site);
    struct site_daemon *first = site_start_worker(site);
    trace_enqueue(site, "selftest.sleep", 1, "{\"ms\": 1500, \"trace\": \"%s\"}");
    trace_await_starts(1);
    site_start_worker(site);
    site_await_log(first, 20, "partitions revoked");
    site_sql(site, "UPDATE job.cursor SET epoch = epoch + 1, owner = 'somebody else'");
    trace_enqueue(site, "selftest.echo", 50, "{}");
    await_results(site, 51, 30);
    ck_assert(site_is_running(first));
    site_free(site);
}
END_TEST

START_TEST(worker_declared_dead_goes_on_under_a_new_name)
{
    struct site *site = start(&plain);
    struct site_daemon *worker = site_start_worker(site);
    char *name = site_ask_text(site, "SELECT id FROM job.worker");
    site_sql(site, "DELETE FROM job.worker");
    trace_enqueue(site, "selftest.echo", 10, "{}");
    await_results(site, 10, 20);
    site_await(site, 20, "SELECT id <> '%s' FROM job.worker", name);
    ck_assert_uint_eq(site_count_log(worker, "was declared dead"), 1);
    free(name);
    site_free(site);
}
END_TEST

SUITE_MAIN("worker", enqueued_job_is_recorded_with_its_result, failed_job_is_retried_until_it_succeeds,
           exhausted_job_is_dead_and_succeeds_after_replay, permanent_failure_is_dead_at_once,
           plain_foreign_message_runs, malformed_messages_become_dead_letters_and_stop_nothing,
           unknown_type_waits_and_is_dead_after_the_grace,
           crashing_handler_costs_itself_and_is_dead_after_its_budget,
           result_that_jsonb_cannot_hold_costs_only_itself, relayed_message_that_comes_twice_runs_once,
           job_enqueued_again_with_its_id_runs_once, job_enqueued_again_while_it_waits_still_waits,
           job_that_is_too_late_does_not_start, killed_worker_loses_nothing_and_records_nothing_twice,
           stopped_worker_repeats_nothing, rebalance_repeats_nothing,
           job_beyond_the_drain_time_is_interrupted_and_goes_on_elsewhere, lost_connections_repeat_nothing,
           fenced_partition_is_dropped_and_taken_over_again,
           fence_during_a_revocation_does_not_hold_up_the_group,
           worker_declared_dead_goes_on_under_a_new_name)
