/* SPDX-License-Identifier: Apache-2.0 */
/* jobctl topic: the Kafka topics of the queues. */
#include "cli/commands.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "cli/dialog.h"
#include "cli/grow.h"
#include "cli/present.h"
#include "libjob/names.h"
#include "libjob/topic_check.h"
#include "store/trim.h"

#define READY_TIMEOUT_US (5 * USEC_PER_SEC)

static const struct output_column list_columns[] = {
    { "topic", CELL_TEXT },      { "queue", CELL_TEXT },     { "partitions", CELL_INT },
    { "replication", CELL_INT }, { "leaderless", CELL_INT }, { "declared", CELL_BOOL },
    { "standing", CELL_INT },
};

/* Partitions that are not read until they are reset. @cursors: NULL when PostgreSQL does not answer. */
static struct cell count_standing(const struct rows *cursors, const char *topic)
{
    int64_t n = 0;
    for (size_t i = 0; cursors && i < rows_count(cursors); i++) {
        struct trim_place place;
        trim_get(cursors, i, &place);
        n += strcmp(place.topic, topic) == 0 && place.trouble;
    }
    return cursors ? cell_int(n) : cell_null();
}

static void fill_listed(const struct invocation *in, const struct admin_topic *t, const struct rows *cursors,
                        struct cell *cells)
{
    struct span queue = name_queue_of_topic(in->config->prefix, t->name);
    cells[0] = cell_text(t->name);
    cells[1] = cell_span(CELL_TEXT, queue);
    cells[2] = cell_int(t->n_partitions);
    cells[3] = cell_int(t->replication);
    cells[4] = cell_int(t->n_leaderless);
    cells[5] = cell_bool(queue.data && config_find_queue(in->config, queue));
    cells[6] = count_standing(cursors, t->name);
}

int command_topic_list(struct invocation *in, struct err *reterr)
{
    _cleanup_(admin_topics_done) struct admin_topics topics = { 0 };
    _cleanup_(rows_free_cleanup) struct rows *cursors = NULL;
    struct cell cells[ARRAY_SIZE(list_columns)];
    struct err store_err = { 0 };
    char prefix[NAME_TOPIC_MAX + 1];
    int r = invocation_prepare_kafka(in, reterr);
    if (r)
        return r;
    snprintf(prefix, sizeof(prefix), "%s.", in->config->prefix);
    r = admin_list_topics(in->admin, prefix, &topics, reterr);
    if (r)
        return invocation_judge_kafka(in, r, reterr);
    r = invocation_connect(in, &store_err);
    if (r == STATUS_DONE)
        r = invocation_judge_store(in, trim_list(in->db, prefix, 0, &cursors, &store_err), &store_err);
    if (r)
        dialog_say("%s (standing is not known)", store_err.text);
    _cleanup_(output_free_cleanup) struct output *o = NULL;
    r = present_begin(in, list_columns, ARRAY_SIZE(list_columns), &o, reterr);
    if (r)
        return r;
    for (size_t i = 0; i < topics.n; i++) {
        fill_listed(in, &topics.topics[i], cursors, cells);
        output_add(o, cells);
    }
    return output_end(o, reterr);
}

/* --- apply --- */

static const struct output_column apply_columns[] = {
    { "topic", CELL_TEXT },  { "queue", CELL_TEXT }, { "partitions", CELL_INT },
    { "action", CELL_TEXT }, { "wrong", CELL_TEXT },
};

/*
 * A topic that was just made exists before its partitions have leaders; whoever enqueues or looks next should not meet
 * that. Kafka announces no such moment, so this asks until it is there.
 */
static void await_leaders(const struct invocation *in, const char *topic, int n_partitions)
{
    static const struct timespec pause = { .tv_nsec = 20 * 1000 * 1000 };
    int64_t deadline_us = clock_mono_us() + READY_TIMEOUT_US;
    _cleanup_free_ struct admin_range *ranges = calloc((size_t)n_partitions, sizeof(*ranges));
    while (ranges && admin_read_ranges(in->admin, topic, n_partitions, ranges, NULL) != 0) {
        if (clock_mono_us() >= deadline_us) {
            dialog_say("%s is there, but Kafka does not serve all of its partitions yet", topic);
            return;
        }
        nanosleep(&pause, NULL);
    }
}

struct applying {
    struct invocation *in;
    bool grow, dry_run;
    struct output *out;
    bool all_right;
};

static void report(struct applying *a, const struct config_queue *queue, const char *topic,
                   int32_t partitions, const char *action, const struct buf *wrong)
{
    struct cell cells[] = {
        cell_text(topic),
        cell_text(queue->name),
        cell_int(partitions),
        cell_text(action),
        cell_text(wrong->size ? wrong->data : NULL),
    };
    output_add(a->out, cells);
    a->all_right &= wrong->size == 0;
}

