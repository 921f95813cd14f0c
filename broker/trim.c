/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/trim.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "broker/duty.h"
#include "broker/topics.h"
#include "libjob/topic_check.h"
#include "store/trim.h"
#include "stream/admin.h"

#define ADMIN_TIMEOUT_US (5 * USEC_PER_SEC)
#define PAUSE_MIN_US (250 * USEC_PER_MSEC)
#define PAUSE_MAX_US (300 * USEC_PER_SEC)
#define PAUSES 8 /* looks while a record waits to be trimmed */
#define INSPECT_FIRST_US (5 * USEC_PER_SEC)
#define INSPECT_US (600 * USEC_PER_SEC)
#define PARTITIONS_MAX 1000 /* of one topic that are looked at together */

struct trim {
    struct duty duty;
    struct admin *admin;
    struct topics topics;
    bool said_unconfirmed, said_denied;
    int64_t next_inspect_us;
};

/* One topic's partitions that have a cursor, as far as Kafka has them. */
struct topic {
    const char *name;
    size_t n;
    struct trim_place *places;
    struct topic_cursor *cursors;
    struct topic_log *logs;
    struct admin_cut *cuts;
};

static void topic_done(struct topic *t)
{
    free(t->places);
    free(t->cursors);
    free(t->logs);
    free(t->cuts);
}

static int topic_init(struct topic *t, const char *name)
{
    *t = (struct topic){
        .name = name,
        .places = calloc(PARTITIONS_MAX, sizeof(*t->places)),
        .cursors = calloc(PARTITIONS_MAX, sizeof(*t->cursors)),
        .logs = calloc(PARTITIONS_MAX, sizeof(*t->logs)),
        .cuts = calloc(PARTITIONS_MAX, sizeof(*t->cuts)),
    };
    return t->places && t->cursors && t->logs && t->cuts ? 0 : -ENOMEM;
}

/* --- One topic --- */

static void add_place(struct topic *t, const struct trim_place *place)
{
    t->places[t->n] = *place;
    t->cursors[t->n] = (struct topic_cursor){
        .partition = place->partition,
        .next_offset = place->next_offset,
        .log_start = place->log_start,
        .checked_offset = place->checked_offset,
        .checked_ms = place->checked_ms,
    };
    t->n++;
}

/* Kafka may have trimmed it for another broker, which died before it said so. */
static int note_start(struct trim *t, const struct trim_place *place, int64_t start, struct err *reterr)
{
    if (place->log_start < 0 || start <= place->log_start || start > place->next_offset)
        return 0;
    return trim_note_start(t->duty.db, place->topic, place->partition, start, reterr);
}

static int note_recreated(struct trim *t, const struct trim_place *place, const struct topic_log *log,
                          struct err *reterr)
{
    bool news = false;
    int r = trim_note_recreated(t->duty.db, place->topic, place->partition, log->start, log->end, log->why,
                                &news, reterr);
    if (r == 0 && news)
        log_error("trim: %s[%" PRId32
                  "]: the topic was deleted and made again, or its log was cut: %s. This partition "
                  "stands until somebody says: jobctl topic reset %s",
                  place->topic, place->partition, log->why, place->topic);
    return r;
}

/* Only of a log that is certainly the cursor's: what was deleted cannot be had back. */
static bool may_cut(const struct trim_place *place, const struct topic_log *log)
{
    return log->verdict == TOPIC_FITS && log->verified && !place->trouble && place->trim_to > log->start &&
           place->trim_to <= log->end;
}

/* What the logs tell, and which of their records may go. Return: as db_query(). */
static int judge_logs(struct trim *t, struct topic *topic, size_t *ret_cuts, struct err *reterr)
{
    int r = 0;
    *ret_cuts = 0;
    for (size_t i = 0; i < topic->n && r == 0; i++) {
        const struct trim_place *place = &topic->places[i];
        if (topic->logs[i].verdict == TOPIC_RECREATED)
            r = note_recreated(t, place, &topic->logs[i], reterr);
        else if (topic->logs[i].verdict == TOPIC_FITS)
            r = note_start(t, place, topic->logs[i].start, reterr);
        if (may_cut(place, &topic->logs[i]))
            topic->cuts[(*ret_cuts)++] =
                (struct admin_cut){ .partition = place->partition, .before = place->trim_to };
    }
    return r;
}

