/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workers with thousands of leases are lost at once, beside others that beat and record and must not notice.
 *
 * Tier nightly has 10,000 leases of ten workers and 10,000 of one, 200 of them of a megabyte; smoke a tenth.
 */
#define SUITE_TIMEOUT_S 900
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tests/support/harness.h"
#include "tests/support/harness_site.h"
#include "tests/support/suite.h"

#define SMALL_WORKERS 10
#define LIVE_WORKERS 4
#define BEAT_PAUSE_US (20 * USEC_PER_MSEC)
#define BEATS_MAX 50000

static int size(int nightly)
{
    const char *tier = getenv("JOB_FAULT_TIER");
    return tier && strcmp(tier, "nightly") == 0 ? nightly : nightly / 10;
}

/* --- Workers that live -------------------------------------------------------------------------------------------------------- */

/* One after the other beats and, in the same transaction, records a result. */
struct heart {
    pthread_t thread;
    struct db *db;
    atomic_bool stop;
    atomic_size_t n;
    int64_t took_us[BEATS_MAX];
    struct err err;
};

static void *beat_main(void *arg)
{
    struct heart *h = arg;
    int64_t next_us = clock_mono_us();
    while (!atomic_load(&h->stop) && atomic_load(&h->n) < BEATS_MAX) {
        char sql[512];
        size_t n = atomic_load(&h->n);
        snprintf(
            sql, sizeof(sql),
            "INSERT INTO job.result (id, queue, type, state, attempt, delivery, started_at, finished_at, worker)"
            " VALUES (job.new_id(), 'mail', 'written', 'succeeded', 1, 1, now(), now(), 'w');"
            "UPDATE job.worker SET beat_at = clock_timestamp() WHERE id = 'live%zu' AND lost_at IS NULL",
            n % LIVE_WORKERS);
        int64_t began_us = clock_mono_us();
        if (db_execute(h->db, sql, &h->err))
            break;
        h->took_us[n] = clock_mono_us() - began_us;
        atomic_fetch_add(&h->n, 1);
        next_us = (next_us > began_us ? next_us : began_us) + BEAT_PAUSE_US;
        struct timespec until = { next_us / USEC_PER_SEC, next_us % USEC_PER_SEC * 1000 };
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
    }
    return NULL;
}

static struct heart *heart_start(struct site *s)
{
    struct heart *h = calloc(1, sizeof(*h));
    ck_assert_ptr_nonnull(h);
    ck_assert_int_eq(db_new(&h->db, &(struct db_options){ .url = site_database_url(s), .name = "heart" }), 0);
    ck_assert_msg(db_connect(h->db, &h->err) == 0, "%s", h->err.text);
    ck_assert_int_eq(pthread_create(&h->thread, NULL, beat_main, h), 0);
    return h;
}

static void heart_stop(struct heart *h)
{
    atomic_store(&h->stop, true);
    ck_assert_int_eq(pthread_join(h->thread, NULL), 0);
    ck_assert_msg(!*h->err.text, "%s", h->err.text);
    ck_assert_uint_lt(atomic_load(&h->n), BEATS_MAX);
    db_free(h->db);
}

static int compare_times(const void *a, const void *b)
{
    return *(const int64_t *)a < *(const int64_t *)b ? -1 : *(const int64_t *)a > *(const int64_t *)b;
}

/* Of the beats from @first up to @end. Return: the longest, in seconds. */
static double say_beats(struct heart *h, const char *when, size_t first, size_t end)
{
    size_t n = end - first;
    int64_t *took_us = h->took_us + first;
    ck_assert_uint_gt(n, 0);
    qsort(took_us, n, sizeof(*took_us), compare_times);
    printf("# others' beats, %s: %zu, %.1f ms (p50), %.1f ms (p99), %.1f ms (all)\n", when, n,
           (double)took_us[n / 2] / 1e3, (double)took_us[n * 99 / 100] / 1e3, (double)took_us[n - 1] / 1e3);
    return (double)took_us[n - 1] / 1e6;
}

/* --- Workers that will be lost ------------------------------------------------------------------------------------------------ */

