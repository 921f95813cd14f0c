/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A page of a list, whatever is asked for, beside --jobs results of ten days: one step of listing_read() after the other from places all over
 * the table, each timed on its own. A tenth of a million jobs wait, and as many are dead letters.
 *
 * A filter that picks few jobs needs many steps for a full page: the last column says how many rows they look at in a second.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "bench/bench.h"
#include "bench/site.h"
#include "store/listing.h"

#define N_DAYS 10
#define N_WAITING 100000
#define N_STEPS 200
#define PAGE 50
#define MS 1000.0

/* --- What there is to be listed ---------------------------------------------------------------------------------------------- */

/* The id of a job that was enqueued so many seconds ago. */
#define ID_OF(seconds)                                                                                       \
    "(left(job.first_id_after(now() - " seconds                                                              \
    " * interval '1 s')::text, 14) || '7' || substr(gen_random_uuid()::text, 16))::uuid"

#define MAKE_DAYS                                                                                            \
    "SELECT job.create_partition(p, current_date - n) FROM unnest('{result,attempt}'::text[]) p, generate_series(1, 11) n"

/* In the order in which they ended, as workers write them; %1$d of %2$d. */
#define ADD_RESULTS                                                                                                                                  \
    "INSERT INTO job.result (id, queue, type, state, worker, error, trace_id, result, topic, partition, \"offset\", attempt, delivery, enqueued_at," \
    " started_at, finished_at, cpu_ms, peak_kib)"                                                                                                    \
    " SELECT " ID_OF(                                                                                                                                \
        "s") ", CASE WHEN n %% 1000 = 0 THEN 'reports' ELSE 'mail' END, 'welcome_email',"                                                            \
             " CASE WHEN n %% 100 = 0 THEN 'expired' ELSE 'succeeded' END, 'east/' || n %% 8 || '/0000ab',"                                          \
             " CASE WHEN n %% 100 = 0 THEN 'expired 2 s before its start' END, md5(n::text), '{\"sent\": 1}',"                                       \
             " 'job.mail', n %% 12, n, 1, 1, now() - s * interval '1 s', now() - s * interval '1 s', now() - s * interval '1 s', 3, 5120"            \
             " FROM (SELECT n, %d * 86400.0 * (%d - n) / %d AS s FROM generate_series(%d, %d) n) AS g"

#define ADD_PENDING                                                                                                               \
    "INSERT INTO job.pending (id, queue, type, reason, attempt, delivery, run_at, headers, payload)"                              \
    " SELECT " ID_OF(                                                                                                             \
        "n * 5") ", 'mail', 'welcome_email', 'delay', 1, 1, now() + interval '1 h',"                                              \
                 " '{\"ce_tags\": \"night\"}', convert_to(jsonb_build_object('to', 'user' || n || '@example.org')::text, 'UTF8')" \
                 " FROM generate_series(1, %d) n"
#define ADD_DEAD                                                                                             \
    "INSERT INTO job.dead (id, queue, type, reason, error, attempt, delivery, died_at, headers, payload)"    \
    " SELECT " ID_OF(                                                                                        \
        "n * 5") ", 'mail', 'welcome_email', 'exhausted', 'connection refused', 25, 25, now(), '{}',"        \
                 " convert_to(jsonb_build_object('to', 'user' || n || '@example.org')::text, 'UTF8')"        \
                 " FROM generate_series(1, %d) n"

static int execute(struct site *s, const char *sql)
{
    struct err err = { 0 };
    if (db_execute(s->db, sql, &err) == 0)
        return 0;
    fprintf(stderr, "bench: pages: %s\n", err.text);
    return 1;
}

/* In parts, so that no transaction is large. */
static int add_results(struct site *s, int n)
{
    char sql[2048];
    const int part = 100000;
    int r = 0;
    for (int first = 1; first <= n && r == 0; first += part) {
        int last = first + part - 1 < n ? first + part - 1 : n;
        snprintf(sql, sizeof(sql), ADD_RESULTS, N_DAYS, n, n, first, last);
        r = execute(s, sql);
    }
    return r;
}

static int add_others(struct site *s)
{
    char sql[2048];
    snprintf(sql, sizeof(sql), ADD_PENDING, N_WAITING);
    int r = execute(s, sql);
    snprintf(sql, sizeof(sql), ADD_DEAD, N_WAITING);
    return r ? r : execute(s, sql);
}

/* --- Steps ------------------------------------------------------------------------------------------------------------------- */

struct kind {
    const char *name;
    struct listing_filter filter;
    bool newest; /* always the first page */
};

struct times {
    double ms[N_STEPS];
    double rows_per_s; /* 0: not looked through, but listed */
};

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Anywhere within the days, by a number from 0 to 1. */
static struct uuid place_of(double part)
{
    struct uuid id = { 0 };
    int64_t ms = clock_wall_us() / 1000 - (int64_t)(part * N_DAYS * 86400.0 * 1000.0);
    for (int i = 5; i >= 0; i--, ms >>= 8)
        id.bytes[i] = (uint8_t)ms;
    return id;
}

