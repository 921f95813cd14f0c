/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of commands, a part for each group, and what its rows share: an option that several commands have.
 *
 * Each part ends with a row without path.
 */
#pragma once

#include <stdint.h>

#include "cli/command.h"

extern const struct command table_enqueue[];
extern const struct command table_job[];
extern const struct command table_dead[];
extern const struct command table_queue[];
extern const struct command table_worker[];
extern const struct command table_cron[];
extern const struct command table_topic[];
extern const struct command table_db[];
extern const struct command table_single[];

#define OPTION_QUEUE(help_)                                                                                  \
    {                                                                                                        \
        "queue", 'q', .kind = VALUE_QUEUE, .argument = "QUEUE", .help = (help_)                              \
    }
#define OPTION_TYPE                                                                                          \
    {                                                                                                        \
        "type", 't', .kind = VALUE_TYPE, .argument = "TYPE", .help = "Only of this type"                     \
    }
#define OPTION_LIMIT                                                                                         \
    {                                                                                                        \
        "limit", 'n', .kind = VALUE_COUNT, .argument = "N", .min = 1, .max = 100000,                         \
                      .help = "At most so many; 50 if not said"                                              \
    }
#define OPTION_DRY_RUN                                                                                       \
    {                                                                                                        \
        "dry-run", .kind = VALUE_NONE, .help = "Only say what would be done"                                 \
    }
#define OPTION_ALL                                                                                           \
    {                                                                                                        \
        "all", .kind = VALUE_NONE, .help = "All that the filters leave, instead of named ones"               \
    }
#define OPTION_RATE                                                                                          \
    {                                                                                                        \
        "rate", .kind = VALUE_RATE, .argument = "N/s",                                                       \
                .help = "No faster than so many per second (/m: minute, /h: hour), evenly"                   \
    }
#define OPTION_RESUME                                                                                        \
    {                                                                                                        \
        "resume", .kind = VALUE_COUNT, .argument = "RUN", .min = 1, .max = INT64_C(1000000000000000),        \
                  .help = "Go on with this run, which was interrupted"                                       \
    }
#define OPTION_NEW                                                                                           \
    {                                                                                                        \
        "new", .kind = VALUE_NONE, .help = "Begin anew, although a run of the same was interrupted"          \
    }
#define OPTION_YES                                                                                           \
    {                                                                                                        \
        "yes", 'y', .kind = VALUE_NONE, .help = "Do not ask"                                                 \
    }

/* Pairs of command line and what it does. */
#define EXAMPLES(...)                                                                                        \
    (const char *const[])                                                                                    \
    {                                                                                                        \
        __VA_ARGS__, NULL                                                                                    \
    }
