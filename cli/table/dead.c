/* SPDX-License-Identifier: Apache-2.0 */
/* jobctl dead: its commands. */
#include "cli/commands.h"
#include "cli/dead/dead_filter.h"
#include "cli/table/table.h"

#define OPTION_REASON                                                                                        \
    {                                                                                                        \
        "reason",                                                                                            \
            .kind = VALUE_WORD, .argument = "REASON", .words = dead_reasons,                                 \
            .help = "Only those that died of this: exhausted, failed, crashed, malformed or unknown_type"    \
    }

/* Which dead letters; cli/dead/dead_filter.c reads them. */
#define OPTION_GROUP                                                                                         \
    {                                                                                                        \
        "group", 'g', .kind = VALUE_TEXT, .argument = "NAME",                                                \
                      .help = "Only of this group, as `jobctl dead groups` names it"                         \
    }
#define OPTION_SINCE                                                                                         \
    {                                                                                                        \
        "since", .kind = VALUE_MOMENT, .argument = "TIME",                                                   \
                 .help = "Only those that died then or later: RFC 3339, or so long ago (2h)"                 \
    }
#define OPTIONS_FILTER                                                                                       \
    OPTION_QUEUE("Only of this queue"), OPTION_TYPE, OPTION_REASON, OPTION_GROUP,                            \
        { "error", .kind = VALUE_TEXT, .argument = "TEXT",                                                   \
          .help = "Only those with this text in their error, in capitals or not" },                          \
        OPTION_SINCE,                                                                                        \
        { "until", .kind = VALUE_MOMENT, .argument = "TIME", .help = "Only those that died before that" },   \
        { "key", 'k', .kind = VALUE_TEXT, .argument = "KEY", .help = "Only those with this key of order" },  \
    {                                                                                                        \
        "worker", .kind = VALUE_TEXT, .argument = "WORKER", .help = "Only those whose last try it had"       \
    }

static const struct command_option dead_list_options[] = {
    OPTIONS_FILTER,
    OPTION_LIMIT,
    { "after", .kind = VALUE_ID, .argument = "ID",
      .help = "Go on behind this one, the last of the page before" },
    { 0 },
};

static const struct command_option dead_groups_options[] = {
    OPTION_QUEUE("Only of this queue"),
    OPTION_TYPE,
    OPTION_REASON,
    OPTION_GROUP,
    { "since", .kind = VALUE_MOMENT, .argument = "TIME",
      .help = "Only those that have got one since: RFC 3339, or so long ago (2h)" },
    OPTION_LIMIT,
    { 0 },
};

static const struct command_option dead_edit_options[] = {
    { "payload", 'p', .kind = VALUE_TEXT, .argument = "JSON|@FILE|-",
      .help = "The new payload, instead of an editor; - is standard input" },
    { "set", .kind = VALUE_PAIR, .repeat = true, .argument = "NAME=VALUE",
      .help =
          "A new queue, type, key, max_attempts, timeout, tags, content_type or headers.NAME; empty: none" },
    { "file", .kind = VALUE_FILE, .argument = "FILE",
      .help = "The whole letter as a document, as an earlier edit has left it" },
    OPTION_DRY_RUN,
    OPTION_YES,
    { 0 },
};

static const struct command_option dead_export_options[] = {
    OPTIONS_FILTER,
    { "limit", 'n', .kind = VALUE_COUNT, .argument = "N", .min = 1, .max = 1000000000,
      .help = "At most so many; all if not said" },
    { "after", .kind = VALUE_ID, .argument = "ID", .help = "Go on behind this one" },
    { 0 },
};

static const struct command_option dead_import_options[] = {
    OPTION_DRY_RUN,
    { 0 },
};

#define OPTIONS_CHANGE                                                                                       \
    OPTION_ALL, OPTIONS_FILTER, OPTION_RATE, OPTION_RESUME, OPTION_NEW, OPTION_DRY_RUN, OPTION_YES

static const struct command_option dead_replay_options[] = { OPTIONS_CHANGE, { 0 } };
static const struct command_option dead_purge_options[] = { OPTIONS_CHANGE, { 0 } };

static const struct command_option dead_hook_options[] = {
    { "off", .kind = VALUE_NONE, .help = "From now on nobody hears of them" },
    { 0 },
};

