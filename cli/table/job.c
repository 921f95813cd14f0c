/* SPDX-License-Identifier: Apache-2.0 */
/* jobctl job: its commands. */
#include "cli/commands.h"
#include "cli/table/table.h"

static const char *const words_state[] = {
    "scheduled", "queued",    "waiting", "running",   "retrying", "succeeded",
    "dead",      "cancelled", "expired", "duplicate", NULL,
};

static const struct command_option job_list_options[] = {
    { "state", 's', .repeat = true, .kind = VALUE_WORD, .argument = "STATE", .words = words_state,
      .help =
          "Only in these states, like dead,expired: scheduled, queued, waiting, running, retrying, succeeded, dead, cancelled, expired, duplicate" },
    OPTION_QUEUE("Only of this queue"),
    OPTION_TYPE,
    { "since", .kind = VALUE_MOMENT, .argument = "TIME",
      .help =
          "Only those enqueued from this time on, by the time in the id: RFC 3339, or how long ago, like 2h" },
    { "until", .kind = VALUE_MOMENT, .argument = "TIME", .help = "Only those enqueued before this time" },
    { "finished-since", .kind = VALUE_MOMENT, .argument = "TIME",
      .help = "Only those that ended at this time or later" },
    { "finished-until", .kind = VALUE_MOMENT, .argument = "TIME",
      .help = "Only those that ended before this time" },
    { "worker", .kind = VALUE_TEXT, .argument = "WORKER",
      .help = "Only those that this worker runs or ran last: its id, or its host" },
    { "error", .kind = VALUE_TEXT, .argument = "TEXT",
      .help =
          "Only those whose error has this text, in whatever case; of those to be tried again, their last try's" },
    { "trace", .kind = VALUE_TEXT, .argument = "ID",
      .help = "Only those of this trace: its id, or a traceparent" },
    { "key", 'k', .kind = VALUE_TEXT, .argument = "KEY", .help = "Only those with this ordering key" },
    { "tag", .repeat = true, .kind = VALUE_TEXT, .argument = "TAG",
      .help = "Only those with this tag; with several of them, all" },
    { "parent", .kind = VALUE_ID, .argument = "ID", .help = "Only those that came from this job" },
    { "where", .repeat = true, .kind = VALUE_TEXT, .argument = "CONDITION",
      .help =
          "Only those that hold this: a path into payload, result or headers, then = != < <= > >= ~ and JSON, or exists or missing; several joined by and" },
    OPTION_LIMIT,
    { "all", .kind = VALUE_NONE, .help = "Without limit, page after page" },
    { "after", .kind = VALUE_ID, .argument = "ID", .help = "Go on behind this job" },
    { 0 },
};

static const char *const words_replayed_state[] = { "succeeded", "cancelled", "expired", "duplicate", NULL };

static const struct command_option job_replay_options[] = {
    OPTION_TYPE,
    OPTION_QUEUE("Only of this queue"),
    { "finished-between", .twofold = true, .kind = VALUE_MOMENT, .argument = "FROM TO",
      .help = "Only those that ended in this time: two times of RFC 3339, or so long ago (3h 1h)" },
    { "state", 's', .repeat = true, .kind = VALUE_WORD, .argument = "STATE", .words = words_replayed_state,
      .help =
          "Only those that ended so: succeeded (if not said), cancelled, expired or duplicate; may be repeated" },
    { "where", .repeat = true, .kind = VALUE_TEXT, .argument = "CONDITION",
      .help =
          "Only those with this in payload, result or headers, like 'payload.to = \"ada@example.org\"'; may be repeated" },
    { "limit", 'n', .kind = VALUE_COUNT, .argument = "N", .min = 1, .max = INT64_C(1000000000000),
      .help = "At most so many" },
    OPTION_RATE,
    OPTION_RESUME,
    OPTION_NEW,
    OPTION_DRY_RUN,
    OPTION_YES,
    { 0 },
};

static const struct command_option job_show_options[] = {
    { "full", .kind = VALUE_NONE, .help = "Payload and result as a whole, however long, on a terminal, too" },
    { "no-kafka", .kind = VALUE_NONE,
      .help =
          "Do not ask Kafka, neither for a job that PostgreSQL does not know nor for the payload of one that has ended" },
    { 0 },
};

static const struct command_option job_wait_options[] = {
    { "wait-timeout", .kind = VALUE_DURATION, .argument = "DURATION",
      .help = "Wait no longer; then exit with status 5" },
    { 0 },
};

static const char *const words_tail_state[] = {
    "retrying", "succeeded", "dead", "cancelled", "expired", "duplicate", NULL,
};

static const struct command_option job_tail_options[] = {
    { "state", 's', .kind = VALUE_WORD, .argument = "STATE", .words = words_tail_state,
      .help =
          "Only in this state: retrying (a try that failed), succeeded, dead, cancelled, expired or duplicate" },
    OPTION_QUEUE("Only of this queue"),
    OPTION_TYPE,
    { "worker", .kind = VALUE_TEXT, .argument = "WORKER",
      .help = "Only of workers whose id begins so, like web3/4711" },
    { "error", .kind = VALUE_TEXT, .argument = "TEXT",
      .help = "Only with this in the error; large and small letters are the same" },
    { "limit", 'n', .kind = VALUE_COUNT, .argument = "N", .min = 0, .max = 10000,
      .help = "So many that have ended before come first; 10 if not said" },
    { 0 },
};

