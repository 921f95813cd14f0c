/* SPDX-License-Identifier: Apache-2.0 */
/* The completion scripts in the shells that they are for. */
#define SUITE_TIMEOUT_S 60
#include "tests/support/suite.h"

#include <stdio.h>

#include "tests/support/harness.h"
#include "tests/support/shell.h"
#include "tests/support/terminal.h"

static struct site *site;

static void setup(void)
{
    site = site_new(&(struct site_options){
        .queues = "{ name = \"mail\"; partitions = 1; }, { name = \"mail-slow\"; partitions = 1; }",
        .no_schema = true,
    });
    shell_enter(site);
}

START_TEST(bash_completes)
{
    setup();
    static const char begin[] = "source <(jobctl completion bash); ask() { COMP_WORDS=(jobctl \"$@\");"
                                " COMP_CWORD=$#; _jobctl; echo \"${COMPREPLY[*]}\"; };";
    ck_assert_str_eq(shell_ask(site, "%s ask dea", begin), "dead");
    ck_assert_str_eq(shell_ask(site, "%s ask job wa", begin), "wait");
    ck_assert_str_eq(shell_ask(site, "%s ask job list --output = js", begin), "json jsonl");
    ck_assert_str_eq(shell_ask(site, "%s ask queue pause ''", begin), "mail mail-slow default");
    ck_assert_str_eq(shell_ask(site, "%s ask job list -q mail-", begin), "mail-slow");
    ck_assert_str_eq(shell_ask(site, "%s touch payload.json; ask -c payl", begin), "payload.json");
    site_free(site);
}
END_TEST

START_TEST(fish_completes)
{
    setup();
    static const char ask[] =
        "fish --no-config -c 'jobctl completion fish | source; complete -C \"jobctl %s\"'";
    char line[300];
    snprintf(line, sizeof(line), ask, "dea");
    ck_assert_str_eq(shell_ask(site, "%s", line), "dead\tDead letters: jobs that failed for good");
    snprintf(line, sizeof(line), ask, "job list -o js");
    ck_assert_str_eq(shell_ask(site, "%s", line), "json\njsonl");
    snprintf(line, sizeof(line), ask, "queue pause mail-");
    ck_assert_str_eq(shell_ask(site, "%s", line), "mail-slow\tqueue");
    site_free(site);
}
END_TEST

/* Only its line editor can show what it does, so it gets a terminal. */
START_TEST(zsh_completes)
{
    setup();
    struct terminal *t = terminal_start((const char *const[]){ "zsh", "-f", NULL }, 40, 120);
    terminal_type(
        t, "PS1='re''ady: '; autoload -U compinit; compinit -u -D; source <(jobctl completion zsh); clear\r");
    terminal_await(t, 20, "ready:");
    terminal_type(t, "jobctl job wa\t");
    terminal_await(t, 10, "ready: jobctl job wait");
    terminal_type(t, "\025jobctl queue pause mail-\t");
    terminal_await(t, 10, "ready: jobctl queue pause mail-slow");
    terminal_type(t, "\025jobctl job list --output \t\t");
    terminal_await(t, 10, "jsonl");
    terminal_type(t, "\003\025exit\r");
    terminal_await_exit(t, 10);
    terminal_free(t);
    site_free(site);
}
END_TEST

SUITE_MAIN("completion", bash_completes, fish_completes, zsh_completes)