const struct command table_dead[] = {
    { .path = "dead list",
      .watchable = true,
      .arguments = "",
      .max_arguments = 0,
      .options = dead_list_options,
      .run = command_dead_list,
      .summary = "List the newest dead letters",
      .details =
          "In the order of their ids, which is that of enqueueing. --after goes on where a page has ended. What only few letters match is\n"
          "looked for page by page, so Ctrl-C ends it at any time.",
      .examples = EXAMPLES("jobctl dead list --reason crashed", "those whose handler crashed",
                           "jobctl dead list --error 'connection refused' --since 2h",
                           "what could not connect in the last two hours",
                           "jobctl dead list --group 3f1c09a7be42 -n 10", "some of a group") },
    { .path = "dead groups",
      .arguments = "",
      .max_arguments = 0,
      .options = dead_groups_options,
      .run = command_dead_groups,
      .watchable = true,
      .summary = "List what dead letters died of, and how many of each",
      .details =
          "Letters of one queue, type and reason are a group when their errors differ in nothing but numbers, ids, addresses, times and what is\n"
          "quoted. first_seen and last_seen are the first and the last death since the group last had none, whatever was replayed since.",
      .examples = EXAMPLES("jobctl dead groups", "the largest first",
                           "jobctl dead groups --since 1h --sort last_seen:desc", "what is dying now") },
    { .path = "dead show",
      .arguments = "ID",
      .argument_kind = VALUE_ID,
      .min_arguments = 1,
      .max_arguments = 1,
      .run = command_dead_show,
      .summary = "Show a dead letter with payload and headers",
      .examples = EXAMPLES("jobctl dead show 0190a6c2-7d3e-7f00-8000-000000000000", "as a table") },
    { .path = "dead edit",
      .arguments = "ID",
      .argument_kind = VALUE_ID,
      .min_arguments = 1,
      .max_arguments = 1,
      .options = dead_edit_options,
      .run = command_dead_edit,
      .summary = "Change a dead letter before it is replayed",
      .details =
          "Opens payload and options in $VISUAL, $EDITOR or vi, checks them as enqueue does, shows the difference and asks. What it was stays in\n"
          "job.dead_edit, and job.audit has who changed it. A malformed letter that has been made right can be replayed.",
      .examples = EXAMPLES(
          "jobctl dead edit 0190a6c2-7d3e-7f00-8000-000000000000", "in an editor",
          "jobctl dead edit 0190a6c2-7d3e-7f00-8000-000000000000 --payload '{\"to\": \"ada@example.org\"}' --set timeout=30s",
          "in a script") },
    { .path = "dead replay",
      .arguments = "[ID…]",
      .argument_kind = VALUE_ID,
      .min_arguments = 0,
      .max_arguments = -1,
      .options = dead_replay_options,
      .run = command_dead_replay,
      .summary = "Run dead jobs again, under their ids",
      .details =
          "They start anew with attempt 1; their earlier tries stay as history. Malformed messages cannot be replayed. With --all a line\n"
          "tells how many; -o json, jsonl and csv have a row for each. What was broken off (Ctrl-C, a crash) is gone on with by --resume;\n"
          "each letter is replayed once, and one that dies again meanwhile is not replayed again by the same run.",
      .examples = EXAMPLES("jobctl dead replay 0190a6c2-7d3e-7f00-8000-000000000000", "this one",
                           "jobctl dead replay --all --type report --dry-run",
                           "how many of a type it would be, with a few",
                           "jobctl dead replay --all --error 'connection refused' --since 2h --rate 50/s",
                           "gently, those that a service was away for", "jobctl dead replay --resume 7",
                           "go on with a run that was interrupted") },
    { .path = "dead purge",
      .arguments = "[ID…]",
      .argument_kind = VALUE_ID,
      .min_arguments = 0,
      .max_arguments = -1,
      .options = dead_purge_options,
      .run = command_dead_purge,
      .summary = "Throw dead letters away",
      .details =
          "The job's result stays as the record of what became of it; payload and headers are gone. Runs of --all can be gone on with, as\n"
          "those of `jobctl dead replay`.",
      .examples = EXAMPLES("jobctl dead purge --all --reason malformed --yes", "without asking") },
    { .path = "dead export",
      .arguments = "",
      .max_arguments = 0,
      .options = dead_export_options,
      .run = command_dead_export,
      .summary = "Write dead letters as JSON lines",
      .details =
          "Each line has all that `jobctl dead import` needs to put the letter back bit for bit, with its end, its tries and what it was before it\n"
          "was edited. key and payload are text, or {\"base64\": …} where they are none. The oldest first; nothing is taken away.",
      .examples = EXAMPLES("jobctl dead export", "all of them, into a file by `> dead.jsonl`",
                           "jobctl dead export --group 3f1c09a7be42", "before they are purged") },
    { .path = "dead import",
      .arguments = "FILE",
      .argument_kind = VALUE_FILE,
      .min_arguments = 1,
      .max_arguments = 1,
      .options = dead_import_options,
      .run = command_dead_import,
      .summary = "Put exported dead letters back",
      .details =
          "FILE is what `jobctl dead export` has written; - is standard input. Up to 500 lines at a time are stored together or not at all, so after a\n"
          "wrong line has been mended the same file can be given again: what is there is passed by. A job that lives is never touched. Nobody is told\n"
          "of these deaths.",
      .examples = EXAMPLES("jobctl dead import dead.jsonl", "all that are not there",
                           "jobctl dead import - --dry-run", "look whether each line is right") },
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
    { 0 },
};
