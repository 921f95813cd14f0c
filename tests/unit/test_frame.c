/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/frame.h"

#include <errno.h>
#include <pthread.h>

#include "base/cleanup.h"
#include "tests/support/suite.h"

static const struct uuid id = { { 1, 2, 3, 4, 5, 6, 0x77, 8, 0x89, 10, 11, 12, 13, 14, 15, 16 } };

static struct span text(const char *string)
{
    return span_from_string(string);
}

static void put(struct buf *out, uint32_t seq, struct span payload)
{
    frame_put_job(out, seq, 7, 9000, 1700000000000000, &id, text("mail.send"), "mail", (struct span){ 0 },
                  text("00-aa"), (struct span){ 0 }, payload, 2, 25, 3);
}

START_TEST(job_reads_back_as_it_was_put)
{
    struct buf out = { 0 };
    struct job_context ctx = { 0 };
    char fence[48];
    size_t at = 0;
    bool broken = false;
    put(&out, 9, (struct span){ "{\"a\":\0 1}", 9 });
    const struct frame *frame = frame_next(out.data, out.size, &at, &broken);
    ck_assert_ptr_nonnull(frame);
    ck_assert_uint_eq(frame->kind, FRAME_JOB);
    ck_assert_uint_eq(at, out.size);
    ck_assert_int_eq(frame_get_job((const struct frame_job *)(const void *)frame, &ctx, fence), 0);
    ck_assert_str_eq(ctx.id, "01020304-0506-7708-890a-0b0c0d0e0f10");
    ck_assert_str_eq(ctx.type, "mail.send");
    ck_assert_str_eq(ctx.queue, "mail");
    ck_assert_str_eq(ctx.content_type, "application/json");
    ck_assert_str_eq(ctx.traceparent, "00-aa");
    ck_assert_ptr_null(ctx.tracestate);
    ck_assert_str_eq(ctx.fence, "3.7");
    ck_assert_int_eq(ctx.timeout_us, 9000);
    ck_assert_uint_eq(ctx.payload_size, 9);
    ck_assert_int_eq(memcmp(ctx.payload, "{\"a\":\0 1}", 10), 0);
    ck_assert_int_eq(ctx.attempt, 2);
    ck_assert_int_eq(ctx.max_attempts, 25);
    ck_assert_int_eq(ctx.delivery, 3);
    buf_done(&out);
}
END_TEST

START_TEST(frames_come_whole_or_not_at_all)
{
    struct buf out = { 0 };
    bool broken = false;
    put(&out, 1, text("1"));
    size_t first = out.size;
    put(&out, 2, text("22"));
    for (size_t size = 0; size <= out.size; size++) {
        size_t at = 0, n = 0;
        while (frame_next(out.data, size, &at, &broken))
            n++;
        ck_assert_uint_eq(n, size == out.size ? 2 : size >= first);
        ck_assert(!broken);
    }
    buf_done(&out);
}
END_TEST

START_TEST(impossible_sizes_are_broken)
{
    static const uint32_t sizes[] = { 0, 4, 7, 9, FRAME_MAX_SIZE + 8, UINT32_MAX };
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        struct frame frame[2] = { { sizes[i], FRAME_ANSWER }, { 0 } };
        size_t at = 0;
        bool broken = false;
        ck_assert_ptr_null(frame_next((const char *)frame, sizeof(frame), &at, &broken));
        ck_assert_msg(broken, "%u", sizes[i]);
    }
}
END_TEST

START_TEST(job_frame_that_lies_about_its_parts_is_refused)
{
    struct buf out = { 0 };
    struct job_context ctx = { 0 };
    char fence[48];
    put(&out, 1, text("payload"));
    struct frame_job *job = (struct frame_job *)(void *)out.data;
    job->payload_size = 1000;
    ck_assert_int_eq(frame_get_job(job, &ctx, fence), -EBADMSG);
    buf_done(&out);
}
END_TEST

START_TEST(answer_that_lies_about_its_parts_is_refused)
{
    struct frame_answer answer = { .head = { sizeof(answer), FRAME_ANSWER }, .result_size = 8 };
    struct span result, error;
    ck_assert(!frame_get_answer(&answer, &result, &error));
    answer.result_size = UINT32_MAX;
    answer.error_size = UINT32_MAX;
    ck_assert(!frame_get_answer(&answer, &result, &error));
    answer.result_size = answer.error_size = 0;
    ck_assert(frame_get_answer(&answer, &result, &error));
    ck_assert_ptr_null(result.data);
}
END_TEST

