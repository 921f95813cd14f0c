/* SPDX-License-Identifier: Apache-2.0 */
/* Replaying or purging dead letters that were named by their ids. */
#pragma once

#include "cli/invocation.h"

/* What is done to a dead letter. */
struct dead_change {
    const char *kind;     /* of job.bulk, and the command: "dead replay" */
    const char *done;     /* "replayed" */
    bool only_replayable; /* malformed ones are left alone */
    bool
        destroys; /* is asked about always, and needs --yes where nobody can answer; else only --all is, where somebody can */
    int (*apply)(struct db *db, const struct uuid *ids, size_t n, struct rows **ret, struct err *reterr);
};

extern const struct dead_change dead_change_replay, dead_change_purge;

/* A row per letter that something was done to, or would be: id, action. */
#define DEAD_CHANGED_COLUMNS 2
extern const struct output_column dead_changed_columns[DEAD_CHANGED_COLUMNS];
/* "replayed", "would be replayed" */
void dead_changed_add(struct output *out, const struct dead_change *change, const struct uuid *id,
                      bool dry_run);

/* Asks whether that may be done to so many letters, if it must be asked. Return: an enum status. */
int dead_change_confirm(const struct invocation *in, const struct dead_change *change, int64_t n,
                        struct err *reterr);

/* All that the arguments name. Return: an enum status, the worst of all. */
int dead_named_run(struct invocation *in, const struct dead_change *change, struct err *reterr);