const struct command table_job[] = {
    { .path = "job show",
      .watchable = true,
      .arguments = "ID",
      .argument_kind = VALUE_ID,
      .min_arguments = 1,
      .max_arguments = 1,
      .options = job_show_options,
      .run = command_job_show,
      .summary = "Show all that is known about a job",
      .details =
          "A job that PostgreSQL does not know is looked for in Kafka for 2 s: then it is queued, and `ahead` tells how many\n"
          "jobs are before it. Exit status 3 when it is nowhere. Of a job that has ended only Kafka has the payload, and only until its\n"
          "record is trimmed; `payload_from` tells where it was read.\n\n"
          "The timeline has what is recorded, and what people did by job.audit. Children are jobs with this one as their parent, as far as\n"
          "PostgreSQL knows them; `children_until`, if it is not null, tells up to which time of enqueueing it has looked. With\n"
          "jobctl.trace_url in the configuration, `trace_url` leads to the trace.",
      .examples = EXAMPLES("jobctl job show 0190a6c2-7d3e-7f00-8000-000000000000", "as a table",
                           "jobctl job show 0190a6c2-7d3e-7f00-8000-000000000000 -o json", "as JSON",
                           "jobctl job show 0190a6c2-7d3e-7f00-8000-000000000000 --full",
                           "with all of a long payload") },
    { .path = "job list",
      .watchable = true,
      .arguments = "",
      .max_arguments = 0,
      .options = job_list_options,
      .run = command_job_list,
      .summary = "List the newest jobs that PostgreSQL knows",
      .details =
          "Newest first, by the time in the id. A job that is queued for its first try is known to Kafka only; `jobctl queue list`\n"
          "counts those.\n\n"
          "A path begins with payload, result or headers: payload.to, payload.items[0].n, headers.\"x-tenant\". What it leads to is compared\n"
          "with JSON: = and != whole values, < <= > >= numbers or strings, ~ a string with a POSIX extended regular expression.\n"
          "Where a path leads to nothing, only `missing` is true.\n\n"
          "Payload, headers, key and tags are in PostgreSQL as long as a job waits, runs or has a dead letter; with these filters\n"
          "only such jobs are listed. With --state dead alone those with a dead letter are listed: without the purged ones.\n\n"
          "However many jobs there are, a page is read in steps of some milliseconds; where few match, it may take many. Ctrl-C\n"
          "prints what was found and how to go on. With --all, jsonl and csv are written as they are read.",
      .examples = EXAMPLES("jobctl job list --state running",
                           "what runs and holds a lease (claimed before its start)",
                           "jobctl job list -q mail -n 10 -o jsonl", "one JSON object per line",
                           "jobctl job list --state dead,retrying --error 'connection refused' --since 2h",
                           "what that host's fall has cost",
                           "jobctl job list --where 'payload.to = \"ada@example.org\" and payload.n > 3'",
                           "by what the payload has") },
    { .path = "job tail",
      .arguments = "",
      .max_arguments = 0,
      .options = job_tail_options,
      .run = command_job_tail,
      .summary = "Follow jobs as they end, and tries that fail, until Ctrl-C",
      .details =
          "Each end comes once, half a second after it was committed at the latest. A try that fails is `retrying`, with its outcome as the\n"
          "reason; which queue and type it was of is known while the job waits for its next try. When PostgreSQL is away, what\n"
          "has ended meanwhile comes when it is back. Jobs of handlers with record = \"failures\" leave no record when they succeed.",
      .examples = EXAMPLES("jobctl job tail -q mail --state dead", "what fails for good in one queue",
                           "jobctl job tail -n 0 -o jsonl --error timeout", "one JSON object per line") },
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
    { .path = "job replay",
      .arguments = "",
      .max_arguments = 0,
      .options = job_replay_options,
      .run = command_job_replay,
      .summary = "Run jobs that have ended once more, as new ones",
      .details =
          "For what a bad deploy did wrong. Their messages are read from Kafka, as long as it has them; a job whose message is gone is\n"
          "listed, and the exit status is 1. Each gets a new id, and the old one as its parent. Dead jobs are run again by `jobctl dead\n"
          "replay`. What was broken off is gone on with by --resume. docs/replay.md.",
      .examples = EXAMPLES(
          "jobctl job replay --type report --finished-between 3h 1h --dry-run", "what it would be",
          "jobctl job replay --type welcome_email --finished-between 2026-01-31T18:00:00Z 2026-01-31T19:30:00Z --where 'payload.lang = \"de\"' --rate 20/s",
          "gently, mails that went out in the wrong language") },
    { .path = "job run-now",
      .arguments = "ID…",
      .argument_kind = VALUE_ID,
      .min_arguments = 1,
      .max_arguments = -1,
      .run = command_job_run_now,
      .summary = "Make jobs due that wait for a time: delayed, snoozed, to be tried again",
      .details =
          "`was due`: it goes as soon as its queue lets it. Exit status 1 when one runs already or has ended, 3 when one waits for nothing.",
      .examples = EXAMPLES("jobctl job run-now 0190a6c2-7d3e-7f00-8000-000000000000",
                           "do not wait for its next try") },
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
    { .path = "job why",
      .arguments = "ID",
      .argument_kind = VALUE_ID,
      .min_arguments = 1,
      .max_arguments = 1,
      .run = command_job_why,
      .watchable = true,
      .summary = "Explain why a job is where it is, with the evidence, and what would change it",
      .details =
          "Asks PostgreSQL, and Kafka where that matters; says what it cannot know when one of them is away. In JSON, `cause` is one of\n"
          "a fixed set of words (docs/why.md). Exit status 3 when nobody knows the job.",
      .examples = EXAMPLES("jobctl job why 0190a6c2-7d3e-7f00-8000-000000000000",
                           "one sentence, and what it rests on",
                           "jobctl job why 0190a6c2-7d3e-7f00-8000-000000000000 --watch", "until it moves") },
    { 0 },
};
