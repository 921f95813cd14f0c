/* SPDX-License-Identifier: Apache-2.0 */
#include "libjob/topic_check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* --- Settings --- */

static void __attribute__((format(printf, 2, 3))) add(struct buf *wrong, const char *format, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    buf_append_format(wrong, "%s%s", wrong->size ? "; " : "", text);
}

static void list_shape(const struct job_config *config, int n_partitions, const struct admin_topic *found,
                       struct buf *wrong)
{
    if (found->n_partitions != n_partitions)
        add(wrong, "it has %d partitions, declared are %d", found->n_partitions, n_partitions);
    if (config->kafka.replication && found->replication != config->kafka.replication)
        add(wrong, "it has %d replicas, declared are %d", found->replication, config->kafka.replication);
}

int topic_list_wrong(struct admin *admin, const struct job_config *config, int n_partitions,
                     const char *topic, struct buf *wrong, int32_t *ret_partitions, struct err *reterr)
{
    struct admin_topic found;
    struct admin_setting settings[ADMIN_N_SETTINGS];
    int r = admin_find_topic(admin, topic, &found, reterr);
    if (r)
        return r;
    free(found.name);
    *ret_partitions = found.n_partitions;
    list_shape(config, n_partitions, &found, wrong);
    r = admin_describe_topic(admin, topic, settings, reterr);
    for (size_t i = 0; r == 0 && i < ADMIN_N_SETTINGS; i++)
        if (!settings[i].right)
            add(wrong, "%s is %s, should be %s", settings[i].name,
                *settings[i].value ? settings[i].value : "unknown", settings[i].wanted);
    return r;
}

/* --- Logs --- */

static void __attribute__((format(printf, 2, 3))) recreated(struct topic_log *log, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    vsnprintf(log->why, sizeof(log->why), format, ap);
    va_end(ap);
    log->verdict = TOPIC_RECREATED;
}

void topic_judge_ends(const struct topic_cursor *c, struct topic_log *log)
{
    log->verdict = TOPIC_FITS;
    if (c->log_start < 0) /* nothing was read yet: whatever there is, is its log */
        return;
    if (log->end < c->next_offset)
        recreated(log, "the log ends at offset %" PRId64 ", and everything up to %" PRId64 " had been read",
                  log->end, c->next_offset);
    else if (log->start < c->log_start)
        recreated(log, "the log begins at offset %" PRId64 ", and it had begun at %" PRId64, log->start,
                  c->log_start);
    else if (log->start > c->next_offset)
        log->verdict = TOPIC_LOST;
}

/* In a log whose time stamps only grow, what is younger than a record lies behind it. */
static bool is_suspect(const struct topic_cursor *c, const struct admin_log *found)
{
    return c->log_start >= 0 && found->after_ms >= 0 && found->first_after >= 0 &&
           found->first_after <= c->checked_offset;
}

static int confirm(struct admin *admin, const char *topic, const struct topic_cursor *c,
                   struct topic_log *log, struct err *reterr)
{
    int64_t found_ms;
    struct err not_there = { 0 };
    int r = admin_read_time(admin, topic, c->partition, c->checked_offset, &found_ms, &not_there);
    if (r == ADMIN_NOT_FOUND)
        return 0;
    if (r)
        return err_set(reterr, r, "%s", not_there.text);
    log->verified = found_ms == c->checked_ms;
    if (!log->verified)
        recreated(log, "the record at offset %" PRId64 " has the time stamp %" PRId64 ", and it had %" PRId64,
                  c->checked_offset, found_ms, c->checked_ms);
    return 0;
}

static int judge(struct admin *admin, const char *topic, const struct topic_cursor *c,
                 const struct admin_log *found, struct topic_log *ret, struct err *reterr)
{
    *ret = (struct topic_log){ .start = found->start, .end = found->end };
    topic_judge_ends(c, ret);
    ret->verified =
        found->after_ms >= 0 && c->checked_offset >= found->start && c->checked_offset < found->end;
    if (ret->verdict == TOPIC_RECREATED || !is_suspect(c, found))
        return 0;
    ret->verified = false;
    return confirm(admin, topic, c, ret, reterr);
}

int topic_check_logs(struct admin *admin, const char *topic, const struct topic_cursor *cursors, size_t n,
                     struct topic_log *ret, struct err *reterr)
{
    _cleanup_free_ struct admin_log *logs = calloc(n + 1, sizeof(*logs));
    if (!logs)
        return err_set(reterr, -ENOMEM, "out of memory");
    for (size_t i = 0; i < n; i++)
        logs[i] =
            (struct admin_log){ .partition = cursors[i].partition,
                                .after_ms = cursors[i].checked_offset >= 0 ? cursors[i].checked_ms : -1 };
    int r = n ? admin_read_logs(admin, topic, logs, n, reterr) : 0;
    for (size_t i = 0; i < n && r == 0; i++)
        r = judge(admin, topic, &cursors[i], &logs[i], &ret[i], reterr);
    return r;
}
