/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of queues: does what waits move, is what was paused to stay so, does too much of it fail? */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/doctor/doctor.h"
#include "store/health.h"
#include "store/queues.h"

#define WAITS_LONG_US (60 * 60 * USEC_PER_SEC)
#define PAUSED_LONG_US (24 * 60 * 60 * USEC_PER_SEC)
#define MAX_ASKED 40 /* partitions whose oldest record is asked for */

/* --- Paused --- */

static bool is_paused(const struct rows *paused, struct span queue)
{
    for (size_t i = 0; paused && i < rows_count(paused); i++)
        if (span_equals(queue, rows_text(paused, i, 0)))
            return true;
    return false;
}

static void check_paused(struct doctor *d)
{
    char age[32];
    _cleanup_(rows_free_cleanup) struct rows *rows = doctor_ask(d, health_list_paused);
    for (size_t i = 0; rows && i < rows_count(rows); i++) {
        const char *queue = rows_text(rows, i, 0), *by = rows_text(rows, i, 1);
        int64_t age_us = rows_bigint(rows, i, 2);
        doctor_age(age_us, age);
        if (age_us > PAUSED_LONG_US)
            doctor_warning(d, queue, "Its jobs wait until somebody resumes it.",
                           doctor_format(d, "jobctl queue resume %s", queue),
                           "paused %s ago by %s: forgotten?", age, by ? by : "?");
        else
            doctor_well(d, queue, "paused %s ago by %s", age, by ? by : "?");
    }
}

/* --- The oldest job that waits --- */

/* Of one partition whose log goes on behind the cursor. Return: µs since 1970 when it was enqueued; 0: not known. */
static int64_t find_oldest(struct doctor *d, const struct log_row *row)
{
    int64_t time_ms = 0;
    int64_t at = row->place.next_offset > row->log.start ? row->place.next_offset : row->log.start;
    if (admin_read_time(d->in->admin, row->place.topic, row->place.partition, at, &time_ms, NULL))
        return 0;
    return time_ms * USEC_PER_MSEC;
}

static void judge_wait(struct doctor *d, const char *topic, struct span queue, int64_t waiting,
                       int64_t oldest_us, bool paused)
{
    char age[32];
    int64_t age_us = clock_wall_us() - oldest_us;
    doctor_age(age_us, age);
    if (age_us > WAITS_LONG_US && !paused)
        doctor_warning(
            d, topic, "Workers do not keep up with this queue, or do not take from it.",
            doctor_format(
                d,
                "jobctl queue show %.*s; start more workers, or give it more executors, weight or partitions",
                (int)queue.size, queue.data),
            "%" PRId64 " jobs wait, the oldest since %s", waiting, age);
    else
        doctor_well(d, topic, "%" PRId64 " jobs wait, the oldest since %s%s", waiting, age,
                    paused ? " (paused)" : "");
}

/* The partitions of one topic are neighbours in @logs. Return: how many rows they are. */
static size_t check_topic(struct doctor *d, const struct logs *logs, size_t from, const struct rows *paused,
                          int *left)
{
    int64_t waiting = 0, oldest_us = INT64_MAX;
    const char *topic = logs->list[from].place.topic;
    size_t n = 0;
    for (; from + n < logs->n && strcmp(logs->list[from + n].place.topic, topic) == 0; n++) {
        const struct log_row *row = &logs->list[from + n];
        int64_t behind = row->is_there && !log_row_stands(row) ? row->log.end - row->place.next_offset : 0;
        if (behind <= 0 || *left <= 0)
            continue;
        waiting += behind;
        --*left;
        int64_t at_us = find_oldest(d, row);
        oldest_us = at_us && at_us < oldest_us ? at_us : oldest_us;
    }
    struct span queue = name_queue_of_topic(d->in->config->prefix, topic);
    if (queue.data && oldest_us != INT64_MAX)
        judge_wait(d, topic, queue, waiting, oldest_us, is_paused(paused, queue));
    return n;
}

