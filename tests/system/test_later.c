/* SPDX-License-Identifier: Apache-2.0 */
/* The topic <prefix>.later: jobs with a time, jobs with a unique key, and what is neither. */
#define SUITE_TIMEOUT_S 120
#include "tests/support/suite.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/timefmt.h"
#include "base/uuid.h"
#include "stream/message.h"
#include "tests/support/harness.h"
#include "tests/support/trace.h"

/* --- Tools --------------------------------------------------------------------------------------------------------------- */

#define QUEUE "{ name = \"selftest\"; partitions = 2; lanes = true; }"
#define HANDLER                                                                                              \
    "{ type = \"selftest.*\"; path = \"${build}/jobs/selftest/selftest.so\"; queue = \"selftest\"; }"

static struct site *site;

static void start(void)
{
    site = site_new(&(struct site_options){
        .queues = QUEUE, .handlers = HANDLER, .worker = "queues = ( { name = \"selftest\"; } );" });
    trace_start(site);
}

/* A message on the topic; 0 and NULL are not said. */
struct wish {
    const char *type, *queue, *payload, *unique_key, *priority;
    int64_t delay_ms;
    int64_t skew_ms;   /* of the clock of whoever enqueues */
    int64_t unique_ms; /* how long its key is held */
    const char *run_at, *debounce;
    int place; /* its partition plus one */
};

static size_t put(struct message_header *headers, size_t n, const char *name, const char *value)
{
    if (value)
        headers[n++] = (struct message_header){ name, span_from_string(value) };
    return n;
}

/* @id: UUID_TEXT_SIZE bytes, or NULL. Return: @id. */
static char *wish(const struct wish *w, char *id)
{
    struct uuid uuid;
    struct message_header headers[16];
    char text[4352], own[UUID_TEXT_SIZE], now[RFC3339_SIZE], at[RFC3339_SIZE], ttl[24];
    size_t n = 0;
    int64_t now_us = clock_wall_us() + w->skew_ms * USEC_PER_MSEC;
    uuid_new(&uuid);
    uuid_format(&uuid, id ? id : own);
    snprintf(ttl, sizeof(ttl), "%lld", (long long)w->unique_ms);
    n = put(headers, n, "ce_type", w->type ? w->type : "selftest.echo");
    n = put(headers, n, "ce_id", id ? id : own);
    n = put(headers, n, "ce_time", rfc3339_format(now_us, 6, now));
    n = put(headers, n, "ce_queue", w->queue ? w->queue : "selftest");
    n = put(headers, n, "ce_priority", w->priority);
    n = put(headers, n, "ce_runat",
            w->delay_ms ? rfc3339_format(now_us + w->delay_ms * USEC_PER_MSEC, 6, at) : w->run_at);
    n = put(headers, n, "ce_uniquekey", w->unique_key);
    n = put(headers, n, "ce_uniquettlms", w->unique_ms ? ttl : NULL);
    n = put(headers, n, "ce_debounce", w->debounce);
    trace_put_path(w->payload ? w->payload : "{\"trace\": \"%s\"}", text, sizeof(text));
    site_produce(
        site, "later",
        &(struct message){
            .partition = w->place - 1, .value = span_from_string(text), .headers = headers, .n_headers = n });
    return id;
}

static void await_ends(size_t n)
{
    site_await(site, 60, "SELECT count(*) = %zu FROM job.result", n);
}

/* --- Times --------------------------------------------------------------------------------------------------------------- */

START_TEST(job_waits_for_its_time_by_the_clock_of_kafka)
{
    char id[UUID_TEXT_SIZE];
    start();
    site_start_broker(site);
    site_start_worker(site);
    wish(&(struct wish){ .delay_ms = 5000, .skew_ms = -3600000 }, id);
    site_await(
        site, 20,
        "SELECT reason = 'delay' AND delivery = 1 AND NOT headers ? 'ce_runat' AND NOT headers ? 'ce_queue'"
        " FROM job.pending WHERE id = '%s'",
        id);
    ck_assert_int_eq(
        site_ask(site, "SELECT count(*) FROM job.status WHERE id = '%s' AND state = 'scheduled'", id), 1);
    int64_t wait_ms = site_ask(
        site, "SELECT (extract(epoch FROM run_at - clock_timestamp()) * 1000)::bigint FROM job.pending");
    ck_assert(wait_ms > 0 && wait_ms <= 5000);
    char *run_at = site_ask_text(site, "SELECT run_at::text FROM job.pending");
    await_ends(1);
    ck_assert(site_ask(site, "SELECT state = 'succeeded' AND started_at >= '%s' FROM job.result", run_at));
    ck_assert_uint_eq(trace_read().n_starts, 1);
    free(run_at);
    site_free(site);
}
END_TEST

