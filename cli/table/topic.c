/* SPDX-License-Identifier: Apache-2.0 */
/* jobctl topic: its commands. */
#include "cli/commands.h"
#include "cli/table/table.h"

static const struct command_option topic_apply_options[] = {
    { "grow", .kind = VALUE_NONE, .help = "Also add partitions to topics that have fewer than declared" },
    OPTION_DRY_RUN,
    OPTION_YES,
    { 0 },
};

static const struct command_option topic_reset_options[] = { OPTION_DRY_RUN, OPTION_YES, { 0 } };

static const struct command_option topic_trim_options[] = {
    { "confirm", .kind = VALUE_NONE, .help = "PostgreSQL was looked at after a failover and is whole" },
    OPTION_YES,
    { 0 },
};

const struct command table_topic[] = {
    { .path = "topic apply",
      .arguments = "",
      .max_arguments = 0,
      .options = topic_apply_options,
      .run = command_topic_apply,
      .summary = "Make the topics of declared queues that are missing",
      .details =
          "Changes nothing that is there, and reports what of it is not as it should be (exit status 1). With --grow, partitions are\n"
          "added where there are fewer than declared. That changes which partition a key belongs to: a queue that has a\n"
          "handler with order is refused until it is drained, and nothing should enqueue to it meanwhile.",
      .examples = EXAMPLES("jobctl topic apply", "safe to repeat", "jobctl topic apply --grow --dry-run",
                           "which partitions would be added") },
    { .path = "topic reset",
      .arguments = "TOPIC|QUEUE…",
      .argument_kind = VALUE_TEXT,
      .min_arguments = 1,
      .max_arguments = -1,
      .options = topic_reset_options,
      .run = command_topic_reset,
      .summary = "Let workers begin anew with topics that were deleted and made again",
      .details =
          "Resets partitions whose log is not the one that their cursor belongs to, and leaves the others alone. Workers begin at\n"
          "the start of the new log, without a restart; a job of it that has a result already is not run again.",
      .examples = EXAMPLES("jobctl topic reset mail --dry-run", "what stands, and why",
                           "jobctl topic reset job.mail --yes", "without asking") },
    { .path = "topic trim",
      .arguments = "",
      .max_arguments = 0,
      .options = topic_trim_options,
      .run = command_topic_trim,
      .summary =
          "Show up to where records are deleted from Kafka, and confirm that they may be after a failover",
      .details =
          "The broker deletes records before trim_to: everything up to there has been done for broker.trim_after. After a failover\n"
          "or a restored backup of PostgreSQL it deletes nothing (exit status 1) until that is confirmed.",
      .examples = EXAMPLES("jobctl topic trim", "as a table", "jobctl topic trim --confirm",
                           "after a failover, when the database is whole") },
    { .path = "topic list",
      .watchable = true,
      .arguments = "",
      .max_arguments = 0,
      .run = command_topic_list,
      .summary = "List the topics that begin with the configured prefix",
      .examples = EXAMPLES("jobctl topic list", "as a table") },
    { 0 },
};
