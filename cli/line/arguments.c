/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/line/arguments.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/span.h"
#include "base/suggest.h"
#include "base/timefmt.h"
#include "cli/line/value.h"

/* --- Did you mean --- */

static int refuse_option(const struct command *command, const char *word, size_t size, struct err *reterr)
{
    char name[80];
    snprintf(name, sizeof(name), "%.*s", (int)size, word);
    struct suggest s = { .word = name };
    const struct command_option *lists[COMMAND_OPTION_LISTS];
    command_get_options(command, lists);
    for (size_t i = 0; i < COMMAND_OPTION_LISTS; i++)
        for (const struct command_option *o = lists[i]; o->name; o++)
            suggest_consider(&s, o->name);
    if (suggest_is_close(&s))
        return err_set(reterr, ARGUMENTS_INVALID, "unknown option --%s; did you mean --%s?", name, s.nearest);
    if (command)
        return err_set(reterr, ARGUMENTS_INVALID, "unknown option --%s; `jobctl %s --help` lists them", name,
                       command->path);
    return err_set(reterr, ARGUMENTS_INVALID, "unknown option --%s; see `jobctl --help`", name);
}

static int refuse_command(const char *first, const char *second, struct err *reterr)
{
    char wanted[128], hint[128] = "";
    snprintf(wanted, sizeof(wanted), "%s%s%s", first, second ? " " : "", second ? second : "");
    struct suggest s = { .word = wanted }, s_first = { .word = first };
    for (const struct command *c = NULL; (c = command_next(c));) {
        suggest_consider(&s, c->path);
        suggest_consider(&s_first, c->path);
    }
    for (const struct command_group *g = command_groups; g->name; g++)
        suggest_consider(&s_first, g->name);
    if (second && suggest_is_close(&s))
        snprintf(hint, sizeof(hint), "; did you mean `jobctl %s`?", s.nearest);
    else if (suggest_is_close(&s_first) && s_first.distance > 0)
        snprintf(hint, sizeof(hint), "; did you mean `jobctl %s`?", s_first.nearest);
    else
        snprintf(hint, sizeof(hint), "; `jobctl %s%shelp` lists what there is",
                 command_find_group(first) ? first : "", command_find_group(first) ? " " : "");
    return err_set(reterr, ARGUMENTS_INVALID, "unknown command \"%s\"%s",
                   command_find_group(first) ? wanted : first, hint);
}

/* --- First pass: words and options apart --- */

/* An option as it was written, before it is known which command it belongs to. */
struct raw {
    const char *name; /* long; not NUL-terminated */
    size_t size;
    char letter; /* 0: it was the long form */
    const char *text, *second;
};

struct scan {
    char **argv;
    int argc, at; /* the next argument */
    const char **words;
    size_t n_words;
    struct raw *raws;
    size_t n_raws;
};

static const struct command_option *find_in(const struct command_option *options, const struct raw *raw)
{
    if (!raw->letter)
        return command_find_option(options, raw->name, raw->size);
    for (const struct command_option *o = options; o && o->name; o++)
        if (o->letter == raw->letter)
            return o;
    return NULL;
}

/* Any command's option of that name or letter: it decides whether an argument follows. */
static const struct command_option *find_anywhere(const struct raw *raw)
{
    const struct command_option *found = find_in(command_global_options, raw), *lists[COMMAND_OPTION_LISTS];
    for (const struct command *c = NULL; !found && (c = command_next(c));) {
        command_get_options(c, lists);
        for (size_t i = 0; !found && i < COMMAND_OPTION_LISTS; i++)
            found = find_in(lists[i], raw);
    }
    return found;
}

/* Return: NULL at the end of the line. */
static const char *take_next(struct scan *scan)
{
    return scan->at < scan->argc ? scan->argv[scan->at++] : NULL;
}

static int scan_long(struct scan *scan, const char *word, struct err *reterr)
{
    struct raw raw = { .name = word, .size = strcspn(word, "="), .text = strchr(word, '=') };
    const struct command_option *option = find_anywhere(&raw);
    if (raw.text)
        raw.text++;
    if (option && option->kind == VALUE_NONE && raw.text)
        return err_set(reterr, ARGUMENTS_INVALID, "--%s takes no argument", option->name);
    if (option && option->kind != VALUE_NONE && !raw.text)
        raw.text = take_next(scan);
    if (option && option->twofold)
        raw.second = take_next(scan);
    if (option && option->kind != VALUE_NONE && (!raw.text || (option->twofold && !raw.second)))
        return err_set(reterr, ARGUMENTS_INVALID, "--%s needs %s: %s", option->name,
                       option->twofold ? "two arguments" : "an argument", option->argument);
    scan->raws[scan->n_raws++] = raw;
    return 0;
}

