/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/line/complete.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "cli/command.h"
#include "cli/print/printable.h"
#include "libjob/config.h"
#include "libjob/config_servers.h"

/* A command line, half-typed. */
struct line {
    struct buf *to;
    const struct job_config *config;
    const char *const *words;
    size_t n_words; /* without the last */
    const char *last;
    const char *before; /* what stands before the value in the same word: "--output=" */
    const struct command *command;
    const struct command_group *group;
    size_t n_arguments; /* given already */
};

/* --- Candidates --- */

static void offer(const struct line *l, const char *candidate, const char *description)
{
    size_t size = strlen(l->last);
    if (strncmp(candidate, l->last, size) != 0)
        return;
    buf_append_string(l->to, l->before ? l->before : "");
    printable_append(l->to, span_from_string(candidate));
    buf_append_char(l->to, '\t');
    printable_append(l->to, span_from_string(description ? description : ""));
    buf_append_char(l->to, '\n');
}

static void offer_value(const struct line *l, enum value_kind kind, const char *const *words)
{
    const struct job_config *config = l->config;
    for (size_t i = 0; kind == VALUE_WORD && words && words[i]; i++)
        offer(l, words[i], NULL);
    for (size_t i = 0; kind == VALUE_QUEUE && config && i < config->n_queues; i++)
        offer(l, config->queues[i].name, "queue");
    for (size_t i = 0; kind == VALUE_TYPE && config && i < config->n_handlers; i++)
        if (!strchr(config->handlers[i].type, '*'))
            offer(l, config->handlers[i].type, config->handlers[i].queue);
    if (kind == VALUE_FILE)
        buf_append_string(l->to, ":files\n");
}

static bool is_given(const struct line *l, const struct command_option *option)
{
    size_t size = strlen(option->name);
    for (size_t i = 0; i < l->n_words; i++)
        if (strncmp(l->words[i], "--", 2) == 0 && strncmp(l->words[i] + 2, option->name, size) == 0 &&
            (l->words[i][2 + size] == 0 || l->words[i][2 + size] == '='))
            return !option->repeat;
    return false;
}

static void offer_options(const struct line *l)
{
    const struct command_option *lists[COMMAND_OPTION_LISTS];
    char text[80];
    command_get_options(l->command, lists);
    for (size_t i = 0; i < COMMAND_OPTION_LISTS; i++)
        for (const struct command_option *o = lists[i]; o->name; o++) {
            snprintf(text, sizeof(text), "--%s", o->name);
            if (!is_given(l, o))
                offer(l, text, o->help);
        }
}

/* First words: groups, and commands that have none. */
static void offer_commands(const struct line *l)
{
    for (const struct command *c = NULL; (c = command_next(c));) {
        const char *second = strchr(c->path, ' ');
        if (!l->group && !second)
            offer(l, c->path, c->summary);
        else if (l->group && command_is_in(c, l->group->name))
            offer(l, second + 1, c->summary);
    }
    for (const struct command_group *g = command_groups; !l->group && g->name; g++)
        offer(l, g->name, g->summary);
    if (!l->group)
        offer(l, "help", "Help for a command");
}

/* --- What has been typed --- */

static const struct command_option *find_option(const struct line *l, const char *word)
{
    const struct command_option *lists[COMMAND_OPTION_LISTS];
    bool is_long = word[0] == '-' && word[1] == '-';
    command_get_options(l->command, lists);
    for (size_t i = 0; i < COMMAND_OPTION_LISTS; i++)
        for (const struct command_option *o = lists[i]; o->name; o++)
            if (is_long ? strlen(o->name) == strcspn(word + 2, "=") &&
                              strncmp(o->name, word + 2, strlen(o->name)) == 0
                        : o->letter && o->letter == word[1])
                return o;
    return NULL;
}

/* Options may stand before the command, so it is looked for first. */
static void find_command(struct line *l)
{
    const char *first = NULL;
    char path[128];
    for (size_t i = 0; i < l->n_words && !l->command; i++) {
        const char *word = l->words[i];
        if (word[0] == '-')
            continue;
        if (!first && (l->command = command_find(word)))
            return;
        if (!first && (l->group = command_find_group(word))) {
            first = word;
            continue;
        }
        if (!first)
            continue; /* an option's value, most likely */
        snprintf(path, sizeof(path), "%s %s", first, word);
        l->command = command_find(path);
    }
}

/* Does the last word belong to an option of the word before it, or to one in itself? */
static const struct command_option *find_open_option(struct line *l)
{
    static char before[96];
    const char *previous = l->n_words > 0 ? l->words[l->n_words - 1] : "", *equals = strchr(l->last, '=');
    const struct command_option *option = NULL;
    if (strcmp(previous, "=") == 0 && l->n_words > 1)
        return find_option(l, l->words[l->n_words - 2]);
    if (l->last[0] == '=' && !l->last[1] && previous[0] == '-') { /* bash again: the value has not begun */
        l->last = "";
        return find_option(l, previous);
    }
    if (l->last[0] == '-' && l->last[1] == '-' && equals) {
        option = find_option(l, l->last);
        snprintf(before, sizeof(before), "%.*s", (int)(equals + 1 - l->last), l->last);
        l->before = before;
        l->last = equals + 1;
        return option;
    }
    if (previous[0] == '-' && previous[1] && !strchr(previous, '='))
        option = find_option(l, previous);
    return option && option->kind != VALUE_NONE ? option : NULL;
}

static void count_arguments(struct line *l)
{
    size_t n_path = l->group ? 2 : 1, n = 0;
    for (size_t i = 0; i < l->n_words; i++) {
        const char *word = l->words[i];
        const struct command_option *option = word[0] == '-' ? find_option(l, word) : NULL;
        if (word[0] != '-')
            n++;
        else if (option && option->kind != VALUE_NONE && !strchr(word, '='))
            i++;
    }
    l->n_arguments = n > n_path ? n - n_path : 0;
}

void complete_append(struct buf *b, const char *const *words, size_t n_words, const struct job_config *config)
{
    struct line l = { .to = b, .config = config, .words = words };
    if (n_words == 0)
        return;
    l.n_words = n_words - 1;
    l.last = words[n_words - 1];
    find_command(&l);
    const struct command_option *option = find_open_option(&l);
    if (option) {
        offer_value(&l, option->kind, option->words);
        return;
    }
    if (l.last[0] == '-') {
        offer_options(&l);
        return;
    }
    if (!l.command) {
        offer_commands(&l);
        return;
    }
    count_arguments(&l);
    if (l.command->max_arguments < 0 || l.n_arguments < (size_t)l.command->max_arguments)
        offer_value(&l, l.command->argument_kind, l.command->argument_words);
}

/* --- __complete --- */

/* The file of -c, if that stands on the line. */
static const char *find_config_path(char **words, int n)
{
    for (int i = 0; i + 1 < n; i++)
        if (strcmp(words[i], "-c") == 0 || strcmp(words[i], "--config") == 0)
            return words[i + 1];
    return NULL;
}

int complete_main(int argc, char **argv)
{
    _cleanup_buf_ struct buf text = { 0 };
    struct job_config *config = NULL;
    struct err err;
    if (config_load(&config, find_config_path(argv + 2, argc - 2), &config_server_rules, &err))
        config = NULL;
    complete_append(&text, (const char *const *)(argv + 2), (size_t)(argc - 2), config);
    config_free(config);
    return text.failed || (text.size && fputs(text.data, stdout) < 0);
}
