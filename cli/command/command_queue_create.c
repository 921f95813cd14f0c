/* SPDX-License-Identifier: Apache-2.0 */
/* jobctl queue create: the topics of one queue, whether it is declared or not. */
#include "cli/commands.h"

#include <stdio.h>
#include <stdlib.h>

#include "cli/queue/apply.h"
#include "cli/dialog.h"
#include "libjob/names.h"
#include "store/audit.h"

#define PARTITIONS_DEFAULT 8 /* as the configuration has it */

/* What it should be: as declared; else as it is; else as was asked for. Return: an enum status. */
static int find_wanted(struct invocation *in, struct config_queue *ret, struct err *reterr)
{
    char topic[NAME_TOPIC_MAX + 1];
    struct admin_topic there = { 0 };
    long asked = arguments_get_count(&in->arguments, "partitions", 0);
    const struct config_queue *declared = config_find_queue(in->config, span_from_string(ret->name));
    if (declared && asked && asked != declared->partitions)
        return err_set(reterr, STATUS_USAGE,
                       "--partitions: %s declares the queue %s with %d; change it there, or leave this out",
                       invocation_config_path(in), ret->name, declared->partitions);
    if (declared) {
        *ret = *declared;
        return STATUS_DONE;
    }
    ret->partitions = asked ? (int)asked : PARTITIONS_DEFAULT;
    if (asked)
        return STATUS_DONE;
    int r = admin_find_topic(in->admin, name_topic(in->config->prefix, ret->name, topic), &there, reterr);
    free(there.name);
    if (r == 0)
        ret->partitions = there.n_partitions;
    if (r == ADMIN_NO_TOPIC) {
        *reterr = (struct err){ 0 };
        return STATUS_DONE;
    }
    return invocation_judge_kafka(in, r, reterr);
}

static void say_how_to_declare(const struct invocation *in, const struct config_queue *queue)
{
    if (config_find_queue(in->config, span_from_string(queue->name)))
        return;
    dialog_remark_queue(in, queue->name);
    dialog_say(
        "to declare it, add { name = \"%s\"; partitions = %d; } to queues in %s; workers take it when it is "
        "among worker.queues",
        queue->name, queue->partitions, invocation_config_path(in));
}

/* Kafka has it by now; that nobody writes it down is no reason to fail. */
static void note(struct invocation *in, const struct config_queue *queue)
{
    char detail[64];
    struct err err = { 0 };
    snprintf(detail, sizeof(detail), "{\"partitions\": %d}", queue->partitions);
    int r = invocation_connect(in, &err);
    if (r == STATUS_DONE)
        r = invocation_judge_store(in, audit_note(in->db, "queue create", queue->name, detail, &err), &err);
    if (r)
        dialog_say("%s (it is not written down in job.audit)", err.text);
}

int command_queue_create(struct invocation *in, struct err *reterr)
{
    char name[NAME_QUEUE_MAX + 1];
    struct config_queue queue = { .name = name };
    _cleanup_(apply_done) struct apply a = { 0 };
    snprintf(name, sizeof(name), "%s", in->arguments.words[0]);
    int r = invocation_prepare_kafka(in, reterr);
    if (r == STATUS_DONE)
        r = find_wanted(in, &queue, reterr);
    if (r == STATUS_DONE)
        r = apply_begin(&a, in, reterr);
    if (r)
        return r;
    r = apply_end(&a, apply_queue(&a, &queue, reterr), reterr);
    if (a.changed)
        note(in, &queue);
    if (r)
        return r;
    say_how_to_declare(in, &queue);
    return a.all_right
               ? STATUS_DONE
               : err_set(
                     reterr, STATUS_FAILED,
                     "a topic is not as it should be; this makes what is missing, and jobctl queue set %s "
                     "partitions=N adds partitions",
                     name);
}
