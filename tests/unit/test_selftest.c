/* SPDX-License-Identifier: Apache-2.0 */
/* The module as an executor loads it; SELFTEST_MODULE is the shared object of this build. */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "libjob/context.h"
#include "tests/support/module.h"
#include "tests/support/suite.h"

static struct job_test_result got; /* of the last run(); each test runs in its own process */

static int run(const char *type, const char *payload, int attempt)
{
    job_test_result_done(&got);
    ck_assert_int_eq(job_test_run(module_handler(SELFTEST_MODULE, type), payload, attempt, &got), 0);
    return got.verdict;
}

/* How a process ends that runs the job: as waitpid() says; a verdict is its exit status. */
static int run_in_child(const char *type, const char *payload, int attempt)
{
    int status;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        _exit(run(type, payload, attempt));
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return status;
}

struct trace_file {
    char directory[32], path[64], payload[256];
};

static void trace_init(struct trace_file *t, const char *more_members)
{
    strcpy(t->directory, "/tmp/selftest.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(t->directory));
    snprintf(t->path, sizeof(t->path), "%s/trace", t->directory);
    snprintf(t->payload, sizeof(t->payload), "{%s\"trace\":\"%s\"}", more_members, t->path);
}

/* The file's text, then removes it. */
static const char *trace_take(struct trace_file *t)
{
    static char text[4096];
    FILE *file = fopen(t->path, "r");
    size_t size = file ? fread(text, 1, sizeof(text) - 1, file) : 0;
    if (file)
        fclose(file);
    text[size] = 0;
    unlink(t->path);
    rmdir(t->directory);
    return text;
}

START_TEST(echo_returns_its_payload_as_it_is)
{
    static const char *const payloads[] = { "{\"a\": [1, 2]}", "null", "", "no JSON \"trace\" {",
                                            "\"trace\"" };
    for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
        ck_assert_int_eq(run("selftest.echo", payloads[i], 1), JOB_DONE);
        ck_assert_str_eq(got.result, payloads[i]);
    }
}
END_TEST

START_TEST(echo_of_a_small_payload_is_cheap)
{
    const struct job_handler *handler = module_handler(SELFTEST_MODULE, "selftest.echo");
    struct job_context ctx = { .type = "selftest.echo", .payload = "{\"n\": 1}", .payload_size = 8 };
    int64_t best_us = INT64_MAX;
    for (int round = 0; round < 20; round++) {
        int64_t start_us = clock_mono_us();
        for (int i = 0; i < 1000; i++)
            job_context_run(&ctx, handler);
        int64_t took_us = clock_mono_us() - start_us;
        best_us = took_us < best_us ? took_us : best_us;
    }
    ck_assert_str_eq(ctx.result.data, ctx.payload);
    ck_assert_int_lt(best_us, 2000); /* less than 2 µs each */
    job_context_done(&ctx);
}
END_TEST

START_TEST(trace_has_one_line_per_event)
{
    struct trace_file t;
    char id[2][64], event[2][8], rest[2];
    int attempt[2], delivery[2], pid[2];
    int64_t mono_us[2], wall_us[2], now_us = clock_wall_us();
    trace_init(&t, "\"x\": 1, ");
    ck_assert_int_eq(run("selftest.echo", t.payload, 4), JOB_DONE);
    ck_assert_str_eq(got.result, t.payload);

    const char *text = trace_take(&t), *second = strchr(text, '\n') + 1;
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(sscanf(i ? second : text, "%7s %63s %d %d %d %" SCNd64 " %" SCNd64 "%c", event[i],
                                id[i], &attempt[i], &delivery[i], &pid[i], &mono_us[i], &wall_us[i],
                                &rest[i]),
                         8);
    ck_assert_str_eq(event[0], "start");
    ck_assert_str_eq(event[1], "end");
    ck_assert_str_eq(id[0], id[1]);
    ck_assert_int_eq(attempt[0], 4);
    ck_assert_int_eq(delivery[1], 4);
    ck_assert_int_eq(pid[0], getpid());
    ck_assert_int_le(mono_us[0], mono_us[1]);
    ck_assert_int_le(now_us, wall_us[0]);
    ck_assert_int_eq(rest[1], '\n');
    ck_assert_str_eq(strchr(second, '\n'), "\n");
}
END_TEST

