/* SPDX-License-Identifier: Apache-2.0 */
/* The table of commands. */
#include "cli/commands.h"

#include <limits.h>
#include <string.h>

#include "libjob/config.h"

static const char *const words_output[] = { "table", "json", "jsonl", "csv", NULL };
static const char *const words_level[] = { "error", "warning", "info", "debug", NULL };
static const char *const words_state[] = {
    "scheduled", "queued",    "waiting", "running",   "retrying", "succeeded",
    "dead",      "cancelled", "expired", "duplicate", NULL,
};
static const char *const words_reason[] = { "exhausted", "failed",       "crashed",
                                            "malformed", "unknown_type", NULL };
static const char *const words_priority[] = { "high", "low", NULL };

const struct command_option command_global_options[] = {
    { "output", 'o', .kind = VALUE_WORD, .argument = "FORMAT", .words = words_output,
      .help = "How to print: table, json, jsonl or csv" },
    { "config", 'c', .kind = VALUE_FILE, .argument = "FILE",
      .help = "Configuration file; otherwise $JOB_CONFIG, else /etc/libjob/libjob.conf" },
    { "log-level", .kind = VALUE_WORD, .argument = "LEVEL", .words = words_level,
      .help = "What is logged on standard error: error, warning, info or debug" },
    { "check", .kind = VALUE_NONE, .help = "Only check the configuration" },
    { "version", .kind = VALUE_NONE, .help = "Print the version" },
    { "help", 'h', .kind = VALUE_NONE, .help = "Print help for the command" },
    { 0 },
};

#define OPTION_QUEUE(help_)                                                                                  \
    {                                                                                                        \
        "queue", 'q', .kind = VALUE_QUEUE, .argument = "QUEUE", .help = (help_)                              \
    }
#define OPTION_TYPE                                                                                          \
    {                                                                                                        \
        "type", 't', .kind = VALUE_TYPE, .argument = "TYPE", .help = "Only of this type"                     \
    }
#define OPTION_REASON                                                                                        \
    {                                                                                                        \
        "reason",                                                                                            \
            .kind = VALUE_WORD, .argument = "REASON", .words = words_reason,                                 \
            .help = "Only those that died of this: exhausted, failed, crashed, malformed or unknown_type"    \
    }
#define OPTION_LIMIT                                                                                         \
    {                                                                                                        \
        "limit", 'n', .kind = VALUE_COUNT, .argument = "N", .min = 1, .max = 100000,                         \
                      .help = "At most so many; 50 if not said"                                              \
    }
#define OPTION_DRY_RUN                                                                                       \
    {                                                                                                        \
        "dry-run", .kind = VALUE_NONE, .help = "Only say what would be done"                                 \
    }
#define OPTION_ALL                                                                                           \
    {                                                                                                        \
        "all", .kind = VALUE_NONE, .help = "All that the filters leave, instead of named ones"               \
    }

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

static const struct command_option job_list_options[] = {
    { "state", 's', .kind = VALUE_WORD, .argument = "STATE", .words = words_state,
      .help =
          "Only in this state: scheduled, queued, waiting, running, retrying, succeeded, dead, cancelled, expired or duplicate" },
    OPTION_QUEUE("Only of this queue"),
    OPTION_TYPE,
    OPTION_LIMIT,
    { 0 },
};

static const struct command_option job_wait_options[] = {
    { "wait-timeout", .kind = VALUE_DURATION, .argument = "DURATION",
      .help = "Wait no longer; then exit with status 5" },
    { 0 },
};

static const struct command_option dead_list_options[] = {
    OPTION_QUEUE("Only of this queue"), OPTION_TYPE, OPTION_REASON, OPTION_LIMIT, { 0 },
};

static const struct command_option queue_keys_options[] = { OPTION_LIMIT, { 0 } };

static const struct command_option queue_drain_options[] = {
    { "timeout", .kind = VALUE_DURATION, .argument = "DURATION",
      .help = "Wait no longer; then exit with status 5. The queue stays paused" },
    { 0 },
};

#define OPTION_YES                                                                                           \
    {                                                                                                        \
        "yes", 'y', .kind = VALUE_NONE, .help = "Do not ask"                                                 \
    }

static const struct command_option dead_replay_options[] = {
    OPTION_ALL, OPTION_QUEUE("Only of this queue"), OPTION_TYPE, OPTION_REASON, OPTION_DRY_RUN, OPTION_YES,
    { 0 },
};

static const struct command_option dead_purge_options[] = {
    OPTION_ALL, OPTION_QUEUE("Only of this queue"), OPTION_TYPE, OPTION_REASON, OPTION_DRY_RUN, OPTION_YES,
    { 0 },
};

static const struct command_option dead_hook_options[] = {
    { "off", .kind = VALUE_NONE, .help = "From now on nobody hears of them" },
    { 0 },
};

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

#define EXAMPLES(...)                                                                                        \
    (const char *const[])                                                                                    \
    {                                                                                                        \
        __VA_ARGS__, NULL                                                                                    \
    }

const struct command_group command_groups[] = {
    { "job", "Jobs" },
    { "dead", "Dead letters: jobs that failed for good" },
    { "queue", "Queues" },
    { "cron", "Jobs that are enqueued by the clock" },
    { "topic", "The queues' topics in Kafka" },
    { "db", "The schema in PostgreSQL" },
    { 0 },
};

