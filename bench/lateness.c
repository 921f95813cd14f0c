/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A broker and a worker run; options->jobs rows of job.pending wait for tomorrow. Jobs that become due one after the other, 1,000 in a
 * second, are put beside them before their time. The lateness is from their time, by PostgreSQL's clock, to the first line of their handler,
 * by the machine's wall clock, which is the same one.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/uuid.h"
#include "bench/site.h"

#define RATE 1000
#define N_JOBS (20 * RATE)
#define WARM_UP_JOBS (2 * RATE)
#define LEAD "5 s" /* until the first is due */

struct job {
    char id[UUID_TEXT_SIZE];
    int64_t run_at_us;
};

#define HEADERS                                                                                              \
    "'{\"ce_time\": \"2026-01-01T00:00:00.000Z\", \"ce_source\": \"/bench\", \"content-type\": \"application/json\"}'"
#define COLUMNS "(id, run_at, delivery, attempt, queue, type, reason, payload, headers)"

static int execute(struct site *s, const char *sql)
{
    struct err err = { 0 };
    if (db_execute(s->db, sql, &err) == 0)
        return 0;
    fprintf(stderr, "bench: lateness: %s\n", err.text);
    return 1;
}

static int fill(struct site *s)
{
    char sql[1024];
    snprintf(
        sql, sizeof(sql),
        "INSERT INTO job.pending " COLUMNS
        " SELECT job.new_id(), clock_timestamp() + interval '1 day' + n * interval '1 ms', 1, 1, 'selftest',"
        " 'selftest.echo', 'delay', '\"later\"', " HEADERS " FROM generate_series(1, %d) AS n",
        s->options->jobs);
    return execute(s, "SET statement_timeout = 0") || execute(s, sql) ||
           execute(s, "VACUUM (ANALYZE) job.pending") || execute(s, "CHECKPOINT");
}

static int schedule(struct site *s, int n)
{
    char path[128], sql[1024];
    snprintf(sql, sizeof(sql),
             "INSERT INTO job.pending " COLUMNS " SELECT job.new_id(), now() + interval '" LEAD
             "' + n * interval '1 s' / %d, 1, 1, 'selftest',"
             " 'selftest.echo', 'delay', convert_to('{\"trace\": \"%s\"}', 'UTF8'), " HEADERS
             " FROM generate_series(1, %d) AS n",
             RATE, site_trace(s, path, sizeof(path)), n);
    return execute(s, sql);
}

/* The times of those that are to come, by id. Return: 0; 1, said on stderr. */
static int read_times(struct site *s, struct job *jobs, size_t n)
{
    struct err err = { 0 };
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    if (db_query(s->db,
                 "SELECT id::text, (extract(epoch FROM run_at) * 1000000)::bigint FROM job.pending"
                 " WHERE run_at < now() + interval '1 hour' ORDER BY id::text COLLATE \"C\"",
                 NULL, 0, &rows, &err) != 0 ||
        rows_count(rows) != n) {
        fprintf(stderr, "bench: lateness: %zu rows instead of %zu %s\n", rows ? rows_count(rows) : 0, n,
                err.text);
        return 1;
    }
    for (size_t i = 0; i < n; i++) {
        snprintf(jobs[i].id, sizeof(jobs[i].id), "%s", rows_text(rows, i, 0));
        jobs[i].run_at_us = rows_bigint(rows, i, 1);
    }
    return 0;
}

static int compare_ids(const void *a, const void *b)
{
    return strcmp(((const struct job *)a)->id, ((const struct job *)b)->id);
}

static int compare_times(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* From what the handlers have written. Return: how many of @jobs, which are ordered, it tells. */
static size_t read_lateness(const struct site *s, const struct job *jobs, size_t n, int64_t *late_us)
{
    char path[128], line[256];
    size_t n_read = 0;
    FILE *file = fopen(site_trace(s, path, sizeof(path)), "re");
    while (file && n_read < n && fgets(line, sizeof(line), file)) {
        struct job key;
        const struct job *job = NULL;
        if (sscanf(line, "start %36s %*d %*d %*d %*d %" SCNd64, key.id, &key.run_at_us) == 2)
            job = bsearch(&key, jobs, n, sizeof(*jobs), compare_ids);
        if (job)
            late_us[n_read++] = key.run_at_us - job->run_at_us;
    }
    if (file)
        fclose(file);
    return n_read;
}

static double percentile_ms(const int64_t *sorted_us, size_t n, double part)
{
    return (double)sorted_us[(size_t)((double)(n - 1) * part)] / USEC_PER_MSEC;
}

static int measure(struct site *s, FILE *out)
{
    _cleanup_free_ struct job *jobs = calloc(N_JOBS, sizeof(*jobs));
    _cleanup_free_ int64_t *late_us = calloc(N_JOBS, sizeof(*late_us));
    if (!jobs || !late_us || schedule(s, N_JOBS) != 0 || read_times(s, jobs, N_JOBS) != 0 ||
        site_await_starts(s, WARM_UP_JOBS + N_JOBS) != 0 || read_lateness(s, jobs, N_JOBS, late_us) != N_JOBS)
        return 1;
    qsort(late_us, N_JOBS, sizeof(*late_us), compare_times);
    fprintf(out, "  %6d jobs   lowest %7.2f   median %7.2f   p90 %7.2f   p99 %7.2f   highest %7.2f ms\n",
            N_JOBS, percentile_ms(late_us, N_JOBS, 0), percentile_ms(late_us, N_JOBS, 0.5),
            percentile_ms(late_us, N_JOBS, 0.9), percentile_ms(late_us, N_JOBS, 0.99),
            percentile_ms(late_us, N_JOBS, 1));
    fflush(out);
    return 0;
}

static int run(struct site *s, FILE *out)
{
    if (fill(s) != 0 || site_start(s, "broker/jobbrokerd") < 0 || site_start(s, "worker/jobworkerd") < 0 ||
        schedule(s, WARM_UP_JOBS) != 0 || site_await_starts(s, WARM_UP_JOBS) != 0)
        return 1;
    return measure(s, out);
}

int bench_lateness(const struct bench_options *o, FILE *out)
{
    int r = 0;
    fprintf(out,
            "lateness: %d jobs become due per second, %d wait for tomorrow; from a job's time to its start\n",
            RATE, o->jobs);
    for (int i = 0; i < o->rounds && r == 0; i++) {
        struct site site;
        r = site_open(&site, o, &(struct site_layout){ 0 });
        if (r == 0)
            r = run(&site, out);
        site_close(&site, r);
    }
    return r;
}
