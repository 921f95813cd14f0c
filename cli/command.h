/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a command is: one row of a table, from which parsing, help, manual page and completion follow.
 *
 * The rows are in table/. An option that several commands have takes an argument in all of them or in none, and
 * its letter means the same everywhere; so options may stand anywhere on the line, also before the command's name.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct invocation;

enum value_kind {
    VALUE_NONE, /* a flag */
    VALUE_TEXT,
    VALUE_FILE,
    VALUE_COUNT,    /* a whole number from min to max */
    VALUE_DURATION, /* "10m" */
    VALUE_TIME,     /* RFC 3339 */
    VALUE_MOMENT,   /* RFC 3339, or a duration: so long ago */
    VALUE_RATE,     /* "50/s" */
    VALUE_ID,       /* UUID */
    VALUE_QUEUE,
    VALUE_TYPE,
    VALUE_WORD, /* one of words */
    VALUE_PAIR, /* NAME=VALUE */
};

struct command_option {
    const char *name; /* without the two hyphens; NULL ends a list */
    char letter;      /* 0: none */
    bool repeat;      /* may be given several times; otherwise the last one counts */
    bool twofold;     /* takes two arguments of its kind, one behind the other; has no letter */
    enum value_kind kind;
    const char *argument;     /* its name in help; NULL for a flag */
    long min, max;            /* COUNT */
    const char *const *words; /* WORD: NULL-terminated */
    const char *help;         /* one sentence without full stop */
};

struct command {
    const char *path;      /* "job show" */
    const char *arguments; /* as the usage line shows them: "ID…"; "" for none */
    enum value_kind argument_kind;
    const char *const *argument_words;    /* WORD: NULL-terminated */
    int min_arguments, max_arguments;     /* max -1: any number */
    const struct command_option *options; /* NULL: none of its own */
    const char *summary;                  /* one sentence without full stop */
    const char *details;                  /* paragraphs; NULL: none */
    const char *const *examples;          /* pairs of command line and what it does; NULL-terminated */
    bool bare;                            /* needs no configuration */
    bool watchable;                       /* only looks, so --watch may repeat it */
    /* Return: an enum status; what went wrong is in @reterr, unless it has been said already. */
    int (*run)(struct invocation *invocation, struct err *reterr);
};

struct command_group {
    const char *name; /* first word of its commands' paths */
    const char *summary;
};

/* The next row of the whole table; the first one after NULL. NULL when there are no more. */
const struct command *command_next(const struct command *after);

/* Both end with a NULL name. */
extern const struct command_group command_groups[];
extern const struct command_option command_global_options[];

/* What @command understands, in the order of its help: its own, --watch if it is watchable, the global ones. NULL: only these. */
#define COMMAND_OPTION_LISTS 3
void command_get_options(const struct command *command,
                         const struct command_option *ret[COMMAND_OPTION_LISTS]);

/* The option of that name (not NUL-terminated) among @options; NULL when there is none. */
const struct command_option *command_find_option(const struct command_option *options, const char *name,
                                                 size_t size);
const struct command *command_find(const char *path);
const struct command_group *command_find_group(const char *name);
/* Is @command of the group "job"? */
bool command_is_in(const struct command *command, const char *group);
