/* SPDX-License-Identifier: Apache-2.0 */
/* jobctl cron: its commands. */
#include "cli/commands.h"
#include "cli/table/table.h"
#include "libjob/config.h"

#define OPTION_TZ(help_)                                                                                     \
    {                                                                                                        \
        "tz", .kind = VALUE_TEXT, .argument = "ZONE", .help = (help_)                                        \
    }

static const struct command_option cron_add_options[] = {
    OPTION_TZ("The time zone of the expression, like Europe/Berlin; otherwise UTC"),
    OPTION_QUEUE("Queue; otherwise that of the type's handler in the configuration, else \"default\""),
    { "payload", 'p', .kind = VALUE_TEXT, .argument = "JSON|@FILE|-",
      .help = "What the handler gets: JSON, a file with it, or standard input" },
    { "key", 'k', .kind = VALUE_TEXT, .argument = "KEY",
      .help = "Ordering key: jobs of one key go to one partition" },
    { "missed", .kind = VALUE_WORD, .argument = "POLICY", .words = config_missed_names,
      .help =
          "Which ticks are made up for when no broker was there: skip (none), last (if not said) or all (up to --missed-max)" },
    { "missed-max", .kind = VALUE_COUNT, .argument = "N", .min = 1, .max = 1000,
      .help = "With --missed all: how many at most; 100 if not said" },
    { "jitter", .kind = VALUE_DURATION, .argument = "DURATION",
      .help = "Each job is due so much later at most, at random" },
    { "max-attempts", .kind = VALUE_COUNT, .argument = "N", .min = 1, .max = 1000,
      .help = "Tries that may fail; otherwise as the handler says" },
    { "timeout", .kind = VALUE_DURATION, .argument = "DURATION",
      .help = "For each try, otherwise as the handler says" },
    { "tag", .repeat = true, .kind = VALUE_TEXT, .argument = "TAG",
      .help = "A tag, to find it by; may be repeated" },
    { "header", .repeat = true, .kind = VALUE_PAIR, .argument = "NAME=VALUE",
      .help = "A header that is handed on to the handler; may be repeated" },
    { "replace", .kind = VALUE_NONE, .help = "Change the entry if there is one of that name" },
    { 0 },
};

static const struct command_option cron_remove_options[] = { OPTION_YES, { 0 } };

static const struct command_option cron_next_options[] = {
    OPTION_TZ("The time zone of an expression; otherwise UTC"),
    { "from", .kind = VALUE_TIME, .argument = "TIME", .help = "From this time on; otherwise from now" },
    { "limit", 'n', .kind = VALUE_COUNT, .argument = "N", .min = 1, .max = 100000,
      .help = "So many; 5 if not said" },
    { 0 },
};

const struct command table_cron[] = {
    { .path = "cron list",
      .watchable = true,
      .arguments = "[NAME]",
      .argument_kind = VALUE_TEXT,
      .max_arguments = 1,
      .run = command_cron_list,
      .summary = "List the cron entries with their next and last ticks",
      .details = "`error` says why an entry does not tick. -o json has everything about an entry.",
      .examples =
          EXAMPLES("jobctl cron list", "all", "jobctl cron list nightly-report -o json", "all about one") },
    { .path = "cron add",
      .arguments = "NAME EXPRESSION TYPE",
      .argument_kind = VALUE_TEXT,
      .min_arguments = 3,
      .max_arguments = 3,
      .options = cron_add_options,
      .run = command_cron_add,
      .summary = "Enqueue a job again and again, by the clock",
      .details =
          "EXPRESSION is one argument: five fields (minute hour day month weekday), six (second in front), @daily and the like, or\n"
          "@every 90s. Ticks that were left out or come twice because clocks were moved: docs/cron.md.",
      .examples = EXAMPLES(
          "jobctl cron add nightly '30 2 * * *' report --tz Europe/Berlin --payload '{\"of\": \"yesterday\"}'",
          "each night at half past two", "jobctl cron add poll '@every 90s' import.poll --missed skip",
          "every ninety seconds", "jobctl cron add closing '0 18 L * *' report -q reports --jitter 10m",
          "on the last day of each month") },
    { .path = "cron remove",
      .arguments = "NAME…",
      .argument_kind = VALUE_TEXT,
      .min_arguments = 1,
      .max_arguments = -1,
      .options = cron_remove_options,
      .run = command_cron_remove,
      .summary = "Remove cron entries",
      .details = "Jobs that they have enqueued stay. One of the configuration is removed there.",
      .examples = EXAMPLES("jobctl cron remove nightly --yes", "without asking") },
    { .path = "cron enable",
      .arguments = "NAME…",
      .argument_kind = VALUE_TEXT,
      .min_arguments = 1,
      .max_arguments = -1,
      .run = command_cron_enable,
      .summary = "Let cron entries tick again, from now on",
      .examples = EXAMPLES("jobctl cron enable nightly", "this one") },
    { .path = "cron disable",
      .arguments = "NAME…",
      .argument_kind = VALUE_TEXT,
      .min_arguments = 1,
      .max_arguments = -1,
      .run = command_cron_disable,
      .summary = "Let cron entries tick no more",
      .details = "Also those of the configuration; they stay disabled until somebody enables them.",
      .examples = EXAMPLES("jobctl cron disable nightly poll", "these two") },
    { .path = "cron run",
      .arguments = "NAME",
      .argument_kind = VALUE_TEXT,
      .min_arguments = 1,
      .max_arguments = 1,
      .run = command_cron_run,
      .summary = "Enqueue an entry's job now, besides its ticks",
      .details = "Prints {\"id\": …}. Works for a disabled entry, too.",
      .examples = EXAMPLES("jobctl cron run nightly", "now") },
    { .path = "cron next",
      .arguments = "NAME|EXPRESSION",
      .argument_kind = VALUE_TEXT,
      .min_arguments = 1,
      .max_arguments = 1,
      .options = cron_next_options,
      .run = command_cron_next,
      .summary = "Tell when an entry, or any expression, ticks next",
      .details = "For an expression no server is needed.",
      .examples = EXAMPLES("jobctl cron next nightly -n 10", "its next ten ticks",
                           "jobctl cron next '30 2 * * *' --tz Europe/Berlin --from 2026-03-28T00:00:00Z",
                           "what becomes of it when clocks are put forward") },
    { 0 },
};
