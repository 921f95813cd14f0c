/* SPDX-License-Identifier: Apache-2.0 */
/* Commands without a group. */
#include "cli/commands.h"
#include "cli/completion.h"
#include "cli/table/table.h"

const struct command table_single[] = {
    { .path = "doctor",
      .watchable = true,
      .arguments = "",
      .max_arguments = 0,
      .run = command_doctor,
      .summary = "Find what keeps jobs from running, and what mends it",
      .details = "Exit status 1 when there is a problem.",
      .examples = EXAMPLES("jobctl doctor", "the first thing to do when jobs do not run") },
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
