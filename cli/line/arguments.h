/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line, read along the table of commands.
 *
 * Every value is checked here, by its kind, so the readers below cannot fail. Options may stand anywhere; "--" ends
 * them. Strings are borrowed from argv.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "base/uuid.h"
#include "cli/command.h"

struct argument_value {
    const struct command_option *option;
    const char *text; /* NULL for a flag */
};

struct arguments {
    const struct command *command; /* NULL: only help or version was asked for */
    bool help, version;
    char topic[64];     /* of help: "", a group's name or a command's path */
    const char **words; /* the command's own arguments, as "ID…" */
    size_t n_words;
    struct argument_value *values;
    size_t n_values;
};

enum arguments_outcome { ARGUMENTS_INVALID = 1 };

/* Return: 0; ARGUMENTS_INVALID with a sentence that names the rule; -ENOMEM. arguments_done() @ret in every case. */
int arguments_parse(struct arguments *ret, int argc, char **argv, struct err *reterr);
void arguments_done(struct arguments *a);

bool arguments_has(const struct arguments *a, const char *option);
/* The last value that was given; NULL when none was. */
const char *arguments_get(const struct arguments *a, const char *option);
long arguments_get_count(const struct arguments *a, const char *option, long otherwise);
/* µs; -1 when not given. */
int64_t arguments_get_duration(const struct arguments *a, const char *option);
/* µs since 1970; -1 when not given. */
int64_t arguments_get_time(const struct arguments *a, const char *option);
/* Of VALUE_MOMENT, "2h" being two hours before @now_us. µs since 1970; -1 when not given. */
int64_t arguments_get_moment(const struct arguments *a, const char *option, int64_t now_us);
/* Values of an option that may be repeated: start with *at = 0. NULL when there are no more. */
const char *arguments_next(const struct arguments *a, const char *option, size_t *at);