START_TEST(every_delay_is_kept_and_every_job_runs_once)
{
    enum { N = 400 };
    start();
    site_start_broker(site);
    site_start_worker(site);
    site_sql(
        site,
        "CREATE TABLE job.due AS SELECT id, run_at FROM job.pending;"
        "CREATE FUNCTION job.keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO job.due VALUES (NEW.id, NEW.run_at);"
        " RETURN NEW; END $$; CREATE TRIGGER keep AFTER INSERT ON job.pending FOR EACH ROW EXECUTE FUNCTION job.keep()");
    for (int i = 0; i < N; i++)
        wish(&(struct wish){ .delay_ms = 1 + (i * 37) % 2000 }, NULL);
    await_ends(N);
    ck_assert_int_eq(
        site_ask(
            site,
            "SELECT count(*) FROM job.result r JOIN job.due d USING (id) WHERE r.started_at >= d.run_at"),
        N);
    ck_assert_uint_eq(trace_read().n_starts, N);
    site_free(site);
}
END_TEST

START_TEST(priority_goes_to_its_lane)
{
    start();
    site_start_broker(site);
    wish(&(struct wish){ .delay_ms = 1, .priority = "high" }, NULL);
    site_records_free(site_await_records(site, "selftest.high", 1, 20));
    site_free(site);
}
END_TEST

/* --- Unique keys --------------------------------------------------------------------------------------------------------- */

START_TEST(second_job_of_a_key_is_a_duplicate_until_the_first_has_ended)
{
    char first[UUID_TEXT_SIZE], second[UUID_TEXT_SIZE];
    start();
    site_start_broker(site);
    wish(&(struct wish){ .unique_key = "k" }, first);
    site_await(site, 20, "SELECT count(*) = 1 FROM job.unique");
    wish(&(struct wish){ .unique_key = "k" }, second);
    site_await(site, 20,
               "SELECT state = 'duplicate' AND result ->> 'duplicate_of' = '%s' AND error = 'duplicate of %s'"
               " FROM job.result WHERE id = '%s'",
               first, first, second);
    wish(&(struct wish){ .unique_key = "other" }, NULL);
    wish(&(struct wish){ .unique_key = "k", .type = "selftest.fence" }, NULL); /* of another type */
    site_start_worker(site);
    site_await(site, 20, "SELECT count(*) = 3 FROM job.result WHERE state = 'succeeded'");
    wish(&(struct wish){ .unique_key = "k" }, NULL);
    site_await(site, 20, "SELECT count(*) = 4 FROM job.result WHERE state = 'succeeded'");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.result"), 5);
    ck_assert_int_eq(site_ask(site, "SELECT job.forget_unique()"), 3);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.unique"), 0);
    site_free(site);
}
END_TEST

START_TEST(key_is_held_for_its_time_whether_its_job_has_ended_or_not)
{
    start();
    site_start_broker(site);
    site_start_worker(site);
    wish(&(struct wish){ .unique_key = "k", .unique_ms = 600000 }, NULL);
    site_await(site, 20, "SELECT count(*) = 1 FROM job.result WHERE state = 'succeeded'");
    wish(&(struct wish){ .unique_key = "k", .unique_ms = 600000 }, NULL);
    site_await(site, 20, "SELECT count(*) = 1 FROM job.result WHERE state = 'duplicate'");
    site_sql(site, "UPDATE job.unique SET until = clock_timestamp()");
    wish(&(struct wish){ .unique_key = "k", .unique_ms = 600000 }, NULL);
    site_await(site, 20, "SELECT count(*) = 2 FROM job.result WHERE state = 'succeeded'");
    site_free(site);
}
END_TEST