START_TEST(jobs_taken_back_are_not_started)
{
    struct frame_board board = { 0 };
    ck_assert(frame_try_start(&board, 1));
    ck_assert_uint_eq(frame_take_back(&board, 5), 1);
    for (uint32_t seq = 2; seq <= 5; seq++)
        ck_assert(!frame_try_start(&board, seq));
    ck_assert(frame_try_start(&board, 6));
    ck_assert_uint_eq(frame_take_back(&board, 6), 6);
}
END_TEST

START_TEST(numbers_may_turn_over)
{
    struct frame_board board = { 0 };
    atomic_store(&board.state, (uint64_t)UINT32_MAX << 32 | (UINT32_MAX - 1));
    ck_assert(frame_try_start(&board, UINT32_MAX));
    ck_assert(frame_try_start(&board, 0));
    frame_take_back(&board, 2);
    ck_assert(!frame_try_start(&board, 2));
    ck_assert(frame_try_start(&board, 3));
}
END_TEST

struct race {
    struct frame_board board;
    _Atomic uint32_t n_started;
};

enum { RACE_JOBS = 200000 };

static void *start_all(void *userdata)
{
    struct race *race = userdata;
    for (uint32_t seq = 1; seq <= RACE_JOBS; seq++)
        if (frame_try_start(&race->board, seq))
            atomic_fetch_add(&race->n_started, 1);
    return NULL;
}

/* Whatever the timing: each job is either started or was told to be taken back, never both and never neither. */
START_TEST(each_job_is_started_or_taken_back)
{
    static struct race race;
    pthread_t thread;
    uint32_t taken_to = 0, n_taken = 0;
    pthread_create(&thread, NULL, start_all, &race);
    for (uint32_t last = 0; last < RACE_JOBS; last += 1000) {
        uint32_t started = frame_take_back(&race.board, last);
        uint32_t from = started > taken_to ? started : taken_to;
        n_taken += last > from ? last - from : 0;
        taken_to = last > taken_to ? last : taken_to;
    }
    pthread_join(thread, NULL);
    ck_assert_uint_eq(atomic_load(&race.n_started) + n_taken, RACE_JOBS);
}
END_TEST

START_TEST(progress_is_read_as_it_was_told_last)
{
    struct frame_board *board = calloc(1, sizeof(*board));
    char data[JOB_MAX_PROGRESS_SIZE];
    uint32_t seq;
    size_t size;
    frame_put_progress(board, 3, "10", 2);
    frame_put_progress(board, 4, "[2]", 3);
    ck_assert(frame_get_progress(board, &seq, data, &size));
    ck_assert_uint_eq(seq, 4);
    ck_assert_uint_eq(size, 3);
    ck_assert_mem_eq(data, "[2]", 3);
    free(board);
}
END_TEST

START_TEST(progress_that_is_being_written_or_that_is_too_large_is_not_read)
{
    struct frame_board *board = calloc(1, sizeof(*board));
    char data[JOB_MAX_PROGRESS_SIZE];
    uint32_t seq;
    size_t size;
    frame_put_progress(board, 3, "10", 2);
    atomic_fetch_add(&board->progress.version, 1);
    ck_assert(!frame_get_progress(board, &seq, data, &size));
    frame_put_progress(board, 3, "11", 2); /* as the next writer after one that was killed in between */
    ck_assert(frame_get_progress(board, &seq, data, &size));
    board->progress.size = JOB_MAX_PROGRESS_SIZE + 1;
    ck_assert(!frame_get_progress(board, &seq, data, &size));
    free(board);
}
END_TEST

SUITE_MAIN("frame", progress_is_read_as_it_was_told_last,
           progress_that_is_being_written_or_that_is_too_large_is_not_read, job_reads_back_as_it_was_put,
           frames_come_whole_or_not_at_all, impossible_sizes_are_broken,
           job_frame_that_lies_about_its_parts_is_refused, answer_that_lies_about_its_parts_is_refused,
           jobs_taken_back_are_not_started, numbers_may_turn_over, each_job_is_started_or_taken_back)
