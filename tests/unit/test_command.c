/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/command.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "libjob/context.h"
#include "tests/support/suite.h"
#include "worker/frame.h"

static struct job_context ctx; /* each test runs in its own process */

static void set_job(const char *payload, size_t size)
{
    ctx = (struct job_context){ .id = "0197-id",
                                .type = "mail.send",
                                .queue = "mail",
                                .fence = "3.7",
                                .traceparent = "00-aa",
                                .payload = payload,
                                .payload_size = size,
                                .attempt = 2,
                                .cancel_fd = -1,
                                .delivery = 3,
                                .timeout_us = 60 * USEC_PER_SEC };
}

/* Runs a script of sh(1). */
static int run(const char *script)
{
    char *argv[] = { (char *)"/bin/sh", (char *)"-c", (char *)script, NULL };
    if (!ctx.id)
        set_job("{}", 2);
    return command_run(&ctx, argv);
}

static void assert_result(const char *expected)
{
    ck_assert(ctx.has_result);
    ck_assert_uint_eq(ctx.result.size, strlen(expected));
    ck_assert_mem_eq(ctx.result.data, expected, strlen(expected));
}

START_TEST(payload_goes_in_and_standard_output_is_the_result)
{
    set_job("{\"a\":\0 1}", 9);
    ck_assert_int_eq(run("cat"), JOB_DONE);
    ck_assert_uint_eq(ctx.result.size, 9);
    ck_assert_mem_eq(ctx.result.data, "{\"a\":\0 1}", 9);
    ck_assert_str_eq(ctx.error, "");
}
END_TEST

START_TEST(silent_command_has_no_result)
{
    ck_assert_int_eq(run(":"), JOB_DONE);
    ck_assert(!ctx.has_result);
}
END_TEST

START_TEST(exit_status_is_the_verdict)
{
    static const struct {
        const char *script, *error;
        int verdict;
    } cases[] = {
        { "exit 0", "", JOB_DONE },
        { "echo noise >&2; exit 0", "", JOB_DONE },
        { "exit 65", "exited with status 65", JOB_FAIL },
        { "echo no such user >&2; exit 65", "exited with status 65: no such user", JOB_FAIL },
        { "exit 75", "exited with status 75", JOB_RETRY },
        { "echo busy >&2; exit 75", "exited with status 75: busy", JOB_RETRY },
        { "exit 1", "exited with status 1", JOB_RETRY },
        { "echo a >&2; echo b >&2; exit 2", "exited with status 2: a\nb", JOB_RETRY },
        { "exit 64", "exited with status 64", JOB_RETRY },
        { "exit 127", "exited with status 127", JOB_RETRY },
        { "exit 255", "exited with status 255", JOB_RETRY },
        { "kill -SEGV $$", "killed by signal 11 (Segmentation fault)", FRAME_CRASHED },
        { "echo oh >&2; kill -9 $$", "killed by signal 9 (Killed): oh", FRAME_CRASHED },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        ck_assert_msg(run(cases[i].script) == cases[i].verdict, "%s", cases[i].script);
        ck_assert_str_eq(ctx.error, cases[i].error);
        ck_assert(!ctx.has_result);
    }
}
END_TEST

START_TEST(environment_is_the_job_and_little_else)
{
    setenv("JOB_DATABASE_URL", "secret", 1);
    setenv("ANYTHING", "else", 1);
    unsetenv("LANG");
    unsetenv("LC_ALL");
    unsetenv("TZ");
    unsetenv("TMPDIR");
    setenv("HOME", "/h", 1);
    int64_t before_s = clock_read_us(CLOCK_REALTIME) / USEC_PER_SEC;
    ck_assert_int_eq(run("export -p | sed 's/export //' | grep -v "
                         "'^\\(PATH\\|PWD\\|OLDPWD\\|JOB_DEADLINE\\)' | sort"),
                     JOB_DONE);
    assert_result("HOME='/h'\nJOB_ATTEMPT='2'\nJOB_DELIVERY='3'\nJOB_FENCE='3.7'\nJOB_ID='0197-id'\n"
                  "JOB_PROGRESS_FD='3'\nJOB_QUEUE='mail'\nJOB_TYPE='mail.send'\nTRACEPARENT='00-aa'\n");
    ck_assert_int_eq(run("echo $JOB_DEADLINE"), JOB_DONE);
    buf_append_char(&ctx.result, 0);
    ck_assert_int_ge(atoll(ctx.result.data), before_s + 60);
    ck_assert_int_le(atoll(ctx.result.data), before_s + 80);
}
END_TEST

