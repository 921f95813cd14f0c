/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/line/complete.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "cli/command.h"
#include "cli/line/completion.h"
#include "libjob/config.h"
#include "libjob/config_servers.h"
#include "tests/support/suite.h"

static struct buf text;

/* The first words of what may follow, each with a space behind it. */
static const char *complete_with(const struct job_config *config, const char *const *words, size_t n)
{
    static char names[8192];
    size_t used = 0;
    buf_reset(&text);
    buf_append_string(&text, "");
    complete_append(&text, words, n, config);
    names[0] = 0;
    for (const char *line = text.data; *line;) {
        size_t size = strcspn(line, "\t\n"), all = strcspn(line, "\n");
        used += (size_t)snprintf(names + used, sizeof(names) - used, "%.*s ", (int)size, line);
        line += all + 1;
    }
    return names;
}

#define COMPLETE(...)                                                                                        \
    complete_with(NULL, (const char *const[]){ __VA_ARGS__ },                                                \
                  sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))

START_TEST(commands_are_completed_word_by_word)
{
    ck_assert_str_eq(COMPLETE("enq"), "enqueue ");
    ck_assert_str_eq(COMPLETE("cro"), "cron ");
    ck_assert_str_eq(COMPLETE("cron", "re"), "remove ");
    ck_assert_str_eq(COMPLETE("-o", "json", "cron", "re"), "remove ");
    ck_assert_str_eq(COMPLETE("nonsense"), "");
    ck_assert_ptr_nonnull(strstr(COMPLETE(""), "job "));
    ck_assert_ptr_nonnull(strstr(COMPLETE(""), "version "));
    ck_assert_ptr_null(strstr(COMPLETE(""), "list "));
    COMPLETE("enq");
    ck_assert_str_eq(text.data, "enqueue\tEnqueue a job\n");
}
END_TEST

START_TEST(options_are_those_of_the_command)
{
    ck_assert_str_eq(COMPLETE("enqueue", "x", "--max"), "--max-attempts ");
    ck_assert_str_eq(COMPLETE("job", "list", "--max"), "");
    ck_assert_str_eq(COMPLETE("job", "list", "--watc"), "--watch ");
    ck_assert_str_eq(COMPLETE("job", "cancel", "--watc"), "");
    ck_assert_str_eq(COMPLETE("--outp"), "--output ");
    ck_assert_str_eq(COMPLETE("job", "list", "--limit", "5", "--li"), ""); /* once is enough */
    ck_assert_str_eq(COMPLETE("enqueue", "--tag", "a", "--ta"), "--tag "); /* these repeat */
}
END_TEST

START_TEST(values_are_those_of_the_option)
{
    ck_assert_str_eq(COMPLETE("job", "list", "-o", "js"), "json jsonl ");
    ck_assert_str_eq(COMPLETE("job", "list", "--output", "js"), "json jsonl ");
    ck_assert_str_eq(COMPLETE("job", "list", "--output=js"), "--output=json --output=jsonl ");
    ck_assert_str_eq(COMPLETE("job", "list", "--output", "=", "js"), "json jsonl "); /* bash */
    ck_assert_ptr_nonnull(strstr(COMPLETE("job", "list", "--output", "="), "csv "));
    ck_assert_str_eq(COMPLETE("enqueue", "--priority", ""), "high low ");
    ck_assert_str_eq(COMPLETE("completion", "z"), "zsh ");
    ck_assert_str_eq(COMPLETE("completion", "zsh", ""), ""); /* no second one */
    ck_assert_str_eq(COMPLETE("-c", "/et"), ":files ");
    ck_assert_str_eq(COMPLETE("job", "list", "--limit", ""), "");
}
END_TEST

START_TEST(queues_and_types_are_those_of_the_configuration)
{
    struct job_config *config;
    struct err err;
    ck_assert_int_eq(config_load(&config, EXAMPLE_CONFIG, &config_server_rules, &err), 0);
#define WITH(...)                                                                                            \
    complete_with(config, (const char *const[]){ __VA_ARGS__ },                                              \
                  sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))
    ck_assert_str_eq(WITH("queue", "pause", "ma"), "mail ");
    ck_assert_str_eq(WITH("job", "list", "-q", "mai"), "mail ");
    ck_assert_ptr_nonnull(strstr(WITH("enqueue", ""), "welcome_email "));
    ck_assert_str_eq(WITH("enqueue", "welcome_email", ""), "");
    config_free(config);
}
END_TEST

/* What a hand can type at each place is offered there. */
START_TEST(everything_in_the_table_is_offered)
{
    for (const struct command *c = NULL; (c = command_next(c));) {
        const struct command_option *lists[COMMAND_OPTION_LISTS];
        char path[64], option[80];
        snprintf(path, sizeof(path), "%s", c->path);
        char *second = strchr(path, ' ');
        if (second)
            *second++ = 0;
        if (second)
            ck_assert_ptr_nonnull(strstr(COMPLETE(path, second), second));
        else
            ck_assert_ptr_nonnull(strstr(COMPLETE(path), path));
        command_get_options(c, lists);
        for (size_t i = 0; i < COMMAND_OPTION_LISTS; i++)
            for (const struct command_option *o = lists[i]; o->name; o++) {
                snprintf(option, sizeof(option), "--%s", o->name);
                const char *offered = second ? COMPLETE(path, second, option) : COMPLETE(path, option);
                ck_assert_msg(strstr(offered, option) != NULL, "%s %s", c->path, option);
            }
    }
}
END_TEST

START_TEST(nothing_at_all_is_nothing)
{
    buf_reset(&text);
    complete_append(&text, NULL, 0, NULL);
    ck_assert_uint_eq(text.size, 0);
    for (size_t i = 0; completion_shells[i]; i++)
        ck_assert_ptr_nonnull(strstr(completion_script(completion_shells[i]), completion_shells[i]));
}
END_TEST

SUITE_MAIN("complete", commands_are_completed_word_by_word, options_are_those_of_the_command,
           values_are_those_of_the_option, queues_and_types_are_those_of_the_configuration,
           everything_in_the_table_is_offered, nothing_at_all_is_nothing)
