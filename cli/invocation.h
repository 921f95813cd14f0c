/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one command works with: its arguments, the configuration, and the servers, each opened when first asked for.
 *
 * Everything here that fails returns an enum status, with the cure in the text, because this is where a newcomer meets
 * a missing server first.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "cli/line/arguments.h"
#include "cli/print/output.h"
#include "cli/status.h"
#include "libjob/config.h"
#include "store/db.h"
#include "stream/admin.h"

struct invocation {
    struct arguments arguments;
    struct output_style style;
    FILE *to;                  /* where data goes: standard output */
    bool format_given;         /* -o was there */
    struct job_config *config; /* set before the command runs */
    struct db *db;
    struct admin *admin;
    struct buf later; /* what is said behind the output, on a terminal; "": nothing */
};

/* From what the global options say to style and configuration. Return: an enum status. */
int invocation_open(struct invocation *in, struct err *reterr);
void invocation_close(struct invocation *in);

/* Opens the connection to PostgreSQL if it is not open. Return: an enum status. */
int invocation_connect(struct invocation *in, struct err *reterr);
/* Makes the admin, which does not connect yet. Each of its calls takes 5 s at most. Return: an enum status. */
int invocation_prepare_kafka(struct invocation *in, struct err *reterr);

/* From what store/ or stream/ returned to an enum status; adds the cure to the text. */
int invocation_judge_store(const struct invocation *in, int r, struct err *reterr);
int invocation_judge_kafka(const struct invocation *in, int r, struct err *reterr);

/* Where an option stands or would stand: the file that was read, else the default path. */
const char *invocation_config_path(const struct invocation *in);
