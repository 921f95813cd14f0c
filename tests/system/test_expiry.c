/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs that must start in time and wait in PostgreSQL: what job.enqueue() takes, and what the relay does when it is too late. */
#define SUITE_TIMEOUT_S 60
#include "tests/support/suite.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "store/migrate.h"
#include "tests/support/harness.h"

#define MAIL "{ name = \"mail\"; partitions = 2; }"
#define HOUR "interval '1 hour'"

static struct site *new_site(void)
{
    return site_new(&(struct site_options){ .queues = MAIL, .broker = "relay_batch = 100;" });
}

/* A job whose @headers are an SQL expression for text, due at @run_at. Return: its id. */
static char *wait_with(struct site *s, const char *queue, const char *run_at, const char *headers)
{
    char *id = site_ask_text(s, "SELECT job.new_id()");
    site_sql(s,
             "INSERT INTO job.pending (id, run_at, delivery, attempt, queue, type, reason, headers)"
             " VALUES ('%s', %s, 2, 2, '%s', 'welcome', 'retry', (%s)::jsonb)",
             id, run_at, queue, headers);
    return id;
}

#define EXPIRES(moment)                                                                                      \
    "jsonb_build_object('ce_expires', to_char((" moment                                                      \
    ") AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), 'ce_reply', '1',"                           \
    " 'traceparent', '00-0123456789abcdef0123456789abcdef-0123456789abcdef-01',"                             \
    " 'ce_time', '2026-01-01T00:00:00Z', 'ce_parent', '01920000-0000-7000-8000-000000000001')"

static void check_expired(struct site *s, const char *id)
{
    site_await(s, 20, "SELECT count(*) = 1 FROM job.result WHERE id = '%s'", id);
    ck_assert(
        site_ask(s,
                 "SELECT state = 'expired' AND reason IS NULL AND error = 'it had not started in time' AND"
                 " queue = 'mail' AND type = 'welcome' AND attempt = 2 AND delivery = 2 AND"
                 " started_at IS NULL AND enqueued_at = '2026-01-01T00:00:00Z' AND"
                 " trace_id = '0123456789abcdef0123456789abcdef' AND"
                 " parent = '01920000-0000-7000-8000-000000000001' AND worker = 'relay'"
                 " FROM job.result WHERE id = '%s'",
                 id));
    ck_assert_int_eq(site_ask(s, "SELECT count(*) FROM job.pending WHERE id = '%s'", id), 0);
}

START_TEST(job_that_has_expired_is_ended_and_not_sent)
{
    struct site *s = new_site();
    char *late = wait_with(s, "mail", "now()", EXPIRES("now() - " HOUR));
    char *timely = wait_with(s, "mail", "now()", EXPIRES("now() + " HOUR));
    char *later = wait_with(s, "mail", "now() + " HOUR, EXPIRES("now() - interval '1 s'"));
    ck_assert_int_eq(db_execute(site_db(s), "LISTEN job_result", NULL), 0);
    site_start_broker(s);
    struct site_records *r = site_await_records(s, "mail", 1, 20);
    check_expired(s, late);
    check_expired(s, later);
    ck_assert_uint_eq(r->n, 1);
    ck_assert_ptr_nonnull(site_find_record(r, timely));
    site_await(s, 5, "SELECT count(*) = 0 FROM job.pending");
    ck_assert_int_eq(site_ask(s, "SELECT count(*) FROM job.attempt"), 0);
    ck_assert_int_eq(site_ask(s, "SELECT count(*) FROM job.dead"), 0);
    site_records_free(r);
    free(late);
    free(timely);
    free(later);
    site_free(s);
}
END_TEST

START_TEST(who_waits_for_an_expired_job_is_told)
{
    char told[64] = "";
    struct err err;
    struct site *s = new_site();
    ck_assert_int_eq(db_execute(site_db(s), "LISTEN job_result", &err), 0);
    char *id = wait_with(s, "mail", "now()", EXPIRES("now() - " HOUR));
    site_start_broker(s);
    ck_assert_int_eq(db_wait(site_db(s), -1, 20 * USEC_PER_SEC, told, sizeof(told)), DB_NOTIFIED);
    ck_assert_str_eq(told, id);
    free(id);
    site_free(s);
}
END_TEST

