/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A round: a fresh database with so many due rows in job.pending, and fresh topics; then the brokers start. The clock runs from the first
 * record that is in Kafka to the last, as the ends of the logs tell them.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "bench/figures.h"
#include "bench/process.h"
#include "bench/site.h"
#include "stream/admin.h"

#define PAYLOAD_SIZE 200
#define LOOK_US 10000
#define LIMIT_US (600 * USEC_PER_SEC)

static const char broker_options[] = "cron = false; "
                                     "trim = false; "
                                     "later = false; "
                                     "relay_backlog = 0;";

static const struct shape {
    const char *name;
    int n_queues, n_brokers;
} shapes[] = {
    { "one queue, one broker", 1, 1 },
    { "20 queues, one broker", 20, 1 },
    { "one queue, two brokers", 1, 2 },
};

struct round {
    double rows_per_s;
    double brokers_us, postgres_us, kafka_us, all_us; /* CPU per row */
};

struct reading {
    int64_t wall_us, brokers_us, postgres_us, kafka_us, n;
};

/* --- Rows ------------------------------------------------------------------------------------------------------------------- */

/* In the order of their ids, as those that were enqueued one after the other. */
static int fill(struct site *s, const struct shape *shape)
{
    char sql[1024];
    struct err err = { 0 };
    snprintf(
        sql, sizeof(sql),
        "INSERT INTO job.pending (id, run_at, delivery, attempt, queue, type, reason, payload, headers)"
        " SELECT job.new_id(), clock_timestamp(), 1, 1, CASE WHEN %d = 1 THEN 'selftest' ELSE 'q' || 1 + n %% %d END,"
        " 'selftest.echo', 'delay', convert_to('\"' || repeat('x', %d) || '\"', 'UTF8'),"
        " '{\"ce_time\": \"2026-01-01T00:00:00.000Z\", \"ce_source\": \"/bench\", \"content-type\": \"application/json\"}'"
        " FROM generate_series(1, %d) AS n",
        shape->n_queues, shape->n_queues, PAYLOAD_SIZE - 2, s->options->jobs);
    if (db_execute(s->db, "SET statement_timeout = 0", &err) != 0 || db_execute(s->db, sql, &err) != 0 ||
        db_execute(s->db, "VACUUM (ANALYZE) job.pending", &err) != 0 ||
        db_execute(s->db, "CHECKPOINT", &err) != 0) {
        fprintf(stderr, "bench: relay: %s\n", err.text);
        return 1;
    }
    return 0;
}

/* --- What is in Kafka -------------------------------------------------------------------------------------------------------- */

/* Return: -1 when Kafka does not tell. */
static int64_t count_records(const struct site *s, struct admin *admin, const struct shape *shape)
{
    int64_t n = 0;
    int n_partitions = s->options->partitions;
    _cleanup_free_ struct admin_range *ranges = calloc((size_t)n_partitions, sizeof(*ranges));
    for (int i = 1; i <= shape->n_queues; i++) {
        char topic[128];
        if (shape->n_queues == 1)
            snprintf(topic, sizeof(topic), "%s.selftest", s->prefix);
        else
            snprintf(topic, sizeof(topic), "%s.q%d", s->prefix, i);
        if (!ranges || admin_read_ranges(admin, topic, n_partitions, ranges, NULL) != 0)
            return -1;
        for (int p = 0; p < n_partitions; p++)
            n += ranges[p].end;
    }
    return n;
}

static struct reading read_usage(const struct site *s)
{
    struct reading r = { .wall_us = clock_mono_us(),
                         .postgres_us = process_cpu_us(s->postgres) + process_children_cpu_us(s->postgres),
                         .kafka_us = process_cpu_us(s->kafka) };
    for (int i = 0; i < s->n_daemons; i++)
        r.brokers_us += process_cpu_us(s->daemons[i]);
    return r;
}

