/* SPDX-License-Identifier: Apache-2.0 */
#include "libjob/context.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/utf8.h"
#include "tests/support/suite.h"

static struct job_context ctx; /* each test runs in its own process */
static int verdict_to_return;

static int return_verdict(struct job_context *c)
{
    (void)c;
    return verdict_to_return;
}

static int complain_and_return(struct job_context *c)
{
    job_set_error(c, "disk full");
    return verdict_to_return;
}

static int answer_everything(struct job_context *c)
{
    job_set_result(c, "[1]", 3);
    job_retry_after(c, 1500);
    return job_retry(c, "try %d of %s", job_context_attempt(c), job_context_type(c));
}

START_TEST(unset_members_read_as_empty_text)
{
    size_t size = 7;
    ck_assert_str_eq(job_context_payload(&ctx, &size), "");
    ck_assert_uint_eq(size, 0);
    ck_assert_str_eq(job_context_payload(&ctx, NULL), "");
    ck_assert_str_eq(job_context_id(&ctx), "");
    ck_assert_str_eq(job_context_fence(&ctx), "");
    ck_assert_str_eq(job_context_content_type(&ctx), "application/json");
    ck_assert_ptr_null(job_context_traceparent(&ctx));
    ck_assert_ptr_null(job_context_tracestate(&ctx));
}
END_TEST

START_TEST(handler_sees_the_job_as_the_runner_filled_it_in)
{
    ctx = (struct job_context){ .id = "i",
                                .type = "t",
                                .queue = "q",
                                .content_type = "text/plain",
                                .traceparent = "tp",
                                .tracestate = "ts",
                                .fence = "3.14",
                                .payload = "a\0b",
                                .payload_size = 3,
                                .attempt = 2,
                                .max_attempts = 5,
                                .delivery = 3 };
    size_t size;
    ck_assert_int_eq(memcmp(job_context_payload(&ctx, &size), "a\0b", 4), 0);
    ck_assert_uint_eq(size, 3);
    ck_assert_str_eq(job_context_id(&ctx), "i");
    ck_assert_str_eq(job_context_type(&ctx), "t");
    ck_assert_str_eq(job_context_queue(&ctx), "q");
    ck_assert_str_eq(job_context_content_type(&ctx), "text/plain");
    ck_assert_str_eq(job_context_traceparent(&ctx), "tp");
    ck_assert_str_eq(job_context_tracestate(&ctx), "ts");
    ck_assert_str_eq(job_context_fence(&ctx), "3.14");
    ck_assert_int_eq(job_context_attempt(&ctx), 2);
    ck_assert_int_eq(job_context_max_attempts(&ctx), 5);
    ck_assert_int_eq(job_context_delivery(&ctx), 3);
}
END_TEST

START_TEST(later_result_replaces_the_earlier)
{
    ck_assert(!ctx.has_result);
    ck_assert_int_eq(job_set_result(&ctx, "a longer one", 12), 0);
    ck_assert_int_eq(job_set_result(&ctx, "a\0b", 3), 0);
    ck_assert_uint_eq(ctx.result.size, 3);
    ck_assert_int_eq(memcmp(ctx.result.data, "a\0b", 4), 0);
    ck_assert_int_eq(job_set_result(&ctx, NULL, 0), 0);
    ck_assert(ctx.has_result);
    ck_assert_uint_eq(ctx.result.size, 0);
    ck_assert_str_eq(ctx.result.data, "");
    job_context_done(&ctx);
}
END_TEST

START_TEST(result_of_the_largest_size_is_kept_and_a_larger_one_changes_nothing)
{
    static char bytes[JOB_MAX_RESULT_SIZE + 1];
    memset(bytes, 'x', sizeof(bytes));
    ck_assert_int_eq(job_set_result(&ctx, bytes, JOB_MAX_RESULT_SIZE), 0);
    ck_assert_uint_eq(ctx.result.size, JOB_MAX_RESULT_SIZE);
    ck_assert_int_eq(job_set_result(&ctx, "kept", 4), 0);
    ck_assert_int_eq(job_set_result(&ctx, bytes, JOB_MAX_RESULT_SIZE + 1), 1);
    ck_assert_str_eq(ctx.result.data, "kept");
    job_context_done(&ctx);
}
END_TEST

