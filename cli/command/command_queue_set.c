/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jobctl queue set: what can be changed of a queue while everything runs.
 *
 * What stands in the configuration stays there, so that a queue has one truth: such keys are refused with where to set them.
 */
#include "cli/commands.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/suggest.h"
#include "cli/queue/apply.h"
#include "cli/dialog.h"
#include "cli/print/present.h"
#include "libjob/names.h"
#include "store/audit.h"
#include "store/queues.h"

#define PARTITIONS_MAX 1000 /* as the configuration has it */

enum set_key { SET_PAUSED, SET_PARTITIONS, SET_N };

struct setting {
    const char *text[SET_N]; /* values; NULL: not given */
    bool paused;
    int partitions;
};

/* --- What was asked for --- */

static const struct {
    const char *name, *example;
} keys[] = {
    [SET_PAUSED] = { "paused", "paused=true" },
    [SET_PARTITIONS] = { "partitions", "partitions=16" },
};

/* Members of `queues` in the configuration. */
static const struct {
    const char *name, *example, *taken_up;
} configured[] = {
    { "lanes", "lanes = true", "run jobctl topic apply then, and restart workers" },
    { "concurrency", "concurrency = 10", "workers take it up by a reload (SIGHUP)" },
    { "retention", "retention = \"30d\"", "brokers take it up by a reload (SIGHUP)" },
};

static int refuse_configured(const struct invocation *in, size_t i, struct err *reterr)
{
    const char *queue = in->arguments.words[0];
    return err_set(
        reterr, STATUS_USAGE,
        "%s: stands in the configuration and is changed there: queues: ( { name = \"%s\"; %s; } ) in %s; %s",
        configured[i].name, queue, configured[i].example, invocation_config_path(in), configured[i].taken_up);
}

static int refuse_key(const struct invocation *in, const char *name, struct err *reterr)
{
    struct suggest near = { .word = name };
    for (size_t i = 0; i < ARRAY_SIZE(configured); i++)
        if (strcmp(configured[i].name, name) == 0)
            return refuse_configured(in, i, reterr);
    for (size_t i = 0; i < SET_N; i++)
        suggest_consider(&near, keys[i].name);
    if (suggest_is_close(&near))
        return err_set(reterr, STATUS_USAGE, "\"%s\" cannot be set; did you mean \"%s\"?", name,
                       near.nearest);
    return err_set(reterr, STATUS_USAGE, "\"%s\" cannot be set: it is one of paused, partitions, like %s",
                   name, keys[SET_PAUSED].example);
}

static int read_value(struct setting *s, enum set_key key, const char *value, struct err *reterr)
{
    char *end;
    if (key == SET_PAUSED) {
        s->paused = strcmp(value, "true") == 0;
        if (s->paused || strcmp(value, "false") == 0)
            return STATUS_DONE;
        return err_set(reterr, STATUS_USAGE, "paused: expected true or false, like paused=true, found \"%s\"",
                       value);
    }
    errno = 0;
    long number = strtol(value, &end, 10);
    if (errno || end == value || *end || number < 1 || number > PARTITIONS_MAX)
        return err_set(reterr, STATUS_USAGE,
                       "partitions: expected a whole number from 1 to %d, like partitions=16, found \"%s\"",
                       PARTITIONS_MAX, value);
    s->partitions = (int)number;
    return STATUS_DONE;
}

static int read_pair(const struct invocation *in, const char *pair, struct setting *s, struct err *reterr)
{
    char name[64];
    const char *equals = strchr(pair, '=');
    if (!equals || equals == pair)
        return err_set(reterr, STATUS_USAGE, "expected KEY=VALUE, like %s, found \"%s\"",
                       keys[SET_PAUSED].example, pair);
    snprintf(name, sizeof(name), "%.*s", (int)(equals - pair), pair);
    for (enum set_key key = 0; key < SET_N; key++) {
        if (strcmp(keys[key].name, name) != 0)
            continue;
        if (s->text[key])
            return err_set(reterr, STATUS_USAGE, "%s is given twice", name);
        s->text[key] = equals + 1;
        return read_value(s, key, equals + 1, reterr);
    }
    return refuse_key(in, name, reterr);
}

/* Everything is read before anything is changed. */
static int read_setting(const struct invocation *in, struct setting *ret, struct err *reterr)
{
    int r = STATUS_DONE;
    if (!name_is_queue(span_from_string(in->arguments.words[0])))
        return err_set(
            reterr, STATUS_USAGE,
            "QUEUE: \"%s\" is no queue name: [a-z0-9][a-z0-9-]{0,62}, and not \"later\" or \"dead\"",
            in->arguments.words[0]);
    for (size_t i = 1; r == STATUS_DONE && i < in->arguments.n_words; i++)
        r = read_pair(in, in->arguments.words[i], ret, reterr);
    return r;
}

/* --- Doing it --- */

static const struct output_column columns[] = {
    { "queue", CELL_TEXT }, { "key", CELL_TEXT },    { "value", CELL_TEXT }, { "was", CELL_TEXT },
    { "topic", CELL_TEXT }, { "action", CELL_TEXT }, { "wrong", CELL_TEXT },
};

