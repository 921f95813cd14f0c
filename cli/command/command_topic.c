/* SPDX-License-Identifier: Apache-2.0 */
/* jobctl topic: the Kafka topics of the queues. */
#include "cli/commands.h"

#include <stdio.h>
#include <string.h>

#include "cli/queue/apply.h"
#include "cli/dialog.h"
#include "cli/print/present.h"
#include "libjob/names.h"
#include "store/trim.h"

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

int command_topic_apply(struct invocation *in, struct err *reterr)
{
    _cleanup_(apply_done) struct apply a = { 0 };
    int r = apply_begin(&a, in, reterr);
    if (r)
        return r;
    a.grow = arguments_has(&in->arguments, "grow");
    for (size_t i = 0; r == STATUS_DONE && i < in->config->n_queues; i++)
        r = apply_queue(&a, &in->config->queues[i], reterr);
    r = apply_end(&a, r, reterr);
    if (r == STATUS_DONE && !a.all_right)
        return err_set(
            reterr, STATUS_FAILED,
            "some topics are not as they should be; apply makes what is missing, with --grow it adds partitions, and it "
            "changes nothing else that is there");
    return r;
}
