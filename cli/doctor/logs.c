/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of the topics' logs beside their cursors: are they the ones that were read, and does reading go on? */
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "cli/doctor/doctor.h"
#include "store/health.h"

static void check_log(struct doctor *d, const struct log_row *row)
{
    char about[NAME_TOPIC_MAX + 16];
    const struct trim_place *p = &row->place;
    snprintf(about, sizeof(about), "%s[%" PRId32 "]", p->topic, p->partition);
    if (log_row_stands(row))
        doctor_problem(d, about,
                       "The topic was deleted and made again, or its log was cut: the partition stands.",
                       doctor_format(d, "jobctl topic reset %s", p->topic),
                       "it is not the one that was read up to offset %" PRId64 "%s%s", p->next_offset,
                       row->log.why[0] ? ": " : "", row->log.why);
    else if (row->is_there && row->log.verdict == TOPIC_LOST)
        doctor_problem(
            d, about, "Jobs that no worker has read by now are lost.",
            "set the topic's retention.ms and retention.bytes to -1; the next worker names what is lost in job.incident",
            "Kafka has dropped offsets %" PRId64 " to %" PRId64, p->next_offset, row->log.start - 1);
}

/* What workers and brokers have found in the logs, and what they would find now. */
static void check_logs(struct doctor *d)
{
    const struct logs *logs = doctor_read_logs(d);
    if (!logs)
        return;
    size_t before = doctor_mark(d);
    for (size_t i = 0; i < logs->n; i++)
        check_log(d, &logs->list[i]);
    if (doctor_is_content(d, before))
        doctor_well(d, NULL, "%zu partitions are those that were read", logs->n);
}

static void check_lost(struct doctor *d)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = doctor_ask(d, trim_sum_up);
    if (rows && rows_bigint(rows, 0, 0) > 0)
        doctor_warning(
            d, NULL, "Kafka has dropped them before they ran.",
            "read the rows of job.incident with kind lost: each names topic, partition and offsets",
            "%" PRId64, rows_bigint(rows, 0, 0));
}

static void check_trimming(struct doctor *d)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = doctor_ask(d, trim_sum_up);
    if (rows && !rows_bool(rows, 0, 2))
        doctor_warning(
            d, NULL, "After a failover or a restored backup nothing is deleted from Kafka, whose disks fill.",
            "find the database whole, then: jobctl topic trim --confirm",
            "stopped: PostgreSQL has another history than before");
    else if (rows)
        doctor_well(d, NULL, "PostgreSQL has the history by which records are deleted");
}

/* --- Cursors --- */

static void check_owner(struct doctor *d, const struct rows *rows, size_t i, const char *about)
{
    char age[32];
    int crashes = rows_int(rows, i, 5);
    if (crashes > 0)
        doctor_warning(
            d, about,
            crashes >= 3
                ? "Something there kills workers: it is read one record at a time, and the one that kills is buried."
                : "A worker died while it had this partition, and nothing was recorded since.",
            "look at the logs of the workers named in job.cursor.owner; jobctl dead list --reason crashed",
            "%d workers in a row have died with it", crashes);
    if (!rows_is_null(rows, i, 3) && !rows_bool(rows, i, 7) && rows_bigint(rows, i, 6) > d->patience_us)
        doctor_warning(d, about, "Its worker has gone without giving it back, and nobody has taken it over.",
                       "start jobworkerd with this queue in worker.queues",
                       "its owner %.100s does not beat; recorded last %s ago", rows_text(rows, i, 3),
                       doctor_age(rows_bigint(rows, i, 6), age));
}

static void check_cursors(struct doctor *d)
{
    char about[NAME_TOPIC_MAX + 16];
    _cleanup_(rows_free_cleanup) struct rows *rows = doctor_ask(d, health_list_cursors);
    size_t before = doctor_mark(d);
    for (size_t i = 0; rows && i < rows_count(rows); i++) {
        snprintf(about, sizeof(about), "%s[%" PRId32 "]", rows_text(rows, i, 0), rows_int(rows, i, 1));
        check_owner(d, rows, i, about);
    }
    if (rows && doctor_is_content(d, before))
        doctor_well(d, NULL, "%zu, each given back or with a live worker", rows_count(rows));
}

/* A record's time stamp is the Kafka broker's; a cursor that has passed it was written later, by PostgreSQL's clock. */
static void check_clock(struct doctor *d)
{
    int64_t ahead_us = INT64_MIN;
    _cleanup_(rows_free_cleanup) struct rows *rows = doctor_ask(d, health_list_cursors);
    for (size_t i = 0; rows && i < rows_count(rows); i++)
        if (!rows_is_null(rows, i, 8) && rows_bigint(rows, i, 8) > ahead_us)
            ahead_us = rows_bigint(rows, i, 8);
    if (!rows)
        return;
    if (ahead_us > 2 * USEC_PER_SEC)
        doctor_warning(
            d, NULL,
            "Delays of jobs that come through Kafka are counted from its clock: they run late by so much.",
            "let NTP set the clocks of all hosts: timedatectl set-ntp true",
            "Kafka's clock is at least %.1f s ahead of PostgreSQL's", (double)ahead_us / USEC_PER_SEC);
    else
        doctor_unknown(d, NULL, "Kafka does not tell its time; %s",
                       ahead_us == INT64_MIN
                           ? "no record has been read by which it could be seen"
                           : "the records that were read last do not show it to be ahead of PostgreSQL's");
}

const struct doctor_check doctor_logs[] = {
    { "logs", NEED_KAFKA | NEED_SCHEMA, check_logs },
    { "lost jobs", NEED_SCHEMA, check_lost },
    { "trimming", NEED_SCHEMA | NEED_POSITION, check_trimming },
    { "cursors", NEED_SCHEMA, check_cursors },
    { "kafka clock", NEED_SCHEMA, check_clock },
    { 0 },
};
