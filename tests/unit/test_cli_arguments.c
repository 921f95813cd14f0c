/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/line/arguments.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "cli/line/help.h"
#include "cli/line/man.h"
#include "tests/support/suite.h"

#define MAX_WORDS 32

static struct arguments parsed;
static struct err err;

/* Splits @line at blanks, with '…' as one word, and parses it. */
static int parse(const char *line)
{
    static char kept[512]; /* the arguments point into it */
    char *argv[MAX_WORDS], *to = kept;
    int argc = 0;
    for (const char *at = line + strspn(line, " "); *at; at += strspn(at, " ")) {
        bool quoted = false;
        argv[argc++] = to;
        for (; *at && (quoted || *at != ' '); at++) {
            if (*at == '\'')
                quoted = !quoted;
            else
                *to++ = *at;
        }
        *to++ = 0;
    }
    arguments_done(&parsed);
    err = (struct err){ 0 };
    return arguments_parse(&parsed, argc, argv, &err);
}

static void refuses(const char *line, const char *text)
{
    ck_assert_msg(parse(line) == ARGUMENTS_INVALID, "accepted: %s", line);
    ck_assert_msg(strstr(err.text, text) != NULL, "%s: \"%s\" does not say \"%s\"", line, err.text, text);
}

START_TEST(an_option_may_take_two_arguments)
{
    size_t at = 0;
    ck_assert_msg(parse("jobctl job replay --finished-between 3h 2026-01-31T18:00:00Z --type t") == 0, "%s",
                  err.text);
    ck_assert_uint_eq(parsed.n_words, 0);
    ck_assert_str_eq(arguments_next(&parsed, "finished-between", &at), "3h");
    ck_assert_str_eq(arguments_next(&parsed, "finished-between", &at), "2026-01-31T18:00:00Z");
    ck_assert_ptr_null(arguments_next(&parsed, "finished-between", &at));
    ck_assert_msg(parse("jobctl --finished-between=3h 2h job replay") == 0, "%s", err.text);
    ck_assert_str_eq(parsed.command->path, "job replay");
    refuses("jobctl job replay --finished-between 3h", "--finished-between needs two arguments: FROM TO");
    refuses("jobctl job replay --finished-between", "--finished-between needs two arguments: FROM TO");
    refuses("jobctl job replay --finished-between 3h soon", "found \"soon\"");
}
END_TEST

START_TEST(options_stand_anywhere)
{
    static const char *const lines[] = {
        "jobctl job list -q mail -o json --limit 7",
        "jobctl -o json job --limit=7 list --queue mail",
        "jobctl --queue=mail -n7 -ojson job list",
    };
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        ck_assert_msg(parse(lines[i]) == 0, "%s: %s", lines[i], err.text);
        ck_assert_str_eq(parsed.command->path, "job list");
        ck_assert_str_eq(arguments_get(&parsed, "queue"), "mail");
        ck_assert_str_eq(arguments_get(&parsed, "output"), "json");
        ck_assert_int_eq(arguments_get_count(&parsed, "limit", 50), 7);
        ck_assert_ptr_null(arguments_get(&parsed, "type"));
    }
}
END_TEST

START_TEST(last_value_counts_unless_an_option_repeats)
{
    size_t at = 0;
    ck_assert_int_eq(parse("jobctl enqueue t --key a --key b --tag x --tag y --wait"), 0);
    ck_assert_str_eq(arguments_get(&parsed, "key"), "b");
    ck_assert_str_eq(arguments_next(&parsed, "tag", &at), "x");
    ck_assert_str_eq(arguments_next(&parsed, "tag", &at), "y");
    ck_assert_ptr_null(arguments_next(&parsed, "tag", &at));
    ck_assert(arguments_has(&parsed, "wait"));
}
END_TEST

START_TEST(two_hyphens_end_the_options)
{
    refuses("jobctl enqueue -- --wait", "\"--wait\" is no job type");
    ck_assert_int_eq(parse("jobctl enqueue -p - -- t"), 0);
    ck_assert_str_eq(arguments_get(&parsed, "payload"), "-");
    ck_assert_str_eq(parsed.words[0], "t");
}
END_TEST

START_TEST(values_are_read)
{
    ck_assert_int_eq(parse("jobctl enqueue t --in 1m30s --timeout 250ms"), 0);
    ck_assert_int_eq(arguments_get_duration(&parsed, "in"), 90000000);
    ck_assert_int_eq(arguments_get_duration(&parsed, "timeout"), 250000);
    ck_assert_int_eq(arguments_get_duration(&parsed, "expires"), -1);
    ck_assert_int_eq(parse("jobctl enqueue t --at 1970-01-01T00:00:01Z"), 0);
    ck_assert_int_eq(arguments_get_time(&parsed, "at"), 1000000);
}
END_TEST

