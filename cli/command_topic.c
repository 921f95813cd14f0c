/* SPDX-License-Identifier: Apache-2.0 */
/* jobctl topic: the Kafka topics of the queues. */
#include "cli/commands.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "cli/dialog.h"
#include "cli/present.h"
#include "libjob/names.h"

#define READY_TIMEOUT_US (5 * USEC_PER_SEC)

static const struct output_column list_columns[] = {
    { "topic", CELL_TEXT },      { "queue", CELL_TEXT },     { "partitions", CELL_INT },
    { "replication", CELL_INT }, { "leaderless", CELL_INT }, { "declared", CELL_BOOL },
};

static void fill_listed(const struct invocation *in, const struct admin_topic *t, struct cell *cells)
{
    struct span queue = name_queue_of_topic(in->config->prefix, t->name);
    cells[0] = cell_text(t->name);
    cells[1] = cell_span(CELL_TEXT, queue);
    cells[2] = cell_int(t->n_partitions);
    cells[3] = cell_int(t->replication);
    cells[4] = cell_int(t->n_leaderless);
    cells[5] = cell_bool(queue.data && config_find_queue(in->config, queue));
}

int command_topic_list(struct invocation *in, struct err *reterr)
{
    _cleanup_(admin_topics_done) struct admin_topics topics = { 0 };
    struct cell cells[ARRAY_SIZE(list_columns)];
    char prefix[NAME_TOPIC_MAX + 1];
    int r = invocation_prepare_kafka(in, reterr);
    if (r)
        return r;
    snprintf(prefix, sizeof(prefix), "%s.", in->config->prefix);
    r = admin_list_topics(in->admin, prefix, &topics, reterr);
    if (r)
        return invocation_judge_kafka(in, r, reterr);
    _cleanup_(output_free_cleanup) struct output *o =
        output_new(&in->style, stdout, list_columns, ARRAY_SIZE(list_columns));
    if (!o)
        return err_set(reterr, STATUS_FAILED, "out of memory");
    for (size_t i = 0; i < topics.n; i++) {
        fill_listed(in, &topics.topics[i], cells);
        output_add(o, cells);
    }
    return present_judge(output_end(o), reterr);
}

/* --- apply --- */

static const struct output_column apply_columns[] = {
    { "topic", CELL_TEXT },  { "queue", CELL_TEXT }, { "partitions", CELL_INT },
    { "action", CELL_TEXT }, { "wrong", CELL_TEXT },
};

/* Appends "retention.ms is 1000, should be -1" for each setting that is not right. */
static int list_wrong_settings(struct invocation *in, const char *topic, struct buf *wrong,
                               struct err *reterr)
{
    struct admin_setting settings[ADMIN_N_SETTINGS];
    int r = admin_describe_topic(in->admin, topic, settings, reterr);
    for (size_t i = 0; r == 0 && i < ADMIN_N_SETTINGS; i++)
        if (!settings[i].right)
            buf_append_format(wrong, "%s%s is %s, should be %s", wrong->size ? "; " : "", settings[i].name,
                              settings[i].value[0] ? settings[i].value : "unknown", settings[i].wanted);
    return r;
}

/* Looks at a topic that was there. */
static int check_topic(struct invocation *in, const struct config_queue *queue, const char *topic,
                       int32_t *ret_partitions, struct buf *wrong, struct err *reterr)
{
    struct admin_topic found;
    int r = admin_find_topic(in->admin, topic, &found, reterr);
    if (r)
        return r;
    free(found.name);
    *ret_partitions = found.n_partitions;
    if (found.n_partitions != queue->partitions)
        buf_append_format(wrong, "it has %d partitions, declared are %d", found.n_partitions,
                          queue->partitions);
    return list_wrong_settings(in, topic, wrong, reterr);
}

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

static int apply_lane(struct invocation *in, const struct config_queue *queue, enum name_lane lane,
                      struct output *o, bool *all_right, struct err *reterr)
{
    char topic[NAME_TOPIC_MAX + 1];
    _cleanup_buf_ struct buf wrong = { 0 };
    int32_t partitions = queue->partitions;
    const char *action = "created";
    name_topic_of_lane(in->config->prefix, queue->name, lane, topic);
    int r = admin_create_topic(in->admin, topic, queue->partitions, -1, reterr);
    if (r == 0)
        await_leaders(in, topic, queue->partitions);
    if (r == ADMIN_EXISTS) {
        action = "kept";
        *reterr = (struct err){ 0 };
        r = check_topic(in, queue, topic, &partitions, &wrong, reterr);
    }
    if (r)
        return invocation_judge_kafka(in, r, reterr);
    struct cell cells[] = {
        cell_text(topic),
        cell_text(queue->name),
        cell_int(partitions),
        cell_text(action),
        cell_text(wrong.size ? wrong.data : NULL),
    };
    output_add(o, cells);
    *all_right &= wrong.size == 0;
    return STATUS_DONE;
}

static int apply_queue(struct invocation *in, const struct config_queue *queue, struct output *o,
                       bool *all_right, struct err *reterr)
{
    int r = STATUS_DONE;
    for (enum name_lane lane = 0; lane < LANE_COUNT && r == STATUS_DONE; lane++)
        if (config_has_lane(queue, lane))
            r = apply_lane(in, queue, lane, o, all_right, reterr);
    return r;
}

int command_topic_apply(struct invocation *in, struct err *reterr)
{
    bool all_right = true;
    int r = invocation_prepare_kafka(in, reterr);
    if (r)
        return r;
    _cleanup_(output_free_cleanup) struct output *o =
        output_new(&in->style, stdout, apply_columns, ARRAY_SIZE(apply_columns));
    if (!o)
        return err_set(reterr, STATUS_FAILED, "out of memory");
    for (size_t i = 0; r == STATUS_DONE && i < in->config->n_queues; i++)
        r = apply_queue(in, &in->config->queues[i], o, &all_right, reterr);
    int written = present_judge(output_end(o), r ? NULL : reterr);
    if (r || written)
        return r ? r : written;
    if (!all_right)
        return err_set(
            reterr, STATUS_FAILED,
            "some topics are not as they should be; apply makes what is missing and changes nothing that is there");
    return STATUS_DONE;
}
