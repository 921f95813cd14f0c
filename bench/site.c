/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/site.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "bench/process.h"
#include "libjob/include/job.h"
#include "store/migrate.h"
#include "stream/admin.h"

#define LIMIT_US (300 * USEC_PER_SEC)
#define LOOK_US 20000

static int fail(const char *what, const struct err *err)
{
    fprintf(stderr, "bench: %s: %s\n", what, err->text);
    return 1;
}

/* --- What a round needs ---------------------------------------------------------------------------------------------------- */

/* The same server, another database: the part of the URL behind the last slash. */
static void put_url(struct site *s)
{
    const char *server = s->options->database_url, *slash = strrchr(server, '/');
    snprintf(s->url, sizeof(s->url), "%.*s/%s", (int)(slash - server), server, s->database);
}

static int administrate(struct site *s, const char *verb, const char *how)
{
    struct err err = { 0 };
    _cleanup_(db_free_cleanup) struct db *db = NULL;
    char sql[160];
    snprintf(sql, sizeof(sql), "%s DATABASE %s %s", verb, s->database, how);
    if (db_new(&db, &(struct db_options){ .url = s->options->database_url, .name = "bench" }) < 0 ||
        db_execute(db, sql, &err) != 0)
        return fail(sql, &err);
    return 0;
}

static int make_database(struct site *s)
{
    struct err err = { 0 };
    if (administrate(s, "CREATE", "") != 0)
        return 1;
    put_url(s);
    if (db_new(&s->db, &(struct db_options){ .url = s->url, .name = "bench" }) < 0 ||
        migrate_apply(s->db, NULL, &err) != 0)
        return fail("schema", &err);
    return 0;
}

static int make_topic(const struct site *s, struct admin *admin, const char *queue)
{
    struct err err = { 0 };
    char topic[128];
    snprintf(topic, sizeof(topic), "%s.%s", s->prefix, queue);
    return admin_create_topic(admin, topic, s->options->partitions, -1, &err) == 0 ? 0 : fail(topic, &err);
}

static int make_topics(const struct site *s, const struct site_layout *layout)
{
    struct err err = { 0 };
    char queue[16];
    _cleanup_(admin_free_cleanup) struct admin *admin = NULL;
    const struct admin_config config = { .brokers = s->options->kafka, .client_id = "bench" };
    if (admin_new(&admin, &config, &err) != 0)
        return fail("topics", &err);
    int r = make_topic(s, admin, "selftest");
    if (r == 0)
        r = make_topic(s, admin, "later");
    if (r == 0 && layout->long_jobs)
        r = make_topic(s, admin, "long");
    for (int i = 1; i <= layout->more_queues && r == 0; i++) {
        snprintf(queue, sizeof(queue), "q%d", i);
        r = make_topic(s, admin, queue);
    }
    return r;
}

static void put_config(const struct site *s, const struct site_layout *layout, FILE *file)
{
    const struct bench_options *o = s->options;
    int executors = o->executors + layout->long_jobs;
    int executors_min = layout->executors_min ? layout->executors_min : executors;
    fprintf(file, "prefix = \"%s\";\nkafka: { brokers = \"%s\"; };\ndatabase: { url = \"%s\"; };\n",
            s->prefix, o->kafka, s->url);
    fprintf(file, "worker: { executors_min = %d; executors_max = %d; %s };\n", executors_min, executors,
            layout->worker ? layout->worker : "");
    fprintf(file, "broker: { %s };\n", layout->broker ? layout->broker : "");
    fprintf(file, "queues = ( { name = \"selftest\"; partitions = %d; }", o->partitions);
    if (layout->long_jobs)
        fprintf(file, ", { name = \"long\"; partitions = %d; concurrency = %d; }", o->partitions,
                layout->long_jobs);
    for (int i = 1; i <= layout->more_queues; i++)
        fprintf(file, ", { name = \"q%d\"; partitions = %d; }", i, o->partitions);
    fprintf(file,
            " );\nhandlers = ( { type = \"selftest.*\"; path = \"%s/jobs/selftest/selftest.so\"; "
            "queue = \"selftest\"; timeout = \"2h\"; %s } );\n",
            o->build, layout->handler ? layout->handler : "");
}

static int write_config(struct site *s, const struct site_layout *layout)
{
    snprintf(s->config, sizeof(s->config), "%s/libjob.conf", s->folder);
    FILE *file = fopen(s->config, "we");
    if (!file)
        return 1;
    put_config(s, layout, file);
    return fclose(file) == 0 ? 0 : 1;
}

static pid_t server_pid(const struct site *s, const char *name)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s.pid", s->options->servers, name);
    return process_from_file(path);
}

int site_open(struct site *s, const struct bench_options *options, const struct site_layout *layout)
{
    static int number;
    *s = (struct site){ .options = options };
    snprintf(s->prefix, sizeof(s->prefix), "bench-%d-%d", getpid(), ++number);
    snprintf(s->database, sizeof(s->database), "bench_%d_%d", getpid(), number);
    snprintf(s->folder, sizeof(s->folder), "/tmp/libjob-bench.XXXXXX");
    s->postgres = server_pid(s, "postgres");
    s->kafka = server_pid(s, "kafka");
    if (!mkdtemp(s->folder))
        return 1;
    int r = make_database(s);
    if (r == 0)
        r = make_topics(s, layout);
    return r ? r : write_config(s, layout);
}