/* "-y", "-yo json", "-ojson". */
static int scan_short(struct scan *scan, const char *word, struct err *reterr)
{
    for (; *word; word++) {
        struct raw raw = { .letter = *word };
        const struct command_option *option = find_anywhere(&raw);
        if (!option)
            return err_set(reterr, ARGUMENTS_INVALID, "unknown option -%c; see `jobctl --help`", *word);
        raw.name = option->name;
        raw.size = strlen(option->name);
        if (option->kind != VALUE_NONE) {
            raw.text = word[1] ? word + 1 + (word[1] == '=') : take_next(scan);
            if (!raw.text)
                return err_set(reterr, ARGUMENTS_INVALID, "-%c needs an argument: %s", *word,
                               option->argument);
        }
        scan->raws[scan->n_raws++] = raw;
        if (raw.text)
            break;
    }
    return 0;
}

static int scan_all(struct scan *scan, struct err *reterr)
{
    bool only_words = false;
    int r = 0;
    for (const char *word; r == 0 && (word = take_next(scan));) {
        if (only_words || word[0] != '-' || !word[1])
            scan->words[scan->n_words++] = word;
        else if (strcmp(word, "--") == 0)
            only_words = true;
        else if (word[1] == '-')
            r = scan_long(scan, word + 2, reterr);
        else
            r = scan_short(scan, word + 1, reterr);
    }
    return r;
}

/* --- Second pass: which command, and is everything its own? --- */

/* "help", "help job", "job help", "help job show". */
static bool take_help_words(struct arguments *a, const struct scan *scan)
{
    size_t n = scan->n_words;
    if (n == 0)
        return a->help;
    bool leads = strcmp(scan->words[0], "help") == 0;
    bool ends = n == 2 && command_find_group(scan->words[0]) && strcmp(scan->words[1], "help") == 0;
    if (!leads && !ends)
        return false;
    a->help = true;
    if (ends)
        snprintf(a->topic, sizeof(a->topic), "%s", scan->words[0]);
    else if (n > 1)
        snprintf(a->topic, sizeof(a->topic), "%s%s%s", scan->words[1], n > 2 ? " " : "",
                 n > 2 ? scan->words[2] : "");
    return true;
}

static int check_topic(const struct arguments *a, struct err *reterr)
{
    if (!a->topic[0] || command_find(a->topic) || command_find_group(a->topic))
        return 0;
    char first[sizeof(a->topic)], *space;
    snprintf(first, sizeof(first), "%s", a->topic);
    space = strchr(first, ' ');
    if (space)
        *space = 0;
    return refuse_command(first, space ? space + 1 : NULL, reterr);
}

static int find_command(struct arguments *a, const struct scan *scan, struct err *reterr)
{
    char path[128];
    const char *first = scan->words[0], *second = scan->n_words > 1 ? scan->words[1] : NULL;
    size_t used = 1;
    a->command = command_find(first);
    if (!a->command && second) {
        snprintf(path, sizeof(path), "%s %s", first, second);
        a->command = command_find(path);
        used = 2;
    }
    if (!a->command && !second && command_find_group(first)) {
        snprintf(a->topic, sizeof(a->topic), "%s", first);
        if (a->help)
            return 0;
        return err_set(reterr, ARGUMENTS_INVALID,
                       "`jobctl %s` needs a second word; `jobctl %s help` lists them", first, first);
    }
    if (!a->command)
        return refuse_command(first, second, reterr);
    snprintf(a->topic, sizeof(a->topic), "%s", a->command->path);
    a->n_words = scan->n_words - used;
    memcpy(a->words, scan->words + used, a->n_words * sizeof(a->words[0]));
    return 0;
}

static int take_option(struct arguments *a, const struct raw *raw, struct err *reterr)
{
    char what[80];
    const struct command_option *option = NULL, *lists[COMMAND_OPTION_LISTS];
    command_get_options(a->command, lists);
    for (size_t i = 0; !option && i < COMMAND_OPTION_LISTS; i++)
        option = command_find_option(lists[i], raw->name, raw->size);
    if (!option)
        return refuse_option(a->command, raw->name, raw->size, reterr);
    if (strcmp(option->name, "help") == 0)
        a->help = true;
    if (strcmp(option->name, "version") == 0)
        a->version = true;
    a->values[a->n_values++] = (struct argument_value){ option, raw->text };
    if (option->kind == VALUE_NONE)
        return 0;
    snprintf(what, sizeof(what), "--%s", option->name);
    if (value_check(option->kind, option, what, raw->text, reterr))
        return ARGUMENTS_INVALID;
    if (!raw->second)
        return 0;
    a->values[a->n_values++] = (struct argument_value){ option, raw->second };
    return value_check(option->kind, option, what, raw->second, reterr) ? ARGUMENTS_INVALID : 0;
}

