/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the daemons' command lines have in common: -c/--config, --check, --log-level, --version, --help.
 *
 * Not here: jobctl, whose subcommands have a table of their own.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "libjob/config.h"

enum program_status { /* exit statuses, the same for all programs */
                      PROGRAM_FINE = 0,
                      PROGRAM_FAILED = 1,
                      PROGRAM_USAGE = 2, /* also: configuration */
};

enum program_outcome {
    PROGRAM_DONE = 1, /* nothing is left to do but to end with *ret_status */
};

/* An option of one program alone. */
struct program_option {
    const char *name;     /* without "--" */
    const char *argument; /* "TYPE"; NULL: takes none */
    const char *help;
    const char **value; /* set to the argument, or to "" when it takes none; else left as it is */
};

struct program {
    const char *name;
    const char *summary; /* "runs background jobs" */
    const struct program_option *options;
    size_t n_options;
    bool runs_handlers; /* and so needs their secrets */
};

struct program_common {
    const char *config_path; /* NULL: where config_load() looks */
    bool has_level;          /* the command line says what is logged, whatever the configuration says */
    bool check;
    bool runs_handlers; /* as the program's */
};

/**
 * program_parse() - read the command line and start the log
 * @ret_status: set with PROGRAM_DONE
 *
 * --help and --version are answered on standard output; a usage error says so in one line on standard error.
 *
 * Return: 0; PROGRAM_DONE.
 */
int program_parse(const struct program *program, int argc, char **argv, struct program_common *ret,
                  int *ret_status);

/**
 * program_configure() - read the configuration, log as it says, and end there when only a check was asked for
 * @ret: set on success, config_free() it
 *
 * Return: 0; PROGRAM_DONE with *ret_status: fine for a check, usage for a configuration that is wrong (said on standard error).
 */
int program_configure(const struct program *program, const struct program_common *common,
                      struct job_config **ret, int *ret_status);

/**
 * program_load() - read the configuration once more, while the program runs
 * @ret: set on success, config_free() it; nothing of it has been taken up
 *
 * Return: 0; negative errno or CONFIG_INVALID with @reterr, ready to be said.
 */
int program_load(const struct program_common *common, struct job_config **ret, struct err *reterr);

/* Logs as @config says, unless the command line has said it. */
void program_set_log_level(const struct program_common *common, const struct job_config *config);
