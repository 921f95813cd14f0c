/* SPDX-License-Identifier: Apache-2.0 */
/* Making the topics of a queue, and giving them more partitions. Changes nothing else of what is there, and says what is wrong with it. */
#pragma once

#include "cli/invocation.h"

struct apply;

/* What became of one topic. */
struct apply_report {
    const char *queue, *topic;
    int32_t was, partitions; /* was 0: it was not there */
    const char *action;      /* created, grown, kept, refused; would be … */
    const char *wrong;       /* NULL: nothing */
};

struct apply {
    struct invocation *in;
    bool grow;    /* also where there are fewer partitions than declared */
    bool dry_run; /* as --dry-run says */
    struct output *out;
    void (*report)(struct apply *a, const struct apply_report *done);
    void *userdata; /* of a report that is not our own */
    bool all_right; /* nothing was wrong */
    bool changed;
};

/* A list of topics on the command's output. Return: an enum status; then apply_done(). */
int apply_begin(struct apply *ret, struct invocation *in, struct err *reterr);
/* All topics that @queue should have. Asks before it grows one. Return: an enum status. */
int apply_queue(struct apply *a, const struct config_queue *queue, struct err *reterr);
/* Writes what is left of the list. @r: how far it came. Return: an enum status, @r if that is not STATUS_DONE. */
int apply_end(struct apply *a, int r, struct err *reterr);
void apply_done(struct apply *a);