static void check_waiting(struct doctor *d)
{
    int left = MAX_ASKED;
    _cleanup_(rows_free_cleanup) struct rows *paused = doctor_ask(d, health_list_paused);
    const struct logs *logs = paused ? doctor_read_logs(d) : NULL;
    for (size_t i = 0; logs && i < logs->n;)
        i += check_topic(d, logs, i, paused, &left);
}

/* --- Reading that stands still: there is more in the log, a worker has the partition, and nothing is recorded --- */

static bool is_behind(const struct log_row *row)
{
    return row->is_there && !log_row_stands(row) && row->log.end > row->place.next_offset;
}

/* @cursors, @i: of the same partition as @row. */
static void check_partition(struct doctor *d, const struct log_row *row, const struct rows *cursors, size_t i,
                            const struct rows *paused)
{
    char about[NAME_TOPIC_MAX + 16], age[32];
    int64_t age_us = rows_bigint(cursors, i, 6);
    struct span queue = name_queue_of_topic(d->in->config->prefix, row->place.topic);
    if (!queue.data || !is_behind(row) || !rows_bool(cursors, i, 7) || age_us < 10 * d->patience_us ||
        is_paused(paused, queue))
        return;
    snprintf(about, sizeof(about), "%s[%" PRId32 "]", row->place.topic, row->place.partition);
    doctor_warning(
        d, about,
        "All executors may be busy with long jobs, an order by key may hold it up, or the worker hangs.",
        doctor_format(d, "jobctl queue keys %.*s; kill -USR1 the worker %.100s and read its log",
                      (int)queue.size, queue.data, rows_text(cursors, i, 3)),
        "%" PRId64 " jobs wait behind offset %" PRId64 ", and nothing was recorded for %s",
        row->log.end - row->place.next_offset, row->place.next_offset, doctor_age(age_us, age));
}

/* Both are by topic and partition; logs are those of the configured prefix. */
static void check_standing(struct doctor *d)
{
    _cleanup_(rows_free_cleanup) struct rows *paused = doctor_ask(d, health_list_paused);
    _cleanup_(rows_free_cleanup) struct rows *cursors = paused ? doctor_ask(d, health_list_cursors) : NULL;
    const struct logs *logs = cursors ? doctor_read_logs(d) : NULL;
    for (size_t i = 0, k = 0; logs && i < logs->n && k < rows_count(cursors); k++) {
        const struct trim_place *p = &logs->list[i].place;
        if (strcmp(rows_text(cursors, k, 0), p->topic) == 0 && rows_int(cursors, k, 1) == p->partition)
            check_partition(d, &logs->list[i++], cursors, k, paused);
    }
}

/* Queues of which too many tries fail. */
static void check_storms(struct doctor *d)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = doctor_ask(d, queues_list_narrow);
    for (size_t i = 0; rows && i < rows_count(rows); i++)
        doctor_warning(
            d, rows_text(rows, i, 0),
            "What these jobs need is away, or refuses them: the queue is nearly at a stand.",
            "look at the errors in job.attempt, mend what they name; the queue goes on by itself then (docs/storms.md)",
            "too many fail on worker %.100s, where they are held to %.20s a second; %" PRId64
            " jobs wait for another try",
            rows_text(rows, i, 1), rows_text(rows, i, 2), rows_bigint(rows, i, 3));
    if (rows && rows_count(rows) == 0)
        doctor_well(d, NULL, "no queue is held back because too many fail");
}

const struct doctor_check doctor_queues[] = {
    { "paused queues", NEED_SCHEMA, check_paused },
    { "waiting jobs", NEED_SCHEMA | NEED_KAFKA, check_waiting },
    { "standing queues", NEED_SCHEMA | NEED_KAFKA, check_standing },
    { "tries", NEED_SCHEMA, check_storms },
    { 0 },
};
