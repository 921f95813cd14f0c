/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One round's own installation on the servers of ./dev bench: database, topics, configuration file, daemons.
 *
 * Queue "selftest" takes what returns at once. The topic "later" is there, too. Queue "long", if there is one, takes jobs of type "selftest.sleep", and has executors of
 * its own, because it is limited to as many jobs as the worker has executors beyond those for "selftest".
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "bench/bench.h"
#include "store/db.h"

#define SITE_MAX_DAEMONS 4
#define SITE_MAX_QUEUES 64

struct site_layout {
    int long_jobs;       /* that queue "long" runs at once; 0: there is no such queue */
    int executors_min;   /* 0: as many as there may be */
    int more_queues;     /* "q1", "q2" …, which no handler is for */
    const char *broker;  /* members of broker: { … }; NULL: none */
    const char *worker;  /* further members of worker: { … }; NULL: none */
    const char *handler; /* further members of the handler; NULL: none */
};

struct site {
    const struct bench_options *options;
    char prefix[64], database[64], url[512], folder[64], config[128];
    pid_t daemons[SITE_MAX_DAEMONS];
    int n_daemons;
    pid_t postgres, kafka;
    struct db *db;
};

/* site_close() is due also when it failed. Return: 0; 1, said on stderr. */
int site_open(struct site *s, const struct bench_options *options, const struct site_layout *layout);
/* Ends the daemons at once and removes everything, but keeps the folder with their logs after a failure. */
void site_close(struct site *s, int failed);

/* @n jobs with a payload of @payload_size bytes: @payload (JSON), or a string of that length if it is NULL. Return: 0; 1, said on stderr. */
int site_enqueue(struct site *s, const char *type, const char *queue, const char *payload, int payload_size,
                 int n);

/* The same with a string as payload, in turns with one of @n_keys keys. */
int site_enqueue_keyed(struct site *s, const char *type, const char *queue, int payload_size, int n_keys,
                       int n);

/* @program: "worker/jobworkerd" or "broker/jobbrokerd"; it logs into site_log() with the number returned. Return: -1 on failure. */
int site_start(struct site *s, const char *program);
char *site_log(const struct site *s, int daemon, char *path, size_t size);

/* A file that jobs may trace into; how many have started by what it says. */
char *site_trace(const struct site *s, char *path, size_t size);
int site_count_starts(const struct site *s);
/* Until so many have. Return: 0; 1 after five minutes, or when a daemon has ended: said on stderr. */
int site_await_starts(struct site *s, int n);

/* A number from PostgreSQL. Return: -1 when there is none. */
int64_t site_ask(struct site *s, const char *sql);
/* Asks every 20 ms until the answer is at least @least. Return: the answer; -1 after five minutes, or when a daemon has ended: said on stderr. */
int64_t site_await(struct site *s, int64_t least, const char *sql);

/* How many jobs of queue "selftest" are recorded, cursor by cursor. */
#define SITE_COUNT_RECORDED                                                                                  \
    "SELECT coalesce(sum(next_offset), 0)::bigint FROM job.cursor WHERE topic LIKE '%.selftest'"
