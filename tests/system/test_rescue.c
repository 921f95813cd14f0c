/* SPDX-License-Identifier: Apache-2.0 */
/* A lost worker's jobs are taken from it in parts: whatever happens between two of them, each comes back once. */
#define SUITE_TIMEOUT_S 120
#include "tests/support/suite.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "tests/support/harness.h"
#include "tests/support/harness_site.h"
#include "tests/support/trace.h"

#define MAIL "{ name = \"mail\"; partitions = 2; }"
#define MIB "1048576"

/* What is rescued stays in job.pending. */
static struct site *new_site(const char *broker)
{
    return site_new(&(struct site_options){ .queues = MAIL, .broker = broker });
}

/* Further leases of a worker of site_add_worker(). */
static void add_leases(struct site *s, const char *worker, const char *headers, const char *payload, int n)
{
    site_sql(
        s,
        "INSERT INTO job.lease (id, token, delivery, attempt, max_crashes, queue, type, worker, headers, payload)"
        " SELECT job.new_id(), 1, 1, 1, 5, 'mail', 'welcome', '%s', %s, %s FROM generate_series(1, %d) n",
        worker, headers, payload, n);
}

/* Each of @n jobs came from its lease once; none is left. */
static void check_each_is_rescued_once(struct site *s, int n)
{
    ck_assert_int_eq(
        site_ask(s, "SELECT (SELECT count(*) FROM job.lease) + (SELECT count(*) FROM job.worker)"), 0);
    ck_assert_int_eq(site_ask(s, "SELECT count(*) FROM job.pending WHERE delivery = 2 AND reason = 'rescue'"),
                     n);
    ck_assert_int_eq(site_ask(s, "SELECT count(*) FROM job.pending"), n);
    ck_assert_int_eq(site_ask(s, "SELECT count(*) FROM job.attempt WHERE delivery = 1 AND outcome = 'lost'"),
                     n);
    ck_assert_int_eq(site_ask(s, "SELECT count(*) FROM job.attempt"), n);
}

/* Keeps one transaction open that has locked rows. */
static struct db *lock_rows(struct site *s, const char *sql)
{
    struct db *db;
    struct err err = { 0 };
    ck_assert_int_eq(db_new(&db, &(struct db_options){ .url = site_database_url(s),
                                                       .name = "lock",
                                                       .idle_timeout_us = 60 * USEC_PER_SEC }),
                     0);
    ck_assert_msg(db_begin(db, &err) == 0, "%s", err.text);
    ck_assert_msg(db_execute(db, sql, &err) == 0, "%s", err.text);
    return db;
}

START_TEST(thousands_of_leases_are_rescued_in_short_transactions)
{
    struct site *s = new_site("relay = false;");
    struct site_daemon *broker = site_start_broker(s);
    site_add_worker(s, "w1", 2000);
    add_leases(s, "w1", "'{}'", "decode(repeat('00', " MIB "), 'hex')", 10);
    add_leases(s, "w1", "'{}'", "decode(repeat('00', 5 * " MIB "), 'hex')", 1);
    int64_t began_us = clock_mono_us();
    site_await(s, 20, "SELECT NOT EXISTS (SELECT FROM job.worker)");
    printf("# rescued after %.1f s\n", (double)(clock_mono_us() - began_us) / 1e6);
    check_each_is_rescued_once(s, 2011);
    site_await_log(broker, 5, "worker w1 is gone, 2011 jobs rescued");
    ck_assert_uint_eq(site_count_log(broker, "w1 is declared dead"), 1);
    site_sql(s, "CREATE TABLE public.parts AS SELECT count(*) AS jobs, sum(octet_length(payload)) AS bytes"
                " FROM job.pending GROUP BY xmin::text");
    ck_assert_int_le(site_ask(s, "SELECT max(jobs) FROM public.parts"), 500);
    ck_assert_int_eq(site_ask(s, "SELECT count(*) FROM public.parts WHERE bytes > 4 * " MIB " AND jobs > 1"),
                     0);
    ck_assert_int_eq(site_ask(s, "SELECT max(bytes) FROM public.parts"), 5 * 1048576);
    site_free(s);
}
END_TEST

