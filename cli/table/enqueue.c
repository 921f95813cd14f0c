/* SPDX-License-Identifier: Apache-2.0 */
/* jobctl enqueue. */
#include "cli/commands.h"
#include "cli/table/table.h"

static const char *const words_priority[] = { "high", "low", NULL };

static const struct command_option enqueue_options[] = {
    OPTION_QUEUE("Queue; otherwise that of the type's handler in the configuration, else \"default\""),
    { "payload", 'p', .kind = VALUE_TEXT, .argument = "JSON|@FILE|-",
      .help = "What the handler gets: JSON, a file with it, or standard input" },
    { "key", 'k', .kind = VALUE_TEXT, .argument = "KEY",
      .help = "Ordering key: jobs of one key go to one partition" },
    { "in", .kind = VALUE_DURATION, .argument = "DURATION",
      .help = "Not before so long from now, like 10m; needs no Kafka" },
    { "at", .kind = VALUE_TIME, .argument = "TIME",
      .help = "Not before this time, like 2030-01-31T18:00:00Z; needs no Kafka" },
    { "max-attempts", .kind = VALUE_COUNT, .argument = "N", .min = 1, .max = 1000,
      .help = "Tries that may fail; otherwise as the handler says" },
    { "timeout", .kind = VALUE_DURATION, .argument = "DURATION",
      .help = "For each try, otherwise as the handler says" },
    { "expires", .kind = VALUE_DURATION, .argument = "DURATION",
      .help = "Do not start it later than so long from now; then it ends as expired" },
    { "unique", .kind = VALUE_TEXT, .argument = "KEY",
      .help =
          "Of the jobs of its queue and type with this key only one runs; the others end as its duplicates" },
    { "unique-for", .kind = VALUE_DURATION, .argument = "DURATION",
      .help = "With --unique: for so long from now; otherwise until that job has ended" },
    { "priority", .kind = VALUE_WORD, .argument = "high|low", .words = words_priority,
      .help = "Before or after the other jobs of its queue, which must have lanes" },
    { "tag", .repeat = true, .kind = VALUE_TEXT, .argument = "TAG",
      .help = "A tag, to find it by; may be repeated" },
    { "header", .repeat = true, .kind = VALUE_PAIR, .argument = "NAME=VALUE",
      .help = "A header that is handed on to the handler; may be repeated" },
    { "id", .kind = VALUE_ID, .argument = "UUID",
      .help = "An id of your own (UUIDv7), which makes repeating safe" },
    { "count", .kind = VALUE_COUNT, .argument = "N", .min = 1, .max = 10000000,
      .help = "Enqueue it N times" },
    { "wait", 'w', .kind = VALUE_NONE, .help = "Wait for the end and print the job's result" },
    { "wait-timeout", .kind = VALUE_DURATION, .argument = "DURATION",
      .help = "Wait no longer; then exit with status 5" },
    { 0 },
};

const struct command table_enqueue[] = {
    { .path = "enqueue",
      .arguments = "TYPE",
      .argument_kind = VALUE_TYPE,
      .min_arguments = 1,
      .max_arguments = 1,
      .options = enqueue_options,
      .run = command_enqueue,
      .summary = "Enqueue a job",
      .details =
          "Prints {\"id\": …} when Kafka has the job for good; with --in or --at, when PostgreSQL has it. With --wait the\n"
          "job's result is printed instead: exit status 0 when it succeeded, 1 when it ended otherwise, 5 when the\n"
          "time was over.",
      .examples = EXAMPLES(
          "jobctl enqueue welcome_email --payload '{\"to\":\"ada@example.org\"}'", "now",
          "jobctl enqueue report --in 10m --key customer-17", "in ten minutes, in order with its key",
          "jobctl enqueue selftest.echo -p '[1,2]' --wait --wait-timeout 30s", "and see what comes of it",
          "jobctl enqueue import -p @big.json --max-attempts 3", "with its payload from a file") },
    { 0 },
};
