/* SPDX-License-Identifier: Apache-2.0 */
/* A site: its folder, database and configuration file. */
#include "tests/support/harness.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/uuid.h"
#include "store/migrate.h"
#include "tests/support/harness_site.h"

#define NAP_US (20 * USEC_PER_MSEC)

void site_fail(const char *format, ...)
{
    char text[4096];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    ck_abort_msg("%s", text);
    abort();
}

int64_t site_deadline(double deadline_s)
{
    return clock_mono_us() + (int64_t)(deadline_s * (double)USEC_PER_SEC);
}

bool site_nap(int64_t deadline_us)
{
    if (clock_mono_us() >= deadline_us)
        return false;
    nanosleep(&(struct timespec){ .tv_nsec = NAP_US * 1000 }, NULL);
    return true;
}

static const char *need(const char *name)
{
    const char *value = getenv(name);
    if (!value || !*value)
        site_fail("%s is not set: run it through ./dev test", name);
    return value;
}

/* --- The configuration file --- */

/* Tests are to be quick: these stand unless the test's own text names the key. */
static const struct {
    const char *group, *key, *value;
} short_times[] = {
    { "broker", "lease_timeout", "2s" },         { "worker", "beat", "500ms" },
    { "worker", "handover_after", "300ms" },     { "worker", "session_timeout", "2s" },
    { "worker", "heartbeat_interval", "200ms" },
};

static void write_group(struct buf *b, const char *group, const char *text, bool long_times)
{
    buf_append_format(b, "%s: {\n  %s\n", group, text ? text : "");
    for (size_t i = 0; i < ARRAY_SIZE(short_times) && !long_times; i++)
        if (strcmp(short_times[i].group, group) == 0 && !(text && strstr(text, short_times[i].key)))
            buf_append_format(b, "  %s = \"%s\";\n", short_times[i].key, short_times[i].value);
    buf_append_string(b, "};\n");
}

static void write_list(struct buf *b, const struct site *s, const char *name, const char *text)
{
    static const char build[] = "${build}";
    buf_append_format(b, "%s = (\n  ", name);
    for (const char *at; (at = strstr(text, build)); text = at + strlen(build)) {
        buf_append(b, text, (size_t)(at - text));
        buf_append_string(b, s->build);
    }
    buf_append_format(b, "%s\n);\n", text);
}

static void write_config(struct site *s, const struct site_options *o)
{
    _cleanup_buf_ struct buf b = { 0 };
    buf_append_format(&b, "prefix = \"%s\";\nkafka: { brokers = \"%s\"; };\ndatabase: { url = \"%s\"; };\n",
                      s->prefix, s->kafka, s->url);
    write_group(&b, "broker", o->broker, o->long_times);
    write_group(&b, "worker", o->worker, o->long_times);
    if (o->handlers)
        write_list(&b, s, "handlers", o->handlers);
    if (o->queues)
        write_list(&b, s, "queues", o->queues);
    if (o->extra)
        buf_append_format(&b, "%s\n", o->extra);
    snprintf(s->config_path, sizeof(s->config_path), "%s/libjob.conf", s->folder);
    FILE *file = fopen(s->config_path, "we");
    if (!file || fwrite(b.data, b.size, 1, file) != 1 || fclose(file))
        site_fail("%s: %s", s->config_path, strerror(errno));
}

/* --- The database --- */

static struct db *open_database(const char *url)
{
    struct db *db = NULL;
    const struct db_options options = { .url = url, .name = "test" };
    if (db_new(&db, &options))
        site_fail("out of memory");
    return db;
}

static void create_database(struct site *s, const char *server_url)
{
    char sql[128];
    struct err err = { 0 };
    _cleanup_(db_free_cleanup) struct db *server = open_database(server_url);
    snprintf(sql, sizeof(sql), "CREATE DATABASE \"%s\"", s->name);
    if (db_execute(server, sql, &err))
        site_fail("%s: %s", sql, err.text);
    /* "…/postgres?options" becomes "…/<name>?options". */
    const char *options = strchr(server_url, '?');
    const char *end = options ? options : server_url + strlen(server_url);
    while (end > server_url && end[-1] != '/')
        end--;
    snprintf(s->url, sizeof(s->url), "%.*s%s%s", (int)(end - server_url), server_url, s->name,
             options ? options : "");
    s->db = open_database(s->url);
}

