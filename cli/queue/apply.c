/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/queue/apply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "cli/dialog.h"
#include "cli/queue/grow.h"
#include "cli/print/present.h"
#include "libjob/names.h"
#include "libjob/topic_check.h"

#define READY_TIMEOUT_US (5 * USEC_PER_SEC)

static const struct output_column columns[] = {
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

static void print(struct apply *a, const struct apply_report *done)
{
    const struct cell cells[] = {
        cell_text(done->topic),  cell_text(done->queue), cell_int(done->partitions),
        cell_text(done->action), cell_text(done->wrong),
    };
    output_add(a->out, cells);
}

static void report(struct apply *a, const struct config_queue *queue, const char *topic, int32_t was,
                   int32_t partitions, const char *action, const struct buf *wrong)
{
    const struct apply_report done = { .queue = queue->name,
                                       .topic = topic,
                                       .was = was,
                                       .partitions = partitions,
                                       .action = action,
                                       .wrong = wrong->size ? wrong->data : NULL };
    a->report(a, &done);
    a->all_right &= wrong->size == 0;
    a->changed |= strcmp(action, "created") == 0 || strcmp(action, "grown") == 0;
}

static int create(struct apply *a, const struct config_queue *queue, const char *topic, struct err *reterr)
{
    struct buf nothing = { 0 };
    struct err err = { 0 }; /* of questions that were repeated until they went well, too */
    int replication = a->in->config->kafka.replication;
    int r = a->dry_run ? 0
                       : admin_create_topic(a->in->admin, topic, queue->partitions,
                                            replication ? replication : -1, &err);
    if (r && r != ADMIN_EXISTS) {
        *reterr = err;
        return r;
    }
    if (!a->dry_run)
        await_leaders(a->in, topic, queue->partitions);
    report(a, queue, topic, 0, queue->partitions,
           a->dry_run          ? "would be created"
           : r == ADMIN_EXISTS ? "kept"
                               : "created",
           &nothing);
    return 0;
}

/* Return: an enum status. @ret_action: what was done. */
static int grow(struct apply *a, const struct config_queue *queue, const char *topic, int32_t *partitions,
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

static int apply_lane(struct apply *a, const struct config_queue *queue, enum name_lane lane,
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
    int32_t was = partitions;
    if (a->grow && partitions < queue->partitions)
        r = grow(a, queue, topic, &partitions, &wrong, &action, reterr);
    if (r == STATUS_DONE)
        report(a, queue, topic, was, partitions, action, &wrong);
    return r;
}

int apply_queue(struct apply *a, const struct config_queue *queue, struct err *reterr)
{
    int r = STATUS_DONE;
    for (enum name_lane lane = 0; lane < LANE_COUNT && r == STATUS_DONE; lane++)
        if (config_has_lane(queue, lane))
            r = apply_lane(a, queue, lane, reterr);
    return r;
}

int apply_begin(struct apply *ret, struct invocation *in, struct err *reterr)
{
    *ret = (struct apply){
        .in = in, .dry_run = arguments_has(&in->arguments, "dry-run"), .all_right = true, .report = print
    };
    int r = invocation_prepare_kafka(in, reterr);
    return r ? r : present_begin(in, columns, ARRAY_SIZE(columns), &ret->out, reterr);
}

int apply_end(struct apply *a, int r, struct err *reterr)
{
    int written = output_end(a->out, r ? NULL : reterr);
    return r ? r : written;
}

void apply_done(struct apply *a)
{
    a->out = output_free(a->out);
}
