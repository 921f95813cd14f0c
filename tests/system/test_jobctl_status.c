/* SPDX-License-Identifier: Apache-2.0 */
/* What every command of jobctl exits with: 0, 2 for what is wrong on its line, 3 for what is not there, 4 when a server is away. */
#define SUITE_TIMEOUT_S 120
#include "tests/support/suite.h"

#include <stdio.h>

#include "base/cleanup.h"
#include "cli/command.h"
#include "tests/support/control.h"
#include "tests/support/harness.h"

#define NOBODY "0190a6c2-7d3e-7f00-8000-0000000000ff"
#define AWAY "JOB_KAFKA=127.0.0.1:9 JOB_DATABASE_URL=postgresql://nobody@127.0.0.1:9/none"

/* How each command is called well, and what it exits with then: on a site where nothing has happened, and with both servers away. */
static const struct use {
    const char *path, *arguments;
    int here, away;
    int without; /* arguments: 2, unless it needs none */
} uses[] = {
    { "enqueue", "welcome --in 1h", 0, 4, 2 },
    { "job show", NOBODY, 3, 4, 2 },
    { "job list", "", 0, 4, 0 },
    { "job tail", "--patience 0s", 2, 2, -1 }, /* follows until Ctrl-C; test_tail has how it ends */
    { "job cancel", NOBODY, 0, 4, 2 },
    { "job run-now", NOBODY, 3, 4, 2 },
    { "job wait", NOBODY " --wait-timeout 100ms", 3, 4, 2 },
    { "job why", NOBODY, 3, 4, 2 },
    { "job replay", "--type welcome --finished-between 2h 1h --yes", 0, 4, 2 },
    { "dead list", "", 0, 4, 0 },
    { "dead groups", "", 0, 4, 0 },
    { "dead show", NOBODY, 3, 4, 2 },
    { "dead edit", NOBODY " --set timeout=1s", 3, 4, 2 },
    { "dead replay", NOBODY, 3, 4, 2 },
    { "dead purge", NOBODY " --yes", 3, 4, 2 },
    { "dead export", "", 0, 4, 0 },
    { "dead import", "/dev/null", 0, 4, 2 },
    { "dead hook", "", 0, 4, 0 },
    { "queue list", "", 0, 4, 0 },
    { "queue show", "mail", 0, 4, 2 },
    { "queue create", "mail", 0, 4, 2 },
    { "queue set", "mail paused=true", 0, 4, 2 },
    { "queue keys", "mail", 0, 4, 2 },
    { "queue pause", "mail", 0, 4, 2 },
    { "queue resume", "mail", 0, 4, 2 },
    { "queue drain", "mail", 0, 4, 2 },
    { "worker list", "", 0, 4, 0 },
    { "worker show", "nobody", 3, 4, 2 },
    { "worker drain", "nobody", 3, 4, 2 },
    { "cron list", "", 0, 4, 0 },
    { "cron add", "nightly '30 2 * * *' report", 0, 4, 2 },
    { "cron enable", "nightly", 0, 4, 2 },
    { "cron disable", "nightly", 0, 4, 2 },
    { "cron run", "nightly", 0, 4, 2 },
    { "cron next", "nightly", 0, 4, 2 },
    { "cron remove", "nightly --yes", 0, 4, 2 },
    { "topic list", "", 0, 4, 0 },
    { "topic apply", "", 0, 4, 0 },
    { "topic reset", "mail --yes", 3, 4, 2 },
    { "topic trim", "", 0, 4, 0 },
    { "db migrate", "", 0, 4, 0 },
    { "db status", "", 0, 4, 0 },
    { "db grant", "pg_monitor wait", 0, 4, 2 },
    { "db revoke", "pg_monitor wait", 0, 4, 2 },
    { "top", "--once", 0, 4, -1 },
    { "doctor", "", 1, 1, -1 }, /* no worker, no broker */
    { "bugreport", "--file /nowhere/report.tar", 1, 1, -1 },
    { "completion", "bash", 0, 0, 2 },
    { "version", "", 0, 0, 0 },
};

static struct site *site;

static void setup(void)
{
    site = site_new(&(struct site_options){ .queues = "{ name = \"mail\"; partitions = 1; }" });
    control_use(site);
    control_expect(0, "topic apply");
}

static void teardown(void)
{
    control_use(NULL);
    site = site_free(site);
}

static const struct use *find(const char *path)
{
    for (size_t i = 0; i < ARRAY_SIZE(uses); i++)
        if (strcmp(uses[i].path, path) == 0)
            return &uses[i];
    return NULL;
}

START_TEST(every_command_is_tried_here)
{
    for (const struct command *c = NULL; (c = command_next(c));)
        ck_assert_msg(find(c->path) != NULL, "jobctl %s is not in the list of this test", c->path);
    for (size_t i = 0; i < ARRAY_SIZE(uses); i++)
        ck_assert_msg(command_find(uses[i].path) != NULL, "there is no jobctl %s", uses[i].path);
}
END_TEST

START_TEST(commands_end_with_their_status)
{
    setup();
    for (size_t i = 0; i < ARRAY_SIZE(uses); i++)
        control_expect(uses[i].here, "%s %s", uses[i].path, uses[i].arguments);
    teardown();
}
END_TEST

START_TEST(commands_name_the_server_that_is_away)
{
    setup();
    for (size_t i = 0; i < ARRAY_SIZE(uses); i++) {
        control_expect_with(AWAY, uses[i].away, "%s %s", uses[i].path, uses[i].arguments);
        if (uses[i].away == 4)
            control_says("is it running? Otherwise set JOB_");
    }
    teardown();
}
END_TEST

START_TEST(wrong_lines_are_refused_before_anything_is_asked)
{
    setup();
    for (size_t i = 0; i < ARRAY_SIZE(uses); i++) {
        control_expect_with(AWAY, 2, "%s --no-such-option %s", uses[i].path, uses[i].arguments);
        control_says("unknown option --no-such-option");
        control_expect_with(AWAY, 2, "%s -o yaml %s", uses[i].path, uses[i].arguments);
        control_says("--output: unknown value \"yaml\"");
        if (uses[i].without == 2)
            control_expect_with(AWAY, 2, "%s", uses[i].path);
    }
    teardown();
}
END_TEST

SUITE_MAIN("jobctl_status", every_command_is_tried_here, commands_end_with_their_status,
           commands_name_the_server_that_is_away, wrong_lines_are_refused_before_anything_is_asked)
