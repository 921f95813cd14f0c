/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jobctl doctor: looks at everything that a job needs on its way, and says what is wrong, what it means, and what mends it.
 *
 * A check is a row: its name, which scripts rely on, what it needs, and a function that adds findings. The files here have
 * one subject each, with a table of its checks; doctor.c runs the tables in order.
 *
 * What a check needs is found out by checks before it. One that needs something that is not there is left out: one cause,
 * one finding. A server that stops answering in the middle is such a cause: doctor_ask() and doctor_judge_kafka() say so
 * once, and take away what depends on it.
 *
 * Time: a statement may take 3 s, a question to Kafka 5 s, and no check begins after DOCTOR_TIME_US. Since what hangs is asked
 * once only, all of it ends within 15 s.
 */
#pragma once

#include "cli/doctor/finding.h"
#include "cli/invocation.h"
#include "cli/queue/logs.h"

#define DOCTOR_TIME_US (9 * INT64_C(1000000))

enum doctor_need {
    NEED_STORE = 1,    /* PostgreSQL answers, in a version that will do */
    NEED_SCHEMA = 2,   /* it has the schema, and its role may read it */
    NEED_KAFKA = 4,    /* Kafka answers */
    NEED_POSITION = 8, /* PostgreSQL is no standby, so it has a position in the write-ahead log */
};

struct doctor;

struct doctor_check {
    const char *name; /* NULL ends a table */
    unsigned needs;   /* enum doctor_need */
    void (*run)(struct doctor *d);
};

struct doctor {
    struct invocation *in;
    struct findings findings;
    const struct doctor_check *check; /* the one that runs */
    unsigned have;                    /* enum doctor_need */
    int64_t began_us, patience_us;
    struct logs logs; /* of doctor_read_logs() */
    bool logs_read, logs_failed;
    struct admin_topics topics; /* those with the configured prefix; with NEED_KAFKA */
    char text[512];             /* of doctor_format() */
};

/* In the order in which they run. */
extern const struct doctor_check doctor_configuration[], doctor_host[], doctor_units[], doctor_postgresql[],
    doctor_activity[], doctor_schema[], doctor_tables[], doctor_kafka[], doctor_topics[], doctor_logs[],
    doctor_fleet[], doctor_groups[], doctor_queues[], doctor_work[];

/* Runs all checks. What was found is in d->findings, which stays the caller's; doctor_done() in every case. Return: an enum status. */
int doctor_run(struct doctor *d, struct err *reterr);
void doctor_done(struct doctor *d);

/* What a check has found. @about: the topic, queue, … that it is about; NULL: there is only one. */
void doctor_well(struct doctor *d, const char *about, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void doctor_unknown(struct doctor *d, const char *about, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void doctor_warning(struct doctor *d, const char *about, const char *meaning, const char *cure,
                    const char *format, ...) __attribute__((format(printf, 5, 6)));
void doctor_problem(struct doctor *d, const char *about, const char *meaning, const char *cure,
                    const char *format, ...) __attribute__((format(printf, 5, 6)));

/* For a cure or a name, valid until the next call. */
const char *doctor_format(struct doctor *d, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The check has added nothing but good or unknown findings since the findings were @before. */
bool doctor_is_content(const struct doctor *d, size_t before);
size_t doctor_mark(const struct doctor *d);

/* Runs a query of store/. Return: its rows; NULL when there are none, which has been said. */
typedef int (*doctor_query_fn)(struct db *db, struct rows **ret, struct err *reterr);
struct rows *doctor_ask(struct doctor *d, doctor_query_fn query);
/* The same about what has stood for d->patience_us. */
typedef int (*doctor_patient_fn)(struct db *db, int64_t patience_us, struct rows **ret, struct err *reterr);
struct rows *doctor_ask_patiently(struct doctor *d, doctor_patient_fn query);
/* Says what a query has failed by. Return: @r is 0. */
bool doctor_judge_store(struct doctor *d, int r, const struct err *err);
/* The same for an answer of stream/admin.h. */
bool doctor_judge_kafka(struct doctor *d, const char *about, int r, const struct err *err);

/* The logs of all topics beside their cursors, read once. NULL: they cannot be read, which has been said. Needs both servers. */
const struct logs *doctor_read_logs(struct doctor *d);

/* @us of time that has passed, for a sentence: "42 s", "17 min", "5 h", "12 d". Return: @text (32 bytes). */
char *doctor_age(int64_t us, char *text);
/* "812 MiB". Return: @text (32 bytes). */
char *doctor_size(int64_t bytes, char *text);