/* Return: 0; as db_query(). */
static int note_cuts(struct trim *t, const struct topic *topic, size_t n_cuts, struct err *reterr)
{
    int r = 0;
    for (size_t i = 0; i < n_cuts && r == 0; i++) {
        const struct admin_cut *cut = &topic->cuts[i];
        if (cut->start < 0)
            continue;
        log_debug("trim: %s[%" PRId32 "] begins at offset %" PRId64 " now", topic->name, cut->partition,
                  cut->start);
        r = trim_note_start(t->duty.db, topic->name, cut->partition, cut->start, reterr);
    }
    return r;
}

/* Return: 0; ADMIN_AWAY; negative errno. What Kafka refuses is said once. */
static int cut(struct trim *t, struct topic *topic, size_t n_cuts, struct err *reterr)
{
    int r = admin_delete_records(t->admin, topic->name, topic->cuts, n_cuts, reterr);
    if (r == ADMIN_REFUSED && !t->said_denied)
        log_error("trim: records cannot be deleted from Kafka: %s", reterr->text);
    t->said_denied |= r == ADMIN_REFUSED;
    return r == ADMIN_AWAY || r < 0 ? r : 0;
}

enum trim_result { TRIM_WITHOUT_KAFKA = 1, TRIM_WITHOUT_DATABASE };

static int judge_kafka(int r)
{
    return r == ADMIN_AWAY ? TRIM_WITHOUT_KAFKA : r < 0 ? r : 0;
}

static int judge_store(int r)
{
    return r == 0 || r < 0 ? r : TRIM_WITHOUT_DATABASE;
}

/* Return: 0; an enum trim_result; negative errno. */
static int look_at(struct trim *t, struct topic *topic, bool may_delete, struct err *reterr)
{
    size_t n_cuts;
    int r = topic_check_logs(t->admin, topic->name, topic->cursors, topic->n, topic->logs, reterr);
    if (r)
        return judge_kafka(r);
    r = judge_store(judge_logs(t, topic, &n_cuts, reterr));
    if (r || !may_delete || n_cuts == 0)
        return r;
    r = judge_kafka(cut(t, topic, n_cuts, reterr));
    return r ? r : judge_store(note_cuts(t, topic, n_cuts, reterr));
}

/* --- All of them --- */

/* Of a topic that was deleted: the cursors wait for what becomes of it. */
static int32_t count_partitions(const struct admin_topics *there, const char *name)
{
    for (size_t i = 0; i < there->n; i++)
        if (strcmp(there->topics[i].name, name) == 0)
            return there->topics[i].n_leaderless ? 0 : there->topics[i].n_partitions;
    return 0;
}

/* From row @first on, those of one topic. @ret_next: the first row behind them. */
static int look_at_rows(struct trim *t, const struct rows *rows, size_t first,
                        const struct admin_topics *there, bool may_delete, size_t *ret_next,
                        struct err *reterr)
{
    struct trim_place place;
    _cleanup_(topic_done) struct topic topic;
    trim_get(rows, first, &place);
    int r = topic_init(&topic, place.topic);
    int32_t n_partitions = count_partitions(there, place.topic);
    for (*ret_next = first; r == 0 && *ret_next < rows_count(rows) && topic.n < PARTITIONS_MAX; ++*ret_next) {
        trim_get(rows, *ret_next, &place);
        if (strcmp(place.topic, topic.name) != 0)
            break;
        if (place.partition < n_partitions && !(place.trouble && strcmp(place.trouble, "reset") == 0))
            add_place(&topic, &place);
    }
    return r ? err_set(reterr, r, "out of memory") : topic.n ? look_at(t, &topic, may_delete, reterr) : 0;
}