START_TEST(long_error_is_cut_between_characters)
{
    static const char *const tails[] = { "x", "ä", "€", "𝄞" };
    static char text[2 * JOB_MAX_ERROR_SIZE + 1];
    for (size_t i = 0; i < 4; i++) {
        for (size_t lead = 0; lead < 4; lead++) {
            memset(text, 'y', lead);
            size_t at = lead, width = strlen(tails[i]);
            for (; at + width < sizeof(text); at += width)
                memcpy(text + at, tails[i], width);
            text[at] = 0;
            job_set_error(&ctx, "%s", text);
            size_t kept = strlen(ctx.error);
            ck_assert(utf8_is_text(ctx.error, kept));
            ck_assert_uint_gt(kept + width, JOB_MAX_ERROR_SIZE - 1); /* nothing whole was dropped */
        }
    }
}
END_TEST

START_TEST(delay_is_clamped_to_ten_years)
{
    job_retry_after(&ctx, -5);
    ck_assert_int_eq(ctx.retry_after_ms, 0);
    job_retry_after(&ctx, 1234);
    ck_assert_int_eq(ctx.retry_after_ms, 1234);
    job_retry_after(&ctx, INT64_MAX);
    ck_assert_int_eq(ctx.retry_after_ms, INT64_C(315360000000));
}
END_TEST

START_TEST(shorthands_set_the_error_and_return_the_verdict)
{
    ck_assert_int_eq(job_retry(&ctx, "no %s", "route"), JOB_RETRY);
    ck_assert_str_eq(ctx.error, "no route");
    ck_assert_int_eq(job_fail(&ctx, "no %s", "hope"), JOB_FAIL);
    ck_assert_str_eq(ctx.error, "no hope");
}
END_TEST

START_TEST(known_verdicts_pass_and_others_become_retry_with_an_error)
{
    const struct job_handler quiet = { .type = "t", .run = return_verdict };
    const struct job_handler loud = { .type = "t", .run = complain_and_return };
    for (verdict_to_return = JOB_DONE; verdict_to_return <= JOB_SNOOZE; verdict_to_return++) {
        ck_assert_int_eq(job_context_run(&ctx, &quiet), verdict_to_return);
        ck_assert_str_eq(ctx.error, "");
    }
    for (verdict_to_return = -1; verdict_to_return <= 4; verdict_to_return += 5) {
        ck_assert_int_eq(job_context_run(&ctx, &quiet), JOB_RETRY);
        ck_assert_ptr_nonnull(strstr(ctx.error, verdict_to_return < 0 ? "returned -1," : "returned 4,"));
        ck_assert_int_eq(job_context_run(&ctx, &loud), JOB_RETRY);
        ck_assert_ptr_nonnull(strstr(ctx.error, "no verdict; it said: disk full"));
    }
}
END_TEST

START_TEST(next_run_starts_with_an_empty_answer)
{
    const struct job_handler full = { .type = "t", .run = answer_everything };
    const struct job_handler quiet = { .type = "t", .run = return_verdict };
    ck_assert_int_eq(job_context_run(&ctx, &full), JOB_RETRY);
    ck_assert(ctx.has_result);
    ck_assert_int_eq(job_context_run(&ctx, &quiet), JOB_DONE);
    ck_assert(!ctx.has_result);
    ck_assert_str_eq(ctx.error, "");
    ck_assert_int_eq(ctx.retry_after_ms, -1);
    job_context_done(&ctx);
}
END_TEST