const struct command commands[] = {
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
    { .path = "job show",
      .arguments = "ID",
      .argument_kind = VALUE_ID,
      .min_arguments = 1,
      .max_arguments = 1,
      .run = command_job_show,
      .summary = "Show all that is known about a job",
      .details =
          "A job that PostgreSQL does not know is looked for in Kafka for 2 s: then it is queued, and `ahead` tells how many\n"
          "jobs are before it. Exit status 3 when it is nowhere.",
      .examples = EXAMPLES("jobctl job show 0190a6c2-7d3e-7f00-8000-000000000000", "as a table",
                           "jobctl job show 0190a6c2-7d3e-7f00-8000-000000000000 -o json", "as JSON") },
    { .path = "job list",
      .arguments = "",
      .max_arguments = 0,
      .options = job_list_options,
      .run = command_job_list,
      .summary = "List the newest jobs that PostgreSQL knows",
      .details =
          "A job that is queued for its first try is known to Kafka only; `jobctl queue list` counts those.",
      .examples = EXAMPLES("jobctl job list --state running",
                           "what runs and holds a lease (claimed before its start)",
                           "jobctl job list -q mail -n 10 -o jsonl", "one JSON object per line") },
    { .path = "job cancel",
      .arguments = "ID…",
      .argument_kind = VALUE_ID,
      .min_arguments = 1,
      .max_arguments = -1,
      .run = command_job_cancel,
      .summary = "Cancel jobs: what waits does not start, what runs is stopped",
      .details =
          "A job that runs is asked to stop, and killed when it does not. `noted` is said of a job that PostgreSQL does not know: it\n"
          "will not start when a worker reads it within a week. Exit status 1 when one had ended before.",
      .examples = EXAMPLES("jobctl job cancel 0190a6c2-7d3e-7f00-8000-000000000000", "this one") },
    { .path = "job wait",
      .arguments = "ID…",
      .argument_kind = VALUE_ID,
      .min_arguments = 1,
      .max_arguments = -1,
      .options = job_wait_options,
      .run = command_job_wait,
      .summary = "Wait until jobs have ended, and print their results",
      .details = "Exit status 0 when all succeeded, 1 when one ended otherwise, 5 when the time was over.",
      .examples = EXAMPLES("jobctl job wait 0190a6c2-7d3e-7f00-8000-000000000000 --wait-timeout 1m",
                           "at most a minute") },
    { .path = "dead list",
      .arguments = "",
      .max_arguments = 0,
      .options = dead_list_options,
      .run = command_dead_list,
      .summary = "List the newest dead letters",
      .examples = EXAMPLES("jobctl dead list --reason crashed", "those whose handler crashed") },
    { .path = "dead show",
      .arguments = "ID",
      .argument_kind = VALUE_ID,
      .min_arguments = 1,
      .max_arguments = 1,
      .run = command_dead_show,
      .summary = "Show a dead letter with payload and headers",
      .examples = EXAMPLES("jobctl dead show 0190a6c2-7d3e-7f00-8000-000000000000", "as a table") },
    { .path = "dead replay",
      .arguments = "[ID…]",
      .argument_kind = VALUE_ID,
      .min_arguments = 0,
      .max_arguments = -1,
      .options = dead_replay_options,
      .run = command_dead_replay,
      .summary = "Run dead jobs again, under their ids",
      .details =
          "They start anew with attempt 1; their earlier tries stay as history. Malformed messages cannot be replayed.",
      .examples =
          EXAMPLES("jobctl dead replay 0190a6c2-7d3e-7f00-8000-000000000000", "this one",
                   "jobctl dead replay --all --type report --dry-run", "which ones of a type it would be") },
    { .path = "dead purge",
      .arguments = "[ID…]",
      .argument_kind = VALUE_ID,
      .min_arguments = 0,
      .max_arguments = -1,
      .options = dead_purge_options,
      .run = command_dead_purge,
      .summary = "Throw dead letters away",
      .details = "The job's result stays as the record of what became of it; payload and headers are gone.",
      .examples = EXAMPLES("jobctl dead purge --all --reason malformed --yes", "without asking") },
    { .path = "dead hook",
      .arguments = "",
      .max_arguments = 0,
      .options = dead_hook_options,
      .run = command_dead_hook,
      .summary = "Show which queue gets a job for each job that dies, or let none",
      .details =
          "A worker whose configuration names a handler for the type job.dead says where when it starts or reloads; that stays when the\n"
          "worker goes. --off is for when the handler is gone. docs/dead-letters.md says what the handler gets.",
      .examples = EXAMPLES("jobctl dead hook", "where deaths are told, and whether a worker is there",
                           "jobctl dead hook --off", "after the handler was taken away") },
    { .path = "queue list",
      .arguments = "",
      .max_arguments = 0,
      .run = command_queue_list,
      .summary = "List the queues with what waits, runs and died in them",
      .details = "Works with PostgreSQL or Kafka alone, and says what it cannot know then.",
      .examples = EXAMPLES("jobctl queue list -o json", "as JSON") },
    { .path = "queue keys",
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
    { .path = "cron list",
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
      .arguments = "",
      .max_arguments = 0,
      .run = command_topic_list,
      .summary = "List the topics that begin with the configured prefix",
      .examples = EXAMPLES("jobctl topic list", "as a table") },
    { .path = "db migrate",
      .arguments = "",
      .max_arguments = 0,
      .run = command_db_migrate,
      .summary = "Make the schema, or bring it up to date",
      .details = "Safe to repeat, and safe to run on several hosts at once.",
      .examples = EXAMPLES("jobctl db migrate", "before the daemons are started") },
    { .path = "db status",
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
    { .path = "doctor",
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
    for (const struct command *c = commands; c->path; c++)
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