static int look_at_all(struct trim *t, const struct rows *rows, bool may_delete, struct err *reterr)
{
    _cleanup_(admin_topics_done) struct admin_topics there = { 0 };
    int r = rows_count(rows)
                ? judge_kafka(admin_list_topics(t->admin, t->duty.config->prefix, &there, reterr))
                : 0;
    for (size_t i = 0; i < rows_count(rows) && r == 0 && !duty_is_stopping(&t->duty);)
        r = look_at_rows(t, rows, i, &there, may_delete, &i, reterr);
    return r;
}

/* Nothing is deleted by cursors that may be older than those by which was deleted before. */
static int ask_may_delete(struct trim *t, bool *ret, struct err *reterr)
{
    *ret = false;
    if (!t->duty.config->broker.trim)
        return 0;
    int r = trim_is_confirmed(t->duty.db, ret, reterr);
    if (r)
        return r;
    if (!*ret && !t->said_unconfirmed)
        log_error(
            "trim: PostgreSQL has another history than before (a failover, or a restored backup): no records are deleted "
            "from Kafka until somebody says: jobctl topic trim --confirm");
    if (*ret && t->said_unconfirmed)
        log_info("trim: PostgreSQL's history is confirmed");
    t->said_unconfirmed = !*ret;
    return *ret ? trim_note_points(t->duty.db, t->duty.config->broker.trim_after_us, reterr) : 0;
}

/* Return: 0; an enum trim_result; negative errno. */
static int look(struct trim *t, struct err *reterr)
{
    bool may_delete;
    char prefix[NAME_TOPIC_MAX + 2];
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    snprintf(prefix, sizeof(prefix), "%s.", t->duty.config->prefix);
    int r = ask_may_delete(t, &may_delete, reterr);
    if (r == 0)
        r = trim_list(t->duty.db, prefix, t->duty.config->broker.trim_after_us, &rows, reterr);
    r = r ? judge_store(r) : look_at_all(t, rows, may_delete, reterr);
    if (r || clock_mono_us() < t->next_inspect_us)
        return r;
    t->next_inspect_us = clock_mono_us() + INSPECT_US;
    return judge_kafka(topics_inspect(&t->topics, t->admin, reterr));
}

/* --- The thread --- */

static int64_t pause_us(const struct trim *t)
{
    int64_t pause = t->duty.config->broker.trim_after_us / PAUSES,
            inspect = t->next_inspect_us - clock_mono_us();
    if (pause > PAUSE_MAX_US)
        pause = PAUSE_MAX_US;
    if (pause > inspect)
        pause = inspect;
    return pause < PAUSE_MIN_US ? PAUSE_MIN_US : pause;
}

static void settle(struct trim *t, int r, const struct err *err)
{
    switch (r) {
    case 0:
        duty_enter(&t->duty, DUTY_READY, NULL);
        duty_succeeded(&t->duty);
        duty_pause(&t->duty, pause_us(t));
        return;
    case TRIM_WITHOUT_KAFKA:
        duty_enter(&t->duty, DUTY_WITHOUT_KAFKA, err->text);
        duty_retry(&t->duty);
        return;
    default:
        duty_lost(&t->duty, r == TRIM_WITHOUT_DATABASE ? STORE_AWAY : r, err);
        duty_retry(&t->duty);
    }
}

static void work(struct trim *t)
{
    while (!duty_is_stopping(&t->duty)) {
        bool is_new;
        struct err err = { 0 };
        if (duty_connect(&t->duty, &is_new))
            duty_retry(&t->duty);
        else
            settle(t, look(t, &err), &err);
    }
}

int trim_run(const struct job_config *config, int stop_fd, struct pulse *pulse)
{
    struct trim t = { .next_inspect_us = clock_mono_us() + INSPECT_FIRST_US };
    struct err err = { 0 };
    int r = duty_init(&t.duty, "trim", config, stop_fd, pulse, 0);
    if (r == 0)
        r = topics_init(&t.topics, config);
    if (r)
        err_set(&err, r, "%s", strerror(-r));
    else
        r = duty_new_admin(&t.duty, ADMIN_TIMEOUT_US, &t.admin, &err);
    if (r == 0)
        work(&t);
    else
        log_error("trim: %s", err.text);
    admin_free(t.admin);
    topics_done(&t.topics);
    duty_done(&t.duty);
    return r;
}
