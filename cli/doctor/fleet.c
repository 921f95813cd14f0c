/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of workers and brokers: does somebody run, and are those who have stopped tidied away? */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/doctor/doctor.h"
#include "cli/doctor/files.h"
#include "store/health.h"
#include "store/queues.h"

#define BEAT_LATE_US (15 * USEC_PER_SEC) /* a worker beats every 10 s at the latest */

/* --- Brokers: they register nowhere, but each of their threads has a connection with its name --- */

static bool has_thread(const struct rows *rows, const char *name)
{
    for (size_t i = 0; i < rows_count(rows); i++)
        if (strcmp(rows_text(rows, i, 0), name) == 0)
            return true;
    return false;
}

static void check_threads(struct doctor *d, const struct rows *rows)
{
    const struct config_broker *config = &d->in->config->broker;
    const struct {
        const char *name;
        bool wanted;
        const char *meaning;
    } threads[] = {
        { "relay", config->relay, "Delayed, retried and replayed jobs do not get to Kafka." },
        { "later", config->later, "Delayed and unique jobs that come through Kafka are not taken up." },
        { "clock", true, "Jobs of lost workers are not rescued, and no partitions are made." },
        { "cron", config->cron, "Cron entries do not tick." },
    };
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        if (threads[i].wanted && !has_thread(rows, threads[i].name))
            doctor_problem(d, threads[i].name, threads[i].meaning,
                           doctor_format(d, "look at the broker's log, and at broker.%s in its configuration",
                                         strcmp(threads[i].name, "clock") == 0 ? "rescue" : threads[i].name),
                           "no broker has a connection for its thread %s", threads[i].name);
}

static void check_brokers(struct doctor *d)
{
    int64_t most = 0;
    size_t before = doctor_mark(d);
    _cleanup_(rows_free_cleanup) struct rows *rows = doctor_ask(d, health_list_broker_threads);
    if (!rows)
        return;
    for (size_t i = 0; i < rows_count(rows); i++)
        most = rows_bigint(rows, i, 1) > most ? rows_bigint(rows, i, 1) : most;
    if (rows_count(rows) == 0)
        doctor_problem(
            d, NULL,
            "Delayed, retried and replayed jobs stand, cron does not tick, and nobody rescues a lost worker's jobs.",
            "start jobbrokerd", "none is connected to this database");
    else
        check_threads(d, rows);
    if (doctor_is_content(d, before))
        doctor_well(d, NULL, "%" PRId64 " connected", most);
}

/* --- Workers --- */

/* Those who keep their cursors and leases although they are silent are to be declared dead by a broker. */
static void check_silent(struct doctor *d, const struct rows *rows, size_t i)
{
    char age[32];
    int64_t age_us = rows_bigint(rows, i, 4), leases = rows_bigint(rows, i, 6);
    const char *id = rows_text(rows, i, 0);
    doctor_age(age_us, age);
    if (leases > 0 && age_us > BEAT_LATE_US + d->patience_us)
        doctor_problem(d, id, "Its jobs run nowhere, and nobody takes them from it.",
                       "start jobbrokerd, with broker.rescue = true; if it runs, look at its log",
                       "it has %" PRId64 " jobs, and was heard %s ago", leases, age);
    else if (age_us > 5 * 60 * USEC_PER_SEC)
        doctor_warning(d, id, "It has gone, and no broker has tidied up after it.", "start jobbrokerd",
                       "it was heard %s ago", age);
}

static void check_workers(struct doctor *d)
{
    size_t before = doctor_mark(d), live = 0;
    _cleanup_(rows_free_cleanup) struct rows *rows = doctor_ask(d, health_list_workers);
    for (size_t i = 0; rows && i < rows_count(rows); i++) {
        if (rows_bigint(rows, i, 4) > BEAT_LATE_US || rows_bool(rows, i, 5)) {
            check_silent(d, rows, i);
            continue;
        }
        live++;
        doctor_check_files(d, rows_text(rows, i, 0), rows_text(rows, i, 1), rows_int(rows, i, 2));
    }
    if (rows && doctor_is_content(d, before))
        doctor_well(d, NULL, "%zu beat", live);
}

static void check_served(struct doctor *d)
{
    const struct job_config *config = d->in->config;
    for (size_t i = 0; i < config->n_queues; i++) {
        _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
        const char *queue = config->queues[i].name;
        struct err err = { 0 };
        if (!doctor_judge_store(d, queues_count_workers(d->in->db, queue, &rows, &err), &err))
            return;
        if (rows_bigint(rows, 0, 0) > 0)
            doctor_well(d, queue, "%" PRId64, rows_bigint(rows, 0, 0));
        else
            doctor_problem(d, queue, "Its jobs wait.",
                           "start jobworkerd; if one runs, look at worker.queues in its configuration",
                           "no live worker takes jobs of the queue %s", queue);
    }
}

const struct doctor_check doctor_fleet[] = {
    { "brokers", NEED_SCHEMA, check_brokers },
    { "workers", NEED_SCHEMA, check_workers },
    { "queue workers", NEED_SCHEMA, check_served },
    { 0 },
};
