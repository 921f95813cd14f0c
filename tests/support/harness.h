/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A site: one test's own installation on the shared Kafka and PostgreSQL.
 *
 *     struct site *site = site_new(&(struct site_options){ .queues = "{ name = \"mail\"; partitions = 2; }" });
 *     struct site_daemon *broker = site_start_broker(site);
 *     site_sql(site, "SELECT job.enqueue('mail', 'welcome')");
 *     site_await(site, 5, "SELECT NOT EXISTS (SELECT FROM job.pending)");
 *     site_stop(broker);
 *     site_free(site);
 *
 * It has a temporary folder, a migrated database, a topic prefix and a configuration file. Everything here ends the
 * test when it fails, with the reason. A test that ends before site_free(), by an assertion, a crash or its time-out,
 * leaves nothing either: a keeper process, forked in site_new(), then prints the daemons' logs and clears away.
 *
 * No threads before site_new() (it forks). One site per thread; several sites per test are fine.
 */
#pragma once

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "store/db.h"
#include "stream/admin.h"

/* What goes into the configuration file, as libconfig text. All may be NULL. */
struct site_options {
    const char
        *broker; /* members of broker: { … }, behind the short times that tests use; members may not repeat */
    const char *worker;   /* members of worker: { … } */
    const char *handlers; /* elements of handlers: ( … ); "${build}" is replaced by the build directory */
    const char *queues;   /* elements of queues: ( … ) */
    const char *extra;    /* further groups */
    const char *kafka;    /* address; NULL: $JOB_TEST_KAFKA */
    const char *prefix;   /* NULL: one that nobody else has */
    bool long_times;      /* the product's own lease, beat and session times */
    bool no_schema;       /* leave the database without schema */
};

struct site;

struct site *site_new(const struct site_options *options);
/* Stops what runs (SIGTERM, later SIGKILL), drops database, topics and folder. Return: NULL. */
struct site *site_free(struct site *s);

const char *site_folder(const struct site *s);
const char *site_prefix(const struct site *s);
const char *site_config_path(const struct site *s);
const char *site_database_url(const struct site *s); /* of this site's database */
const char *site_kafka(const struct site *s);
const char *site_build(const struct site *s); /* $JOB_TEST_BUILD, absolute */
struct admin *site_admin(struct site *s);

/* --- PostgreSQL: one connection, opened again when it was lost --- */

struct db *site_db(struct site *s);
void site_migrate(struct site *s);
/* One or more statements that must succeed, also at once after a loss of the connection: site_await() first, then. printf-like; "%%" for a per cent sign. */
void site_sql(struct site *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The first column of the first row: as a number (boolean: 0 or 1), or as text to be freed; no row: 0, NULL. */
int64_t site_ask(struct site *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *site_ask_text(struct site *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Until the query says true (or a number other than 0); looks every 20 ms, and bears with PostgreSQL being away. */
void site_await(struct site *s, double deadline_s, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A worker that is only a row, with so many leases on jobs of queue "mail"; it beats when the test does it. */
void site_add_worker(struct site *s, const char *worker, int n_leases);
void site_beat(struct site *s, const char *worker);

/* --- Daemons; each logs into <folder>/<name>.<n>.log --- */

struct site_daemon;

/* Start, and wait until the daemon says that it is ready (sd_notify). */
struct site_daemon *site_start_broker(struct site *s);
struct site_daemon *site_start_worker(struct site *s);
/* Starts a program of the build directory ("broker/jobbrokerd") with -c and further arguments, NULL-terminated; may be NULL. Waits for nothing. */
struct site_daemon *site_spawn(struct site *s, const char *program, const char *const *arguments);
/* Until it has told its service manager something with @what in it (sd_notify). Fails at once when it ends instead. */
void site_await_notify(struct site_daemon *d, double deadline_s, const char *what);
/* Whether it tells something with @what in it within @wait_s. */
bool site_has_notified(struct site_daemon *d, double wait_s, const char *what);
/* Until it has said READY=1; nothing else is heard of it then. */
void site_await_ready(struct site_daemon *d, double deadline_s);
/* Programs that are spawned from now on start in this control group, a folder; stays the caller's. */
void site_set_cgroup(struct site *s, const char *folder);
pid_t site_pid(const struct site_daemon *d);
bool site_is_running(struct site_daemon *d);
void site_kill(struct site_daemon *d, int signal);
/* Until it has ended. Return: its exit status; 128 + signal when a signal ended it. */
int site_await_exit(struct site_daemon *d, double deadline_s);
/* SIGTERM, then at most 20 s; its exit status must be 0. */
void site_stop(struct site_daemon *d);
/* SIGKILL, and wait until it is gone. */
void site_destroy(struct site_daemon *d);
/* Every process below it, as its main thread's children; zombies, too. Return: how many, at most @max. */
size_t site_find_descendants(const struct site_daemon *d, pid_t *pids, size_t max);
/* How often @text occurs in its log. */
size_t site_count_log(struct site_daemon *d, const char *text);
void site_await_log(struct site_daemon *d, double deadline_s, const char *text);

/* Runs "jobctl ARGUMENTS…" (NULL-terminated) to its end. @ret_output: standard output, to be freed; may be NULL. Return: exit status. */
int site_jobctl(struct site *s, char **ret_output, const char *const *arguments);

/* --- Servers of the test's own, for tests that stop or kill them --- */

struct site_servers;

/*
 * @which: "kafka" or "postgres"; starts one of its own, through $JOB_TEST_SERVICES. Gone again at the latest when the test is.
 * For PostgreSQL, $JOB_TEST_DATABASE_URL names it from here on; for Kafka, give its address to site_new().
 */
struct site_servers *site_servers_start(const char *which);
const char *site_servers_address(const struct site_servers *v);
/* "start", "stop" or "kill"; data and address survive. */
void site_servers_run(struct site_servers *v, const char *verb);
/* To the server's process: SIGSTOP, SIGCONT. */
void site_servers_signal(struct site_servers *v, int signal);
struct site_servers *site_servers_free(struct site_servers *v);

/* --- Kafka --- */

/* The topic's whole name, "<prefix>.<queue>"; @text has 250 bytes. */
char *site_topic(const struct site *s, const char *queue, char *text);

struct site_record {
    int32_t partition;
    int64_t offset, timestamp_ms;
    char *key, *value; /* NUL-terminated; NULL when there is none */
    char *headers;     /* "name=value\n" … */
};

struct site_records {
    size_t n;
    struct site_record *records; /* ordered within a partition */
};

/* Everything that lies in the queue's topic now (up to 50,000 records). */
struct site_records *site_read_queue(struct site *s, const char *queue);
/* Until the topic has at least @n. */
struct site_records *site_await_records(struct site *s, const char *queue, size_t n, double deadline_s);
struct site_records *site_records_free(struct site_records *r);
/* A header's value; NULL when there is none. Valid until this thread's next call. */
const char *site_header(const struct site_record *r, const char *name);
/* The record whose ce_id is @id; NULL. */
const struct site_record *site_find_record(const struct site_records *r, const char *id);

/* Produces one message as a foreign producer would: the topic is made by name, partition -1 goes by key. */
void site_produce(struct site *s, const char *queue, const struct message *m);