START_TEST(another_broker_goes_on_where_one_was_killed)
{
    struct site *s = new_site("relay = false;");
    site_add_worker(s, "w1", 3000);
    struct db *lock = lock_rows(s, "SELECT FROM job.lease ORDER BY id DESC LIMIT 1 FOR UPDATE");
    struct site_daemon *broker = site_start_broker(s);
    site_await(s, 30, "SELECT count(*) < 3000 FROM job.lease");
    site_destroy(broker);
    ck_assert_int_gt(site_ask(s, "SELECT count(*) FROM job.lease"), 0);
    ck_assert_int_eq(site_ask(s, "SELECT count(*) FROM job.worker WHERE lost_at IS NOT NULL"), 1);
    broker = site_start_broker(s);
    site_await(s, 30, "SELECT count(*) = 1 FROM job.lease"); /* nobody waits for the one that is locked */
    ck_assert_int_eq(site_ask(s, "SELECT count(*) FROM job.worker"), 1);
    db_free(lock);
    site_await(s, 10, "SELECT NOT EXISTS (SELECT FROM job.worker)");
    check_each_is_rescued_once(s, 3000);
    site_await_log(broker, 5, "worker w1 is gone, 3000 jobs rescued");
    ck_assert_uint_eq(site_count_log(broker, "declared dead"), 0);
    site_free(s);
}
END_TEST

START_TEST(a_broker_that_stands_still_in_the_middle_takes_no_job_twice)
{
    struct site *s = new_site("relay = false;");
    site_add_worker(s, "w1", 3000);
    struct db *lock = lock_rows(s, "SELECT FROM job.lease ORDER BY id DESC LIMIT 1 FOR UPDATE");
    struct site_daemon *one = site_start_broker(s), *other = site_start_broker(s);
    site_await(s, 30, "SELECT count(*) < 3000 FROM job.lease");
    /* Whoever has declared it dead is at it. */
    if (site_count_log(other, "w1 is declared dead")) {
        struct site_daemon *swap = one;
        one = other;
        other = swap;
    }
    site_kill(one, SIGSTOP);
    site_await(s, 30, "SELECT count(*) = 1 FROM job.lease");
    site_kill(one, SIGCONT);
    db_free(lock);
    site_await(s, 10, "SELECT NOT EXISTS (SELECT FROM job.worker)");
    site_await(s, 10, "SELECT count(*) = 3000 FROM job.pending");
    check_each_is_rescued_once(s, 3000);
    site_stop(one);
    site_stop(other);
    ck_assert_uint_eq(
        site_count_log(one, "w1 is declared dead") + site_count_log(other, "w1 is declared dead"), 1);
    ck_assert_uint_eq(
        site_count_log(one, "w1 is gone, 3000 jobs") + site_count_log(other, "w1 is gone, 3000 jobs"), 1);
    site_free(s);
}
END_TEST

START_TEST(who_was_declared_dead_is_not_observed_once_more)
{
    struct site *s = new_site("relay = false; lease_timeout = \"60s\";");
    site_add_worker(s, "w1", 700);
    site_add_worker(s, "w2", 0);
    site_add_worker(s, "beats", 1);
    ck_assert_int_eq(
        site_ask(s, "SELECT count(*) FROM job.worker WHERE id <> 'beats' AND job.declare_lost(id, beat_at)"),
        2);
    site_start_broker(s);
    site_await(s, 20, "SELECT count(*) = 1 FROM job.worker");
    ck_assert_int_eq(site_ask(s, "SELECT count(*) FROM job.lease WHERE worker = 'beats'"), 1);
    ck_assert_int_eq(site_ask(s, "SELECT count(*) FROM job.pending"), 700);
    site_free(s);
}
END_TEST

START_TEST(a_worker_that_is_about_to_beat_is_not_declared_dead)
{
    struct site *s = new_site(NULL);
    site_add_worker(s, "w1", 1);
    site_sql(s, "CREATE TABLE public.seen AS SELECT beat_at FROM job.worker");
    struct db *lock = lock_rows(s, "UPDATE job.worker SET beat_at = clock_timestamp()");
    int64_t began_us = clock_mono_us();
    ck_assert_int_eq(site_ask(s, "SELECT job.declare_lost('w1', beat_at) FROM public.seen"), 0);
    ck_assert_int_lt(clock_mono_us() - began_us, 2 * USEC_PER_SEC); /* not waited for */
    struct err err;
    ck_assert_int_eq(db_commit(lock, &err), 0);
    ck_assert_int_eq(site_ask(s, "SELECT job.declare_lost('w1', beat_at) FROM public.seen"), 0);
    ck_assert_int_eq(site_ask(s, "SELECT job.declare_lost('nobody', now())"), 0);
    ck_assert_int_eq(site_ask(s, "SELECT jobs IS NULL FROM job.rescue('w1')"), 1); /* not declared dead */
    db_free(lock);
    site_free(s);
}
END_TEST

