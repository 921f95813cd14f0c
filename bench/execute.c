/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A round: a fresh database and topic, all jobs produced, then one worker started. The clock runs from the first recorded
 * job to the last, as job.cursor tells them, so neither the worker's start nor joining the group is in it.
 */
#include "bench/execute.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "bench/process.h"
#include "libjob/include/job.h"
#include "store/db.h"
#include "store/migrate.h"
#include "stream/admin.h"

#define MAX_ROUNDS 64
#define LIMIT_US (300 * USEC_PER_SEC)

struct bench {
    const struct bench_execute_options *o;
    char prefix[64], database[64], url[512], folder[64], config[128];
    pid_t worker, postgres, kafka;
    struct db *db;
};

struct usage {
    int64_t wall_us, worker_us, executors_us, postgres_us, kafka_us;
};

struct round {
    double jobs_per_s;
    double worker_us, executors_us, postgres_us, kafka_us; /* CPU per job */
    double peak_mib;
};

static int fail(const char *what, const struct err *err)
{
    fprintf(stderr, "bench: %s: %s\n", what, err->text);
    return 1;
}

/* --- Setting a round up ------------------------------------------------------------------------------------------------- */

/* The same server, another database: the part of the URL behind the last slash. */
static void put_url(struct bench *b, const char *database)
{
    const char *slash = strrchr(b->o->database_url, '/');
    snprintf(b->url, sizeof(b->url), "%.*s/%s", (int)(slash - b->o->database_url), b->o->database_url,
             database);
}

static int administrate(struct bench *b, const char *verb)
{
    struct err err = { 0 };
    _cleanup_(db_free_cleanup) struct db *db = NULL;
    char sql[128];
    snprintf(sql, sizeof(sql), "%s DATABASE %s", verb, b->database);
    if (db_new(&db, &(struct db_options){ .url = b->o->database_url, .name = "bench" }) < 0 ||
        db_execute(db, sql, &err) != 0)
        return fail(sql, &err);
    return 0;
}

static int make_database(struct bench *b)
{
    struct err err = { 0 };
    if (administrate(b, "CREATE") != 0)
        return 1;
    put_url(b, b->database);
    if (db_new(&b->db, &(struct db_options){ .url = b->url, .name = "bench" }) < 0 ||
        migrate_apply(b->db, NULL, &err) != 0)
        return fail("schema", &err);
    return 0;
}

static int make_topic(struct bench *b)
{
    struct err err = { 0 };
    char topic[128];
    _cleanup_(admin_free_cleanup) struct admin *admin = NULL;
    snprintf(topic, sizeof(topic), "%s.selftest", b->prefix);
    if (admin_new(&admin, &(struct admin_config){ .brokers = b->o->brokers, .client_id = "bench" }, &err) !=
            0 ||
        admin_create_topic(admin, topic, b->o->partitions, -1, &err) != 0)
        return fail("topic", &err);
    return 0;
}

static int write_config(struct bench *b)
{
    snprintf(b->folder, sizeof(b->folder), "/tmp/libjob-bench.XXXXXX");
    if (!mkdtemp(b->folder))
        return 1;
    snprintf(b->config, sizeof(b->config), "%s/libjob.conf", b->folder);
    FILE *file = fopen(b->config, "we");
    if (!file)
        return 1;
    fprintf(
        file,
        "prefix = \"%s\";\nkafka: { brokers = \"%s\"; };\ndatabase: { url = \"%s\"; };\n"
        "queues = ( { name = \"selftest\"; partitions = %d; } );\n"
        "worker: { queues = ( { name = \"selftest\"; } ); executors_min = %d; executors_max = %d; };\n"
        "handlers = ( { type = \"selftest.*\"; kind = \"module\"; path = \"%s/jobs/selftest/selftest.so\"; "
        "queue = \"selftest\"; } );\n",
        b->prefix, b->o->brokers, b->url, b->o->partitions, b->o->executors, b->o->executors, b->o->build);
    return fclose(file) == 0 ? 0 : 1;
}

static int produce(struct bench *b)
{
    _cleanup_free_ char *payload = malloc((size_t)b->o->payload_size + 1);
    struct job_client *client;
    const struct job_client_options options = { .brokers = b->o->brokers, .prefix = b->prefix };
    if (!payload || job_client_open(&client, &options) != 0)
        return 1;
    memset(payload, 'x', (size_t)b->o->payload_size);
    payload[0] = payload[b->o->payload_size - 1] = '"';
    payload[b->o->payload_size] = 0;
    const struct job_spec spec = { .type = "selftest.echo", .queue = "selftest", .payload = payload };
    int r = 0;
    for (int i = 0; i < b->o->jobs && r == 0; i++)
        while ((r = job_enqueue(client, &spec, NULL)) == JOB_E_FULL)
            job_flush(client, 100);
    if (r == 0)
        r = job_flush(client, 60000);
    job_client_close(client, 1000);
    if (r)
        fprintf(stderr, "bench: enqueue: %s\n", job_strerror(r));
    return r != 0;
}

static int start_worker(struct bench *b)
{
    char program[512], log[128];
    snprintf(program, sizeof(program), "%s/worker/jobworkerd", b->o->build);
    snprintf(log, sizeof(log), "%s/worker.log", b->folder);
    b->worker = fork();
    if (b->worker == 0) {
        if (!freopen(log, "we", stderr))
            _exit(1);
        execl(program, program, "-c", b->config, (char *)NULL);
        _exit(127);
    }
    return b->worker < 0;
}