START_TEST(test_run_hands_over_what_the_handler_answered)
{
    const struct job_handler handler = { .type = "t.x", .run = answer_everything };
    struct job_test_result got;
    ck_assert_int_eq(job_test_run(&handler, "{}", 3, &got), 0);
    ck_assert_int_eq(got.verdict, JOB_RETRY);
    ck_assert_str_eq(got.result, "[1]");
    ck_assert_uint_eq(got.result_size, 3);
    ck_assert_str_eq(got.error, "try 3 of t.x");
    ck_assert_int_eq(got.retry_after_ms, 1500);
    job_test_result_done(&got);
    ck_assert_ptr_null(got.result);
}
END_TEST

START_TEST(test_run_of_a_silent_handler_has_no_answer)
{
    const struct job_handler handler = { .type = "t", .run = return_verdict };
    struct job_test_result got;
    ck_assert_int_eq(job_test_run(&handler, NULL, 1, &got), 0);
    ck_assert_int_eq(got.verdict, JOB_DONE);
    ck_assert_ptr_null(got.result);
    ck_assert_ptr_null(got.error);
    ck_assert_int_eq(got.retry_after_ms, -1);
    job_test_result_done(&got);
}
END_TEST

START_TEST(test_run_without_a_handler_or_before_the_first_attempt_is_refused)
{
    const struct job_handler none = { .type = "t" }, some = { .type = "t", .run = return_verdict };
    struct job_test_result got;
    ck_assert_int_lt(job_test_run(&none, "", 1, &got), 0);
    ck_assert_int_lt(job_test_run(&some, "", 0, &got), 0);
    job_test_result_done(&got);
}
END_TEST

START_TEST(log_is_one_line_that_names_the_job)
{
    char line[512];
    int fds[2];
    ctx.id = "0199c41f";
    ck_assert_int_eq(pipe(fds), 0);
    int saved = dup(STDERR_FILENO);
    dup2(fds[1], STDERR_FILENO);
    job_log(&ctx, "half\nway, %d %%", 50);
    dup2(saved, STDERR_FILENO);
    ssize_t n = read(fds[0], line, sizeof(line) - 1);
    ck_assert_int_gt(n, 0);
    line[n] = 0;
    ck_assert_ptr_nonnull(strstr(line, "job 0199c41f: half\\x0away, 50 %\n"));
    ck_assert_ptr_eq(strchr(line, '\n'), line + n - 1);
}
END_TEST

static void count_bytes(void *runner, const void *progress, size_t size)
{
    (void)progress;
    *(size_t *)runner += size;
}

START_TEST(progress_goes_to_whoever_runs_the_job_if_it_is_not_too_large)
{
    static const char text[JOB_MAX_PROGRESS_SIZE + 1] = "7";
    size_t n_bytes = 0;
    struct job_context told = { .tell_progress = count_bytes, .runner = &n_bytes };
    ck_assert_int_eq(job_set_progress(&told, text, JOB_MAX_PROGRESS_SIZE + 1), 1);
    ck_assert_uint_eq(n_bytes, 0);
    ck_assert_int_eq(job_set_progress(&told, text, JOB_MAX_PROGRESS_SIZE), 0);
    ck_assert_uint_eq(n_bytes, JOB_MAX_PROGRESS_SIZE);
    told.tell_progress = NULL;
    ck_assert_int_eq(job_set_progress(&told, text, 1), 0);
}
END_TEST

SUITE_MAIN("context", progress_goes_to_whoever_runs_the_job_if_it_is_not_too_large,
           unset_members_read_as_empty_text, handler_sees_the_job_as_the_runner_filled_it_in,
           later_result_replaces_the_earlier,
           result_of_the_largest_size_is_kept_and_a_larger_one_changes_nothing,
           long_error_is_cut_between_characters, delay_is_clamped_to_ten_years,
           shorthands_set_the_error_and_return_the_verdict,
           known_verdicts_pass_and_others_become_retry_with_an_error, next_run_starts_with_an_empty_answer,
           test_run_hands_over_what_the_handler_answered, test_run_of_a_silent_handler_has_no_answer,
           test_run_without_a_handler_or_before_the_first_attempt_is_refused,
           log_is_one_line_that_names_the_job)
