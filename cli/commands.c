/* SPDX-License-Identifier: Apache-2.0 */
/* The table of commands as a whole: its parts are in table/. */
#include "cli/command.h"

#include <string.h>

#include "base/cleanup.h"
#include "cli/table/table.h"

static const char *const words_output[] = { "table", "json", "jsonl", "csv", NULL };
static const char *const words_level[] = { "error", "warning", "info", "debug", NULL };
const char *const table_dead_reasons[] = {
    "exhausted", "failed", "crashed", "malformed", "unknown_type", NULL
};

const struct command_option command_global_options[] = {
    { "output", 'o', .kind = VALUE_WORD, .argument = "FORMAT", .words = words_output,
      .help = "How to print: table, json, jsonl or csv" },
    { "columns", .kind = VALUE_TEXT, .argument = "NAMES",
      .help = "Only these columns, in this order, like id,state; a wrong one lists what there is" },
    { "sort", .kind = VALUE_TEXT, .argument = "NAMES",
      .help = "Sort the rows that are printed by these columns, like queue,started_at:desc" },
    { "no-headers", .kind = VALUE_NONE, .help = "Tables and CSV without names in the first line" },
    { "absolute", .kind = VALUE_NONE,
      .help =
          "Tables have absolute times in the local zone; otherwise relative ones on a terminal, else UTC" },
    { "utc", .kind = VALUE_NONE, .help = "Tables have absolute times in UTC" },
    { "config", 'c', .kind = VALUE_FILE, .argument = "FILE",
      .help = "Configuration file; otherwise $JOB_CONFIG, else /etc/libjob/libjob.conf" },
    { "log-level", .kind = VALUE_WORD, .argument = "LEVEL", .words = words_level,
      .help = "What is logged on standard error: error, warning, info or debug" },
    { "check", .kind = VALUE_NONE, .help = "Only check the configuration" },
    { "version", .kind = VALUE_NONE, .help = "Print the version" },
    { "help", 'h', .kind = VALUE_NONE, .help = "Print help for the command" },
    { 0 },
};

const struct command_group command_groups[] = {
    { "job", "Jobs" },
    { "dead", "Dead letters: jobs that failed for good" },
    { "queue", "Queues" },
    { "worker", "Workers" },
    { "cron", "Jobs that are enqueued by the clock" },
    { "topic", "The queues' topics in Kafka" },
    { "db", "The schema in PostgreSQL" },
    { 0 },
};

static const struct command_option watch_options[] = {
    { "watch", .kind = VALUE_NONE, .help = "Look again and again, in place, until Ctrl-C" },
    { "interval", .kind = VALUE_DURATION, .argument = "DURATION",
      .help = "With --watch: how often; 2s if not said" },
    { "no-pager", .kind = VALUE_NONE, .help = "Long tables do not go through $PAGER on a terminal" },
    { 0 },
};

void command_get_options(const struct command *command,
                         const struct command_option *ret[COMMAND_OPTION_LISTS])
{
    static const struct command_option none[] = { { 0 } };
    ret[0] = command && command->options ? command->options : none;
    ret[1] = command && command->watchable ? watch_options : none;
    ret[2] = command_global_options;
}

/* In the order in which help lists them. */
static const struct command *const parts[] = {
    table_enqueue, table_job,   table_dead, table_queue,  table_worker,
    table_cron,    table_topic, table_db,   table_single,
};

static const struct command *end_of(const struct command *part)
{
    while (part->path)
        part++;
    return part;
}

const struct command *command_next(const struct command *after)
{
    const struct command *next = after ? after + 1 : parts[0];
    for (size_t i = 0; !next->path && i + 1 < ARRAY_SIZE(parts); i++)
        if (end_of(parts[i]) == next)
            next = parts[i + 1];
    return next->path ? next : NULL;
}

const struct command_option *command_find_option(const struct command_option *options, const char *name,
                                                 size_t size)
{
    for (const struct command_option *o = options; o && o->name; o++)
        if (strlen(o->name) == size && memcmp(o->name, name, size) == 0)
            return o;
    return NULL;
}

const struct command *command_find(const char *path)
{
    for (const struct command *c = NULL; (c = command_next(c));)
        if (strcmp(c->path, path) == 0)
            return c;
    return NULL;
}

const struct command_group *command_find_group(const char *name)
{
    for (const struct command_group *g = command_groups; g->name; g++)
        if (strcmp(g->name, name) == 0)
            return g;
    return NULL;
}

bool command_is_in(const struct command *command, const char *group)
{
    size_t size = strlen(group);
    return strncmp(command->path, group, size) == 0 && command->path[size] == ' ';
}
