/* SPDX-License-Identifier: Apache-2.0 */
/* Commands without a group. */
#include "cli/commands.h"
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
    { .path = "version",
      .arguments = "",
      .max_arguments = 0,
      .bare = true,
      .run = command_version,
      .summary = "Print the version",
      .examples = EXAMPLES("jobctl version -o json", "as JSON") },
    { 0 },
};