START_TEST(failing_job_is_traced_to_its_end_and_a_dying_one_is_not)
{
    struct trace_file t;
    trace_init(&t, "");
    ck_assert_int_eq(run("selftest.fail", t.payload, 1), JOB_RETRY);
    ck_assert_ptr_nonnull(strstr(trace_take(&t), "\nend "));
    trace_init(&t, "\"signal\": 9, ");
    ck_assert_int_eq(WTERMSIG(run_in_child("selftest.crash", t.payload, 1)), SIGKILL);
    const char *text = trace_take(&t);
    ck_assert_ptr_eq(strstr(text, "start "), text);
    ck_assert_ptr_null(strstr(text, "end "));
}
END_TEST

START_TEST(trace_that_cannot_be_written_fails_the_job)
{
    ck_assert_int_eq(run("selftest.echo", "{\"trace\": \"/nonexistent/x\"}", 1), JOB_FAIL);
    ck_assert_str_eq(got.error, "/nonexistent/x: No such file or directory");
}
END_TEST

START_TEST(payload_that_is_no_object_fails_the_job)
{
    static const char *const types[] = { "selftest.sleep", "selftest.burn",   "selftest.fail",
                                         "selftest.crash", "selftest.snooze", "selftest.result" };
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        ck_assert_int_eq(run(types[i], "[]", 1), JOB_FAIL);
        ck_assert_str_eq(got.error, "the payload is no JSON object");
        ck_assert_int_eq(run(types[i], "{\"ms\":", 1), JOB_FAIL);
        ck_assert_ptr_nonnull(strstr(got.error, "the payload is no JSON object: "));
    }
}
END_TEST

START_TEST(sleep_waits_and_burn_uses_the_processor)
{
    int64_t start_us = clock_mono_us();
    ck_assert_int_eq(run("selftest.sleep", "{\"ms\": 30}", 1), JOB_DONE);
    ck_assert_int_ge(clock_mono_us() - start_us, 30000);
    ck_assert_ptr_null(got.result);

    start_us = clock_read_us(CLOCK_PROCESS_CPUTIME_ID);
    ck_assert_int_eq(run("selftest.burn", "{\"ms\": 30}", 1), JOB_DONE);
    ck_assert_int_ge(clock_read_us(CLOCK_PROCESS_CPUTIME_ID) - start_us, 30000);
    ck_assert_int_eq(run("selftest.sleep", "", 1), JOB_DONE);
    ck_assert_int_eq(run("selftest.sleep", "null", 1), JOB_DONE);
}
END_TEST

/* Runs the job in a child and sends SIGTERM as soon as its trace says that it started. Return: as waitpid()
 * says. */
static int terminate_after_start(const char *members)
{
    struct trace_file t;
    char line[256];
    int status;
    trace_init(&t, members);
    ck_assert_int_eq(mkfifo(t.path, 0600), 0);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGTERM, SIG_DFL); /* Check has its own */
        _exit(run("selftest.sleep", t.payload, 1));
    }
    int fd = open(t.path, O_RDONLY);
    ck_assert_int_gt(read(fd, line, sizeof(line)), 0);
    kill(pid, SIGTERM);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    close(fd);
    unlink(t.path);
    rmdir(t.directory);
    return status;
}

START_TEST(stubborn_sleep_outlives_a_polite_signal)
{
    int status = terminate_after_start("\"ms\": 60000, ");
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    status = terminate_after_start("\"ms\": 200, \"stubborn\": true, ");
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == JOB_DONE);
}
END_TEST

START_TEST(fail_fails_until_its_times_are_over)
{
    ck_assert_int_eq(run("selftest.fail", "{\"times\": 2}", 1), JOB_RETRY);
    ck_assert_str_eq(got.error, "asked to fail, attempt 1");
    ck_assert_int_eq(run("selftest.fail", "{\"times\": 2}", 2), JOB_RETRY);
    ck_assert_int_eq(run("selftest.fail", "{\"times\": 2}", 3), JOB_DONE);
    ck_assert_ptr_null(got.error);
    ck_assert_int_eq(run("selftest.fail", "{}", 1000), JOB_RETRY);
    ck_assert_int_eq(run("selftest.fail", "{\"permanent\": true}", 1), JOB_FAIL);
    ck_assert_int_eq(run("selftest.fail", "{\"permanent\": true, \"times\": 1}", 2), JOB_DONE);
}
END_TEST