/* Return: 0; 1, said on stderr. */
static int await_records(const struct site *s, struct admin *admin, const struct shape *shape, int64_t least,
                         struct reading *ret)
{
    int64_t n, deadline_us = clock_mono_us() + LIMIT_US;
    while ((n = count_records(s, admin, shape)) < least) {
        if (clock_mono_us() > deadline_us) {
            fprintf(stderr, "bench: relay: %" PRId64 " of %" PRId64 " rows are in Kafka after 10 minutes\n",
                    n, least);
            return 1;
        }
        usleep((useconds_t)(LOOK_US * shape->n_queues)); /* asking costs Kafka a connection per topic */
    }
    *ret = read_usage(s);
    ret->n = n;
    return 0;
}

/* --- Rounds ------------------------------------------------------------------------------------------------------------------ */

static struct round divide(const struct reading *before, const struct reading *after)
{
    double n = (double)(after->n - before->n);
    struct round round = {
        .rows_per_s = n * USEC_PER_SEC / (double)(after->wall_us - before->wall_us),
        .brokers_us = (double)(after->brokers_us - before->brokers_us) / n,
        .postgres_us = (double)(after->postgres_us - before->postgres_us) / n,
        .kafka_us = (double)(after->kafka_us - before->kafka_us) / n,
    };
    round.all_us = round.brokers_us + round.postgres_us + round.kafka_us;
    return round;
}

static int measure(struct site *s, const struct shape *shape, struct round *ret)
{
    struct err err = { 0 };
    struct reading before, after;
    _cleanup_(admin_free_cleanup) struct admin *admin = NULL;
    const struct admin_config config = { .brokers = s->options->kafka, .client_id = "bench" };
    if (admin_new(&admin, &config, &err) != 0 || fill(s, shape) != 0)
        return 1;
    for (int i = 0; i < shape->n_brokers; i++)
        if (site_start(s, "broker/jobbrokerd") < 0)
            return 1;
    if (await_records(s, admin, shape, 1, &before) != 0 ||
        await_records(s, admin, shape, s->options->jobs, &after) != 0)
        return 1;
    *ret = divide(&before, &after);
    return 0;
}

static int run_round(const struct bench_options *o, const struct shape *shape, struct round *ret)
{
    struct site site;
    const struct site_layout layout = { .more_queues = shape->n_queues > 1 ? shape->n_queues : 0,
                                        .broker = broker_options };
    int r = site_open(&site, o, &layout);
    if (r == 0)
        r = measure(&site, shape, ret);
    site_close(&site, r);
    return r;
}

static int run_shape(const struct bench_options *o, const struct shape *shape, FILE *out)
{
    static const struct figure figures[] = {
        { "rows/s", offsetof(struct round, rows_per_s) },
        { "CPU per row: brokers, us", offsetof(struct round, brokers_us) },
        { "CPU per row: PostgreSQL, us", offsetof(struct round, postgres_us) },
        { "CPU per row: Kafka, us", offsetof(struct round, kafka_us) },
        { "CPU per row: all of them, us", offsetof(struct round, all_us) },
    };
    struct round rounds[FIGURES_MAX_ROUNDS];
    for (int i = 0; i < o->rounds; i++)
        if (run_round(o, shape, &rounds[i]) != 0)
            return 1;
    fprintf(out,
            "relay: %s: %d due rows of %d bytes, %d partitions; median (lowest … highest) of %d rounds\n",
            shape->name, o->jobs, PAYLOAD_SIZE, o->partitions, o->rounds);
    figures_print(out, figures, ARRAY_SIZE(figures), rounds, sizeof(*rounds), o->rounds);
    fflush(out);
    return 0;
}

int bench_relay(const struct bench_options *o, FILE *out)
{
    int r = 0;
    for (size_t i = 0; i < ARRAY_SIZE(shapes) && r == 0; i++)
        r = run_shape(o, &shapes[i], out);
    return r;
}