static int check_words(const struct arguments *a, struct err *reterr)
{
    const struct command *c = a->command;
    if (a->n_words < (size_t)c->min_arguments)
        return err_set(reterr, ARGUMENTS_INVALID, "`jobctl %s` needs %s; see `jobctl %s --help`", c->path,
                       c->arguments, c->path);
    if (c->max_arguments >= 0 && a->n_words > (size_t)c->max_arguments)
        return err_set(reterr, ARGUMENTS_INVALID, "`jobctl %s` has no use for \"%s\"; see `jobctl %s --help`",
                       c->path, a->words[c->max_arguments], c->path);
    const struct command_option argument = { .words = c->argument_words };
    for (size_t i = 0; i < a->n_words; i++)
        if (value_check(c->argument_kind, &argument, c->path, a->words[i], reterr))
            return ARGUMENTS_INVALID;
    return 0;
}

static void notice_help(struct arguments *a, const struct scan *scan)
{
    for (size_t i = 0; i < scan->n_raws; i++)
        if (scan->raws[i].size == 4 && memcmp(scan->raws[i].name, "help", 4) == 0)
            a->help = true;
}

static int interpret(struct arguments *a, const struct scan *scan, struct err *reterr)
{
    int r = 0;
    notice_help(a, scan);
    if (!take_help_words(a, scan) && scan->n_words > 0)
        r = find_command(a, scan, reterr);
    else
        r = check_topic(a, reterr);
    for (size_t i = 0; r == 0 && i < scan->n_raws; i++)
        r = take_option(a, &scan->raws[i], reterr);
    if (r == 0 && a->command && !a->help)
        r = check_words(a, reterr);
    return r;
}

/* One cluster of short options may hold as many as it has characters. */
static size_t count_options(int argc, char **argv)
{
    size_t n = 0;
    for (int i = 1; i < argc; i++)
        n += argv[i][0] == '-' ? strlen(argv[i]) : 0;
    return n + 1; /* a long one with two values has more characters than two */
}

int arguments_parse(struct arguments *ret, int argc, char **argv, struct err *reterr)
{
    size_t n_options = count_options(argc, argv);
    *ret = (struct arguments){ 0 };
    _cleanup_free_ const char **words = calloc((size_t)argc + 1, sizeof(*words));
    _cleanup_free_ struct raw *raws = calloc(n_options, sizeof(*raws));
    ret->words = calloc((size_t)argc + 1, sizeof(*ret->words));
    ret->values = calloc(n_options, sizeof(*ret->values));
    if (!words || !raws || !ret->words || !ret->values)
        return err_set(reterr, -ENOMEM, "out of memory");
    struct scan scan = { .argv = argv, .argc = argc, .at = 1, .words = words, .raws = raws };
    int r = scan_all(&scan, reterr);
    return r ? r : interpret(ret, &scan, reterr);
}

void arguments_done(struct arguments *a)
{
    free(a->words);
    free(a->values);
    *a = (struct arguments){ 0 };
}

/* --- Reading --- */

const char *arguments_next(const struct arguments *a, const char *option, size_t *at)
{
    while (*at < a->n_values) {
        const struct argument_value *v = &a->values[(*at)++];
        if (strcmp(v->option->name, option) == 0)
            return v->text ? v->text : "";
    }
    return NULL;
}

const char *arguments_get(const struct arguments *a, const char *option)
{
    const char *last = NULL, *text;
    for (size_t at = 0; (text = arguments_next(a, option, &at));)
        last = text;
    return last;
}

bool arguments_has(const struct arguments *a, const char *option)
{
    return arguments_get(a, option) != NULL;
}

long arguments_get_count(const struct arguments *a, const char *option, long otherwise)
{
    const char *text = arguments_get(a, option);
    return text ? strtol(text, NULL, 10) : otherwise;
}

int64_t arguments_get_duration(const struct arguments *a, const char *option)
{
    const char *text = arguments_get(a, option);
    int64_t us = -1;
    if (text)
        duration_parse(text, &us);
    return us;
}

int64_t arguments_get_time(const struct arguments *a, const char *option)
{
    const char *text = arguments_get(a, option);
    int64_t us = -1;
    if (text)
        rfc3339_parse(text, strlen(text), &us);
    return us;
}

int64_t arguments_get_moment(const struct arguments *a, const char *option, int64_t now_us)
{
    const char *text = arguments_get(a, option);
    int64_t us = -1;
    if (!text || rfc3339_parse(text, strlen(text), &us) == 0)
        return us;
    duration_parse(text, &us);
    return us < now_us ? now_us - us : 0;
}