START_TEST(crash_dies_until_its_times_are_over)
{
    ck_assert_int_eq(WTERMSIG(run_in_child("selftest.crash", "{}", 1)), SIGSEGV);
    ck_assert_int_eq(WTERMSIG(run_in_child("selftest.crash", "{\"signal\": 6}", 1)), SIGABRT);
    ck_assert_int_eq(WTERMSIG(run_in_child("selftest.crash", "{\"signal\": 9, \"times\": 2}", 2)), SIGKILL);
    ck_assert_int_eq(run_in_child("selftest.crash", "{\"times\": 2}", 3), JOB_DONE << 8);
    ck_assert_int_eq(run("selftest.crash", "{\"signal\": 17}", 1), JOB_FAIL);
    ck_assert_str_eq(got.error, "signal 17 does not end a process");
}
END_TEST

/* worker → zygote → executor as in jobworkerd. Return: how the worker ended. */
static int crash_below(const char *worker_name)
{
    int status;
    fflush(NULL);
    pid_t worker = fork();
    if (worker == 0) {
        prctl(PR_SET_NAME, worker_name);
        pid_t zygote = fork();
        if (zygote == 0)
            _exit(run_in_child("selftest.crash", "{\"worker\": true}", 1) >> 8);
        waitpid(zygote, &status, 0);
        _exit(WEXITSTATUS(status));
    }
    ck_assert_int_eq(waitpid(worker, &status, 0), worker);
    return status;
}

START_TEST(crash_takes_the_worker_along_and_nobody_else)
{
    int status = crash_below("jobworkerd");
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    status = crash_below("bash");
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == JOB_FAIL);
}
END_TEST

START_TEST(snooze_asks_for_its_delay_until_its_times_are_over)
{
    ck_assert_int_eq(run("selftest.snooze", "{\"ms\": 250, \"times\": 2}", 2), JOB_SNOOZE);
    ck_assert_int_eq(got.retry_after_ms, 250);
    ck_assert_int_eq(run("selftest.snooze", "{\"ms\": 250, \"times\": 2}", 3), JOB_DONE);
    ck_assert_int_eq(run("selftest.snooze", "", 1), JOB_SNOOZE);
    ck_assert_int_eq(got.retry_after_ms, 1000);
    ck_assert_int_eq(run("selftest.snooze", "", 2), JOB_DONE);
}
END_TEST

START_TEST(results_come_in_odd_shapes)
{
    ck_assert_int_eq(run("selftest.result", "{\"bytes\": 5}", 1), JOB_DONE);
    ck_assert_str_eq(got.result, "xxxxx");
    ck_assert_int_eq(run("selftest.result", "{\"bytes\": 5, \"nul\": true}", 1), JOB_DONE);
    ck_assert_uint_eq(got.result_size, 5);
    ck_assert_int_eq(memcmp(got.result, "xx\0xx", 5), 0);
    ck_assert_int_eq(run("selftest.result", "{\"bytes\": 3, \"binary\": true}", 1), JOB_DONE);
    ck_assert_int_eq(memcmp(got.result, "\xff\xfe\xfd", 3), 0);
    ck_assert_int_eq(run("selftest.result", "{\"bytes\": 0, \"nul\": true}", 1), JOB_DONE);
    ck_assert_uint_eq(got.result_size, 0);
    ck_assert_int_eq(run("selftest.result", "{\"bytes\": 262145}", 1), JOB_FAIL);
    ck_assert_str_eq(got.error, "a result of 262145 bytes is too large");
}
END_TEST

START_TEST(fence_comes_back_as_a_json_string)
{
    ck_assert_int_eq(run("selftest.fence", "", 7), JOB_DONE);
    ck_assert_str_eq(got.result, "\"7.1\"");
}
END_TEST

SUITE_MAIN("selftest", echo_returns_its_payload_as_it_is, echo_of_a_small_payload_is_cheap,
           trace_has_one_line_per_event, failing_job_is_traced_to_its_end_and_a_dying_one_is_not,
           trace_that_cannot_be_written_fails_the_job, payload_that_is_no_object_fails_the_job,
           sleep_waits_and_burn_uses_the_processor, stubborn_sleep_outlives_a_polite_signal,
           fail_fails_until_its_times_are_over, crash_dies_until_its_times_are_over,
           crash_takes_the_worker_along_and_nobody_else, snooze_asks_for_its_delay_until_its_times_are_over,
           results_come_in_odd_shapes, fence_comes_back_as_a_json_string)