static void remove_folder(const struct site *s)
{
    char path[128];
    for (int i = 0; i < s->n_daemons; i++)
        unlink(site_log(s, i, path, sizeof(path)));
    unlink(site_trace(s, path, sizeof(path)));
    unlink(s->config);
    rmdir(s->folder);
}

void site_close(struct site *s, int failed)
{
    for (int i = 0; i < s->n_daemons; i++) {
        kill(s->daemons[i], SIGKILL); /* its zygote ends what it ran */
        waitpid(s->daemons[i], NULL, 0);
    }
    s->db = db_free(s->db);
    administrate(s, "DROP", "WITH (FORCE)");
    if (failed)
        fprintf(stderr, "bench: logs are in %s\n", s->folder);
    else
        remove_folder(s);
}

/* --- Jobs and daemons -------------------------------------------------------------------------------------------------------- */

static char *string_new(int size)
{
    char *text = malloc((size_t)size + 1);
    if (!text)
        return NULL;
    memset(text, 'x', (size_t)size);
    text[0] = text[size - 1] = '"';
    text[size] = 0;
    return text;
}

/* @n_keys: 0: no keys. */
static int enqueue(struct site *s, struct job_spec spec, int n_keys, int n)
{
    struct job_client *client;
    const struct job_client_options options = { .brokers = s->options->kafka, .prefix = s->prefix };
    if (job_client_open(&client, &options) != 0)
        return 1;
    int r = 0;
    for (int i = 0; i < n && r == 0; i++) {
        char key[16];
        snprintf(key, sizeof(key), "%d", n_keys ? i % n_keys : 0);
        spec.key = n_keys ? key : NULL;
        while ((r = job_enqueue(client, &spec, NULL)) == JOB_E_FULL)
            job_flush(client, 100);
    }
    if (r == 0)
        r = job_flush(client, 60000);
    job_client_close(client, 1000);
    if (r)
        fprintf(stderr, "bench: enqueue: %s\n", job_strerror(r));
    return r != 0;
}

int site_enqueue(struct site *s, const char *type, const char *queue, const char *payload, int payload_size,
                 int n)
{
    _cleanup_free_ char *string = payload ? NULL : string_new(payload_size);
    if (!payload && !string)
        return 1;
    return enqueue(
        s, (struct job_spec){ .type = type, .queue = queue, .payload = payload ? payload : string }, 0, n);
}

int site_enqueue_keyed(struct site *s, const char *type, const char *queue, int payload_size, int n_keys,
                       int n)
{
    _cleanup_free_ char *string = string_new(payload_size);
    if (!string)
        return 1;
    return enqueue(s, (struct job_spec){ .type = type, .queue = queue, .payload = string }, n_keys, n);
}

char *site_log(const struct site *s, int daemon, char *path, size_t size)
{
    snprintf(path, size, "%s/%d.log", s->folder, daemon);
    return path;
}

int site_start(struct site *s, const char *program)
{
    char path[512], log[128];
    if (s->n_daemons == SITE_MAX_DAEMONS)
        return -1;
    snprintf(path, sizeof(path), "%s/%s", s->options->build, program);
    site_log(s, s->n_daemons, log, sizeof(log));
    pid_t pid = fork();
    if (pid == 0) {
        if (!freopen(log, "w", stderr)) /* open across exec() */
            _exit(1);
        execl(path, path, "-c", s->config, (char *)NULL);
        _exit(127);
    }
    if (pid < 0)
        return -1;
    s->daemons[s->n_daemons] = pid;
    return s->n_daemons++;
}

/* --- Looking ----------------------------------------------------------------------------------------------------------------- */

int64_t site_ask(struct site *s, const char *sql)
{
    struct err err = { 0 };
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    if (db_query(s->db, sql, NULL, 0, &rows, &err) != 0 || rows_count(rows) == 0)
        return -1;
    return rows_bigint(rows, 0, 0);
}

static bool all_run(const struct site *s)
{
    for (int i = 0; i < s->n_daemons; i++)
        if (waitpid(s->daemons[i], NULL, WNOHANG) != 0)
            return false;
    return true;
}

char *site_trace(const struct site *s, char *path, size_t size)
{
    snprintf(path, size, "%s/trace", s->folder);
    return path;
}

int site_count_starts(const struct site *s)
{
    char path[128], line[256];
    int n = 0;
    FILE *file = fopen(site_trace(s, path, sizeof(path)), "re");
    while (file && fgets(line, sizeof(line), file))
        n += strncmp(line, "start ", 6) == 0;
    if (file)
        fclose(file);
    return n;
}

static int give_up(const char *what)
{
    fprintf(stderr, "bench: a daemon has ended, or this takes too long: %s\n", what);
    return 1;
}

int site_await_starts(struct site *s, int n)
{
    int64_t deadline_us = clock_mono_us() + LIMIT_US;
    while (site_count_starts(s) < n) {
        if (clock_mono_us() > deadline_us || !all_run(s))
            return give_up("jobs that start");
        usleep(LOOK_US);
    }
    return 0;
}

int64_t site_await(struct site *s, int64_t least, const char *sql)
{
    int64_t deadline_us = clock_mono_us() + LIMIT_US;
    while (clock_mono_us() < deadline_us && all_run(s)) {
        int64_t answer = site_ask(s, sql);
        if (answer >= least)
            return answer;
        usleep(LOOK_US);
    }
    give_up(sql);
    return -1;
}
