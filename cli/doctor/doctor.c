/* SPDX-License-Identifier: Apache-2.0 */
/* The order of the checks, their limits, and how they say what they have found. */
#include "cli/doctor/doctor.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/health.h"

#define ANSWER_TIMEOUT_US (4 * USEC_PER_SEC) /* of PostgreSQL, when it stands still */
#define STATEMENT_TIMEOUT_US (3 * USEC_PER_SEC)
#define DEFAULT_PATIENCE_US (30 * USEC_PER_SEC)

static const struct doctor_check *const subjects[] = {
    doctor_configuration, doctor_host,   doctor_units,  doctor_postgresql, doctor_activity,
    doctor_schema,        doctor_tables, doctor_kafka,  doctor_topics,     doctor_logs,
    doctor_fleet,         doctor_groups, doctor_queues, doctor_work,
};

/* --- What is found --- */

static void add(struct doctor *d, enum finding_state state, const char *about, const char *meaning,
                const char *cure, const char *format, va_list ap) __attribute__((format(printf, 6, 0)));

static void add(struct doctor *d, enum finding_state state, const char *about, const char *meaning,
                const char *cure, const char *format, va_list ap)
{
    char found[512];
    vsnprintf(found, sizeof(found), format, ap);
    const struct finding_text text = { d->check->name, about, found, meaning, cure };
    findings_add(&d->findings, state, &text);
}

void doctor_well(struct doctor *d, const char *about, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    add(d, FINDING_OK, about, NULL, NULL, format, ap);
    va_end(ap);
}

void doctor_unknown(struct doctor *d, const char *about, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    add(d, FINDING_UNKNOWN, about, NULL, NULL, format, ap);
    va_end(ap);
}

void doctor_warning(struct doctor *d, const char *about, const char *meaning, const char *cure,
                    const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    add(d, FINDING_WARNING, about, meaning, cure, format, ap);
    va_end(ap);
}

void doctor_problem(struct doctor *d, const char *about, const char *meaning, const char *cure,
                    const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    add(d, FINDING_PROBLEM, about, meaning, cure, format, ap);
    va_end(ap);
}

const char *doctor_format(struct doctor *d, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    vsnprintf(d->text, sizeof(d->text), format, ap);
    va_end(ap);
    return d->text;
}

size_t doctor_mark(const struct doctor *d)
{
    return d->findings.n_problems + d->findings.n_warnings;
}

bool doctor_is_content(const struct doctor *d, size_t before)
{
    return doctor_mark(d) == before;
}

char *doctor_age(int64_t us, char *text)
{
    static const struct {
        int64_t from_s, unit_s;
        const char *name;
    } units[] = { { 2 * 86400, 86400, "d" }, { 7200, 3600, "h" }, { 120, 60, "min" }, { 0, 1, "s" } };
    int64_t s = us > 0 ? us / USEC_PER_SEC : 0;
    size_t i = 0;
    while (s < units[i].from_s)
        i++;
    snprintf(text, 32, "%" PRId64 " %s", s / units[i].unit_s, units[i].name);
    return text;
}

char *doctor_size(int64_t bytes, char *text)
{
    static const char *const names[] = { "bytes", "KiB", "MiB", "GiB", "TiB" };
    size_t i = 0;
    for (; bytes >= 10240 && i + 1 < ARRAY_SIZE(names); i++)
        bytes /= 1024;
    snprintf(text, 32, "%" PRId64 " %s", bytes, names[i]);
    return text;
}

/* --- What servers answer --- */

static void say_refusal(struct doctor *d, const struct err *err)
{
    const char *state = db_refusal(d->in->db)->sqlstate;
    if (strcmp(state, "57014") == 0 || strcmp(state, "55P03") == 0)
        doctor_unknown(d, NULL, "PostgreSQL had no answer within %d s",
                       (int)(STATEMENT_TIMEOUT_US / USEC_PER_SEC));
    else if (strcmp(state, "42501") == 0)
        doctor_unknown(d, NULL, "the role of database.url may not see it: %.300s", err->text);
    else
        doctor_problem(d, NULL, "This could not be looked at.",
                       "compare the schema: jobctl db status; then jobctl db migrate", "%.400s", err->text);
}

