/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/line/help.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "cli/command.h"

#define INDENT 30
#define WIDTH 100

/* Appends @text behind what stands in the line already (@column characters), wrapped at WIDTH and indented. */
static void append_wrapped(struct buf *b, size_t column, const char *text)
{
    if (column >= INDENT) {
        buf_append_char(b, '\n');
        column = 0;
    }
    buf_append_format(b, "%*s", (int)(INDENT - column), "");
    column = INDENT;
    while (*text) {
        size_t word = strcspn(text, " ");
        if (column + word > WIDTH && column > INDENT) {
            buf_append_format(b, "\n%*s", INDENT, "");
            column = INDENT;
        }
        if (column > INDENT)
            buf_append_char(b, ' ');
        buf_append(b, text, word);
        column += word + 1;
        text += word + (text[word] == ' ');
    }
    buf_append_char(b, '\n');
}

/* How many columns UTF-8 text takes, if each character takes one. */
static size_t measure(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

static void append_entry(struct buf *b, const char *name, const char *text)
{
    buf_append_format(b, "  %s", name);
    append_wrapped(b, 2 + measure(name), text);
}

static void append_options(struct buf *b, const struct command_option *options)
{
    char name[128];
    for (const struct command_option *o = options; o && o->name; o++) {
        char letter[8] = "    ";
        if (o->letter)
            snprintf(letter, sizeof(letter), "-%c, ", o->letter);
        snprintf(name, sizeof(name), "%s--%s%s%s", letter, o->name, o->argument ? " " : "",
                 o->argument ? o->argument : "");
        append_entry(b, name, o->help);
    }
}

static void append_commands(struct buf *b, const char *group)
{
    char name[128];
    for (const struct command *c = NULL; (c = command_next(c));) {
        bool single = !strchr(c->path, ' ');
        if (group ? !command_is_in(c, group) : !single)
            continue;
        snprintf(name, sizeof(name), "%s %s", c->path, c->arguments);
        append_entry(b, name, c->summary);
    }
}

static void append_examples(struct buf *b, const char *const *examples)
{
    if (!examples)
        return;
    buf_append_string(b, "Examples:\n");
    for (; examples[0]; examples += 2)
        buf_append_format(b, "  %s\n      %s\n", examples[0], examples[1]);
}

static void append_command(struct buf *b, const struct command *c)
{
    const struct command_option *lists[COMMAND_OPTION_LISTS];
    command_get_options(c, lists);
    buf_append_format(b, "%s.\n\nUsage: jobctl %s%s%s%s\n\n", c->summary, c->path, c->arguments[0] ? " " : "",
                      c->arguments, c->options ? " [OPTION…]" : "");
    append_examples(b, c->examples);
    if (c->details)
        buf_append_format(b, "\n%s\n", c->details);
    if (lists[0]->name || lists[1]->name)
        buf_append_string(b, "\nOptions:\n");
    append_options(b, lists[0]);
    append_options(b, lists[1]);
    buf_append_string(b, "\nEverywhere:\n");
    append_options(b, lists[2]);
}

static void append_group(struct buf *b, const struct command_group *g)
{
    buf_append_format(b, "%s.\n\nUsage: jobctl %s COMMAND [OPTION…]\n\nCommands:\n", g->summary, g->name);
    append_commands(b, g->name);
    buf_append_format(b, "\n`jobctl %s COMMAND --help` tells more.\n", g->name);
}

static void append_all(struct buf *b)
{
    static const char *const examples[] = {
        "jobctl doctor",
        "is everything there that jobs need?",
        "jobctl enqueue welcome_email --payload '{\"to\":\"ada@example.org\"}' --wait",
        "enqueue a job and see what comes of it",
        "jobctl job list --state dead",
        "jobs that failed for good",
        NULL,
    };
    buf_append_string(
        b, "jobctl looks after background jobs.\n\nUsage: jobctl COMMAND [ARGUMENT…] [OPTION…]\n\n");
    append_examples(b, examples);
    buf_append_string(b, "\nCommands:\n");
    append_commands(b, NULL);
    for (const struct command_group *g = command_groups; g->name; g++)
        append_commands(b, g->name);
    buf_append_string(b, "\nOptions:\n");
    append_options(b, command_global_options);
    buf_append_string(b, "\nEnvironment:\n");
    append_entry(b, "JOB_CONFIG", "The configuration file");
    append_entry(b, "JOB_KAFKA", "Kafka's address, instead of kafka.brokers");
    append_entry(b, "JOB_DATABASE_URL", "PostgreSQL's address, instead of database.url");
    append_entry(b, "NO_COLOR", "When not empty: no colours");
    buf_append_string(
        b,
        "\nExit status: 0 fine, 1 failed, 2 usage or configuration, 3 not found, 4 service unavailable, 5 timed out,\n"
        "130 Ctrl-C. `jobctl COMMAND --help` tells more about each command.\n");
}

void help_append(struct buf *b, const char *topic)
{
    const struct command *command = command_find(topic);
    const struct command_group *group = command_find_group(topic);
    if (command)
        append_command(b, command);
    else if (group)
        append_group(b, group);
    else
        append_all(b);
}
