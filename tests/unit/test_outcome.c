/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/outcome.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "tests/support/suite.h"

static struct config_handler handler = { .type = "t",
                                         .queue = "q",
                                         .max_attempts = 3,
                                         .max_crashes = 5,
                                         .backoff = {
                                             .kind = BACKOFF_CONSTANT, .base_us = 7, .max_us = 100 } };
static char prefix[] = "job";
static struct job_config config = { .prefix = prefix, .handlers = &handler, .n_handlers = 1 };
static const struct outcome_context context = {
    .config = &config, .clock_offset_us = 1000000, .now_us = 500, .random = 1
};
static struct job_type type = { .handler = &handler, .name = "t" };

static const struct message_header headers[] = { { "ce_type", { "t", 1 } }, { "x-mine", { "\xff", 1 } } };

static struct job *make(enum job_outcome outcome, int attempt)
{
    struct message *m = calloc(1, sizeof(*m));
    *m = (struct message){ .topic = "job.q",
                           .partition = 2,
                           .offset = 9,
                           .value = { "{}", 2 },
                           .n_headers = 2,
                           .headers = headers };
    struct job *job = job_new(m);
    job->envelope =
        (struct envelope){ .type = { "t", 1 }, .attempt = attempt, .delivery = attempt, .time_us = 42 };
    job->type = &type;
    job->outcome = outcome;
    job->started_us = 100;
    job->finished_us = 200;
    return job;
}

/* The job's message is this test's own, not Kafka's. */
static void drop(struct job *job)
{
    struct message *m = steal(job->message);
    job_free(job);
    free(m);
}

START_TEST(success_keeps_its_result_and_times)
{
    struct outcome_texts texts = { 0 };
    struct record_row row;
    struct job *job = make(OUTCOME_SUCCEEDED, 1);
    job->result = strdup("{\"a\":1}");
    job->result_size = 7;
    ck_assert(!outcome_fill(job, &context, &texts, &row));
    ck_assert(span_equals(row.result, "{\"a\":1}"));
    ck_assert(span_equals(row.queue, "q"));
    ck_assert_int_eq(row.started_us, 1000100);
    ck_assert_int_eq(row.finished_us, 1000200);
    ck_assert_int_eq(row.enqueued_us, 42);
    ck_assert_ptr_null(row.error.data);
    drop(job);
    outcome_texts_done(&texts);
}
END_TEST

static const struct {
    enum job_outcome outcome;
    int attempt;
    int64_t retry_after_ms;
    const char *expect_outcome, *expect_verdict;
    int64_t expect_delay_us;
} table[] = {
    { OUTCOME_FAILED, 1, -1, "failed", NULL, 7 },
    { OUTCOME_FAILED, 2, 50, "failed", NULL, 50000 },
    { OUTCOME_FAILED, 3, -1, "failed", "exhausted", 7 },
    { OUTCOME_FAILED, 4, -1, "failed", "exhausted", 7 },
    { OUTCOME_FAILED_FOR_GOOD, 1, -1, "failed", "failed", -1 },
    { OUTCOME_SNOOZED, 3, 20, "snoozed", NULL, 20000 },
    { OUTCOME_SNOOZED, 3, -1, "snoozed", NULL, 0 },
    { OUTCOME_CRASHED, 3, -1, "crashed", NULL, -1 },
    { OUTCOME_INTERRUPTED, 3, -1, "interrupted", NULL, -1 },
    { OUTCOME_UNKNOWN_TYPE, 3, -1, "parked", NULL, -1 },
    { OUTCOME_MALFORMED, 1, -1, NULL, "malformed", -1 },
};

START_TEST(every_other_outcome_is_a_deferral_with_its_verdict)
{
    struct outcome_texts texts = { 0 };
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        struct record_row row;
        struct job *job = make(table[i].outcome, table[i].attempt);
        job->retry_after_ms = table[i].retry_after_ms;
        ck_assert(outcome_fill(job, &context, &texts, &row));
        ck_assert_pstr_eq(row.outcome, table[i].expect_outcome);
        ck_assert_pstr_eq(row.verdict, table[i].expect_verdict);
        ck_assert_msg(row.delay_us == table[i].expect_delay_us, "%zu: %lld", i, (long long)row.delay_us);
        ck_assert(span_equals(row.payload, "{}"));
        ck_assert_int_eq(row.max_crashes, 5);
        drop(job);
    }
    outcome_texts_done(&texts);
}
END_TEST

START_TEST(limits_of_the_message_go_before_those_of_the_handler)
{
    struct outcome_texts texts = { 0 };
    struct record_row row;
    struct job *job = make(OUTCOME_FAILED, 3);
    job->envelope.max_attempts = 4;
    outcome_fill(job, &context, &texts, &row);
    ck_assert_ptr_null(row.verdict);
    drop(job);
    outcome_texts_done(&texts);
}
END_TEST

