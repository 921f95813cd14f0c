/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs with unique keys, each another one. By SQL: 16 clients that commit one job.enqueue() each, without a broker. By the topic of the later
 * ones: they wait in Kafka, then a broker without relay starts; the clock runs from the first recorded one to the last, by job.cursor.
 */
#include <libpq-fe.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "bench/figures.h"
#include "bench/site.h"
#include "libjob/include/job.h"

#define N_CLIENTS 16
#define WARM_UP_S 1
#define ROUND_S 5
#define PAYLOAD                                                                                              \
    "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\""
#define COUNT_LATER "SELECT coalesce(sum(next_offset), 0)::bigint FROM job.cursor WHERE topic LIKE '%.later'"

struct client {
    pthread_t thread;
    const char *url;
    const atomic_bool *stop;
    int number;
    atomic_long n;
    bool failed;
};

struct round {
    double sql_per_s, later_per_s;
};

/* --- By SQL ------------------------------------------------------------------------------------------------------------------ */

static bool enqueue_one(PGconn *pg, const char *key)
{
    const char *const values[] = { PAYLOAD, key };
    PGresult *result =
        PQexecParams(pg, "SELECT job.enqueue('selftest', 'selftest.echo', $1::jsonb, unique_key => $2)",
                     ARRAY_SIZE(values), NULL, values, NULL, NULL, 0);
    bool done = PQresultStatus(result) == PGRES_TUPLES_OK;
    if (!done)
        fprintf(stderr, "bench: unique: %s", PQerrorMessage(pg));
    PQclear(result);
    return done;
}

static void *client_main(void *userdata)
{
    struct client *c = userdata;
    char key[48];
    PGconn *pg = PQconnectdb(c->url);
    while (!atomic_load(c->stop) && !c->failed) {
        snprintf(key, sizeof(key), "client %d job %ld", c->number, atomic_load(&c->n));
        c->failed = !enqueue_one(pg, key);
        atomic_fetch_add(&c->n, 1);
    }
    PQfinish(pg);
    return NULL;
}

static void rest(int seconds)
{
    clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){ .tv_sec = seconds }, NULL);
}

static long count_commits(struct client *clients)
{
    long n = 0;
    for (int i = 0; i < N_CLIENTS; i++)
        n += atomic_load(&clients[i].n);
    return n;
}

/* Between two moments when all clients are at work. */
static double measure_commits(struct client *clients)
{
    rest(WARM_UP_S);
    int64_t began_us = clock_mono_us();
    long n = count_commits(clients);
    rest(ROUND_S);
    n = count_commits(clients) - n;
    return (double)n * USEC_PER_SEC / (double)(clock_mono_us() - began_us);
}

/* Return: 0; 1, said on stderr. */
static int run_sql(const struct site *s, struct round *ret)
{
    struct client clients[N_CLIENTS];
    atomic_bool stop = false;
    bool failed = false;
    for (int i = 0; i < N_CLIENTS; i++) {
        clients[i] = (struct client){ .url = s->url, .stop = &stop, .number = i };
        if (pthread_create(&clients[i].thread, NULL, client_main, &clients[i]) != 0)
            return 1;
    }
    ret->sql_per_s = measure_commits(clients);
    atomic_store(&stop, true);
    for (int i = 0; i < N_CLIENTS; i++) {
        pthread_join(clients[i].thread, NULL);
        failed |= clients[i].failed;
    }
    return failed;
}

/* --- By the topic ------------------------------------------------------------------------------------------------------------ */

static int produce(const struct site *s, struct job_client *client)
{
    int r = 0;
    for (int i = 0; i < s->options->jobs && r == 0; i++) {
        char key[32];
        snprintf(key, sizeof(key), "job %d", i);
        const struct job_spec spec = {
            .type = "selftest.echo", .queue = "selftest", .payload = PAYLOAD, .unique_key = key
        };
        while ((r = job_enqueue(client, &spec, NULL)) == JOB_E_FULL)
            job_flush(client, 100);
    }
    return r ? r : job_flush(client, 60000);
}

static int enqueue_later(const struct site *s)
{
    struct job_client *client;
    const struct job_client_options options = { .brokers = s->options->kafka, .prefix = s->prefix };
    if (job_client_open(&client, &options) != 0)
        return 1;
    int r = produce(s, client);
    job_client_close(client, 1000);
    if (r)
        fprintf(stderr, "bench: unique: %s\n", job_strerror(r));
    return r != 0;
}

static int run_later(struct site *s, struct round *ret)
{
    if (enqueue_later(s) != 0 || site_start(s, "broker/jobbrokerd") < 0)
        return 1;
    int64_t first = site_await(s, 1, COUNT_LATER), began_us = clock_mono_us();
    int64_t last = first < 0 ? -1 : site_await(s, s->options->jobs, COUNT_LATER);
    if (last < 0)
        return 1;
    ret->later_per_s = (double)(last - first) * USEC_PER_SEC / (double)(clock_mono_us() - began_us);
    return 0;
}

/* --- Rounds ------------------------------------------------------------------------------------------------------------------ */

static int run_round(const struct bench_options *o, struct round *ret)
{
    struct site site;
    int r =
        site_open(&site, o, &(struct site_layout){ .broker = "relay = false; cron = false; trim = false;" });
    if (r == 0)
        r = run_sql(&site, ret);
    if (r == 0)
        r = db_execute(site.db, "TRUNCATE job.pending, job.unique; CHECKPOINT", NULL);
    if (r == 0)
        r = run_later(&site, ret);
    site_close(&site, r);
    return r;
}

int bench_unique(const struct bench_options *o, FILE *out)
{
    static const struct figure figures[] = {
        { "job.enqueue(), commits/s", offsetof(struct round, sql_per_s) },
        { "topic job.later, jobs/s", offsetof(struct round, later_per_s) },
    };
    struct round rounds[FIGURES_MAX_ROUNDS];
    for (int i = 0; i < o->rounds; i++)
        if (run_round(o, &rounds[i]) != 0)
            return 1;
    fprintf(
        out,
        "unique: %d clients by SQL, %d jobs by the topic (%d partitions); median (lowest … highest) of %d rounds\n",
        N_CLIENTS, o->jobs, o->partitions, o->rounds);
    figures_print(out, figures, ARRAY_SIZE(figures), rounds, sizeof(*rounds), o->rounds);
    return 0;
}
