/* SPDX-License-Identifier: Apache-2.0 */
/* Handlers that are no modules, run by the real worker: what they get, what becomes of their jobs. */
#define SUITE_TIMEOUT_S 120
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "tests/support/harness.h"
#include "tests/support/suite.h"

/* A type that is run by a script of sh(1); fast retries. */
#define COMMAND(type, script)                                                                                \
    "{ type = \"" type "\"; kind = \"command\"; argv = ( \"/bin/sh\", \"-c\", \"" script                     \
    "\" ); queue = \"work\"; max_attempts = 2; max_crashes = 2; "                                            \
    "backoff: { kind = \"constant\"; base = \"50ms\"; }; }"

static struct site *start_worker(const char *handlers)
{
    struct site *site = site_new(&(struct site_options){
        .queues = "{ name = \"work\"; partitions = 2; }",
        .worker = "queues = ( { name = \"work\"; } ); executors_max = 4; drain_timeout = \"200ms\";",
        .handlers = handlers });
    site_start_broker(site);
    return site;
}

static void enqueue(struct site *site, const char *type, const char *payload)
{
    site_sql(site, "SELECT job.enqueue('work', '%s', '%s')", type, payload);
}

START_TEST(command_gets_its_job_and_its_output_is_the_result)
{
    struct site *site = start_worker(COMMAND("echo", "cat") ", " COMMAND(
        "env.*", "echo \\\"$JOB_TYPE/$JOB_ATTEMPT/$JOB_QUEUE$JOB_DATABASE_URL\\\""));
    site_start_worker(site);
    enqueue(site, "echo", "{\"a\": 1}");
    enqueue(site, "env.small", "{}");
    site_await(site, 20, "SELECT count(*) = 2 FROM job.result");
    ck_assert(site_ask(site, "SELECT state = 'succeeded' AND result = '{\"a\": 1}' AND error IS NULL "
                             "FROM job.result WHERE type = 'echo'"));
    ck_assert(site_ask(
        site, "SELECT result #>> '{}' = E'env.small/1/work\\n' FROM job.result WHERE type = 'env.small'"));
    site_free(site);
}
END_TEST

START_TEST(exit_status_decides_what_becomes_of_the_job)
{
    struct site *site = start_worker(
        COMMAND("done", "exit 0") ", " COMMAND("again", "test $JOB_ATTEMPT = 2 || exit 75") ", " COMMAND("broken", "echo oops >&2; exit 3") ", " COMMAND(
            "bad",
            "echo bad input >&2; exit 65") ", " COMMAND("crash",
                                                        "kill -SEGV $$") ", " COMMAND("large",
                                                                                      "head -c 300000 /dev/zero"));
    site_start_worker(site);
    static const char *const types[] = { "done", "again", "broken", "bad", "crash", "large" };
    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        enqueue(site, types[i], "{}");
    site_await(site, 40, "SELECT count(*) = 6 FROM job.result");
    char *ends = site_ask_text(site, "SELECT string_agg(concat_ws('/', type, state, reason, attempt), ' ' "
                                     "ORDER BY type) FROM job.result");
    ck_assert_str_eq(ends, "again/succeeded/2 bad/dead/failed/1 broken/dead/exhausted/2 crash/dead/crashed/1 "
                           "done/succeeded/1 large/dead/failed/1");
    free(ends);
    ck_assert(
        site_ask(site, "SELECT error = 'exited with status 3: oops' FROM job.dead WHERE type = 'broken'"));
    ck_assert(
        site_ask(site, "SELECT error = 'exited with status 65: bad input' FROM job.dead WHERE type = 'bad'"));
    ck_assert(site_ask(site, "SELECT error = 'killed by signal 11 (Segmentation fault)' FROM job.dead "
                             "WHERE type = 'crash'"));
    ck_assert(site_ask(
        site, "SELECT error = 'the result is larger than 256 KiB' FROM job.dead WHERE type = 'large'"));
    site_free(site);
}
END_TEST

START_TEST(drain_interrupts_a_command_without_spending_anything)
{
    struct site *site = start_worker(COMMAND("slow", "echo has started >&2; exec sleep 1000"));
    struct site_daemon *worker = site_start_worker(site);
    enqueue(site, "slow", "{}");
    site_await_log(worker, 20, "has started");
    site_stop(worker);
    ck_assert(site_ask(site, "SELECT outcome = 'interrupted' AND attempt = 1 FROM job.attempt"));
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.result"), 0);
    site_free(site);
}
END_TEST

START_TEST(worker_whose_command_is_missing_says_so)
{
    struct site *site =
        start_worker("{ type = \"a\"; kind = \"command\"; argv = ( \"nowhere.sh\" ); queue = \"work\"; }");
    struct site_daemon *worker = site_spawn(site, "worker/jobworkerd", NULL);
    ck_assert_int_ne(site_await_exit(worker, 20), 0);
    ck_assert_uint_ge(site_count_log(worker, "cannot run handler command"), 1);
    ck_assert_uint_ge(site_count_log(worker, "/nowhere.sh: No such file or directory"), 1);
    site_free(site);
}
END_TEST

START_TEST(command_is_run_once_without_servers)
{
    struct site *site = start_worker(COMMAND("echo", "cat; echo noise >&2; exit 65"));
    char line[1024], output[256] = "";
    snprintf(line, sizeof(line), "%s/worker/jobworkerd -c %s --run echo --payload '[1]' 2>&1",
             site_build(site), site_config_path(site));
    FILE *pipe = popen(line, "r");
    ck_assert_ptr_nonnull(pipe);
    size_t n = fread(output, 1, sizeof(output) - 1, pipe);
    output[n] = 0;
    ck_assert_int_eq(WEXITSTATUS(pclose(pipe)), 1);
    ck_assert_ptr_nonnull(strstr(output, "fail: exited with status 65: noise\n"));
    site_free(site);
}
END_TEST

SUITE_MAIN("handlers", command_gets_its_job_and_its_output_is_the_result,
           exit_status_decides_what_becomes_of_the_job, drain_interrupts_a_command_without_spending_anything,
           worker_whose_command_is_missing_says_so, command_is_run_once_without_servers)