START_TEST(what_started_and_may_not_start_twice_is_dead_unless_it_was_snoozed)
{
    static const struct {
        enum job_outcome outcome;
        int64_t started_us;
        const char *expect_verdict;
    } cases[] = {
        { OUTCOME_FAILED, 100, "exhausted" },    { OUTCOME_TIMEOUT, 100, "exhausted" },
        { OUTCOME_INTERRUPTED, 100, "crashed" }, { OUTCOME_INTERRUPTED, 0, NULL },
        { OUTCOME_CRASHED, 100, NULL },          { OUTCOME_SNOOZED, 100, NULL },
    };
    struct outcome_texts texts = { 0 };
    struct config_handler once = handler;
    struct job_type once_type = { .handler = &once, .name = "t" };
    once.delivery = CONFIG_AT_MOST_ONCE;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct record_row row;
        struct job *job = make(cases[i].outcome, 1);
        job->type = &once_type;
        job->started_us = cases[i].started_us;
        job->envelope.max_attempts = 4;
        ck_assert(outcome_fill(job, &context, &texts, &row));
        ck_assert_pstr_eq(row.verdict, cases[i].expect_verdict);
        ck_assert_int_eq(row.max_crashes, 1); /* so the first crash is the last */
        drop(job);
    }
    outcome_texts_done(&texts);
}
END_TEST

START_TEST(only_a_success_that_nobody_has_heard_of_leaves_no_row)
{
    struct config_handler quiet = handler;
    struct job_type quiet_type = { .handler = &quiet, .name = "t" };
    struct job *job = make(OUTCOME_SUCCEEDED, 1);
    ck_assert(outcome_leaves_row(job));
    quiet.record = CONFIG_RECORD_FAILURES;
    job->type = &quiet_type;
    ck_assert(!outcome_leaves_row(job));
    job->token = 7;
    ck_assert(outcome_leaves_row(job));
    job->token = 0;
    job->envelope.reply = true;
    ck_assert(outcome_leaves_row(job));
    job->envelope.reply = false;
    job->envelope.delivery = 2;
    ck_assert(outcome_leaves_row(job));
    job->envelope.delivery = 1;
    job->outcome = OUTCOME_FAILED;
    ck_assert(outcome_leaves_row(job));
    job->outcome = OUTCOME_MALFORMED;
    job->type = NULL;
    ck_assert(outcome_leaves_row(job));
    drop(job);
}
END_TEST

START_TEST(dead_letter_of_a_malformed_message_has_all_of_its_headers)
{
    struct outcome_texts texts = { 0 };
    struct record_row row;
    struct job *job = make(OUTCOME_MALFORMED, 1);
    outcome_fill(job, &context, &texts, &row);
    ck_assert(span_equals(row.headers_json, "{\"ce_type\":\"t\",\"x-mine\":{\"base64\":\"/w==\"}}"));
    drop(job);
    job = make(OUTCOME_FAILED, 1);
    outcome_fill(job, &context, &texts, &row);
    ck_assert(span_equals(row.headers_json, "{\"x-mine\":{\"base64\":\"/w==\"}}"));
    drop(job);
    outcome_texts_done(&texts);
}
END_TEST

START_TEST(unknown_type_says_what_this_worker_knows)
{
    struct outcome_texts texts = { 0 };
    struct record_row row;
    struct job_type unknown = { .name = "other" };
    struct job *job = make(OUTCOME_UNKNOWN_TYPE, 1);
    job->type = &unknown;
    outcome_fill(job, &context, &texts, &row);
    ck_assert(span_equals(row.error, "unknown type \"other\"; this worker knows: t"));
    drop(job);
    outcome_texts_done(&texts);
}
END_TEST

START_TEST(refused_row_gives_way_in_everything_that_may_be_refused)
{
    struct outcome_texts texts = { 0 };
    struct record_row row;
    struct job *job = make(OUTCOME_FAILED, 1);
    memcpy(job->refused, "22003", 6);
    job->envelope.traceparent = span_from_string("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    outcome_fill(job, &context, &texts, &row);
    ck_assert(span_equals(row.error, "result refused: 22003"));
    ck_assert(span_equals(row.headers_json, "{}"));
    ck_assert_ptr_null(row.trace_id.data);
    ck_assert_int_eq(row.enqueued_us, 0);
    drop(job);
    outcome_texts_done(&texts);
}
END_TEST

START_TEST(results_become_what_jsonb_takes)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *json;
    } cases[] = {
        { "[1,2]", 5, "[1,2]" },
        { "plain text", 10, "\"plain text\"" },
        { "", 0, "\"\"" },
        { "say \"x\"\n", 8, "\"say \\\"x\\\"\\u000a\"" },
        { "\"\\u0000\"", 8, "\"\\\"\\\\u0000\\\"\"" },
        { "a\0b", 3, "{\"base64\":\"YQBi\"}" },
        { "\xff\xfe", 2, "{\"base64\":\"//4=\"}" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct buf json = { 0 };
        outcome_put_result(&json, cases[i].bytes, cases[i].size);
        ck_assert_str_eq(json.data, cases[i].json);
        buf_done(&json);
    }
}
END_TEST

SUITE_MAIN("outcome", success_keeps_its_result_and_times, every_other_outcome_is_a_deferral_with_its_verdict,
           limits_of_the_message_go_before_those_of_the_handler,
           only_a_success_that_nobody_has_heard_of_leaves_no_row,
           what_started_and_may_not_start_twice_is_dead_unless_it_was_snoozed,
           dead_letter_of_a_malformed_message_has_all_of_its_headers,
           unknown_type_says_what_this_worker_knows, refused_row_gives_way_in_everything_that_may_be_refused,
           results_become_what_jsonb_takes)
