/* SPDX-License-Identifier: Apache-2.0 */
/* jobctl db: its commands. */
#include "cli/commands.h"
#include "cli/table/table.h"

const struct command table_db[] = {
    { .path = "db migrate",
      .arguments = "",
      .max_arguments = 0,
      .run = command_db_migrate,
      .summary = "Make the schema, or bring it up to date",
      .details = "Safe to repeat, and safe to run on several hosts at once.",
      .examples = EXAMPLES("jobctl db migrate", "before the daemons are started") },
    { .path = "db status",
      .watchable = true,
      .arguments = "",
      .max_arguments = 0,
      .run = command_db_status,
      .summary = "Tell which version the schema has; exit status 1 when it is not current",
      .examples = EXAMPLES("jobctl db status -o json", "as JSON") },
    { .path = "db grant",
      .arguments = "ROLE RIGHT",
      .argument_kind = VALUE_TEXT,
      .min_arguments = 2,
      .max_arguments = 2,
      .run = command_db_grant,
      .summary = "Let a role of PostgreSQL enqueue, or wait for jobs, and nothing else",
      .details =
          "The right \"enqueue\" is to call job.enqueue(), also through job_enqueue_tx(); \"wait\" is to see how jobs stand "
          "whose ids one knows, as job_result_wait() does. Neither lets anybody see or touch a table. The role must be there "
          "already. To be done by the owner of the schema.",
      .examples = EXAMPLES("jobctl db grant shop enqueue",
                           "what an application needs that enqueues in its own transactions") },
    { .path = "db revoke",
      .arguments = "ROLE RIGHT",
      .argument_kind = VALUE_TEXT,
      .min_arguments = 2,
      .max_arguments = 2,
      .run = command_db_revoke,
      .summary = "Take a right from a role of PostgreSQL",
      .examples = EXAMPLES("jobctl db revoke shop wait", "it may no more see how jobs stand") },
    { 0 },
};
