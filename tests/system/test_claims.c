/* SPDX-License-Identifier: Apache-2.0 */
/* Two messages of one delivery are read by two workers at once: one of them runs the job, whatever the other has seen. */
#define SUITE_TIMEOUT_S 60
#include "tests/support/suite.h"

#include <pthread.h>
#include <stdio.h>

#include "base/clock.h"
#include "tests/support/harness.h"

#define JOB "'0190a6c2-7d3e-7f00-8000-000000000001'"

static struct site *site;

static void setup(void)
{
    site = site_new(&(struct site_options){ .queues = "{ name = \"mail\"; partitions = 2; }" });
    site_add_worker(site, "w1", 0);
    site_add_worker(site, "w2", 0);
}

static const char *claim_sql(const char *worker, int token, const char *fresh)
{
    static char sql[600];
    snprintf(
        sql, sizeof(sql),
        "SELECT job.claim('%s', ARRAY[" JOB
        "::uuid], '{%d}', '{1}', '{1}', '{mail}', '{welcome}', '{t}', '{0}',"
        " '{1}', ARRAY[now()], '{5}', ARRAY[''::bytea], '{\"{}\"}', ARRAY[''::bytea], ARRAY[now()], '{%s}')",
        worker, token, fresh);
    return sql;
}

/* What the first worker writes when its job has ended, or is to be tried again, in a transaction that is still open. */
static struct db *write_end(const char *sql)
{
    struct db *db;
    struct err err;
    ck_assert_int_eq(db_new(&db, &(struct db_options){ .url = site_database_url(site),
                                                       .name = "first",
                                                       .idle_timeout_us = 60 * USEC_PER_SEC }),
                     0);
    ck_assert_msg(db_begin(db, &err) == 0, "%s", err.text);
    ck_assert_msg(db_execute(db, sql, &err) == 0, "%s", err.text);
    ck_assert_msg(db_execute(db, "DELETE FROM job.lease WHERE token = 7", &err) == 0, "%s", err.text);
    return db;
}

/* The second worker's claim, by a thread: it waits for the first one's transaction. */
static void *run_claim(void *userdata)
{
    struct db *db;
    struct rows *rows = NULL;
    struct err err;
    size_t *ret_n = userdata;
    *ret_n = 999;
    if (db_new(&db, &(struct db_options){ .url = site_database_url(site), .name = "second" }) == 0) {
        if (db_connect(db, &err) == 0 && db_query(db, claim_sql("w2", 8, "false"), NULL, 0, &rows, &err) == 0)
            *ret_n = rows_count(rows);
        rows_free(rows);
        db_free(db);
    }
    return NULL;
}

static size_t claim_meanwhile(struct db *first, bool commits)
{
    pthread_t thread;
    size_t n_claimed;
    struct err err;
    ck_assert_int_eq(pthread_create(&thread, NULL, run_claim, &n_claimed), 0);
    site_await(site, 10,
               "SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = current_database()"
               " AND application_name = 'second' AND wait_event_type = 'Lock'");
    if (commits)
        ck_assert_int_eq(db_commit(first, &err), 0);
    db_free(first);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    return n_claimed;
}

START_TEST(a_job_that_ends_meanwhile_is_not_claimed)
{
    setup();
    ck_assert_int_eq(site_ask(site, "%s", claim_sql("w1", 7, "false")), 7);
    struct db *first =
        write_end("INSERT INTO job.result (id, finished_at, attempt, delivery, queue, type, state)"
                  " VALUES (" JOB ", now(), 1, 1, 'mail', 'welcome', 'succeeded')");
    ck_assert_uint_eq(claim_meanwhile(first, true), 0);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.lease"), 0);
    site_free(site);
}
END_TEST

START_TEST(a_delivery_that_fails_meanwhile_is_not_claimed)
{
    setup();
    ck_assert_int_eq(site_ask(site, "%s", claim_sql("w1", 7, "false")), 7);
    struct db *first = write_end("INSERT INTO job.attempt (id, finished_at, attempt, delivery, outcome)"
                                 " VALUES (" JOB ", now(), 1, 1, 'failed')");
    ck_assert_uint_eq(claim_meanwhile(first, true), 0);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.lease"), 0);
    site_free(site);
}
END_TEST

START_TEST(a_lease_that_stays_keeps_others_away)
{
    setup();
    ck_assert_int_eq(site_ask(site, "%s", claim_sql("w1", 7, "false")), 7);
    struct db *first = write_end("SELECT 1"); /* and is rolled back */
    ck_assert_uint_eq(claim_meanwhile(first, false), 0);
    ck_assert_int_eq(site_ask(site, "SELECT token FROM job.lease"), 7);
    site_free(site);
}
END_TEST

START_TEST(the_same_claim_tells_the_same_again)
{
    setup();
    ck_assert_int_eq(site_ask(site, "%s", claim_sql("w1", 7, "false")), 7);
    ck_assert_int_eq(site_ask(site, "%s", claim_sql("w1", 7, "false")), 7);
    ck_assert_int_eq(site_ask(site, "%s", claim_sql("w2", 8, "false")), 0);
    ck_assert_int_eq(site_ask(site, "SELECT token FROM job.lease"), 7);
    site_free(site);
}
END_TEST

/* A job with an id of its own, enqueued a second time while it waits to be tried again. */
START_TEST(a_fresh_message_of_a_job_that_waits_is_not_claimed)
{
    setup();
    site_sql(site, "INSERT INTO job.pending (id, run_at, delivery, attempt, queue, type, reason, headers)"
                   " VALUES (" JOB ", now() + interval '1 hour', 2, 2, 'mail', 'welcome', 'retry', '{}')");
    ck_assert_int_eq(site_ask(site, "%s", claim_sql("w1", 7, "true")), 0);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.lease"), 0);
    ck_assert_int_eq(site_ask(site, "%s", claim_sql("w1", 7, "false")), 7); /* the relay's */
    site_free(site);
}
END_TEST

SUITE_MAIN("claims", a_job_that_ends_meanwhile_is_not_claimed, a_delivery_that_fails_meanwhile_is_not_claimed,
           a_lease_that_stays_keeps_others_away, the_same_claim_tells_the_same_again,
           a_fresh_message_of_a_job_that_waits_is_not_claimed)
