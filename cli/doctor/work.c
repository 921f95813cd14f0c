/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of what happens beside the queues: relay, cron, dead letters, who hears of them, incidents. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/timefmt.h"
#include "cli/doctor/doctor.h"
#include "cli/doctor/judge.h"
#include "store/cron.h"
#include "store/dead.h"
#include "store/health.h"

static void check_relay(struct doctor *d)
{
    char oldest[RFC3339_SIZE], limit[32];
    _cleanup_(rows_free_cleanup) struct rows *rows = doctor_ask_patiently(d, health_check_relay);
    if (!rows)
        return;
    int64_t overdue = rows_bigint(rows, 0, 0);
    duration_format(d->patience_us, limit);
    if (overdue == 0) {
        doctor_well(d, NULL, "nothing in job.pending is overdue");
        return;
    }
    rfc3339_format(rows_time_us(rows, 0, 1), 0, oldest);
    doctor_problem(
        d, NULL, "Delayed, retried and replayed jobs do not get to Kafka.",
        rows_bool(rows, 0, 2)
            ? "restart jobbrokerd; if no broker runs, start one: the flag job.relay.asleep is what the last one left"
            : "start jobbrokerd; if it runs, its log says what it cannot do",
        "%" PRId64 " jobs in job.pending have been due for more than %s, the oldest since %s%s", overdue,
        limit, oldest, rows_bool(rows, 0, 2) ? "; the relay sleeps beyond that" : "");
}

static void check_cron(struct doctor *d)
{
    char oldest[RFC3339_SIZE];
    _cleanup_(rows_free_cleanup) struct rows *rows = doctor_ask(d, cron_check);
    if (!rows)
        return;
    int64_t n = rows_bigint(rows, 0, 0), enabled = rows_bigint(rows, 0, 1), failing = rows_bigint(rows, 0, 2),
            overdue = rows_bigint(rows, 0, 3);
    if (failing > 0)
        doctor_problem(d, NULL, "Their jobs are not enqueued.",
                       "jobctl cron list; then jobctl cron add --replace",
                       "%" PRId64 " of %" PRId64 " entries cannot tick: %.300s", failing, enabled,
                       rows_text(rows, 0, 5));
    if (overdue > 0)
        doctor_problem(d, NULL, "Nobody makes jobs of the ticks.",
                       "start jobbrokerd, with broker.cron = true; if it runs, look at its log",
                       "%" PRId64 " of %" PRId64
                       " entries have been due for more than 30 s, the first since %s",
                       overdue, enabled,
                       rows_is_null(rows, 0, 4) ? "?" : rfc3339_format(rows_time_us(rows, 0, 4), 0, oldest));
    if (failing == 0 && overdue == 0 && n > 0)
        doctor_well(d, NULL, "%" PRId64 " entries, %" PRId64 " of them enabled", n, enabled);
}

static void check_dead(struct doctor *d)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = doctor_ask(d, health_check_dead);
    if (!rows)
        return;
    int64_t dead = rows_bigint(rows, 0, 0), now = rows_bigint(rows, 0, 1), before = rows_bigint(rows, 0, 2);
    if (judge_growth(now, before))
        doctor_problem(
            d, NULL, "Something fails for good that did not before: a deploy, or a service that jobs need?",
            "jobctl dead list; mend the cause; then jobctl dead replay",
            "%" PRId64 ", and they grow: %" PRId64 " in the last two hours, %" PRId64 " an hour before that",
            dead, now, before);
    else if (dead > 0)
        doctor_warning(d, NULL, "These jobs have failed for good and wait for somebody.",
                       "jobctl dead list; then jobctl dead replay or purge", "%" PRId64, dead);
    else
        doctor_well(d, NULL, "none");
}

/* Does the queue that PostgreSQL tells deaths to agree with the handlers of this configuration? */
static void check_dead_hook(struct doctor *d)
{
    const char *wanted = config_dead_hook(d->in->config);
    _cleanup_(rows_free_cleanup) struct rows *rows = doctor_ask(d, dead_find_hook);
    if (!rows)
        return;
    const char *queue = rows_is_null(rows, 0, 0) ? NULL : rows_text(rows, 0, 0);
    if (queue && wanted && strcmp(queue, wanted) == 0)
        doctor_well(d, NULL, "deaths are told to the queue %s", queue);
    else if (wanted)
        doctor_warning(d, NULL, "The handler does not hear of the jobs that die.",
                       "start or reload a worker with this configuration",
                       "deaths are told to %.80s, and the handler of job.dead has the queue %.80s",
                       queue ? queue : "nobody", wanted);
    else if (queue)
        doctor_warning(
            d, NULL,
            "Each dead job makes one more, of type job.dead, which dies unless another worker knows the type.",
            "jobctl dead hook --off; or configure a handler with type = \"job.dead\"",
            "deaths are told to the queue %.80s, and no handler here is for job.dead", queue);
}

static void check_incidents(struct doctor *d)
{
    static const struct {
        const char *kind, *meaning;
    } kinds[] = {
        { "lost", "Kafka has dropped records that nobody had read." },
        { "recreated", "A topic was deleted and made again: jobs that were in it are gone." },
        { "dead_hook", "Jobs died, and deaths could not be told to the handler of job.dead." },
    };
    char at[RFC3339_SIZE];
    _cleanup_(rows_free_cleanup) struct rows *rows = doctor_ask(d, health_list_incidents);
    for (size_t i = 0; rows && i < rows_count(rows); i++) {
        const char *meaning = "Something happened that somebody must hear of.";
        for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
            if (strcmp(kinds[k].kind, rows_text(rows, i, 0)) == 0)
                meaning = kinds[k].meaning;
        doctor_warning(d, rows_text(rows, i, 0), meaning,
                       "read job.incident: each row names its topic, partition and offsets, or its jobs",
                       "%" PRId64 " in 30 days, the last at %s%s%s", rows_bigint(rows, i, 1),
                       rfc3339_format(rows_time_us(rows, i, 2), 0, at),
                       rows_is_null(rows, i, 3) ? "" : " in ",
                       rows_is_null(rows, i, 3) ? "" : rows_text(rows, i, 3));
    }
    if (rows && rows_count(rows) == 0)
        doctor_well(d, NULL, "none in 30 days");
}

const struct doctor_check doctor_work[] = {
    { "relay", NEED_SCHEMA, check_relay },         { "cron", NEED_SCHEMA, check_cron },
    { "dead letters", NEED_SCHEMA, check_dead },   { "dead hook", NEED_SCHEMA, check_dead_hook },
    { "incidents", NEED_SCHEMA, check_incidents }, { 0 },
};