bool doctor_judge_store(struct doctor *d, int r, const struct err *err)
{
    if (r == 0)
        return true;
    if (r == STORE_REFUSED) {
        say_refusal(d, err);
    } else {
        d->have &= ~(unsigned)(NEED_STORE | NEED_SCHEMA | NEED_POSITION);
        doctor_problem(d, NULL,
                       "PostgreSQL answered before, and does not now: what depends on it was left out.",
                       "look at PostgreSQL's log; then run jobctl doctor again", "%.400s", err->text);
    }
    return false;
}

bool doctor_judge_kafka(struct doctor *d, const char *about, int r, const struct err *err)
{
    if (r == 0)
        return true;
    if (r == ADMIN_AWAY) {
        d->have &= ~(unsigned)NEED_KAFKA;
        doctor_problem(d, about, "Kafka answered before, and does not now: what depends on it was left out.",
                       "look at the Kafka brokers' logs; then run jobctl doctor again", "%.400s", err->text);
    } else {
        doctor_warning(d, about, "This could not be looked at.",
                       "allow jobctl's user DESCRIBE and DESCRIBE_CONFIGS in Kafka (kafka-acls.sh)", "%.400s",
                       err->text);
    }
    return false;
}

struct rows *doctor_ask(struct doctor *d, doctor_query_fn query)
{
    struct rows *rows = NULL;
    struct err err = { 0 };
    return doctor_judge_store(d, query(d->in->db, &rows, &err), &err) ? rows : NULL;
}

struct rows *doctor_ask_patiently(struct doctor *d, doctor_patient_fn query)
{
    struct rows *rows = NULL;
    struct err err = { 0 };
    return doctor_judge_store(d, query(d->in->db, d->patience_us, &rows, &err), &err) ? rows : NULL;
}

const struct logs *doctor_read_logs(struct doctor *d)
{
    struct err err = { 0 };
    if (!d->logs_read && !d->logs_failed) {
        int r = logs_read(d->in, NULL, 0, &d->logs, &err);
        d->logs_read = r == STATUS_DONE;
        d->logs_failed = r != STATUS_DONE;
        if (r)
            doctor_judge_kafka(d, NULL, r == STATUS_AWAY ? ADMIN_AWAY : ADMIN_REFUSED, &err);
    }
    return d->logs_read ? &d->logs : NULL;
}

/* --- Running --- */

/* Return: false when there is no time for more. */
static bool run_check(struct doctor *d, const struct doctor_check *check)
{
    static const struct doctor_check time = { .name = "time" };
    if (check->needs & ~d->have)
        return true;
    if (clock_mono_us() - d->began_us < DOCTOR_TIME_US) {
        d->check = check;
        check->run(d);
        return true;
    }
    d->check = &time;
    doctor_warning(d, NULL, "The servers are too slow for all checks to be made.",
                   "look at what was found so far; then run jobctl doctor again",
                   "%d s were over before the check \"%s\": that and later ones were left out",
                   (int)(DOCTOR_TIME_US / USEC_PER_SEC), check->name);
    return false;
}

static void run_all(struct doctor *d)
{
    for (size_t i = 0; i < ARRAY_SIZE(subjects); i++)
        for (const struct doctor_check *check = subjects[i]; check->name; check++)
            if (!run_check(d, check))
                return;
}

int doctor_run(struct doctor *d, struct err *reterr)
{
    int64_t patience_us = arguments_get_duration(&d->in->arguments, "patience");
    const struct db_options options = { .url = d->in->config->database.url,
                                        .name = "jobctl",
                                        .answer_timeout_us = ANSWER_TIMEOUT_US,
                                        .statement_timeout_us = STATEMENT_TIMEOUT_US };
    d->began_us = clock_mono_us();
    d->patience_us = patience_us >= 0 ? patience_us : DEFAULT_PATIENCE_US;
    if (!d->in->db && db_new(&d->in->db, &options))
        return err_set(reterr, STATUS_FAILED, "out of memory");
    int r = invocation_prepare_kafka(d->in, reterr);
    if (r)
        return r;
    run_all(d);
    return d->findings.failed ? err_set(reterr, STATUS_FAILED, "out of memory") : STATUS_DONE;
}

void doctor_done(struct doctor *d)
{
    logs_done(&d->logs);
    admin_topics_done(&d->topics);
    findings_done(&d->findings);
}