static const char claim_sql[] =
    "SELECT job.claim('w1', ARRAY[job.new_id()], '{7}', '{1}', '{1}', '{mail}', '{welcome}', '{t}', '{0}', '{1}',"
    " ARRAY[now()], '{5}', ARRAY[''::bytea], '{\"{}\"}', ARRAY[''::bytea], ARRAY[now()], '{false}')";

START_TEST(who_was_declared_dead_takes_no_lease)
{
    struct site *s = new_site(NULL);
    struct err err = { 0 };
    site_add_worker(s, "w1", 1);
    ck_assert_int_eq(site_ask(s, claim_sql), 7);
    struct db *lock = lock_rows(s, claim_sql);
    ck_assert_int_eq(site_ask(s, "SELECT job.declare_lost('w1', beat_at) FROM job.worker"), 0);
    db_free(lock); /* rolled back, soon */
    site_await(s, 5, "SELECT job.declare_lost('w1', beat_at) FROM job.worker");
    ck_assert_int_eq(db_execute(site_db(s), claim_sql, &err), STORE_REFUSED);
    ck_assert_msg(strstr(err.text, "23503"), "%s", err.text);
    ck_assert_int_eq(site_ask(s, "SELECT count(*) FROM job.lease"), 2);
    ck_assert_int_eq(site_ask(s, "SELECT total FROM job.rescue('w1')"), 2);
    ck_assert_int_eq(db_execute(site_db(s), claim_sql, &err), STORE_REFUSED);
    site_free(s);
}
END_TEST

START_TEST(a_lease_that_can_be_nothing_else_becomes_a_dead_letter)
{
    struct site *s = new_site("relay = false;");
    site_add_worker(s, "w1", 20);
    add_leases(s, "w1", "'\"no object\"'", "'\\x00ff'", 1);
    add_leases(s, "w1", "'{\"ce_parent\": \"no uuid\"}'", "'\\x01'", 1);
    struct site_daemon *broker = site_start_broker(s);
    site_await(s, 20, "SELECT NOT EXISTS (SELECT FROM job.worker)");
    site_await_log(broker, 5, "worker w1 is gone, 22 jobs rescued");
    ck_assert_int_eq(site_ask(s, "SELECT count(*) FROM job.pending"), 20);
    ck_assert_int_eq(
        site_ask(s,
                 "SELECT count(*) FROM job.dead d JOIN job.result r USING (id) JOIN job.attempt a USING (id)"
                 " WHERE d.reason = 'crashed' AND r.state = 'dead' AND a.outcome = 'lost'"
                 " AND d.error LIKE 'rescue refused: 22___ %%' AND octet_length(d.payload) > 0"),
        2);
    ck_assert_int_eq(
        site_ask(s, "SELECT count(*) FROM job.dead WHERE headers = '\"no object\"' AND payload = '\\x00ff'"),
        1);
    site_free(s);
}
END_TEST

/* --- The worker comes back in the middle ------------------------------------------------------------------------------------- */

#define JOBS 100

static struct site *new_site_with_handlers(void)
{
    struct site *s = site_new(&(struct site_options){
        .queues = "{ name = \"selftest\"; partitions = 4; }",
        .worker = "queues = ( { name = \"selftest\"; } ); executors_max = 4;",
        .handlers =
            "{ type = \"selftest.*\"; path = \"${build}/jobs/selftest/selftest.so\"; queue = \"selftest\"; }" });
    trace_start(s);
    return s;
}