START_TEST(one_message_sent_twice_is_no_duplicate_of_itself)
{
    struct uuid uuid;
    char id[UUID_TEXT_SIZE];
    start();
    site_start_broker(site);
    uuid_new(&uuid);
    uuid_format(&uuid, id);
    const struct message_header headers[] = { { "ce_type", span_from_string("selftest.echo") },
                                              { "ce_id", span_from_string(id) },
                                              { "ce_queue", span_from_string("selftest") },
                                              { "ce_uniquekey", span_from_string("k") } };
    const struct message m = {
        .partition = 0, .value = span_from_string("{}"), .headers = headers, .n_headers = 4
    };
    for (int i = 0; i < 3; i++)
        site_produce(site, "later", &m);
    site_start_worker(site);
    site_await(site, 20,
               "SELECT next_offset = 3 FROM job.cursor WHERE topic LIKE '%%.later' AND partition = 0");
    await_ends(1);
    site_produce(site, "later", &m);
    site_await(site, 20,
               "SELECT next_offset = 4 FROM job.cursor WHERE topic LIKE '%%.later' AND partition = 0");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.result WHERE state = 'succeeded'"), 1);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.pending"), 0);
    site_free(site);
}
END_TEST

START_TEST(debounced_job_runs_once_with_the_last_payload)
{
    char first[UUID_TEXT_SIZE];
    start();
    site_start_broker(site);
    site_start_worker(site);
    wish(&(struct wish){ .unique_key = "k", .debounce = "1", .delay_ms = 600000, .payload = "{\"n\": 1}" },
         first);
    site_await(site, 20, "SELECT count(*) = 1 FROM job.pending");
    wish(&(struct wish){ .unique_key = "k", .debounce = "1", .delay_ms = 600000, .payload = "{\"n\": 2}" },
         NULL);
    site_await(site, 20, "SELECT count(*) = 1 FROM job.result WHERE state = 'duplicate'");
    wish(&(struct wish){ .unique_key = "k", .debounce = "1", .delay_ms = 1, .payload = "{\"n\": 3}" }, NULL);
    site_await(site, 20, "SELECT result = '{\"n\": 3}' FROM job.result WHERE id = '%s'", first);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.result WHERE state = 'duplicate'"), 2);
    site_free(site);
}
END_TEST

START_TEST(debounced_job_that_has_started_is_followed_by_another)
{
    char first[UUID_TEXT_SIZE];
    start();
    site_start_broker(site);
    site_start_worker(site);
    wish(
        &(struct wish){
            .type = "selftest.sleep", .unique_key = "k", .debounce = "1", .payload = "{\"ms\": 1500}" },
        first);
    site_await(site, 20, "SELECT count(*) = 1 FROM job.lease");
    wish(
        &(struct wish){
            .type = "selftest.sleep", .unique_key = "k", .debounce = "1", .payload = "{\"ms\": 1}" },
        NULL);
    site_await(site, 20, "SELECT count(*) = 2 FROM job.result WHERE state = 'succeeded'");
    site_free(site);
}
END_TEST

/* They are together in the topic before anybody reads it. "held": by a job that has not ended; "free": by one whose time is over. */
START_TEST(keys_of_one_batch_go_to_the_first_of_each)
{
    char first[20][UUID_TEXT_SIZE], free_id[UUID_TEXT_SIZE], bounced[UUID_TEXT_SIZE], key[16];
    site = site_new(&(struct site_options){ .queues = QUEUE });
    struct site_daemon *broker = site_start_broker(site);
    site_await_log(broker, 20, ".later made with");
    site_stop(broker);
    site_sql(site, "INSERT INTO job.unique (id, queue, type, key, until) VALUES"
                   " (job.new_id(), 'selftest', 'selftest.echo', 'held', NULL),"
                   " (job.new_id(), 'selftest', 'selftest.echo', 'free', now() - interval '1 s')");
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 20; i++) {
            snprintf(key, sizeof(key), "k%d", i);
            wish(&(struct wish){ .place = 1, .delay_ms = 600000, .unique_key = key },
                 round ? NULL : first[i]);
        }
    wish(&(struct wish){ .place = 1, .delay_ms = 600000, .unique_key = "held" }, NULL);
    wish(&(struct wish){ .place = 1, .delay_ms = 600000, .unique_key = "free" }, free_id);
    wish(&(struct wish){ .place = 1, .delay_ms = 600000, .unique_key = "free" }, NULL);
    wish(
        &(struct wish){
            .place = 1, .delay_ms = 600000, .unique_key = "d", .debounce = "1", .payload = "{\"n\": 1}" },
        bounced);
    wish(
        &(struct wish){
            .place = 1, .delay_ms = 600000, .unique_key = "d", .debounce = "1", .payload = "{\"n\": 2}" },
        NULL);
    wish(&(struct wish){ .place = 1, .delay_ms = 600000 }, NULL);
    site_start_broker(site);
    site_await(site, 30,
               "SELECT next_offset = 66 FROM job.cursor WHERE topic LIKE '%%.later' AND partition = 0");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.pending"),
                     23); /* 20, free, d, and the one without key */
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.result WHERE state = 'duplicate'"), 43);
    for (int i = 0; i < 20; i++) {
        ck_assert(site_ask(site,
                           "SELECT EXISTS (SELECT FROM job.pending WHERE id = '%s') AND"
                           " (SELECT id = '%s' FROM job.unique WHERE key = 'k%d')",
                           first[i], first[i], i));
        ck_assert_int_eq(site_ask(site,
                                  "SELECT count(*) FROM job.result WHERE result ->> 'duplicate_of' = '%s'",
                                  first[i]),
                         2);
    }
    ck_assert(
        site_ask(site, "SELECT id = '%s' AND until IS NULL FROM job.unique WHERE key = 'free'", free_id));
    ck_assert(site_ask(site,
                       "SELECT convert_from(payload, 'UTF8') = '{\"n\": 2}' FROM job.pending WHERE id = '%s'",
                       bounced));
    site_free(site);
}
END_TEST

