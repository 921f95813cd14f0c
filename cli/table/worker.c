/* SPDX-License-Identifier: Apache-2.0 */
/* jobctl worker: its commands. */
#include "cli/commands.h"
#include "cli/table/table.h"

static const char *const words_state[] = { "running",  "quiet",  "draining", "drained",
                                           "stopping", "silent", "lost",     NULL };

static const struct command_option worker_list_options[] = {
    { "state", 's', .kind = VALUE_WORD, .argument = "STATE", .words = words_state,
      .help = "Only in this state: running, quiet, draining, drained, stopping, silent or lost" },
    OPTION_QUEUE("Only those that take jobs of this queue"),
    { 0 },
};

static const struct command_option worker_show_options[] = { OPTION_LIMIT, { 0 } };

static const struct command_option worker_drain_options[] = {
    { "timeout", .kind = VALUE_DURATION, .argument = "DURATION",
      .help = "Wait no longer; then exit with status 5. The worker goes on draining" },
    { "no-wait", .kind = VALUE_NONE, .help = "Do not wait until nothing of it runs" },
    { "undo", .kind = VALUE_NONE, .help = "Let it take jobs again" },
    { 0 },
};

const struct command table_worker[] = {
    { .path = "worker list",
      .watchable = true,
      .arguments = "",
      .max_arguments = 0,
      .options = worker_list_options,
      .run = command_worker_list,
      .summary = "List the workers with what they hold",
      .details =
          "`leases` counts what PostgreSQL knows to run there: jobs that were claimed, or that run for long. A worker is quiet when all of\n"
          "its queues are paused and nothing of them runs; silent when it has not beaten for 15 s; lost when a broker has\n"
          "declared it dead and its jobs are being given to others.",
      .examples = EXAMPLES("jobctl worker list --watch", "who is there, every 2 s",
                           "jobctl worker list -q mail -o json", "those that take jobs of one queue") },
    { .path = "worker show",
      .watchable = true,
      .arguments = "WORKER",
      .argument_kind = VALUE_TEXT,
      .min_arguments = 1,
      .max_arguments = 1,
      .options = worker_show_options,
      .run = command_worker_show,
      .summary = "Show all that is known about a worker, its jobs and its partitions",
      .details =
          "WORKER is an id, the beginning of one, or the name of its host, as long as only one worker is meant. Without Kafka it works,\n"
          "and the lag of the partitions is not known.",
      .examples = EXAMPLES("jobctl worker show web3/4711", "the one with this process number") },
    { .path = "worker drain",
      .arguments = "WORKER",
      .argument_kind = VALUE_TEXT,
      .min_arguments = 1,
      .max_arguments = 1,
      .options = worker_drain_options,
      .run = command_worker_drain,
      .summary = "Let a worker take no more jobs, and wait until what runs there has ended",
      .details =
          "Its partitions go to other workers at once, its running jobs to their end, however long that is. Then it stays, drained, until it is\n"
          "stopped or --undo lets it go on; a restarted worker takes jobs again. Repeating it waits on.",
      .examples = EXAMPLES("jobctl worker drain web3 --timeout 10m", "before web3 is switched off",
                           "jobctl worker drain --undo web3", "it takes jobs again") },
    { 0 },
};