START_TEST(command_has_four_descriptors)
{
    int leaked = dup(STDOUT_FILENO); /* without close-on-exec, as a careless module leaves it */
    ck_assert_int_ge(leaked, 3);
    ck_assert_int_eq(
        run("for fd in 0 1 2 3 4 5 6 7 8 9 10 11 12 20 40; do test -e /proc/$$/fd/$fd && echo $fd; done; :"),
        JOB_DONE);
    assert_result("0\n1\n2\n3\n");
}
END_TEST

/* What was told, in a row. */
static char told[256];
static size_t n_told, told_bytes;

static void note_progress(void *runner, const void *progress, size_t size)
{
    (void)runner;
    snprintf(told + strlen(told), sizeof(told) - strlen(told), "[%.*s]", (int)size, (const char *)progress);
    n_told++;
    told_bytes += size;
}

START_TEST(each_line_on_its_descriptor_is_progress)
{
    set_job("{}", 2);
    ctx.tell_progress = note_progress;
    ck_assert_int_eq(run("test $JOB_PROGRESS_FD = 3; echo 42 half way >&3; printf '{\"n\": 1}\\r\\n\\n' >&3;"
                         " printf 'one ' >&3; sleep 0.05; printf 'line\\nno line' >&3; echo result"),
                     JOB_DONE);
    ck_assert_str_eq(told, "[42 half way][{\"n\": 1}][one line]");
    assert_result("result\n");
}
END_TEST

START_TEST(progress_has_a_limit_and_a_long_line_is_named_once)
{
    char log[4096] = "";
    int pair[2];
    set_job("{}", 2);
    ctx.captured = true;
    ctx.tell_progress = note_progress;
    ck_assert_int_eq(pipe(pair), 0);
    ck_assert_int_ge(dup2(pair[1], STDERR_FILENO), 0);
    ck_assert_int_eq(
        run("for n in 4096 4097 4100 100000; do head -c $n /dev/zero | tr '\\0' x >&3; echo >&3; done;"
            " echo end >&3; head -c 30000000 /dev/zero >&3"),
        JOB_DONE);
    close(pair[1]);
    ck_assert_uint_eq(n_told, 2);
    ck_assert_uint_eq(told_bytes, 4096 + 3);
    ck_assert_int_gt(read(pair[0], log, sizeof(log) - 1), 0);
    ck_assert_str_eq(log, "job 0197-id: progress: a line of more than 4096 bytes is dropped\n");
}
END_TEST

START_TEST(command_may_close_or_ignore_its_progress)
{
    set_job("{}", 2);
    ctx.tell_progress = note_progress;
    ck_assert_int_eq(run("exec 3>&-; sleep 0.05; echo ok"), JOB_DONE);
    assert_result("ok\n");
    ck_assert_int_eq(run("sleep 1000 >/dev/null 2>&1 & echo kept >&3"),
                     JOB_DONE); /* it holds the descriptor */
    ck_assert_str_eq(told, "[kept]");
}
END_TEST

START_TEST(large_payload_that_nobody_reads_blocks_nobody)
{
    char *payload = calloc(1, 4 << 20);
    set_job(payload, 4 << 20);
    ck_assert_int_eq(run("echo done"), JOB_DONE);
    assert_result("done\n");
    free(payload);
}
END_TEST

START_TEST(result_has_a_limit)
{
    ck_assert_int_eq(run("head -c 262144 /dev/zero"), JOB_DONE);
    ck_assert_uint_eq(ctx.result.size, 262144);
    ck_assert_int_eq(run("head -c 262145 /dev/zero"), JOB_FAIL);
    ck_assert_str_eq(ctx.error, "the result is larger than 256 KiB");
    ck_assert(!ctx.has_result);
    ck_assert_int_eq(run("head -c 100000000 /dev/zero; exit 75"), JOB_RETRY);
}
END_TEST

START_TEST(of_much_standard_error_the_last_lines_are_kept)
{
    ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
    ck_assert_int_eq(run("i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i + 1)); done >&2; exit 1"),
                     JOB_RETRY);
    ck_assert_uint_lt(strlen(ctx.error), 2100);
    ck_assert_ptr_nonnull(strstr(ctx.error, "exited with status 1: line "));
    ck_assert_str_eq(ctx.error + strlen(ctx.error) - 9, "line 1999");
    ck_assert_int_eq(run("printf 'a\\0b' >&2; exit 1"), JOB_RETRY);
    ck_assert_str_eq(ctx.error, "exited with status 1: a b");
}
END_TEST