int site_drop_database(const char *server_url, const char *name)
{
    char sql[128];
    struct db *server = NULL;
    const struct db_options options = { .url = server_url, .name = "test" };
    if (db_new(&server, &options))
        return -ENOMEM;
    snprintf(sql, sizeof(sql), "DROP DATABASE IF EXISTS \"%s\" WITH (FORCE)", name);
    int r = db_execute(server, sql, NULL);
    db_free(server);
    return r;
}

void site_migrate(struct site *s)
{
    struct err err = { 0 };
    if (migrate_apply(s->db, NULL, &err))
        site_fail("migration: %s", err.text);
}

/* --- Life --- */

static void choose_names(struct site *s, const struct site_options *options)
{
    struct uuid id;
    uuid_new(&id);
    snprintf(s->name, sizeof(s->name), "job_test_%02x%02x%02x%02x%02x", id.bytes[11], id.bytes[12],
             id.bytes[13], id.bytes[14], id.bytes[15]);
    if (options->prefix)
        snprintf(s->prefix, sizeof(s->prefix), "%s", options->prefix);
    else
        snprintf(s->prefix, sizeof(s->prefix), "test-%s", s->name + strlen("job_test_"));
    snprintf(s->folder, sizeof(s->folder), "/tmp/job-test-XXXXXX");
    if (!mkdtemp(s->folder))
        site_fail("%s: %s", s->folder, strerror(errno));
}

/* In the keeper. The daemons die with the test by themselves (PR_SET_PDEATHSIG). */
static void clear(const void *userdata)
{
    const struct site *s = userdata;
    site_print_logs(s->folder);
    site_drop_database(getenv("JOB_TEST_DATABASE_URL"), s->name);
    if (!getenv("JOB_TEST_KEEP"))
        site_remove_folder(s->folder);
}

static void open_admin(struct site *s)
{
    struct err err = { 0 };
    const struct admin_config config = { .brokers = s->kafka, .client_id = "test" };
    if (admin_new(&s->admin, &config, &err))
        site_fail("%s", err.text);
}

struct site *site_new(const struct site_options *options)
{
    const char *kafka = need("JOB_TEST_KAFKA"), *server_url = need("JOB_TEST_DATABASE_URL");
    struct site *s = calloc(1, sizeof(*s));
    if (!s || !(s->kafka = strdup(options->kafka ? options->kafka : kafka)))
        site_fail("out of memory");
    if (!realpath(need("JOB_TEST_BUILD"), s->build))
        site_fail("JOB_TEST_BUILD: %s", strerror(errno));
    list_init(&s->daemons);
    choose_names(s, options);
    keeper_start(&s->keeper, clear, s);
    create_database(s, server_url);
    if (!options->no_schema)
        site_migrate(s);
    write_config(s, options);
    open_admin(s);
    return s;
}

struct site *site_free(struct site *s)
{
    if (!s)
        return NULL;
    site_stop_all(s);
    site_delete_topics(s);
    admin_free(s->admin);
    db_free(s->db);
    site_drop_database(need("JOB_TEST_DATABASE_URL"), s->name);
    if (!getenv("JOB_TEST_KEEP"))
        site_remove_folder(s->folder);
    keeper_dismiss(&s->keeper);
    free(s->kafka);
    free(s);
    return NULL;
}

const char *site_folder(const struct site *s)
{
    return s->folder;
}

const char *site_prefix(const struct site *s)
{
    return s->prefix;
}

const char *site_config_path(const struct site *s)
{
    return s->config_path;
}

const char *site_database_url(const struct site *s)
{
    return s->url;
}

const char *site_kafka(const struct site *s)
{
    return s->kafka;
}

const char *site_build(const struct site *s)
{
    return s->build;
}

struct admin *site_admin(struct site *s)
{
    return s->admin;
}

struct db *site_db(struct site *s)
{
    return s->db;
}

/* --- SQL --- */

__attribute__((format(printf, 2, 0))) static void format_sql(struct buf *b, const char *format, va_list args)
{
    va_list copy;
    va_copy(copy, args);
    int size = vsnprintf(NULL, 0, format, copy);
    va_end(copy);
    char *to = size >= 0 ? buf_reserve(b, (size_t)size + 1) : NULL;
    if (!to)
        site_fail("out of memory");
    vsnprintf(to, (size_t)size + 1, format, args);
    b->size += (size_t)size;
}

void site_sql(struct site *s, const char *format, ...)
{
    struct err err = { 0 };
    _cleanup_buf_ struct buf sql = { 0 };
    va_list args;
    va_start(args, format);
    format_sql(&sql, format, args);
    va_end(args);
    if (db_execute(s->db, sql.data, &err))
        site_fail("%s: %s", sql.data, err.text);
}

