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
#include "tests/support/http_service.h"
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

START_TEST(command_that_runs_for_its_timeout_is_stopped)
{
    struct site *site =
        start_worker("{ type = \"slow\"; kind = \"command\"; argv = ( \"/bin/sh\", \"-c\", "
                     "\"sleep 1000 & exec sleep 1000\" ); queue = \"work\"; timeout = \"200ms\"; "
                     "max_attempts = 1; }");
    site_start_worker(site);
    enqueue(site, "slow", "{}");
    site_await(site, 20, "SELECT state = 'dead' AND reason = 'exhausted' FROM job.result");
    ck_assert(
        site_ask(site, "SELECT outcome = 'timeout' AND finished_at - started_at < '4 s' FROM job.attempt"));
    site_free(site);
}
END_TEST

START_TEST(job_whose_executor_is_killed_in_the_middle_is_run_again)
{
    struct site *site = start_worker(
        COMMAND("orphan", "test $JOB_DELIVERY = 2 && exit 0; kill -KILL $PPID; exec sleep 1000"));
    struct site_daemon *worker = site_start_worker(site);
    enqueue(site, "orphan", "{}");
    site_await(site, 20, "SELECT state = 'succeeded' AND delivery = 2 AND attempt = 1 FROM job.result");
    ck_assert(site_ask(
        site, "SELECT outcome = 'crashed' AND error = 'killed by signal 9 (Killed)' FROM job.attempt"));
    site_stop(worker);
    site_free(site);
}
END_TEST

START_TEST(command_tells_how_far_it_is)
{
    struct site *site = start_worker(COMMAND(
        "shell",
        "echo '{\\\"done\\\": 1}' >&$JOB_PROGRESS_FD; head -c 5000 /dev/zero >&$JOB_PROGRESS_FD; echo >&3; "
        "exec sleep 1000") ", " COMMAND("python",
                                        "exec python3 -c 'import os, time; "
                                        "os.write(int(os.environ[\\\"JOB_PROGRESS_FD\\\"]), b\\\"42 of 100"
                                        "\\\" + bytes([10])); time.sleep(1000)'"));
    struct site_daemon *worker = site_start_worker(site);
    enqueue(site, "shell", "{}");
    enqueue(site, "python", "{}");
    site_await(site, 20, "SELECT progress = '{\"done\": 1}' FROM job.lease WHERE type = 'shell'");
    site_await(site, 20, "SELECT progress = '\"42 of 100\"' FROM job.lease WHERE type = 'python'");
    site_await_log(worker, 10, "progress: a line of more than 4096 bytes is dropped");
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

/* Handlers of kind http for the service's paths; the last one may not reach it. */
static char *http_handlers(int port)
{
    static const char *const elements[][3] = {
        { "good", "echo", "allow = ( \"127.0.0.1\" );" },
        { "flaky", "flaky", "allow = ( \"127.0.0.1\" );" },
        { "bad", "status/422", "allow = ( \"127.0.0.1\" );" },
        { "moved", "redirect", "allow = ( \"127.0.0.1\" );" },
        { "broken", "status/500", "allow = ( \"127.0.0.1\" );" },
        { "closed", "echo", "" },
    };
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    for (size_t i = 0; i < ARRAY_SIZE(elements); i++)
        fprintf(
            out,
            "%s{ type = \"%s\"; kind = \"http\"; url = \"http://127.0.0.1:%d/%s\"; queue = \"work\"; max_attempts = 2; "
            "backoff: { kind = \"constant\"; base = \"50ms\"; }; %s }",
            i ? ", " : "", elements[i][0], port, elements[i][1], elements[i][2]);
    fclose(out);
    return text;
}

START_TEST(status_decides_what_becomes_of_the_job)
{
    int port = http_service_start();
    char *handlers = http_handlers(port);
    struct site *site = start_worker(handlers);
    free(handlers);
    site_start_worker(site);
    static const char *const types[] = { "good", "flaky", "bad", "moved", "broken", "closed" };
    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        enqueue(site, types[i], "{\"n\": 1}");
    site_await(site, 40, "SELECT count(*) = 6 FROM job.result");
    char *ends = site_ask_text(site, "SELECT string_agg(concat_ws('/', type, state, reason, attempt), ' ' "
                                     "ORDER BY type) FROM job.result");
    ck_assert_str_eq(ends,
                     "bad/dead/failed/1 broken/dead/exhausted/2 closed/dead/exhausted/2 flaky/succeeded/2 "
                     "good/succeeded/1 moved/dead/failed/1");
    free(ends);
    ck_assert(site_ask(site, "SELECT result = '{\"n\": 1}' FROM job.result WHERE type = 'flaky'"));
    ck_assert(site_ask(site,
                       "SELECT result #>> '{}' LIKE '%%idempotency-key: ' || id || '%%' FROM job.result "
                       "WHERE type = 'good'"));
    ck_assert(site_ask(site, "SELECT error = 'status 422: said 422' FROM job.dead WHERE type = 'bad'"));
    ck_assert(site_ask(site, "SELECT error LIKE '%%127.0.0.1 is not a public address%%' FROM job.dead "
                             "WHERE type = 'closed'"));
    site_free(site);
}
END_TEST

SUITE_MAIN("handlers", command_that_runs_for_its_timeout_is_stopped,
           command_gets_its_job_and_its_output_is_the_result, exit_status_decides_what_becomes_of_the_job,
           drain_interrupts_a_command_without_spending_anything, command_tells_how_far_it_is,
           job_whose_executor_is_killed_in_the_middle_is_run_again, worker_whose_command_is_missing_says_so,
           command_is_run_once_without_servers, status_decides_what_becomes_of_the_job)
