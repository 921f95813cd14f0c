/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A large table of results is pruned, by days and by small deletes, beside a writer that must not notice.
 *
 * Tier nightly has 10,000,000 rows, smoke fewer.
 */
#define SUITE_TIMEOUT_S 3000
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tests/support/harness.h"
#include "tests/support/harness_site.h"
#include "tests/support/suite.h"

#define OLD_DAYS 5
#define DELETED_SHARE 5 /* of the rows a fifth is not dropped with its days */
#define WRITE_PAUSE_US (5 * USEC_PER_MSEC)
#define ALONE_S 20
#define WRITES_MAX 400000

static size_t count_rows(void)
{
    const char *tier = getenv("JOB_FAULT_TIER");
    return tier && strcmp(tier, "nightly") == 0 ? 10000000 : 200000;
}

/* --- A writer ---------------------------------------------------------------------------------------------------------------- */

/* Records ten ends and moves its cursor, in one transaction, every few milliseconds. */
static const char write_sql[] =
    "INSERT INTO job.result (id, queue, type, state, attempt, delivery, started_at, finished_at, worker)"
    " SELECT job.new_id(), 'mail', 'written', 'succeeded', 1, 1, clock_timestamp(), clock_timestamp(), 'w'"
    " FROM generate_series(1, 10);"
    "UPDATE job.cursor SET next_offset = next_offset + 10, batch_seq = batch_seq + 1, updated_at = clock_timestamp()"
    " WHERE topic = 't'";

struct writer {
    pthread_t thread;
    struct db *db;
    atomic_bool stop;
    atomic_size_t n;
    int64_t *took_us;
    struct err err;
};

static void *write_main(void *arg)
{
    struct writer *w = arg;
    int64_t next_us = clock_mono_us();
    while (!atomic_load(&w->stop) && !*w->err.text && atomic_load(&w->n) < WRITES_MAX) {
        int64_t began_us = clock_mono_us();
        if (db_execute(w->db, write_sql, &w->err))
            break;
        w->took_us[atomic_load(&w->n)] = clock_mono_us() - began_us;
        atomic_fetch_add(&w->n, 1);
        next_us = (next_us > began_us ? next_us : began_us) + WRITE_PAUSE_US;
        struct timespec until = { next_us / USEC_PER_SEC, next_us % USEC_PER_SEC * 1000 };
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
    }
    return NULL;
}

static void writer_start(struct writer *w, struct site *site)
{
    *w = (struct writer){ .took_us = calloc(WRITES_MAX, sizeof(*w->took_us)) };
    site_sql(site, "INSERT INTO job.cursor (topic, partition, epoch) VALUES ('t', 0, 1)");
    ck_assert_int_eq(db_new(&w->db, &(struct db_options){ .url = site_database_url(site), .name = "writer" }),
                     0);
    ck_assert_msg(db_connect(w->db, &w->err) == 0, "%s", w->err.text);
    ck_assert_int_eq(pthread_create(&w->thread, NULL, write_main, w), 0);
}

static void writer_stop(struct writer *w)
{
    atomic_store(&w->stop, true);
    ck_assert_int_eq(pthread_join(w->thread, NULL), 0);
    ck_assert_msg(!*w->err.text, "%s", w->err.text);
    ck_assert_uint_lt(atomic_load(&w->n), WRITES_MAX);
    db_free(w->db);
}

static int compare_times(const void *a, const void *b)
{
    return *(const int64_t *)a < *(const int64_t *)b ? -1 : *(const int64_t *)a > *(const int64_t *)b;
}

/* Of the writes from @first up to @end. Return: the longest, in seconds. */
static double say_times(struct writer *w, const char *when, size_t first, size_t end)
{
    size_t n = end - first;
    int64_t *took_us = w->took_us + first;
    ck_assert_uint_gt(n, 100);
    qsort(took_us, n, sizeof(*took_us), compare_times);
    printf("# the writer %s: %zu commits, %.1f ms (p50), %.1f ms (p99), %.1f ms (all)\n", when, n,
           (double)took_us[n / 2] / 1e3, (double)took_us[n * 99 / 100] / 1e3, (double)took_us[n - 1] / 1e3);
    return (double)took_us[n - 1] / 1e6;
}

/* --- The table ----------------------------------------------------------------------------------------------------------------- */

/* Ends that lie between two times in the past, evenly and in their order; ids have the times of the ends. */
static void fill(struct site *site, const char *queue, const char *from, const char *upto, size_t n)
{
    site_sql(
        site,
        "INSERT INTO job.result (id, queue, type, state, attempt, delivery, started_at, finished_at, worker)"
        " SELECT (left(job.first_id_after(t)::text, 14) || '7' || substr(gen_random_uuid()::text, 16))::uuid, '%s', 't' || n %% 3,"
        " CASE WHEN n %% 50 = 0 THEN 'cancelled' ELSE 'succeeded' END, 1, 1, t, t, 'w'"
        " FROM generate_series(0, %zu) n, LATERAL (SELECT %s + n * ((%s) - (%s)) / %zu AS t) x",
        queue, n - 1, from, upto, from, n);
}