static int create(struct applying *a, const struct config_queue *queue, const char *topic, struct err *reterr)
{
    struct buf nothing = { 0 };
    int replication = a->in->config->kafka.replication;
    int r = a->dry_run ? 0
                       : admin_create_topic(a->in->admin, topic, queue->partitions,
                                            replication ? replication : -1, reterr);
    if (r && r != ADMIN_EXISTS)
        return r;
    if (!a->dry_run)
        await_leaders(a->in, topic, queue->partitions);
    report(a, queue, topic, queue->partitions,
           a->dry_run          ? "would be created"
           : r == ADMIN_EXISTS ? "kept"
                               : "created",
           &nothing);
    return 0;
}

/* Return: an enum status. @ret_action: what was done. */
static int grow(struct applying *a, const struct config_queue *queue, const char *topic, int32_t *partitions,
                struct buf *wrong, const char **ret_action, struct err *reterr)
{
    char question[400];
    _cleanup_buf_ struct buf left = { 0 };
    bool ordered = grow_is_ordered(a->in, queue->name);
    int r =
        ordered ? grow_list_undrained(a->in, queue->name, topic, *partitions, &left, reterr) : STATUS_DONE;
    if (r)
        return r;
    if (left.size) {
        *ret_action = "refused";
        buf_append_format(wrong, "%sits jobs run in the order of their keys, and it is not drained: %s",
                          wrong->size ? "; " : "", left.data);
        return STATUS_DONE;
    }
    *ret_action = a->dry_run ? "would be grown" : "grown";
    if (a->dry_run)
        return STATUS_DONE;
    snprintf(question, sizeof(question),
             "Give %.250s %d partitions instead of %d? Jobs of a key then go to another one%s.", topic,
             queue->partitions, *partitions, ordered ? "; nothing may enqueue to it until this is done" : "");
    r = dialog_confirm(a->in, question, reterr);
    if (r == STATUS_DONE)
        r = invocation_judge_kafka(a->in, admin_grow_topic(a->in->admin, topic, queue->partitions, reterr),
                                   reterr);
    if (r)
        return r;
    *partitions = queue->partitions;
    buf_reset(wrong);
    return invocation_judge_kafka(
        a->in,
        topic_list_wrong(a->in->admin, a->in->config, queue->partitions, topic, wrong, partitions, reterr),
        reterr);
}

static int apply_lane(struct applying *a, const struct config_queue *queue, enum name_lane lane,
                      struct err *reterr)
{
    char topic[NAME_TOPIC_MAX + 1];
    _cleanup_buf_ struct buf wrong = { 0 };
    int32_t partitions = 0;
    const char *action = "kept";
    struct err none = { 0 };
    name_topic_of_lane(a->in->config->prefix, queue->name, lane, topic);
    int r =
        topic_list_wrong(a->in->admin, a->in->config, queue->partitions, topic, &wrong, &partitions, &none);
    if (r == ADMIN_NO_TOPIC)
        return invocation_judge_kafka(a->in, create(a, queue, topic, reterr), reterr);
    if (r) {
        *reterr = none;
        return invocation_judge_kafka(a->in, r, reterr);
    }
    if (a->grow && partitions < queue->partitions)
        r = grow(a, queue, topic, &partitions, &wrong, &action, reterr);
    if (r == STATUS_DONE)
        report(a, queue, topic, partitions, action, &wrong);
    return r;
}

static int apply_queue(struct applying *a, const struct config_queue *queue, struct err *reterr)
{
    int r = STATUS_DONE;
    for (enum name_lane lane = 0; lane < LANE_COUNT && r == STATUS_DONE; lane++)
        if (config_has_lane(queue, lane))
            r = apply_lane(a, queue, lane, reterr);
    return r;
}

int command_topic_apply(struct invocation *in, struct err *reterr)
{
    int r = invocation_prepare_kafka(in, reterr);
    if (r)
        return r;
    _cleanup_(output_free_cleanup) struct output *o = NULL;
    r = present_begin(in, apply_columns, ARRAY_SIZE(apply_columns), &o, reterr);
    if (r)
        return r;
    struct applying a = { .in = in,
                          .grow = arguments_has(&in->arguments, "grow"),
                          .dry_run = arguments_has(&in->arguments, "dry-run"),
                          .out = o,
                          .all_right = true };
    for (size_t i = 0; r == STATUS_DONE && i < in->config->n_queues; i++)
        r = apply_queue(&a, &in->config->queues[i], reterr);
    int written = output_end(o, r ? NULL : reterr);
    if (r || written)
        return r ? r : written;
    if (!a.all_right)
        return err_set(
            reterr, STATUS_FAILED,
            "some topics are not as they should be; apply makes what is missing, with --grow it adds partitions, and it "
            "changes nothing else that is there");
    return STATUS_DONE;
}