START_TEST(nothing_that_a_command_left_behind_survives_it)
{
    int64_t before_us = clock_mono_us();
    ck_assert_int_eq(run("sleep 1000 & echo $!; setsid sh -c 'sleep 1000; :' & echo $!"), JOB_DONE);
    ck_assert_int_lt(clock_mono_us() - before_us, 10 * USEC_PER_SEC); /* they hold its standard output open */
    buf_append_char(&ctx.result, 0);
    int first, second;
    ck_assert_int_eq(sscanf(ctx.result.data, "%d %d", &first, &second), 2);
    ck_assert(kill(first, 0) < 0 && errno == ESRCH);
    ck_assert(kill(second, 0) < 0 && errno == ESRCH);
    ck_assert(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
}
END_TEST

START_TEST(command_that_cannot_be_run_is_named)
{
    char *argv[] = { (char *)"/nowhere/at all", NULL };
    struct err err;
    ck_assert_int_eq(command_check("/nowhere/at all", &err), -EINVAL);
    ck_assert_str_eq(err.text, "cannot run handler command /nowhere/at all: No such file or directory");
    ck_assert_int_eq(command_check("/bin/sh", &err), 0);
    set_job("", 0);
    ck_assert_int_eq(command_run(&ctx, argv), JOB_RETRY);
    ck_assert_str_eq(ctx.error, "cannot run /nowhere/at all: No such file or directory");
}
END_TEST

/* As the executor with its command: signalled as one group. Return: how the process ended. */
static int run_in_group(const char *script)
{
    int ready[2], status;
    char byte;
    ck_assert_int_eq(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        char whole[512];
        setpgid(0, 0);
        signal(SIGTERM, SIG_DFL); /* as executors have it, and not the handler that Check has set */
        snprintf(whole, sizeof(whole), "%s", script);
        dup2(ready[1], STDERR_FILENO);
        close(ready[0]);
        close(ready[1]);
        int verdict = run(whole);
        _exit(100 + verdict);
    }
    close(ready[1]);
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    ck_assert_int_eq(kill(-pid, SIGTERM), 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    close(ready[0]);
    return status;
}

START_TEST(job_that_is_to_stop_is_told_by_sigterm)
{
    _Atomic uint32_t cancelled = 9;
    int event = eventfd(1, EFD_CLOEXEC);
    set_job("", 0);
    ctx.seq = 9;
    ctx.cancelled = &cancelled;
    ctx.cancel_fd = event;
    int64_t before_us = clock_mono_us();
    ck_assert_int_eq(run("exec sleep 1000"), FRAME_CRASHED);
    ck_assert_str_eq(ctx.error, "killed by signal 15 (Terminated)");
    ck_assert_int_lt(clock_mono_us() - before_us, 10 * USEC_PER_SEC);
    close(event);
}
END_TEST

START_TEST(answer_after_sigterm_counts)
{
    int status = run_in_group("trap 'kill $!; exit 75' TERM; sleep 100 & echo up >&2; wait");
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 100 + JOB_RETRY);
}
END_TEST

START_TEST(executor_dies_of_sigterm_with_its_command)
{
    int status = run_in_group("echo up >&2; exec sleep 100");
    ck_assert(WIFSIGNALED(status));
    ck_assert_int_eq(WTERMSIG(status), SIGTERM);
}
END_TEST

SUITE_MAIN("command", payload_goes_in_and_standard_output_is_the_result, silent_command_has_no_result,
           exit_status_is_the_verdict, environment_is_the_job_and_little_else, command_has_four_descriptors,
           each_line_on_its_descriptor_is_progress, progress_has_a_limit_and_a_long_line_is_named_once,
           command_may_close_or_ignore_its_progress, large_payload_that_nobody_reads_blocks_nobody,
           result_has_a_limit, of_much_standard_error_the_last_lines_are_kept,
           nothing_that_a_command_left_behind_survives_it, command_that_cannot_be_run_is_named,
           job_that_is_to_stop_is_told_by_sigterm, answer_after_sigterm_counts,
           executor_dies_of_sigterm_with_its_command)