/* Most rows go with their days, the others by the retention of their queue. */
static void fill_all(struct site *site, size_t n)
{
    enum { PARTS = 10 };
    site_sql(site, "SET statement_timeout = 0");
    site_sql(site,
             "CREATE TABLE public.filled AS SELECT now() AS at, date_trunc('day', now(), 'UTC') AS day");
    site_sql(site,
             "SELECT job.create_partition(p, current_date - d) FROM unnest('{result,attempt}'::text[]) p,"
             " unnest('{0,1,16,17,18,19,20}'::integer[]) d");
    for (int i = 0; i < OLD_DAYS; i++) {
        char from[96], upto[96];
        snprintf(from, sizeof(from), "(SELECT day - interval '%d days' FROM public.filled)", 20 - i);
        snprintf(upto, sizeof(upto), "(SELECT day - interval '%d days' FROM public.filled)", 19 - i);
        fill(site, "mail", from, upto, (n - n / DELETED_SHARE) / OLD_DAYS);
    }
    for (int i = 0; i < PARTS; i++) {
        char from[96], upto[96];
        snprintf(from, sizeof(from), "(SELECT at - interval '%d minutes' FROM public.filled)", 240 - i * 12);
        snprintf(upto, sizeof(upto), "(SELECT at - interval '%d minutes' FROM public.filled)",
                 240 - (i + 1) * 12);
        fill(site, "brief", from, upto, n / DELETED_SHARE / PARTS);
    }
    site_sql(site, "VACUUM (ANALYZE) job.result"); /* it has been there for long */
    site_sql(
        site,
        "CREATE TABLE public.truth AS SELECT date_trunc('hour', finished_at) AS hour, queue, type, state,"
        " count(*) AS n FROM job.result GROUP BY 1, 2, 3, 4");
    ck_assert_int_eq(site_ask(site, "SELECT sum(n) FROM public.truth"), (int64_t)n);
}

/* What was there, and what the writer has added since. */
static void check_counters(struct site *site)
{
    site_sql(site,
             "INSERT INTO public.truth SELECT date_trunc('hour', finished_at), queue, type, state, count(*)"
             " FROM job.result GROUP BY 1, 2, 3, 4");
    ck_assert_int_eq(
        site_ask(
            site,
            "SELECT count(*) FROM (SELECT hour, queue, type, state, sum(n) AS n FROM job.rollup GROUP BY 1, 2, 3, 4) r"
            " FULL JOIN public.truth t USING (hour, queue, type, state) WHERE r.n IS DISTINCT FROM t.n"),
        0);
}

START_TEST(large_table_is_pruned_without_keeping_a_writer_waiting)
{
    size_t n = count_rows();
    struct writer writer;
    struct site *site = site_new(&(struct site_options){
        .queues = "{ name = \"mail\"; }, { name = \"brief\"; retention = \"1h\"; }" });
    int64_t began_us = clock_mono_us();
    fill_all(site, n);
    printf("# %zu rows in %.0f s\n", n, (double)(clock_mono_us() - began_us) / 1e6);
    writer_start(&writer, site);
    for (int64_t until_us = clock_mono_us() + ALONE_S * USEC_PER_SEC; site_nap(until_us);) {
    }
    size_t n_alone = atomic_load(&writer.n);
    began_us = clock_mono_us();
    site_start_broker(site);
    site_await(
        site, 2400,
        "SELECT c.until >= f.at - interval '2 hours' FROM job.cleaned c, public.filled f WHERE c.rule = 'brief/*'");
    size_t n_deleting = atomic_load(&writer.n);
    double deleting_s = (double)(clock_mono_us() - began_us) / 1e6;
    site_await(site, 120,
               "SELECT count(*) = 0 FROM pg_class WHERE relname ~ '^result_\\d{8}$'"
               " AND relname < 'result_' || to_char(current_date - 10, 'YYYYMMDD')");
    double all_s = (double)(clock_mono_us() - began_us) / 1e6;
    writer_stop(&writer);
    printf("# %zu rows deleted in %.1f s, %.0f/s; %d days of %zu rows dropped in %.2f s\n", n / DELETED_SHARE,
           deleting_s, (double)(n / DELETED_SHARE) / deleting_s, OLD_DAYS, (n - n / DELETED_SHARE) / OLD_DAYS,
           all_s - deleting_s);
    say_times(&writer, "alone", 0, n_alone);
    double longest_s = say_times(&writer, "beside the deletes", n_alone, n_deleting);
    double dropping_s = say_times(&writer, "beside all of it", n_alone, atomic_load(&writer.n));
    ck_assert_int_eq(
        site_ask(site, "SELECT count(*) FROM job.result WHERE queue = 'brief' OR type <> 'written'"), 0);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.result"), 10 * (int64_t)atomic_load(&writer.n));
    check_counters(site);
    ck_assert_double_lt(longest_s, 1);
    ck_assert_double_lt(dropping_s, 1);
    free(writer.took_us);
    site_free(site);
}
END_TEST

SUITE_MAIN("fault_pruning", large_table_is_pruned_without_keeping_a_writer_waiting)