static int set_paused(struct invocation *in, bool paused, struct output *o, struct err *reterr)
{
    const char *queue = in->arguments.words[0];
    bool changed = false, dry_run = arguments_has(&in->arguments, "dry-run");
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    int r = invocation_connect(in, reterr);
    if (r == STATUS_DONE)
        r = invocation_judge_store(in, queues_describe(in->db, queue, &rows, reterr), reterr);
    if (r)
        return r;
    bool was = !rows_is_null(rows, 0, 0);
    if (!dry_run)
        r = invocation_judge_store(in, queues_set_paused(in->db, queue, paused, &changed, reterr), reterr);
    if (r)
        return r;
    const struct cell cells[] = {
        cell_text(queue),
        cell_text("paused"),
        cell_text(paused ? "true" : "false"),
        cell_text(was ? "true" : "false"),
        cell_null(),
        cell_text(was == paused ? "kept"
                  : dry_run     ? "would be set"
                                : "set"),
        cell_null(),
    };
    output_add(o, cells);
    return STATUS_DONE;
}

struct growth {
    int wanted;
    bool refused; /* one of its topics */
};

static void report_partitions(struct apply *a, const struct apply_report *done)
{
    char value[12], was[12];
    struct growth *growth = a->userdata;
    bool would = strcmp(done->action, "would be grown") == 0;
    growth->refused |= strcmp(done->action, "refused") == 0;
    snprintf(value, sizeof(value), "%d", would ? growth->wanted : (int)done->partitions);
    snprintf(was, sizeof(was), "%d", (int)done->was);
    const struct cell cells[] = {
        cell_text(done->queue),
        cell_text("partitions"),
        cell_text(value),
        cell_text(was),
        cell_text(done->topic),
        cell_text(done->action),
        cell_text(would ? NULL : done->wrong),
    };
    output_add(a->out, cells);
}

static int note_partitions(struct invocation *in, int partitions, struct err *reterr)
{
    char detail[64];
    snprintf(detail, sizeof(detail), "{\"partitions\": %d}", partitions);
    int r = invocation_connect(in, reterr);
    return r ? r
             : invocation_judge_store(
                   in, audit_note(in->db, "queue set", in->arguments.words[0], detail, reterr), reterr);
}

/* Kafka must have the queue's topic: a slip of the hand is no new queue. Return: an enum status. */
static int check_topic(struct invocation *in, const char *queue, int partitions, struct err *reterr)
{
    char topic[NAME_TOPIC_MAX + 1];
    struct admin_topic there = { 0 };
    int r = admin_find_topic(in->admin, name_topic(in->config->prefix, queue, topic), &there, reterr);
    free(there.name);
    if (r == ADMIN_NO_TOPIC)
        return err_set(reterr, STATUS_NOT_FOUND,
                       "the queue %s has no topic yet; jobctl queue create %s makes it", queue, queue);
    if (r)
        return invocation_judge_kafka(in, r, reterr);
    if (partitions < there.n_partitions)
        return err_set(reterr, STATUS_FAILED,
                       "partitions: %s has %d, and Kafka takes none away: expected %d or more", topic,
                       (int)there.n_partitions, (int)there.n_partitions);
    return STATUS_DONE;
}

/* The declaration says how many there should be: from now on it is wrong. */
static void remark_declaration(const struct invocation *in, const char *queue, int partitions)
{
    const struct config_queue *declared = config_find_queue(in->config, span_from_string(queue));
    if (declared && declared->partitions != partitions)
        dialog_say("%s declares %s with %d partitions; write %d there", invocation_config_path(in), queue,
                   declared->partitions, partitions);
}

static int set_partitions(struct invocation *in, int partitions, struct output *o, struct err *reterr)
{
    char name[NAME_QUEUE_MAX + 1];
    struct growth growth = { .wanted = partitions };
    const struct config_queue *declared =
        config_find_queue(in->config, span_from_string(in->arguments.words[0]));
    struct config_queue queue = declared ? *declared : (struct config_queue){ 0 };
    struct apply a = { .in = in,
                       .grow = true,
                       .dry_run = arguments_has(&in->arguments, "dry-run"),
                       .out = o,
                       .report = report_partitions,
                       .userdata = &growth,
                       .all_right = true };
    snprintf(name, sizeof(name), "%s", in->arguments.words[0]);
    queue.name = name;
    queue.partitions = partitions;
    int r = invocation_prepare_kafka(in, reterr);
    if (r == STATUS_DONE)
        r = check_topic(in, name, partitions, reterr);
    if (r == STATUS_DONE)
        r = apply_queue(&a, &queue, reterr);
    if (a.changed) {
        struct err err = { 0 };
        remark_declaration(in, name, partitions);
        if (note_partitions(in, partitions, &err))
            dialog_say("%s (it is not written down in job.audit)", err.text);
    }
    if (r == STATUS_DONE && (growth.refused || (!a.dry_run && !a.all_right)))
        return err_set(reterr, STATUS_FAILED, "the queue %s is not as it should be: see \"wrong\"", name);
    return r;
}

int command_queue_set(struct invocation *in, struct err *reterr)
{
    struct setting s = { 0 };
    _cleanup_(output_free_cleanup) struct output *o = NULL;
    int r = read_setting(in, &s, reterr);
    if (r == STATUS_DONE)
        r = present_begin(in, columns, ARRAY_SIZE(columns), &o, reterr);
    if (r)
        return r;
    dialog_remark_queue(in, in->arguments.words[0]);
    if (s.text[SET_PAUSED])
        r = set_paused(in, s.paused, o, reterr);
    if (r == STATUS_DONE && s.text[SET_PARTITIONS])
        r = set_partitions(in, s.partitions, o, reterr);
    int written = output_end(o, r ? NULL : reterr);
    return r ? r : written;
}
