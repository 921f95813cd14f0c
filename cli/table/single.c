/* SPDX-License-Identifier: Apache-2.0 */
/* Commands without a group. */
#include "cli/commands.h"
#include "cli/line/completion.h"
#include "cli/table/table.h"

static const struct command_option doctor_options[] = {
    { "patience", .kind = VALUE_DURATION, .argument = "DURATION",
      .help =
          "What stands still for less is not reported: due jobs, open transactions, locks; 30s if not said" },
    { 0 },
};

static const struct command_option top_options[] = {
    { "once", .kind = VALUE_NONE, .help = "Print one moment and end; with -o json for scripts" },
    { "interval", .kind = VALUE_DURATION, .argument = "DURATION",
      .help = "How often to look, from 250ms to 1m; 2s if not said. Keys + and - change it" },
    { 0 },
};

static const struct command_option bugreport_options[] = {
    { "file", .kind = VALUE_FILE, .argument = "FILE",
      .help =
          "Where to write; jobctl-bugreport-TIME.tar in this folder if not said. A file that exists is kept" },
    { 0 },
};

const struct command table_single[] = {
    { .path = "top",
      .arguments = "",
      .max_arguments = 0,
      .options = top_options,
      .run = command_top,
      .summary = "Show on the whole screen what is going on: queues, workers, long jobs, errors",
      .details =
          "Keys: 1-4 and Tab choose what is in front, arrows scroll, s and r sort, / filters, p stands still, + and - change how often it\n"
          "looks, h helps, q quits. Works with PostgreSQL or Kafka alone, and says what it cannot know then. A look takes PostgreSQL a\n"
          "few milliseconds, however much there is: what is many is counted up to a limit, as in 1000+.",
      .examples = EXAMPLES("jobctl top", "until q", "jobctl top --once -o json",
                           "one moment; rates are of one second") },
    { .path = "doctor",
      .watchable = true,
      .arguments = "",
      .max_arguments = 0,
      .run = command_doctor,
      .summary = "Find what keeps jobs from running, and what mends it",
      .options = doctor_options,
      .details =
          "Each finding has its meaning and what mends it. A check that depends on a server that is away is left out. It takes 15 "
          "seconds at most, also when a server hangs. With -o json the names of checks stay the same from version to version. Exit "
          "status 1 when there is a problem; warnings and what cannot be known leave it at 0.",
      .examples =
          EXAMPLES("jobctl doctor", "the first thing to do when jobs do not run",
                   "jobctl doctor --patience 5m -o json", "for monitoring: what has stood for 5 minutes") },
    { .path = "bugreport",
      .arguments = "",
      .max_arguments = 0,
      .run = command_bugreport,
      .summary = "Write what helps others to find a fault into a tar file, without secrets",
      .options = bugreport_options,
      .details =
          "It has what doctor finds, versions, the configuration, what PostgreSQL and Kafka tell of queues, cursors, workers and tables, "
          "counts of jobs, and the units' journal. It has no payloads, headers, keys, results, texts of errors or of queries. Passwords and "
          "other secrets that are known, or look like one, are masked. Nothing is sent anywhere: look through it first.",
      .examples = EXAMPLES("jobctl bugreport --file /tmp/libjob.tar", "to be attached to a report") },
    { .path = "completion",
      .arguments = "bash|zsh|fish",
      .argument_kind = VALUE_WORD,
      .argument_words = completion_shells,
      .min_arguments = 1,
      .max_arguments = 1,
      .bare = true,
      .run = command_completion,
      .summary = "Print the script that lets a shell complete jobctl's command lines",
      .details =
          "It completes commands, options and their values, and the queues and types of the configuration. In this shell:\n"
          "`source <(jobctl completion bash)`. For good: into a file that the shell reads; its first lines say which.",
      .examples = EXAMPLES("jobctl completion bash", "to be read by the shell") },
    { .path = "version",
      .arguments = "",
      .max_arguments = 0,
      .bare = true,
      .run = command_version,
      .summary = "Print the version",
      .examples = EXAMPLES("jobctl version -o json", "as JSON") },
    { 0 },
};