/* --- Measuring ---------------------------------------------------------------------------------------------------------- */

static int64_t count_done(struct bench *b)
{
    struct err err = { 0 };
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    if (db_query(b->db, "SELECT coalesce(sum(next_offset), 0)::bigint FROM job.cursor", NULL, 0, &rows,
                 &err) != 0)
        return -1;
    return rows_bigint(rows, 0, 0);
}

static struct usage read_usage(const struct bench *b)
{
    return (struct usage){
        .wall_us = clock_mono_us(),
        .worker_us = process_cpu_us(b->worker),
        .executors_us = process_children_cpu_us(b->worker),
        .postgres_us = process_cpu_us(b->postgres) + process_children_cpu_us(b->postgres),
        .kafka_us = process_cpu_us(b->kafka),
    };
}

/* Waits until more than @n jobs are recorded. Return: how many; -1 after LIMIT_US. */
static int64_t await_done(struct bench *b, int64_t n)
{
    int64_t deadline_us = clock_mono_us() + LIMIT_US;
    while (clock_mono_us() < deadline_us && waitpid(b->worker, NULL, WNOHANG) == 0) {
        int64_t done = count_done(b);
        if (done > n)
            return done;
        usleep(20000);
    }
    fprintf(stderr, "bench: the worker has ended or takes too long; its log is in %s\n", b->folder);
    return -1;
}

static int measure(struct bench *b, struct round *ret)
{
    int64_t first = await_done(b, 0);
    struct usage before = read_usage(b);
    int64_t last = first < 0 ? -1 : await_done(b, b->o->jobs - 1);
    struct usage after = read_usage(b);
    double n = (double)(last - first);
    if (last < 0)
        return 1;
    *ret = (struct round){
        .jobs_per_s = n * 1e6 / (double)(after.wall_us - before.wall_us),
        .worker_us = (double)(after.worker_us - before.worker_us) / n,
        .executors_us = (double)(after.executors_us - before.executors_us) / n,
        .postgres_us = (double)(after.postgres_us - before.postgres_us) / n,
        .kafka_us = (double)(after.kafka_us - before.kafka_us) / n,
        .peak_mib = (double)process_peak_kib(b->worker) / 1024,
    };
    return 0;
}

static void clear_away(struct bench *b)
{
    char command[160];
    if (b->worker > 0) {
        kill(b->worker, SIGTERM);
        waitpid(b->worker, NULL, 0);
    }
    b->db = db_free(b->db);
    administrate(b, "DROP");
    snprintf(command, sizeof(command), "%s/worker.log", b->folder);
    unlink(command);
    unlink(b->config);
    rmdir(b->folder);
}

static int run_round(const struct bench_execute_options *o, int number, struct round *ret)
{
    char path[512];
    struct bench b = { .o = o };
    snprintf(b.prefix, sizeof(b.prefix), "bench-%d-%d", getpid(), number);
    snprintf(b.database, sizeof(b.database), "bench_%d_%d", getpid(), number);
    snprintf(path, sizeof(path), "%s/postgres.pid", o->servers);
    b.postgres = process_from_file(path);
    snprintf(path, sizeof(path), "%s/kafka.pid", o->servers);
    b.kafka = process_from_file(path);
    int r = make_database(&b);
    if (r == 0)
        r = make_topic(&b);
    if (r == 0)
        r = write_config(&b);
    if (r == 0)
        r = produce(&b);
    if (r == 0)
        r = start_worker(&b);
    if (r == 0)
        r = measure(&b, ret);
    clear_away(&b);
    return r;
}

/* --- Printing ----------------------------------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_row(FILE *out, const char *name, const struct round *rounds, int n, size_t member)
{
    double values[MAX_ROUNDS] = { 0 };
    for (int i = 0; i < n; i++)
        memcpy(&values[i], (const char *)&rounds[i] + member, sizeof(double));
    qsort(values, (size_t)n, sizeof(*values), compare);
    fprintf(out, "  %-34s %12.1f   (%.1f … %.1f)\n", name, values[n / 2], values[0], values[n - 1]);
}

int bench_execute(const struct bench_execute_options *o, FILE *out)
{
    struct round rounds[MAX_ROUNDS];
    for (int i = 0; i < o->rounds && i < MAX_ROUNDS; i++)
        if (run_round(o, i, &rounds[i]) != 0)
            return 1;
    fprintf(
        out,
        "execute: %d no-op jobs of %d bytes, %d partitions, %d executors; median (lowest … highest) of %d rounds\n",
        o->jobs, o->payload_size, o->partitions, o->executors, o->rounds);
    print_row(out, "executed and recorded, jobs/s", rounds, o->rounds, offsetof(struct round, jobs_per_s));
    print_row(out, "CPU per job: worker, us", rounds, o->rounds, offsetof(struct round, worker_us));
    print_row(out, "CPU per job: executors, us", rounds, o->rounds, offsetof(struct round, executors_us));
    print_row(out, "CPU per job: PostgreSQL, us", rounds, o->rounds, offsetof(struct round, postgres_us));
    print_row(out, "CPU per job: Kafka, us", rounds, o->rounds, offsetof(struct round, kafka_us));
    print_row(out, "worker's peak memory, MiB", rounds, o->rounds, offsetof(struct round, peak_mib));
    return 0;
}