/* --- What is malformed ------------------------------------------------------------------------------------------------------- */

START_TEST(what_cannot_be_understood_is_a_dead_letter_and_holds_nobody_up)
{
    static const struct {
        struct wish wish;
        const char *why;
    } cases[] = {
        { { .queue = "no queue" },
          "ce_queue: not a queue ([a-z0-9][a-z0-9-]{0,62}, and neither later nor dead)" },
        { { .run_at = "tomorrow" }, "ce_runat: not an RFC 3339 time" },
        { { .delay_ms = INT64_C(315576000000) + 3600000 }, "ce_runat: more than 10 years away" },
        { { .unique_ms = 5 }, "ce_uniquettlms: needs ce_uniquekey" },
        { { .debounce = "1" }, "ce_debounce: needs ce_uniquekey" },
        { { .debounce = "yes", .unique_key = "k" }, "ce_debounce: only 1 is allowed" },
        { { .priority = "urgent" }, "ce_priority: neither high nor low" },
        { { .unique_key = "" }, "ce_uniquekey: empty, or longer than 512 bytes" },
        { { .payload = "{\"a\":" }, "payload: not JSON at byte 5" },
        { { .type = "1" }, "ce_type: not a job type ([A-Za-z][A-Za-z0-9_.-]{0,127})" },
    };
    char ids[ARRAY_SIZE(cases)][UUID_TEXT_SIZE];
    start();
    site_start_broker(site);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        wish(&cases[i].wish, ids[i]);
    site_produce(site, "later", &(struct message){ .partition = -1, .value = span_from_string("\xff") });
    wish(&(struct wish){ .unique_key = "fine" }, NULL);
    site_start_worker(site);
    site_await(site, 20, "SELECT count(*) = 1 FROM job.result WHERE state = 'succeeded'");
    site_await(site, 20, "SELECT count(*) = %zu FROM job.dead WHERE reason = 'malformed'",
               ARRAY_SIZE(cases) + 1);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char *error = site_ask_text(site, "SELECT error FROM job.dead WHERE id = '%s'", ids[i]);
        ck_assert_str_eq(error, cases[i].why);
        free(error);
    }
    ck_assert_int_eq(
        site_ask(site,
                 "SELECT count(*) FROM job.dead WHERE payload = '\\xff' AND error = 'ce_type: missing'"),
        1);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.unique WHERE key <> 'fine'"), 0);
    site_free(site);
}
END_TEST

