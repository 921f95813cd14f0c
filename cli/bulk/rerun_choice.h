/* SPDX-License-Identifier: Apache-2.0 */
/* Which ended jobs `jobctl job replay` means: from the command line, or from the row of a run that is gone on with. */
#pragma once

#include <jansson.h>

#include "cli/line/arguments.h"
#include "cli/job/where.h"
#include "store/rerun.h"

#define RERUN_MAX_STATES 8

struct rerun_choice {
    json_t *json; /* as job.bulk keeps it; the strings below are in it */
    struct rerun_filter filter;
    const char *states[RERUN_MAX_STATES];
    int64_t from_us, to_us;
    int64_t limit; /* 0: none */
    struct where where;
};

/* Each: rerun_choice_done() in every case. Return: an enum status. */
int rerun_choice_make(struct rerun_choice *c, const struct arguments *a, struct err *reterr);
int rerun_choice_parse(struct rerun_choice *c, const char *json, struct err *reterr);
void rerun_choice_done(struct rerun_choice *c);

/* One of its times as it was said. */
const char *rerun_choice_text(const struct rerun_choice *c, const char *name);
