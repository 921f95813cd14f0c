/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 16 clients, each on a connection of its own, commit one row after the other for some seconds: as a bare INSERT, with
 * job.enqueue(), with job_enqueue_tx(). In turns, so that what else the machine does meets all three. No relay runs.
 */
#include <libpq-fe.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "bench/figures.h"
#include "bench/process.h"
#include "bench/site.h"
#include "libjob/include/job.h"

#define N_CLIENTS 16
#define WARM_UP_US (1 * USEC_PER_SEC) /* connections, plans, compiled functions */
#define ROUND_US (3 * USEC_PER_SEC)
#define QUEUE "selftest"
#define TYPE "selftest.echo"
#define PAYLOAD "{\"to\": \"ada@example.org\", \"name\": \"Ada\", \"template\": \"welcome\"}"

enum way { WAY_INSERT, WAY_FUNCTION, WAY_LIBRARY, N_WAYS };

struct client {
    pthread_t thread;
    const char *url;
    enum way way;
    atomic_bool *stop;
    atomic_llong n;
    bool failed;
};

struct round {
    double per_s[N_WAYS];
    double cpu_us[N_WAYS]; /* of everything: PostgreSQL and the clients */
    double function_ratio, library_ratio;
};

static bool execute(PGconn *pg, const char *sql, int n, const char *const *values)
{
    PGresult *result = PQexecParams(pg, sql, n, NULL, values, NULL, NULL, 1);
    ExecStatusType status = PQresultStatus(result);
    PQclear(result);
    return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;
}

static bool insert(PGconn *pg)
{
    struct job_id id;
    char text[JOB_ID_TEXT_SIZE];
    job_id_new(&id);
    const char *const values[] = {
        job_id_format(&id, text),
        QUEUE,
        TYPE,
        PAYLOAD,
        "{\"ce_time\": \"2026-01-01T00:00:00.000Z\", \"ce_source\": \"/postgresql/job\", \"content-type\": \"application/json\"}",
    };
    return execute(
        pg,
        "INSERT INTO job.pending (id, run_at, delivery, attempt, queue, type, reason, payload, headers)"
        " VALUES ($1, clock_timestamp(), 1, 1, $2, $3, 'outbox', convert_to($4, 'UTF8'), $5)",
        ARRAY_SIZE(values), values);
}

static bool commit_one(PGconn *pg, enum way way)
{
    static const char *const values[] = { QUEUE, TYPE, PAYLOAD };
    static const struct job_spec spec = { .type = TYPE, .queue = QUEUE, .payload = PAYLOAD };
    switch (way) {
    case WAY_INSERT:
        return insert(pg);
    case WAY_FUNCTION:
        return execute(pg, "SELECT job.enqueue($1, $2, $3)", ARRAY_SIZE(values), values);
    default:
        return job_enqueue_tx(pg, &spec, NULL) == 0;
    }
}

static void *client_main(void *userdata)
{
    struct client *c = userdata;
    PGconn *pg = PQconnectdb(c->url);
    while (!atomic_load(c->stop) && !c->failed) {
        c->failed = !commit_one(pg, c->way);
        atomic_fetch_add(&c->n, 1);
    }
    if (c->failed)
        fprintf(stderr, "bench: enqueue_tx: %s", PQerrorMessage(pg));
    PQfinish(pg);
    return NULL;
}

static int64_t used_us(const struct site *s)
{
    return process_cpu_us(getpid()) + process_cpu_us(s->postgres) + process_children_cpu_us(s->postgres);
}

static void rest(int64_t us)
{
    clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){ .tv_sec = us / USEC_PER_SEC }, NULL);
}

static int64_t count_commits(const struct client *clients)
{
    int64_t n = 0;
    for (int i = 0; i < N_CLIENTS; i++)
        n += atomic_load(&clients[i].n);
    return n;
}

/* Between two moments when all clients are at work. */
static void measure(const struct site *s, const struct client *clients, enum way way, struct round *ret)
{
    rest(WARM_UP_US);
    int64_t began_us = clock_mono_us(), before_us = used_us(s), n = count_commits(clients);
    rest(ROUND_US);
    n = count_commits(clients) - n;
    ret->per_s[way] = (double)n * USEC_PER_SEC / (double)(clock_mono_us() - began_us);
    ret->cpu_us[way] = (double)(used_us(s) - before_us) / (double)n;
}

/* Return: 0; 1, said on stderr. */
static int run_way(const struct site *s, enum way way, struct round *ret)
{
    struct client clients[N_CLIENTS];
    atomic_bool stop = false;
    bool failed = false;
    for (int i = 0; i < N_CLIENTS; i++) {
        clients[i] = (struct client){ .url = s->url, .way = way, .stop = &stop };
        if (pthread_create(&clients[i].thread, NULL, client_main, &clients[i]) != 0)
            return 1;
    }
    measure(s, clients, way, ret);
    atomic_store(&stop, true);
    for (int i = 0; i < N_CLIENTS; i++) {
        pthread_join(clients[i].thread, NULL);
        failed |= clients[i].failed;
    }
    return failed;
}

/* Who goes first changes; each finds an empty table. */
static int run_round(struct site *s, int number, struct round *ret)
{
    for (int i = 0; i < N_WAYS; i++) {
        enum way way = (enum way)((i + number) % N_WAYS);
        if (db_execute(s->db, "TRUNCATE job.pending; CHECKPOINT", NULL) != 0)
            return 1;
        if (run_way(s, way, ret) != 0)
            return 1;
    }
    ret->function_ratio = 100 * ret->per_s[WAY_FUNCTION] / ret->per_s[WAY_INSERT];
    ret->library_ratio = 100 * ret->per_s[WAY_LIBRARY] / ret->per_s[WAY_INSERT];
    return 0;
}

int bench_enqueue_tx(const struct bench_options *o, FILE *out)
{
    static const struct figure figures[] = {
        { "bare INSERT, commits/s", offsetof(struct round, per_s[WAY_INSERT]) },
        { "job.enqueue(), commits/s", offsetof(struct round, per_s[WAY_FUNCTION]) },
        { "job_enqueue_tx(), commits/s", offsetof(struct round, per_s[WAY_LIBRARY]) },
        { "CPU per commit: bare INSERT, µs", offsetof(struct round, cpu_us[WAY_INSERT]) },
        { "CPU per commit: job.enqueue(), µs", offsetof(struct round, cpu_us[WAY_FUNCTION]) },
        { "CPU per commit: job_enqueue_tx(), µs", offsetof(struct round, cpu_us[WAY_LIBRARY]) },
        { "job.enqueue() of INSERT, %", offsetof(struct round, function_ratio) },
        { "job_enqueue_tx() of INSERT, %", offsetof(struct round, library_ratio) },
    };
    struct round rounds[FIGURES_MAX_ROUNDS];
    struct site site;
    int r = site_open(&site, o, &(struct site_layout){ 0 });
    for (int i = 0; i < o->rounds && r == 0; i++)
        r = run_round(&site, i, &rounds[i]);
    site_close(&site, r);
    if (r)
        return r;
    fprintf(out, "enqueue_tx: %d clients, one row per commit; median (lowest … highest) of %d rounds\n",
            N_CLIENTS, o->rounds);
    figures_print(out, figures, ARRAY_SIZE(figures), rounds, sizeof(*rounds), o->rounds);
    return 0;
}