START_TEST(row_that_postgresql_refuses_costs_only_itself)
{
    enum { N = 40 };
    char bad[UUID_TEXT_SIZE] = "";
    start();
    struct site_daemon *broker = site_start_broker(site);
    site_await(site, 20, "SELECT count(*) = 4 FROM job.cursor"); /* so there is the topic */
    site_stop(broker);
    site_sql(
        site,
        "CREATE FUNCTION job.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF convert_from(NEW.payload, 'UTF8') LIKE '%%poison%%' THEN RAISE EXCEPTION 'never' USING ERRCODE = '22000'; END IF;"
        " RETURN NEW; END $$;"
        "CREATE TRIGGER refuse BEFORE INSERT ON job.pending FOR EACH ROW EXECUTE FUNCTION job.refuse()");
    /* One batch; behind the bad one every fourth has a lane, and every fourth is malformed. */
    for (int i = 0; i < N; i++)
        wish(&(struct wish){ .payload = i == 5 ? "{\"poison\": 1}" : NULL,
                             .unique_key = i % 2 ? NULL : "x",
                             .priority = i > 5 && i % 4 == 1 ? "high" : NULL,
                             .run_at = i > 5 && i % 4 == 3 ? "tomorrow" : NULL,
                             .place = 1 },
             i == 5 ? bad : NULL);
    broker = site_start_broker(site);
    site_start_worker(site);
    site_await(site, 30, "SELECT error = 'PostgreSQL refuses it: 22000' FROM job.dead WHERE id = '%s'", bad);
    await_ends(N);
    ck_assert_int_eq(
        site_ask(site, "SELECT count(*) FROM job.dead WHERE error = 'ce_runat: not an RFC 3339 time'"), 9);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.dead"), 10);
    ck_assert_int_eq(
        site_ask(site, "SELECT count(*) FROM job.result WHERE state = 'succeeded' AND topic LIKE '%%.high'"),
        8);
    ck_assert_uint_eq(site_count_log(broker, "trying again"), 0);
    site_free(site);
}
END_TEST

/* --- Brokers that die ---------------------------------------------------------------------------------------------------------- */

START_TEST(every_message_is_one_job_though_brokers_are_killed_and_connections_cut)
{
    enum { N = 2000, ROUNDS = 4 };
    start();
    struct site_daemon *brokers[2] = { site_start_broker(site), site_start_broker(site) };
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < N / ROUNDS; i++)
            wish(&(struct wish){ .delay_ms = 3600000, .unique_key = i % 4 ? NULL : "of every round" }, NULL);
        site_sql(site,
                 "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'later'"
                 " AND datname = current_database()");
        site_destroy(brokers[round % 2]);
        brokers[round % 2] = site_start_broker(site);
    }
    site_await(site, 60, "SELECT (SELECT count(*) FROM job.pending) + (SELECT count(*) FROM job.result) = %d",
               N);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.result WHERE state = 'duplicate'"), N / 4 - 1);
    site_await(site, 20, "SELECT sum(next_offset) = %d FROM job.cursor WHERE topic LIKE '%%.later'", N);
    site_free(site);
}
END_TEST

START_TEST(broker_that_stood_still_stores_nothing_twice)
{
    enum { N = 600 };
    start();
    struct site_daemon *first = site_start_broker(site);
    for (int i = 0; i < N; i++)
        wish(&(struct wish){ .delay_ms = 3600000 }, NULL);
    site_await(site, 20, "SELECT count(*) > 0 FROM job.pending");
    site_kill(first, SIGSTOP);
    site_start_broker(site);
    for (int i = 0; i < N; i++)
        wish(&(struct wish){ .delay_ms = 3600000 }, NULL);
    site_await(site, 60, "SELECT count(*) = %d FROM job.pending", 2 * N);
    site_kill(first, SIGCONT);
    for (int i = 0; i < N; i++)
        wish(&(struct wish){ .delay_ms = 3600000 }, NULL);
    site_await(site, 60, "SELECT count(*) = %d FROM job.pending", 3 * N);
    ck_assert(site_is_running(first));
    site_free(site);
}
END_TEST

SUITE_MAIN("later", job_waits_for_its_time_by_the_clock_of_kafka, every_delay_is_kept_and_every_job_runs_once,
           priority_goes_to_its_lane, second_job_of_a_key_is_a_duplicate_until_the_first_has_ended,
           key_is_held_for_its_time_whether_its_job_has_ended_or_not,
           one_message_sent_twice_is_no_duplicate_of_itself, debounced_job_runs_once_with_the_last_payload,
           debounced_job_that_has_started_is_followed_by_another, keys_of_one_batch_go_to_the_first_of_each,
           what_cannot_be_understood_is_a_dead_letter_and_holds_nobody_up,
           row_that_postgresql_refuses_costs_only_itself,
           every_message_is_one_job_though_brokers_are_killed_and_connections_cut,
           broker_that_stood_still_stores_nothing_twice)