/* Nobody enqueues meanwhile, so only the clock wakes the relay. */
START_TEST(job_that_waits_longer_than_it_lives_ends_when_it_expires)
{
    struct site *s = new_site();
    site_start_broker(s);
    site_await(s, 10, "SELECT asleep FROM job.relay");
    char *retry = wait_with(s, "mail", "now() + " HOUR, EXPIRES("now() + interval '2 s'"));
    int64_t began_us = clock_mono_us();
    check_expired(s, retry);
    ck_assert_int_ge(clock_mono_us() - began_us, 1900000);
    ck_assert_int_lt(clock_mono_us() - began_us, 13 * USEC_PER_SEC);
    ck_assert(site_ask(s, "SELECT finished_at >= job.time_of('2026-01-01') FROM job.result"));
    free(retry);
    site_free(s);
}
END_TEST

START_TEST(job_that_is_held_up_expires_where_it_waits)
{
    struct site *s = new_site();
    struct site_daemon *broker = site_start_broker(s);
    char *id = site_ask_text(
        s, "SELECT job.enqueue('nowhere', 'welcome', expires => clock_timestamp() + interval '3 s')");
    site_await_log(broker, 10, "nowhere: there is no such topic");
    site_await(s, 20, "SELECT count(*) = 1 FROM job.result WHERE id = '%s' AND state = 'expired'", id);
    ck_assert_int_eq(site_ask(s, "SELECT count(*) FROM job.pending"), 0);
    free(id);
    site_free(s);
}
END_TEST

START_TEST(any_number_may_expire_at_once)
{
    enum { N = 1050 };
    struct site *s = new_site();
    site_sql(s,
             "INSERT INTO job.pending (id, run_at, delivery, attempt, queue, type, reason, headers)"
             " SELECT job.new_id(), now(), 1, 1, 'mail', 'welcome', 'delay', " EXPIRES(
                 "now() - " HOUR) " FROM generate_series(1, %d)",
             N);
    char *timely = wait_with(s, "mail", "now()", "'{}'");
    site_start_broker(s);
    site_await(s, 20, "SELECT count(*) = %d FROM job.result WHERE state = 'expired'", N);
    site_await(s, 5, "SELECT count(*) = 0 FROM job.pending");
    struct site_records *r = site_await_records(s, "mail", 1, 10);
    ck_assert_uint_eq(r->n, 1);
    site_records_free(r);
    free(timely);
    site_free(s);
}
END_TEST

/* They are sent as they are: the worker is the judge of what is malformed. */
START_TEST(expiry_that_is_no_time_holds_up_nobody)
{
    static const char *const odd[] = {
        "'{\"ce_expires\": \"tomorrow\"}'",   "'{\"ce_expires\": \"2020-02-31T00:00:00Z\"}'",
        "'{\"ce_expires\": \"2020-01-01\"}'", "'{\"ce_expires\": \"2020-01-01T00:00:00+99:00\"}'",
        "'{\"ce_expires\": null}'",           "'{\"ce_expires\": [\"2020-01-01T00:00:00Z\", \"x\"]}'"
    };
    struct site *s = new_site();
    for (size_t i = 0; i < ARRAY_SIZE(odd); i++)
        free(wait_with(s, "mail", "now()", odd[i]));
    char *late = wait_with(
        s, "mail", "now()",
        "'{\"ce_expires\": \"2020-01-01T00:00:00.123456789-03:30\", \"ce_parent\": \"x\", \"ce_time\": \"y\","
        " \"traceparent\": \"z\"}'");
    site_start_broker(s);
    struct site_records *r = site_await_records(s, "mail", ARRAY_SIZE(odd), 20);
    ck_assert_uint_eq(r->n, ARRAY_SIZE(odd));
    site_await(s, 5,
               "SELECT parent IS NULL AND enqueued_at IS NULL AND trace_id IS NULL"
               " FROM job.result WHERE id = '%s' AND state = 'expired'",
               late);
    site_records_free(r);
    free(late);
    site_free(s);
}
END_TEST

