/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A broker and a worker run; a client commits one job after the other with job.enqueue(), with pauses in which the relay goes to
 * sleep, and without. The time is from the moment when the client has the answer to its commit to the first line of the
 * handler, both by the machine's monotonic clock.
 */
#include <inttypes.h>
#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/uuid.h"
#include "bench/site.h"

#define WARM_UP_JOBS 20

static const struct pace {
    const char *name;
    int n;
    int64_t pause_us;
} paces[] = {
    { "every 250 ms, the relay sleeps", 100, 250 * USEC_PER_MSEC },
    { "every 20 ms", 1000, 20 * USEC_PER_MSEC },
    { "every 4 ms", 4000, 4 * USEC_PER_MSEC },
};

struct job {
    char id[UUID_TEXT_SIZE];
    int64_t committed_us;
};

static int enqueue(PGconn *pg, const char *payload, struct job *ret)
{
    const char *const values[] = { payload };
    PGresult *result = PQexecParams(pg, "SELECT job.enqueue('selftest', 'selftest.echo', $1)", 1, NULL,
                                    values, NULL, NULL, 0);
    ret->committed_us = clock_mono_us();
    bool done = PQresultStatus(result) == PGRES_TUPLES_OK;
    if (done)
        snprintf(ret->id, sizeof(ret->id), "%s", PQgetvalue(result, 0, 0));
    else
        fprintf(stderr, "bench: wake: %s", PQerrorMessage(pg));
    PQclear(result);
    return !done;
}

static int enqueue_all(struct site *s, struct job *jobs, int n, int64_t pause_us)
{
    char path[128], payload[256];
    PGconn *pg = PQconnectdb(s->url);
    int r = 0;
    snprintf(payload, sizeof(payload), "{\"trace\": \"%s\"}", site_trace(s, path, sizeof(path)));
    for (int i = 0; i < n && r == 0; i++) {
        int64_t next_us = clock_mono_us() + pause_us;
        r = enqueue(pg, payload, &jobs[i]);
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME,
                        &(struct timespec){ next_us / USEC_PER_SEC, next_us % USEC_PER_SEC * 1000 }, NULL);
    }
    PQfinish(pg);
    return r;
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
static size_t read_delays(const struct site *s, const struct job *jobs, size_t n, int64_t *delays_us)
{
    char path[128], line[256];
    size_t n_read = 0;
    FILE *file = fopen(site_trace(s, path, sizeof(path)), "re");
    while (file && n_read < n && fgets(line, sizeof(line), file)) {
        struct job key;
        const struct job *job = NULL;
        if (sscanf(line, "start %36s %*d %*d %*d %" SCNd64, key.id, &key.committed_us) == 2)
            job = bsearch(&key, jobs, n, sizeof(*jobs), compare_ids);
        if (job)
            delays_us[n_read++] = key.committed_us - job->committed_us;
    }
    if (file)
        fclose(file);
    return n_read;
}

static double percentile_ms(const int64_t *sorted_us, size_t n, double part)
{
    return (double)sorted_us[(size_t)((double)(n - 1) * part)] / USEC_PER_MSEC;
}

static int measure(struct site *s, const struct pace *pace, int n_before, FILE *out)
{
    size_t n = (size_t)pace->n;
    _cleanup_free_ struct job *jobs = calloc(n, sizeof(*jobs));
    _cleanup_free_ int64_t *delays_us = calloc(n, sizeof(*delays_us));
    if (!jobs || !delays_us || enqueue_all(s, jobs, pace->n, pace->pause_us) != 0 ||
        site_await_starts(s, n_before + pace->n) != 0)
        return 1;
    qsort(jobs, n, sizeof(*jobs), compare_ids);
    if (read_delays(s, jobs, n, delays_us) != n)
        return 1;
    qsort(delays_us, n, sizeof(*delays_us), compare_times);
    fprintf(out, "  %-34s %6d jobs   median %7.2f   p90 %7.2f   p99 %7.2f   highest %7.2f ms\n", pace->name,
            pace->n, percentile_ms(delays_us, n, 0.5), percentile_ms(delays_us, n, 0.9),
            percentile_ms(delays_us, n, 0.99), percentile_ms(delays_us, n, 1));
    fflush(out);
    return 0;
}

static int run(struct site *s, FILE *out)
{
    struct job warm_up[WARM_UP_JOBS];
    int n = WARM_UP_JOBS;
    if (site_start(s, "broker/jobbrokerd") < 0 || site_start(s, "worker/jobworkerd") < 0 ||
        enqueue_all(s, warm_up, n, 0) != 0 || site_await_starts(s, n) != 0)
        return 1;
    fprintf(out, "wake: from commit to start\n");
    for (size_t i = 0; i < ARRAY_SIZE(paces); i++) {
        if (measure(s, &paces[i], n, out) != 0)
            return 1;
        n += paces[i].n;
    }
    return 0;
}

int bench_wake(const struct bench_options *o, FILE *out)
{
    struct site site;
    int r = site_open(&site, o, &(struct site_layout){ 0 });
    if (r == 0)
        r = run(&site, out);
    site_close(&site, r);
    return r;
}