/* How long each transaction of a rescue takes, seen at its end; the row says how many jobs it has taken. */
static void watch_parts(struct site *s)
{
    site_sql(s, "CREATE TABLE public.parts (took interval, jobs integer, at timestamptz);"
                "CREATE FUNCTION public.note_part() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                " INSERT INTO public.parts VALUES (clock_timestamp() - transaction_timestamp(),"
                " NEW.rescued - OLD.rescued, clock_timestamp()); RETURN NULL; END $$;"
                "CREATE CONSTRAINT TRIGGER note_part AFTER UPDATE ON job.worker DEFERRABLE INITIALLY DEFERRED"
                " FOR EACH ROW WHEN (NEW.lost_at IS NOT NULL) EXECUTE FUNCTION public.note_part()");
}

static void add_workers(struct site *s, int n_each, int n_large)
{
    char name[16];
    for (int i = 0; i < LIVE_WORKERS; i++) {
        snprintf(name, sizeof(name), "live%d", i);
        site_add_worker(s, name, 1);
    }
    for (int i = 0; i < SMALL_WORKERS; i++) {
        snprintf(name, sizeof(name), "lost%d", i);
        site_add_worker(s, name, n_each);
    }
    site_add_worker(s, "lost", SMALL_WORKERS * n_each - n_large);
    site_sql(s,
             "CREATE TABLE public.large AS SELECT decode(string_agg(md5(random()::text), ''), 'hex') AS bytes"
             " FROM generate_series(1, 65000)");
    site_sql(
        s,
        "INSERT INTO job.lease (id, token, delivery, attempt, max_crashes, queue, type, worker, headers, payload)"
        " SELECT job.new_id(), 1, 1, 1, 5, 'mail', 'welcome', 'lost', '{}', bytes"
        " FROM public.large, generate_series(1, %d) n",
        n_large);
}

/* They beat until the broker watches them. */
static void beat_for_a_while(struct site *s)
{
    for (int64_t until_us = clock_mono_us() + 5 * USEC_PER_SEC; site_nap(until_us);)
        site_sql(s, "UPDATE job.worker SET beat_at = clock_timestamp() WHERE id LIKE 'lost%%'");
}

START_TEST(ten_thousand_leases_of_one_worker_and_of_ten_are_rescued)
{
    int n_each = size(1000), n_all = 2 * SMALL_WORKERS * n_each;
    struct site *s = site_new(
        &(struct site_options){ .queues = "{ name = \"mail\"; partitions = 4; }", .long_times = true });
    site_sql(s, "SET statement_timeout = 0");
    add_workers(s, n_each, size(200));
    watch_parts(s);
    struct heart *heart = heart_start(s);
    site_start_broker(s);
    beat_for_a_while(s);
    int64_t killed_us = clock_mono_us();
    size_t n_before = atomic_load(&heart->n);
    site_await(s, 60, "SELECT count(*) > 0 FROM public.parts");
    size_t n_alone = atomic_load(&heart->n);
    double seen_s = (double)(clock_mono_us() - killed_us) / 1e6;
    site_await(s, 120, "SELECT count(*) = 0 FROM job.worker WHERE id LIKE 'lost%%'");
    size_t n_end = atomic_load(&heart->n);
    double all_s = (double)(clock_mono_us() - killed_us) / 1e6;
    heart_stop(heart);
    int64_t longest_ms =
        site_ask(s, "SELECT extract(epoch FROM max(took)) * 1000 FROM public.parts WHERE jobs > 0");
    printf("# %d leases: declared dead after %.1f s, all rescued after %.1f s, by %" PRId64
           " transactions, the longest of %" PRId64 " ms\n",
           n_all, seen_s, all_s, site_ask(s, "SELECT count(*) FROM public.parts WHERE jobs > 0"), longest_ms);
    say_beats(heart, "before", n_before, n_alone);
    double longest_beat_s = say_beats(heart, "during the rescue", n_alone, n_end);
    ck_assert_int_eq(site_ask(s, "SELECT count(*) FROM job.attempt WHERE delivery = 1 AND outcome = 'lost'"),
                     n_all);
    ck_assert_int_eq(site_ask(s, "SELECT count(*) FROM job.attempt"), n_all);
    ck_assert_int_eq(site_ask(s, "SELECT count(*) FROM job.worker"), LIVE_WORKERS);
    ck_assert_int_eq(site_ask(s, "SELECT count(*) FROM job.lease"), LIVE_WORKERS);
    ck_assert_int_eq(site_ask(s, "SELECT sum(jobs) FROM public.parts"), n_all);
    ck_assert_int_le(site_ask(s, "SELECT max(jobs) FROM public.parts"), 500);
    site_await(s, 300, "SELECT NOT EXISTS (SELECT FROM job.pending)"); /* all of them are in Kafka */
    ck_assert_int_lt(longest_ms, 5000);
    ck_assert_double_lt(longest_beat_s, 2);
    ck_assert_double_lt(all_s, 60);
    free(heart);
    site_free(s);
}
END_TEST

SUITE_MAIN("fault_rescue", ten_thousand_leases_of_one_worker_and_of_ten_are_rescued)