/* Kafka's answer was lost: the row is still there, and its job runs. */
START_TEST(job_that_runs_does_not_expire_behind_its_back)
{
    struct site *s = new_site();
    site_add_worker(s, "w1", 1);
    site_sql(
        s,
        "UPDATE job.worker SET beat_at = 'infinity'"); /* never seen to stand still before the end of the test */
    site_sql(s, "INSERT INTO job.pending (id, run_at, delivery, attempt, queue, type, reason, headers)"
                " SELECT id, now() + " HOUR
                ", delivery, attempt, queue, type, 'outbox', " EXPIRES("now()") " FROM job.lease");
    char *late = wait_with(s, "mail", "now()", EXPIRES("now()"));
    site_start_broker(s);
    check_expired(s, late);
    ck_assert_int_eq(site_ask(s, "SELECT count(*) FROM job.result"), 1);
    ck_assert_int_eq(site_ask(s, "SELECT count(*) FROM job.pending WHERE run_at > now()"), 0);
    free(late);
    site_free(s);
}
END_TEST

START_TEST(replayed_job_runs_however_late_it_is)
{
    struct site *s = new_site();
    char *id = wait_with(s, "mail", "now()", EXPIRES("now() - " HOUR));
    site_sql(s, "INSERT INTO job.dead (id, died_at, delivery, attempt, queue, type, reason, headers)"
                " SELECT id, now(), delivery, attempt, queue, type, 'failed', headers FROM job.pending;"
                "DELETE FROM job.pending");
    ck_assert_int_eq(site_ask(s, "SELECT count(*) FROM job.replay(ARRAY['%s']::uuid[])", id), 1);
    site_start_broker(s);
    struct site_records *r = site_await_records(s, "mail", 1, 20);
    const struct site_record *job = site_find_record(r, id);
    ck_assert_ptr_nonnull(job);
    ck_assert_ptr_null(site_header(job, "ce_expires"));
    ck_assert_str_eq(site_header(job, "ce_reply"), "1");
    site_records_free(r);
    free(id);
    site_free(s);
}
END_TEST

START_TEST(enqueueing_names_when_it_is_too_late)
{
    struct site *s = new_site();
    site_sql(s, "SET TimeZone = 'Asia/Kolkata'; SET DateStyle = 'German'");
    site_sql(s, "SELECT job.enqueue('mail', 't', expires => '2099-12-31 23:59:59.25+01')");
    char *expires = site_ask_text(s, "SELECT headers ->> 'ce_expires' FROM job.pending");
    ck_assert_str_eq(expires, "2099-12-31T22:59:59.250000Z");
    ck_assert(
        site_ask(s, "SELECT job.expiry(headers) = '2099-12-31 22:59:59.25Z'::timestamptz FROM job.pending"));
    free(expires);
    /* The parameters keep their places. */
    site_sql(s,
             "SELECT job.enqueue('mail', 't', '{}', 'k', now() + " HOUR ", 3, '1 s', '{a}', '{\"x\": \"y\"}',"
             " job.new_id(), now() + interval '2 hours')");
    ck_assert_int_eq(site_ask(s, "SELECT count(*) FROM job.pending WHERE NOT headers ? 'ce_expires'"), 0);
    site_sql(s, "SELECT job.enqueue('mail', 't')");
    ck_assert_int_eq(site_ask(s, "SELECT count(*) FROM job.pending WHERE NOT headers ? 'ce_expires'"), 1);
    site_free(s);
}
END_TEST

