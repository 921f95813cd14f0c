/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long Kafka waits for its answer when it takes all partitions away from a worker that runs a thousand jobs.
 *
 * Each of them has an executor of its own, and has started: what has not stays in the log, and costs no hand-over. A second
 * worker joins, so Kafka revokes everything from the first one, whose log says when it was told and when it answered.
 */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "bench/figures.h"
#include "bench/process.h"
#include "bench/site.h"

#define JOBS 1000
#define PAYLOAD_SIZE 1024

struct round {
    double answer_ms, worker_mib;
};

static void put_payload(const struct site *s, char *payload)
{
    char trace[128];
    int n = snprintf(payload, PAYLOAD_SIZE + 1, "{\"ms\": 3600000, \"trace\": \"%s\", \"text\": \"",
                     site_trace(s, trace, sizeof(trace)));
    memset(payload + n, 'x', (size_t)(PAYLOAD_SIZE - n));
    memcpy(payload + PAYLOAD_SIZE - 2, "\"}", 3);
}

/* From the worker's log. Return: -1 when it does not say. */
static double read_answer_ms(const struct site *s, int worker)
{
    char path[128], line[512];
    double ms = -1;
    FILE *file = fopen(site_log(s, worker, path, sizeof(path)), "re");
    while (file && fgets(line, sizeof(line), file)) {
        const char *after = strstr(line, "partitions given back after ");
        if (after)
            ms = atof(after + strlen("partitions given back after "));
    }
    if (file)
        fclose(file);
    return ms;
}

static int measure(struct site *s, struct round *ret)
{
    char payload[PAYLOAD_SIZE + 1];
    put_payload(s, payload);
    int first = site_start(s, "worker/jobworkerd");
    if (first < 0 || site_enqueue(s, "selftest.sleep", "long", payload, 0, JOBS) != 0 ||
        site_await_starts(s, JOBS) != 0 || site_start(s, "worker/jobworkerd") < 0 ||
        site_await(s, 2, "SELECT count(DISTINCT owner) FROM job.cursor") < 0)
        return 1;
    int64_t n_leases = site_ask(s, "SELECT count(*) FROM job.lease");
    if (n_leases != JOBS) {
        fprintf(stderr, "bench: %d jobs have leases, instead of %d\n", (int)n_leases, JOBS);
        return 1;
    }
    ret->answer_ms = read_answer_ms(s, first);
    ret->worker_mib = (double)process_peak_kib(s->daemons[first]) / 1024;
    return ret->answer_ms < 0;
}

static int run_round(const struct bench_options *o, struct round *ret)
{
    struct site site;
    const struct site_layout layout = { .long_jobs = JOBS,
                                        .executors_min = o->executors,
                                        .worker = "handover_after = \"1h\";" };
    int r = site_open(&site, o, &layout);
    if (r == 0)
        r = measure(&site, ret);
    site_close(&site, r);
    return r;
}

int bench_revoke(const struct bench_options *o, FILE *out)
{
    static const struct figure figures[] = {
        { "from the revocation to the answer, ms", offsetof(struct round, answer_ms) },
        { "worker's peak memory, MiB", offsetof(struct round, worker_mib) },
    };
    struct round rounds[FIGURES_MAX_ROUNDS];
    for (int i = 0; i < o->rounds; i++)
        if (run_round(o, &rounds[i]) != 0)
            return 1;
    fprintf(out,
            "revoke: %d running jobs of %d bytes, %d partitions; median (lowest … highest) of %d rounds\n",
            JOBS, PAYLOAD_SIZE, o->partitions, o->rounds);
    figures_print(out, figures, ARRAY_SIZE(figures), rounds, sizeof(*rounds), o->rounds);
    return 0;
}