static int time_steps(struct site *s, const struct kind *kind, struct times *ret)
{
    struct err err = { 0 };
    bool picks = listing_picks(&kind->filter);
    int n_read = LISTING_READ_FIRST;
    double rows = 0, us = 0;
    for (int i = -10; i < N_STEPS; i++) { /* the first ones find their pace */
        _cleanup_(rows_free_cleanup) struct rows *found = NULL;
        struct uuid after = place_of((double)((i + 10) * 7919 % 1000) / 1000);
        struct listing_place at;
        struct listing_step step = { .n_read = picks ? n_read : PAGE + 1, .n_wanted = PAGE };
        size_t n;
        int r = listing_begin(s->db, kind->newest ? NULL : &after, &at, &err);
        int64_t begun_us = clock_mono_us();
        if (r == 0)
            r = listing_read(s->db, &kind->filter, &at, step, &found, &n, &err);
        if (r) {
            fprintf(stderr, "bench: pages: %s: %s\n", kind->name, err.text);
            return 1;
        }
        int64_t took_us = clock_mono_us() - begun_us;
        if (n < PAGE && !at.odd && !at.ended) /* all that it was to read */
            n_read = listing_pace(n_read, took_us);
        if (i >= 0) {
            ret->ms[i] = (double)took_us / MS;
            rows += step.n_read;
            us += (double)took_us;
        }
    }
    ret->rows_per_s = picks ? rows * USEC_PER_SEC / us : 0;
    qsort(ret->ms, N_STEPS, sizeof(ret->ms[0]), compare);
    return 0;
}

static int measure(struct site *s, FILE *out)
{
    static const char *const to[] = { "to" }, *const sent[] = { "sent" }, *const tags[] = { "morning" };
    static const struct uuid parent = { { 1 } };
    static const struct condition conditions[] = {
        { .root = CONDITION_PAYLOAD,
          .op = CONDITION_EQUAL,
          .steps = to,
          .n_steps = 1,
          .literal = "\"ada@example.org\"" },
        { .root = CONDITION_RESULT,
          .op = CONDITION_GREATER,
          .steps = sent,
          .n_steps = 1,
          .kind = CONDITION_NUMBER,
          .literal = "1" },
    };
    const struct kind kinds[] = {
        { "the newest", { 0 }, true },
        { "anywhere (--after)", { 0 }, false },
        { "--state succeeded", { .states = LISTING_SUCCEEDED }, false },
        { "--state dead", { .states = LISTING_DEAD }, false },
        { "--state scheduled", { .states = LISTING_SCHEDULED }, false },
        { "--queue, one job in 1,000", { .queue = "reports" }, false },
        { "--type, none", { .type = "encode" }, false },
        { "--error, none", { .error = "connection reset" }, false },
        { "--worker, none", { .worker = "west" }, false },
        { "--trace, none", { .trace = "4bf92f3577b34da6a3ce929d0e0e4736" }, false },
        { "--parent, none", { .parent = &parent }, false },
        { "--finished-since, none", { .finished_since_us = clock_wall_us() + USEC_PER_SEC * 3600 }, false },
        { "--key, none", { .key = "customer 7" }, false },
        { "--tag, none", { .tags = tags, .n_tags = 1 }, false },
        { "--where payload…, none", { .conditions = conditions, .n_conditions = 1 }, false },
        { "--where result…, none", { .conditions = conditions + 1, .n_conditions = 1 }, false },
    };
    fprintf(out, "  %-28s %10s %10s %10s %14s\n", "", "p50, ms", "p99, ms", "longest", "rows/s");
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        struct times t;
        if (time_steps(s, &kinds[i], &t) != 0)
            return 1;
        fprintf(out, "  %-28s %10.1f %10.1f %10.1f", kinds[i].name, t.ms[N_STEPS / 2],
                t.ms[N_STEPS * 99 / 100], t.ms[N_STEPS - 1]);
        fprintf(out, t.rows_per_s > 0 ? " %14.0f\n" : "\n", t.rows_per_s);
        fflush(out);
    }
    return 0;
}

int bench_pages(const struct bench_options *o, FILE *out)
{
    struct site site;
    int r = site_open(&site, o, &(struct site_layout){ 0 });
    if (r == 0)
        r = execute(&site, "SET statement_timeout = 0");
    if (r == 0)
        r = execute(&site, MAKE_DAYS);
    if (r == 0)
        r = add_results(&site, o->jobs);
    if (r == 0)
        r = add_others(&site);
    if (r == 0)
        r = execute(&site, "CHECKPOINT");
    if (r == 0) {
        fprintf(out, "pages: of %d jobs beside %d results of %d days; %d steps each\n", PAGE, o->jobs, N_DAYS,
                N_STEPS);
        r = measure(&site, out);
    }
    site_close(&site, r);
    return r;
}