START_TEST(expiry_that_makes_no_sense_is_refused)
{
    static const struct {
        const char *arguments, *sqlstate, *rule;
    } cases[] = {
        { "expires => now() - interval '1 s'", "JB107", "has passed already" },
        { "expires => '-infinity'", "JB107", "has passed already" },
        { "expires => 'infinity'", "JB107", "more than 100 years away" },
        { "expires => now() + interval '1 minute', run_at => now() + interval '1 hour'", "JB107",
          "is not after run_at" },
        { "expires => 'soon'", "22007", "invalid input syntax" },
    };
    struct site *s = new_site();
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char sql[256];
        struct err err = { 0 };
        snprintf(sql, sizeof(sql), "SELECT job.enqueue('mail', 't', %s)", cases[i].arguments);
        ck_assert_int_eq(db_execute(site_db(s), sql, &err), STORE_REFUSED);
        ck_assert_str_eq(db_refusal(site_db(s))->sqlstate, cases[i].sqlstate);
        ck_assert_msg(strstr(err.text, cases[i].rule), "%s: %s", sql, err.text);
    }
    ck_assert_int_eq(site_ask(s, "SELECT count(*) FROM job.pending"), 0);
    site_free(s);
}
END_TEST

static void apply(struct site *s, const struct migration *m)
{
    struct err err = { 0 };
    ck_assert_msg(db_execute(site_db(s), m->sql, &err) == 0, "%s", err.text);
    site_sql(s, "INSERT INTO job.schema_migration (version, name) VALUES (%d, '%s')", m->version, m->name);
}

START_TEST(new_parameter_costs_nobody_their_rights)
{
    const struct migration *m = migrations;
    struct site *s = site_new(&(struct site_options){ .queues = MAIL, .no_schema = true });
    site_sql(
        s,
        "CREATE SCHEMA job; CREATE TABLE job.schema_migration (version integer PRIMARY KEY, name text NOT NULL,"
        " applied_at timestamptz NOT NULL DEFAULT now()); SET client_min_messages = warning");
    for (; m->version < 9; m++)
        apply(s, m);
    ck_assert_str_eq(m->name, "expires");
    site_sql(
        s,
        "DO $$ BEGIN"
        " EXECUTE format('REVOKE ALL ON FUNCTION %%s FROM PUBLIC', 'job.enqueue'::regproc::oid::regprocedure);"
        " EXECUTE format('GRANT EXECUTE ON FUNCTION %%s TO pg_monitor WITH GRANT OPTION', 'job.enqueue'::regproc::oid::regprocedure);"
        " EXECUTE format('COMMENT ON FUNCTION %%s IS ''ours''', 'job.enqueue'::regproc::oid::regprocedure); END $$");
    apply(s, m);
    ck_assert_int_eq(site_ask(s, "SELECT count(*) FROM pg_proc WHERE pronamespace = 'job'::regnamespace AND"
                                 " proname LIKE 'enqueue%%'"),
                     1);
    ck_assert(site_ask(s, "SELECT NOT has_function_privilege('pg_read_all_data', oid, 'EXECUTE') AND"
                          " has_function_privilege('pg_monitor', oid, 'EXECUTE WITH GRANT OPTION') AND"
                          " has_function_privilege(current_user, oid, 'EXECUTE') AND"
                          " obj_description(oid, 'pg_proc') = 'ours'"
                          " FROM pg_proc WHERE proname = 'enqueue' AND pronamespace = 'job'::regnamespace"));
    site_free(s);
}
END_TEST

SUITE_MAIN("expiry", job_that_has_expired_is_ended_and_not_sent, who_waits_for_an_expired_job_is_told,
           job_that_waits_longer_than_it_lives_ends_when_it_expires,
           job_that_is_held_up_expires_where_it_waits, any_number_may_expire_at_once,
           expiry_that_is_no_time_holds_up_nobody, job_that_runs_does_not_expire_behind_its_back,
           replayed_job_runs_however_late_it_is, enqueueing_names_when_it_is_too_late,
           expiry_that_makes_no_sense_is_refused, new_parameter_costs_nobody_their_rights)