START_TEST(wrong_values_name_the_rule)
{
    refuses("jobctl enqueue 9lives", "[A-Za-z][A-Za-z0-9_.-]{0,127}");
    refuses("jobctl enqueue t -q Mail", "[a-z0-9][a-z0-9-]{0,62}");
    refuses("jobctl enqueue t -q later", "not \"later\" or \"dead\"");
    refuses("jobctl enqueue t --in 10", "units us ms s m h d w");
    refuses("jobctl enqueue t --at tomorrow", "RFC 3339");
    refuses("jobctl enqueue t --count 0", "from 1 to 10000000");
    refuses("jobctl enqueue t --count 3x", "found \"3x\"");
    refuses("jobctl enqueue t --max-attempts 1001", "from 1 to 1000");
    refuses("jobctl enqueue t --id abc", "UUID");
    refuses("jobctl enqueue t --header x", "NAME=VALUE");
    refuses("jobctl enqueue t --header =x", "NAME=VALUE");
    refuses("jobctl job show abc", "UUID");
    refuses("jobctl job list -o xml", "table, json, jsonl, csv");
}
END_TEST

START_TEST(slips_are_recognised)
{
    refuses("jobctl enqeue t", "did you mean `jobctl enqueue`?");
    refuses("jobctl job shwo x", "did you mean `jobctl job show`?");
    refuses("jobctl quee list", "did you mean `jobctl queue");
    refuses("jobctl job list --quue x", "did you mean --queue?");
    refuses("jobctl job list --sate dead", "did you mean --state?");
    refuses("jobctl job list --state ded", "did you mean \"dead\"?");
    refuses("jobctl dead list --reason exausted", "did you mean \"exhausted\"?");
    refuses("jobctl frobnicate", "`jobctl help` lists");
    refuses("jobctl job frobnicate", "`jobctl job help` lists");
    refuses("jobctl job list --frobnicate", "`jobctl job list --help` lists");
    refuses("jobctl job list -Z", "unknown option -Z");
}
END_TEST

START_TEST(options_of_other_commands_are_refused)
{
    refuses("jobctl job list --payload {}", "unknown option --payload");
    refuses("jobctl dead list --yes", "unknown option --yes");
}
END_TEST

START_TEST(arguments_are_counted)
{
    refuses("jobctl enqueue", "needs TYPE");
    refuses("jobctl enqueue a b", "no use for \"b\"");
    refuses("jobctl job wait", "needs ID…");
    refuses("jobctl job list extra", "no use for \"extra\"");
    refuses("jobctl job", "needs a second word");
    refuses("jobctl job list --limit", "needs an argument: N");
    refuses("jobctl job list -n", "needs an argument: N");
    refuses("jobctl enqueue t --wait=yes", "takes no argument");
}
END_TEST

static void helps(const char *line, const char *topic)
{
    ck_assert_msg(parse(line) == 0, "%s: %s", line, err.text);
    ck_assert_msg(parsed.help, "%s", line);
    ck_assert_str_eq(parsed.topic, topic);
}

START_TEST(help_is_there_at_each_level)
{
    helps("jobctl help", "");
    helps("jobctl --help", "");
    helps("jobctl -h", "");
    helps("jobctl help job", "job");
    helps("jobctl job help", "job");
    helps("jobctl job --help", "job");
    helps("jobctl help job show", "job show");
    helps("jobctl job show --help", "job show");
    helps("jobctl enqueue -h", "enqueue");
    helps("jobctl --help enqueue", "enqueue");
    refuses("jobctl help jbo", "did you mean `jobctl job`?");
}
END_TEST

START_TEST(version_and_nothing_need_no_command)
{
    ck_assert_int_eq(parse("jobctl --version"), 0);
    ck_assert(parsed.version);
    ck_assert_int_eq(parse("jobctl"), 0);
    ck_assert_ptr_null(parsed.command);
}
END_TEST

/* --- The table itself --- */

static void compare_options(const struct command_option *a, const struct command_option *b, const char *where)
{
    bool same_name = strcmp(a->name, b->name) == 0;
    if (same_name)
        ck_assert_msg((a->kind == VALUE_NONE) == (b->kind == VALUE_NONE) && a->letter == b->letter,
                      "--%s of `%s` differs from another command's", a->name, where);
    else if (a->letter)
        ck_assert_msg(a->letter != b->letter, "-%c of `%s` means two things", a->letter, where);
}

