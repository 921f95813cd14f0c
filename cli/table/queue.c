/* SPDX-License-Identifier: Apache-2.0 */
/* jobctl queue: its commands. */
#include "cli/commands.h"
#include "cli/table/table.h"

static const struct command_option queue_keys_options[] = { OPTION_LIMIT, { 0 } };

static const struct command_option queue_drain_options[] = {
    { "timeout", .kind = VALUE_DURATION, .argument = "DURATION",
      .help = "Wait no longer; then exit with status 5. The queue stays paused" },
    { 0 },
};

static const struct command_option queue_create_options[] = {
    { "partitions", .kind = VALUE_COUNT, .argument = "N", .min = 1, .max = 1000,
      .help = "Of each topic that is made; 8 if not said. A declared queue has what its declaration says" },
    OPTION_DRY_RUN,
    { 0 },
};

static const struct command_option queue_set_options[] = { OPTION_DRY_RUN, OPTION_YES, { 0 } };

const struct command table_queue[] = {
    { .path = "queue list",
      .watchable = true,
      .arguments = "",
      .max_arguments = 0,
      .run = command_queue_list,
      .summary = "List the queues with what waits, runs and died in them",
      .details =
          "Works with PostgreSQL or Kafka alone, and says what it cannot know then. Of the jobs that wait in PostgreSQL no more than\n"
          "50,000 of a queue are counted.",
      .examples = EXAMPLES("jobctl queue list -o json", "as JSON") },
    { .path = "queue show",
      .arguments = "QUEUE",
      .argument_kind = VALUE_QUEUE,
      .min_arguments = 1,
      .max_arguments = 1,
      .run = command_queue_show,
      .watchable = true,
      .summary = "Show everything about one queue",
      .details =
          "Its declaration; each partition with owner, cursor and lag, and the time of the oldest job that waits there; what waits in\n"
          "PostgreSQL, by reason; its workers, and how many tries a second may fail in one where too many do; what ended by the hour.\n"
          "Works with PostgreSQL or Kafka alone, and says what it cannot know then. Exit status 3 when there is no trace of it.",
      .examples = EXAMPLES("jobctl queue show mail", "as tables", "jobctl queue show mail -o json",
                           "as one object") },
    { .path = "queue create",
      .arguments = "QUEUE",
      .argument_kind = VALUE_QUEUE,
      .min_arguments = 1,
      .max_arguments = 1,
      .options = queue_create_options,
      .run = command_queue_create,
      .summary = "Make the topics of one queue, whether it is declared or not",
      .details =
          "Changes nothing that is there, so repeating it is safe. What is made is noted in job.audit.",
      .examples = EXAMPLES("jobctl queue create mail --partitions 4", "with four partitions") },
    { .path = "queue set",
      .arguments = "QUEUE KEY=VALUE…",
      .argument_kind = VALUE_TEXT,
      .min_arguments = 2,
      .max_arguments = -1,
      .options = queue_set_options,
      .run = command_queue_set,
      .summary = "Change what can be changed of a queue while everything runs",
      .details =
          "paused=true|false: as queue pause and resume. partitions=N: adds partitions, as topic apply --grow does. That changes which\n"
          "partition a key belongs to: it asks first, and a queue that has a handler with order is refused until it is drained.\n"
          "Everything else stands in the configuration. Changes are noted in job.audit.",
      .examples = EXAMPLES("jobctl queue set mail paused=true", "nothing of it starts any more",
                           "jobctl queue set mail partitions=16 --dry-run", "what would be done") },
    { .path = "queue keys",
      .watchable = true,
      .arguments = "QUEUE",
      .argument_kind = VALUE_QUEUE,
      .min_arguments = 1,
      .max_arguments = 1,
      .options = queue_keys_options,
      .run = command_queue_keys,
      .summary = "List the keys whose later jobs wait, and the job that they wait for",
      .details =
          "Of handlers with order = \"key\" or \"key_strict\". A key is listed from when a job of it has left the log: to be "
          "tried again, with a lease, or because it waits for its turn. `jobs` counts these.",
      .examples = EXAMPLES("jobctl queue keys mail", "those that wait longest first") },
    { .path = "queue pause",
      .arguments = "QUEUE",
      .argument_kind = VALUE_QUEUE,
      .min_arguments = 1,
      .max_arguments = 1,
      .run = command_queue_pause,
      .summary = "Let nothing of a queue start any more, in any worker",
      .details = "What runs goes on to its end. Jobs can still be enqueued; they wait in Kafka.",
      .examples = EXAMPLES("jobctl queue pause mail", "until: jobctl queue resume mail") },
    { .path = "queue resume",
      .arguments = "QUEUE",
      .argument_kind = VALUE_QUEUE,
      .min_arguments = 1,
      .max_arguments = 1,
      .run = command_queue_resume,
      .summary = "Let a paused queue go on",
      .examples = EXAMPLES("jobctl queue resume mail", "as before") },
    { .path = "queue drain",
      .arguments = "QUEUE",
      .argument_kind = VALUE_QUEUE,
      .min_arguments = 1,
      .max_arguments = 1,
      .options = queue_drain_options,
      .run = command_queue_drain,
      .summary = "Pause a queue, and wait until nothing of it runs",
      .details =
          "A worker that is lost counts as running its jobs until a broker has noticed, within some 10 s.",
      .examples =
          EXAMPLES("jobctl queue drain mail --timeout 5m", "before a migration of what its jobs write to") },
    { 0 },
};