START_TEST(a_worker_without_work_learns_from_its_beat_that_it_was_declared_dead)
{
    struct site *s = new_site_with_handlers();
    struct site_daemon *worker = site_start_worker(s);
    site_sql(s,
             "INSERT INTO job.lease (id, token, delivery, attempt, max_crashes, queue, type, worker, headers)"
             " SELECT job.new_id(), 1, 1, 1, 5, 'selftest', 'selftest.echo', id, '{}' FROM job.worker");
    site_await(s, 5, "SELECT job.declare_lost(id, beat_at) FROM job.worker");
    site_await_log(worker, 20, "was declared dead");
    site_await(s, 10, "SELECT count(*) = 2 FROM job.worker"); /* its old row, with a lease, and its new one */
    ck_assert_int_eq(site_ask(s, "SELECT count(*) FROM job.lease"), 1);
    site_stop(worker);
    ck_assert_int_eq(site_ask(s, "SELECT lost_at IS NOT NULL FROM job.worker"), 1);
    site_free(s);
}
END_TEST

START_TEST(a_worker_that_comes_back_in_the_middle_goes_on_under_a_new_name)
{
    static const char last_id[] = "01920000-0000-7000-8000-000000000001";
    struct site *s = new_site_with_handlers();
    site_start_broker(s);
    struct site_daemon *worker = site_start_worker(s);
    char *name = site_ask_text(s, "SELECT id FROM job.worker");
    site_sql(s,
             "SELECT job.enqueue('selftest', 'selftest.sleep', '{\"ms\": 300, \"trace\": \"%s\"}')"
             " FROM generate_series(1, %d)",
             trace_path(), JOBS);
    site_await(
        s, 30,
        "SELECT count(*) > 60 FROM job.lease"); /* claimed before they start, for the relay sent them */
    site_sql(s,
             "INSERT INTO job.lease (id, token, delivery, attempt, max_crashes, queue, type, worker, headers)"
             " VALUES ('%s', 1, 1, 1, 5, 'selftest', 'selftest.echo', '%s', '{}')",
             last_id, name);
    struct db *last = lock_rows(s, "SELECT FROM job.lease WHERE type = 'selftest.echo' FOR UPDATE");
    struct db *some =
        lock_rows(s, "SELECT FROM job.lease WHERE token <> 1 ORDER BY id DESC LIMIT 20 FOR UPDATE");
    site_kill(worker, SIGSTOP);
    site_await(
        s, 20,
        "SELECT count(*) = 21 FROM job.lease l JOIN job.worker w ON w.id = l.worker WHERE w.lost_at IS NOT NULL");
    site_kill(worker, SIGCONT);
    /* Its first batch has a beat only, or gives leases back of which some are locked. */
    int64_t deadline_us = site_deadline(20);
    while (!site_count_log(worker, "was declared dead") &&
           !site_ask(s, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'jobworkerd'"
                        " AND datname = current_database() AND wait_event_type = 'Lock'"))
        ck_assert(site_nap(deadline_us));
    db_free(some);
    site_await_log(worker, 20, "was declared dead");
    site_await(s, 10, "SELECT count(*) = 2 FROM job.worker"); /* its old row, with a lease, and its new one */
    db_free(last);
    site_await(s, 60, "SELECT count(*) = %d FROM job.result WHERE state = 'succeeded'", JOBS + 1);
    site_await(s, 10, "SELECT count(*) = 1 FROM job.worker WHERE id <> '%s'", name);
    ck_assert_int_eq(site_ask(s, "SELECT count(*) FROM job.worker"), 1);
    ck_assert_int_eq(site_ask(s, "SELECT count(*) FROM job.lease"), 0);
    ck_assert_int_eq(
        site_ask(s, "SELECT count(*) FROM job.attempt WHERE outcome NOT IN ('lost', 'interrupted')"), 0);
    ck_assert_int_gt(site_ask(s, "SELECT count(*) FROM job.attempt WHERE worker = '%s'", name), 40);
    ck_assert_uint_ge(trace_read().n_starts, JOBS);
    site_stop(worker);
    free(name);
    site_free(s);
}
END_TEST

SUITE_MAIN("rescue", thousands_of_leases_are_rescued_in_short_transactions,
           another_broker_goes_on_where_one_was_killed,
           a_broker_that_stands_still_in_the_middle_takes_no_job_twice,
           who_was_declared_dead_is_not_observed_once_more,
           a_worker_that_is_about_to_beat_is_not_declared_dead, who_was_declared_dead_takes_no_lease,
           a_lease_that_can_be_nothing_else_becomes_a_dead_letter,
           a_worker_without_work_learns_from_its_beat_that_it_was_declared_dead,
           a_worker_that_comes_back_in_the_middle_goes_on_under_a_new_name)