/* The first column of the first row as text, whatever its type. Return: as db_query(). */
static int ask(struct site *s, const char *query, char **ret, struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    _cleanup_buf_ struct buf sql = { 0 };
    buf_append_format(&sql, "SELECT q.v::text FROM (%s) AS q (v) LIMIT 1", query);
    int r = db_query(s->db, sql.data, NULL, 0, &rows, reterr);
    if (r)
        return r;
    const char *text = rows_count(rows) > 0 ? rows_text(rows, 0, 0) : NULL;
    *ret = text ? strdup(text) : NULL;
    return 0;
}

static int64_t as_number(const char *text)
{
    if (!text || strcmp(text, "false") == 0)
        return 0;
    return strcmp(text, "true") == 0 ? 1 : strtoll(text, NULL, 10);
}

char *site_ask_text(struct site *s, const char *format, ...)
{
    char *text = NULL;
    struct err err = { 0 };
    _cleanup_buf_ struct buf sql = { 0 };
    va_list args;
    va_start(args, format);
    format_sql(&sql, format, args);
    va_end(args);
    if (ask(s, sql.data, &text, &err))
        site_fail("%s: %s", sql.data, err.text);
    return text;
}

int64_t site_ask(struct site *s, const char *format, ...)
{
    _cleanup_free_ char *text = NULL;
    struct err err = { 0 };
    _cleanup_buf_ struct buf sql = { 0 };
    va_list args;
    va_start(args, format);
    format_sql(&sql, format, args);
    va_end(args);
    if (ask(s, sql.data, &text, &err))
        site_fail("%s: %s", sql.data, err.text);
    return as_number(text);
}

/* What a person would look at first. */
static void print_tables(struct site *s)
{
    static const char *const tables[] = { "cursor", "pending", "lease",  "attempt",
                                          "result", "dead",    "worker", "relay" };
    for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
        char sql[256];
        _cleanup_free_ char *text = NULL;
        snprintf(sql, sizeof(sql),
                 "SELECT string_agg(left(t::text, 300), E'\n# ') FROM (SELECT * FROM job.%s LIMIT 20) t",
                 tables[i]);
        if (ask(s, sql, &text, NULL) == 0 && text)
            fprintf(stderr, "# --- job.%s ---\n# %s\n", tables[i], text);
    }
}

static void print_topics(struct site *s)
{
    struct admin_topics topics = { 0 };
    struct admin_range ranges[64];
    if (admin_list_topics(s->admin, s->prefix, &topics, NULL) != 0)
        return;
    for (size_t i = 0; i < topics.n; i++) {
        int n = topics.topics[i].n_partitions;
        if (n > 64 || admin_read_ranges(s->admin, topics.topics[i].name, n, ranges, NULL) != 0)
            continue;
        for (int p = 0; p < n; p++)
            fprintf(stderr, "# %s[%d]: %" PRId64 " to %" PRId64 "\n", topics.topics[i].name, p,
                    ranges[p].start, ranges[p].end);
    }
    admin_topics_done(&topics);
}

void site_await(struct site *s, double deadline_s, const char *format, ...)
{
    struct err err = { 0 };
    _cleanup_buf_ struct buf sql = { 0 };
    int64_t deadline_us = site_deadline(deadline_s);
    va_list args;
    va_start(args, format);
    format_sql(&sql, format, args);
    va_end(args);
    do {
        _cleanup_free_ char *text = NULL;
        int r = ask(s, sql.data, &text, &err);
        if (r && r != STORE_AWAY)
            site_fail("%s: %s", sql.data, err.text);
        if (r == 0 && as_number(text))
            return;
    } while (site_nap(deadline_us));
    print_tables(s);
    print_topics(s);
    site_fail("not within %g s: %s", deadline_s, sql.data);
}

void site_add_worker(struct site *s, const char *worker, int n_leases)
{
    site_sql(
        s,
        "INSERT INTO job.worker (id, host, pid, queues) VALUES ('%s', 'test', 1, '{mail}');"
        "INSERT INTO job.lease (id, token, delivery, attempt, max_crashes, queue, type, topic, partition, \"offset\","
        " worker, headers, payload) SELECT job.new_id(), 1, 1, 1, 5, 'mail', 'welcome', 't', 0, n, '%s', '{}', '\\x31'"
        " FROM generate_series(1, %d) n",
        worker, worker, n_leases);
}

void site_beat(struct site *s, const char *worker)
{
    site_sql(s, "UPDATE job.worker SET beat_at = clock_timestamp() WHERE id = '%s'", worker);
}