START_TEST(an_option_means_the_same_everywhere)
{
    for (const struct command *c = NULL; (c = command_next(c));)
        for (const struct command_option *o = c->options; o && o->name; o++) {
            for (const struct command_option *g = command_global_options; g->name; g++)
                compare_options(o, g, c->path);
            for (const struct command *other = NULL; (other = command_next(other));)
                for (const struct command_option *p = other->options; p && p->name; p++)
                    compare_options(o, p, c->path);
        }
}
END_TEST

START_TEST(every_row_is_complete)
{
    for (const struct command *c = NULL; (c = command_next(c));) {
        const char *space = strchr(c->path, ' ');
        ck_assert_msg(c->run && c->summary && c->examples, "%s", c->path);
        ck_assert_msg(c->summary[strlen(c->summary) - 1] != '.', "%s", c->path);
        for (const struct command_option *o = c->options; o && o->name; o++) {
            ck_assert_msg(o->help && (o->kind == VALUE_NONE) == !o->argument, "%s --%s", c->path, o->name);
            ck_assert_msg((o->kind == VALUE_WORD) == (o->words != NULL), "%s --%s", c->path, o->name);
        }
        if (space) {
            char group[32];
            snprintf(group, sizeof(group), "%.*s", (int)(space - c->path), c->path);
            ck_assert_msg(command_find_group(group) != NULL, "%s", group);
        }
    }
}
END_TEST

START_TEST(every_example_is_accepted)
{
    for (const struct command *c = NULL; (c = command_next(c));)
        for (const char *const *e = c->examples; *e; e += 2) {
            ck_assert_msg(parse(*e) == 0, "%s: %s", *e, err.text);
            ck_assert_str_eq(parsed.command->path, c->path);
        }
}
END_TEST

START_TEST(help_names_every_command_and_option)
{
    char text[64];
    _cleanup_buf_ struct buf all = { 0 };
    help_append(&all, "");
    for (const struct command *c = NULL; (c = command_next(c));) {
        _cleanup_buf_ struct buf own = { 0 };
        help_append(&own, c->path);
        ck_assert_msg(strstr(all.data, c->path) != NULL, "%s", c->path);
        for (const struct command_option *o = c->options; o && o->name; o++) {
            snprintf(text, sizeof(text), "--%s", o->name);
            ck_assert_msg(strstr(own.data, text) != NULL, "%s %s", c->path, text);
        }
    }
}
END_TEST

/* As the page has it. */
static void append_escaped(struct buf *b, const char *name)
{
    for (; *name; name++)
        buf_append_format(b, *name == '-' ? "\\%c" : "%c", *name);
}

START_TEST(manual_page_names_every_command_and_option)
{
    _cleanup_buf_ struct buf page = { 0 };
    man_append(&page);
    ck_assert(!page.failed);
    for (const struct command *c = NULL; (c = command_next(c));) {
        const struct command_option *lists[COMMAND_OPTION_LISTS];
        command_get_options(c, lists);
        _cleanup_buf_ struct buf head = { 0 };
        buf_append_string(&head, "\n.SS \"");
        append_escaped(&head, c->path);
        buf_append_string(&head, "\"\n");
        const char *section = strstr(page.data, head.data);
        ck_assert_msg(section != NULL, "%s", c->path);
        for (size_t i = 0; i < COMMAND_OPTION_LISTS; i++)
            for (const struct command_option *o = lists[i]; o->name; o++) {
                _cleanup_buf_ struct buf name = { 0 };
                buf_append_string(&name, "\\fB\\-\\-");
                append_escaped(&name, o->name);
                const char *found = strstr(i + 1 < COMMAND_OPTION_LISTS ? section : page.data, name.data);
                ck_assert_msg(found != NULL, "%s --%s", c->path, o->name);
            }
    }
}
END_TEST

SUITE_MAIN("cli_arguments", options_stand_anywhere, an_option_may_take_two_arguments,
           last_value_counts_unless_an_option_repeats, two_hyphens_end_the_options, values_are_read,
           wrong_values_name_the_rule, slips_are_recognised, options_of_other_commands_are_refused,
           arguments_are_counted, help_is_there_at_each_level, version_and_nothing_need_no_command,
           an_option_means_the_same_everywhere, every_row_is_complete, every_example_is_accepted,
           help_names_every_command_and_option, manual_page_names_every_command_and_option)
