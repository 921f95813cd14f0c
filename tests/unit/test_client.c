/* SPDX-License-Identifier: Apache-2.0 */
#include "libjob/include/job.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/timefmt.h"
#include "libjob/names.h"

#define SUITE_TIMEOUT_S 60
#include "tests/support/mock_kafka.h"
#include "tests/support/suite.h"

#define LONG_MS 20000
#define SELF_MADE "01890a5d-ac96-774b-bcce-b302099a8057"

static struct mock_kafka kafka;
static struct job_client *client;

/* Counts of delivery callbacks by error. */
static atomic_int reported[16];
static void *last_cookie;
static struct job_id last_id;

static void count_delivery(const struct job_id *id, int error, void *cookie, void *userdata)
{
    last_cookie = cookie;
    last_id = *id;
    ck_assert_ptr_eq(userdata, &reported);
    atomic_fetch_add(&reported[error], 1);
}

static struct job_client *open_client(struct job_client_options options)
{
    struct job_client *c;
    if (!options.delivered)
        options.delivered = count_delivery;
    options.userdata = &reported;
    if (!options.brokers)
        options.brokers = kafka.brokers;
    ck_assert_msg(job_client_open(&c, &options) == 0, "%s", job_client_error(NULL));
    return c;
}

static void setup(struct job_client_options options)
{
    mock_kafka_start(&kafka);
    mock_kafka_topic(&kafka, "job.default", 1);
    mock_kafka_topic(&kafka, "job.mail", 1);
    client = open_client(options);
}

static int finish(int64_t timeout_ms)
{
    int r = job_client_close(client, timeout_ms);
    mock_kafka_stop(&kafka);
    return r;
}

static int enqueue_echo(struct job_id *ret_id)
{
    return job_enqueue(client, &(struct job_spec){ .type = "echo", .payload = "{}" }, ret_id);
}

/* --- what is written --- */

START_TEST(job_is_written_with_few_headers)
{
    struct mock_record record;
    struct job_id id;
    char text[JOB_ID_TEXT_SIZE], expected[256];
    setup((struct job_client_options){ .source = "/shop" });
    struct job_spec spec = {
        .type = "welcome_email", .queue = "mail", .payload = "{\"to\":1}", .key = "k", .cookie = &id
    };
    ck_assert_int_eq(job_enqueue(client, &spec, &id), 0);
    ck_assert_int_eq(job_flush(client, LONG_MS), 0);
    ck_assert_int_eq(reported[0], 1);
    ck_assert_ptr_eq(last_cookie, &id);
    ck_assert_mem_eq(&last_id, &id, sizeof(id));
    ck_assert_uint_eq(mock_kafka_read(&kafka, "job.mail", 0, &record, 1), 1);
    ck_assert_str_eq(record.key, "k");
    ck_assert_str_eq(record.value, "{\"to\":1}");
    int n = snprintf(expected, sizeof(expected),
                     "ce_specversion=1.0\nce_id=%s\nce_type=welcome_email\nce_source=/shop\nce_time=20",
                     job_id_format(&id, text));
    ck_assert_msg(strncmp(record.headers, expected, (size_t)n) == 0, "%s", record.headers);
    ck_assert_str_eq(record.headers + n + strlen("26-11-24T03:19:57.123456"),
                     "Z\ncontent-type=application/json\n");
    ck_assert_int_eq(finish(0), 0);
}
END_TEST

START_TEST(options_become_headers)
{
    struct mock_record record;
    struct job_id id, given;
    ck_assert_int_eq(job_id_parse(SELF_MADE, &given), 0);
    setup((struct job_client_options){ .source = "/s" });
    const struct job_header mine[] = { { "x-a", "1" }, { "x-none", NULL } };
    struct job_spec spec = { .type = "t",
                             .payload = "a\0b",
                             .payload_size = 3,
                             .content_type = "text/plain",
                             .id = &given,
                             .max_attempts = 7,
                             .timeout_ms = 1500,
                             .expires_ms = 60000,
                             .tags = "a,b",
                             .parent = &given,
                             .traceparent = "00-1",
                             .tracestate = "x=y",
                             .headers = mine,
                             .n_headers = 2,
                             .reply = 1 };
    ck_assert_int_eq(job_enqueue_wait(client, &spec, &id, LONG_MS), 0);
    ck_assert_mem_eq(&id, &given, sizeof(id));
    ck_assert_uint_eq(mock_kafka_read(&kafka, "job.default", 0, &record, 1), 1);
    static const char *const expected[] = {
        "ce_id=" SELF_MADE "\n",
        "ce_maxattempts=7\n",
        "ce_timeoutms=1500\n",
        "ce_expires=2",
        "ce_claim=1\n",
        "ce_reply=1\n",
        "ce_tags=a,b\n",
        "ce_parent=" SELF_MADE "\n",
        "\ntraceparent=00-1\n",
        "\ntracestate=x=y\n",
        "x-a=1\n",
        "x-none=\n",
        "content-type=text/plain\n",
    };
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
        ck_assert_msg(strstr(record.headers, expected[i]) != NULL, "%s in\n%s", expected[i], record.headers);
    ck_assert_int_eq(reported[0], 0); /* the waiting thread has the answer */
    finish(0);
}
END_TEST

/* The value of a header of @record; it holds until the next call. */
static const char *header_of(const struct mock_record *record, const char *name)
{
    static char value[256];
    const char *at = strstr(record->headers, name);
    ck_assert_msg(at != NULL, "%s in\n%s", name, record->headers);
    at += strlen(name) + 1;
    snprintf(value, sizeof(value), "%.*s", (int)strcspn(at, "\n"), at);
    return value;
}

static int64_t time_of(const struct mock_record *record, const char *name)
{
    int64_t us;
    const char *value = header_of(record, name);
    ck_assert_int_eq(rfc3339_parse(value, strlen(value), &us), 0);
    return us;
}

START_TEST(what_the_broker_has_to_see_goes_to_it)
{
    struct mock_record records[4];
    setup((struct job_client_options){ 0 });
    mock_kafka_topic(&kafka, "job.later", 1);
    int64_t day_ms = INT64_C(86400000), now_ms = clock_wall_us() / 1000;
    const struct job_spec specs[] = {
        { .type = "a", .queue = "mail", .delay_ms = 1 },
        { .type = "b", .run_at_ms = now_ms + 3650 * day_ms, .priority = JOB_PRIORITY_HIGH },
        { .type = "c", .unique_key = "k", .unique_for_ms = 60000 },
        { .type = "d", .unique_key = "k", .debounce = 1, .delay_ms = 1000, .priority = JOB_PRIORITY_LOW },
    };
    ck_assert_int_eq(job_enqueue_many(client, specs, 4, NULL, &(size_t){ 0 }), 0);
    ck_assert_int_eq(job_flush(client, LONG_MS), 0);
    ck_assert_uint_eq(mock_kafka_read(&kafka, "job.later", 0, records, 4), 4);
    ck_assert_str_eq(header_of(&records[0], "ce_queue"), "mail");
    ck_assert_int_eq(time_of(&records[0], "ce_runat") - time_of(&records[0], "ce_time"), 1000);
    ck_assert_ptr_null(strstr(records[0].headers, "ce_unique"));
    ck_assert_ptr_null(strstr(records[0].headers, "ce_priority"));
    ck_assert_str_eq(header_of(&records[1], "ce_queue"), "default");
    ck_assert_str_eq(header_of(&records[1], "ce_priority"), "high");
    ck_assert_int_eq(time_of(&records[1], "ce_runat"), (now_ms + 3650 * day_ms) * 1000);
    ck_assert_str_eq(header_of(&records[2], "ce_uniquekey"), "k");
    ck_assert_str_eq(header_of(&records[2], "ce_uniquettlms"), "60000");
    ck_assert_ptr_null(strstr(records[2].headers, "ce_runat"));
    ck_assert_str_eq(header_of(&records[3], "ce_debounce"), "1");
    ck_assert_str_eq(header_of(&records[3], "ce_priority"), "low");
    ck_assert_int_eq(finish(LONG_MS), 0);
}
END_TEST

START_TEST(moment_that_has_passed_is_now)
{
    struct mock_record record;
    setup((struct job_client_options){ 0 });
    ck_assert_int_eq(job_enqueue(client, &(struct job_spec){ .type = "t", .run_at_ms = 1 }, NULL), 0);
    ck_assert_int_eq(job_flush(client, LONG_MS), 0);
    ck_assert_uint_eq(mock_kafka_read(&kafka, "job.default", 0, &record, 1), 1);
    ck_assert_ptr_null(strstr(record.headers, "ce_runat"));
    ck_assert_int_eq(finish(LONG_MS), 0);
}
END_TEST

START_TEST(time_of_enqueueing_is_now)
{
    struct mock_record records[100];
    setup((struct job_client_options){ .linger_ms = -1 });
    char before[RFC3339_SIZE], after[RFC3339_SIZE];
    rfc3339_format(clock_wall_us(), 6, before);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(enqueue_echo(NULL), 0);
    ck_assert_int_eq(job_flush(client, LONG_MS), 0);
    rfc3339_format(clock_wall_us(), 6, after);
    ck_assert_uint_eq(mock_kafka_read(&kafka, "job.default", 0, records, 100), 100);
    for (int i = 0; i < 100; i++) {
        const char *written = strstr(records[i].headers, "ce_time=") + strlen("ce_time=");
        ck_assert_int_le(strncmp(before, written, 27), 0);
        ck_assert_int_le(strncmp(written, after, 27), 0);
        snprintf(before, sizeof(before), "%.27s", written);
    }
    finish(0);
}
END_TEST

/* --- limits --- */

static void refuse(struct job_spec spec, int error, const char *detail)
{
    struct job_id id;
    if (!spec.type)
        spec.type = "t";
    ck_assert_msg(job_enqueue(client, &spec, &id) == error, "%s", detail);
    ck_assert_msg(strstr(job_client_error(client), detail) != NULL, "\"%s\" is not in \"%s\"", detail,
                  job_client_error(client));
}

START_TEST(every_limit_has_its_error)
{
    static char long_key[NAME_UNIQUE_MAX + 2];
    static char large[JOB_MAX_MESSAGE_SIZE + 1];
    struct job_header mine[41],
        bad[] = { { "ce_x", "" }, { "Content-Type", "" }, { "traceparent", "" }, { "", "" },
                  { NULL, "" },   { "a\xff", "" },        { "a", "\xff" } };
    struct job_id v4 = { { 1, 2, 3, 4, 5, 6, 0x47, 8, 0x89 } }, future;
    memset(large, '1', sizeof(large));
    for (size_t i = 0; i < ARRAY_SIZE(mine); i++)
        mine[i] = (struct job_header){ "x", "y" };
    job_id_new(&future);
    future.bytes[2]++; /* 2^24 ms: more than four hours */
    if (future.bytes[2] == 0)
        future.bytes[1]++;
    memset(long_key, 'k', NAME_UNIQUE_MAX + 1);
    setup((struct job_client_options){ 0 });
    refuse((struct job_spec){ .queue = "Mail" }, JOB_E_INVALID_QUEUE, "Mail");
    refuse((struct job_spec){ .queue = "later" }, JOB_E_INVALID_QUEUE, "later");
    refuse((struct job_spec){ .type = "a b" }, JOB_E_INVALID_TYPE, "a b");
    ck_assert_int_eq(job_enqueue(client, &(struct job_spec){ 0 }, NULL), JOB_E_INVALID_TYPE);
    refuse((struct job_spec){ .payload = "{\"a\":" }, JOB_E_INVALID_JSON, "byte 5");
    refuse((struct job_spec){ .payload = large, .payload_size = sizeof(large) }, JOB_E_TOO_LARGE, "1048576");
    refuse((struct job_spec){ .payload = large, .payload_size = sizeof(large) - 100 }, JOB_E_TOO_LARGE,
           "1048576");
    refuse((struct job_spec){ .id = &v4 }, JOB_E_INVALID_ID, "version 7");
    refuse((struct job_spec){ .id = &future }, JOB_E_INVALID_ID, "future");
    refuse((struct job_spec){ .max_attempts = -1 }, JOB_E_INVALID_OPTION, "max_attempts");
    refuse((struct job_spec){ .max_attempts = 1001 }, JOB_E_INVALID_OPTION, "max_attempts");
    refuse((struct job_spec){ .timeout_ms = -1 }, JOB_E_INVALID_OPTION, "timeout_ms");
    refuse((struct job_spec){ .timeout_ms = INT64_C(2592000001) }, JOB_E_INVALID_OPTION, "timeout_ms");
    refuse((struct job_spec){ .expires_ms = -1 }, JOB_E_INVALID_OPTION, "expires_ms");
    refuse((struct job_spec){ .expires_ms = INT64_MAX }, JOB_E_INVALID_OPTION, "expires_ms");
    refuse((struct job_spec){ .delay_ms = -1 }, JOB_E_INVALID_OPTION, "delay_ms");
    refuse((struct job_spec){ .delay_ms = JOB_MAX_DELAY_MS + 1 }, JOB_E_INVALID_OPTION, "delay_ms");
    refuse((struct job_spec){ .run_at_ms = -1 }, JOB_E_INVALID_OPTION, "run_at_ms");
    refuse((struct job_spec){ .run_at_ms = INT64_MAX }, JOB_E_INVALID_OPTION, "run_at_ms");
    refuse((struct job_spec){ .run_at_ms = 1, .delay_ms = 1 }, JOB_E_INVALID_OPTION, "not together");
    refuse((struct job_spec){ .delay_ms = 5, .expires_ms = 5 }, JOB_E_INVALID_OPTION, "never start");
    refuse((struct job_spec){ .unique_key = "" }, JOB_E_INVALID_OPTION, "unique_key");
    refuse((struct job_spec){ .unique_key = "\xff" }, JOB_E_INVALID_OPTION, "unique_key");
    refuse((struct job_spec){ .unique_key = long_key }, JOB_E_INVALID_OPTION, "512");
    refuse((struct job_spec){ .unique_for_ms = 1 }, JOB_E_INVALID_OPTION, "needs a unique_key");
    refuse((struct job_spec){ .debounce = 1 }, JOB_E_INVALID_OPTION, "needs a unique_key");
    refuse((struct job_spec){ .unique_key = "k", .unique_for_ms = JOB_MAX_DELAY_MS + 1 },
           JOB_E_INVALID_OPTION, "unique_for_ms");
    refuse((struct job_spec){ .tags = "\xff" }, JOB_E_INVALID_OPTION, "tags");
    refuse((struct job_spec){ .content_type = "" }, JOB_E_INVALID_OPTION, "content_type");
    refuse((struct job_spec){ .traceparent = "\xff" }, JOB_E_INVALID_OPTION, "traceparent");
    refuse((struct job_spec){ .reserved = { large } }, JOB_E_INVALID_OPTION, "reserved");
    refuse((struct job_spec){ .priority = 2 }, JOB_E_INVALID_OPTION, "priority");
    refuse((struct job_spec){ .priority = -2 }, JOB_E_INVALID_OPTION, "priority");
    refuse((struct job_spec){ .headers = mine, .n_headers = 41 }, JOB_E_INVALID_HEADER, "41 headers");
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        refuse((struct job_spec){ .headers = &bad[i], .n_headers = 1 }, JOB_E_INVALID_HEADER, "header");
    ck_assert_uint_eq(job_in_flight(client), 0);
    ck_assert_int_eq(finish(LONG_MS), 0);
}
END_TEST

START_TEST(largest_job_is_delivered)
{
    static char large[JOB_MAX_MESSAGE_SIZE];
    memset(large, '1', sizeof(large));
    setup((struct job_client_options){ .source = "/s" });
    struct job_spec spec = { .type = "t", .payload = large, .payload_size = sizeof(large) };
    while (job_enqueue(client, &spec, NULL) == JOB_E_TOO_LARGE)
        spec.payload_size--;
    ck_assert_uint_gt(spec.payload_size, sizeof(large) - 300);
    ck_assert_int_eq(finish(LONG_MS), 0);
    ck_assert_int_eq(reported[0], 1);
}
END_TEST

START_TEST(no_payload_and_empty_payload_are_jobs)
{
    setup((struct job_client_options){ 0 });
    ck_assert_int_eq(job_enqueue(client, &(struct job_spec){ .type = "t" }, NULL), 0);
    ck_assert_int_eq(job_enqueue(client, &(struct job_spec){ .type = "t", .payload = "", .key = "" }, NULL),
                     0);
    ck_assert_int_eq(finish(LONG_MS), 0);
    ck_assert_int_eq(reported[0], 2);
}
END_TEST

START_TEST(wrong_option_is_named)
{
    static const struct job_property unknown = { "no.such.thing", "1" },
                                     unsafe = { "enable.idempotence", "false" };
    const struct {
        struct job_client_options options;
        const char *text;
    } wrong[] = {
        { { .prefix = "a b" }, "prefix" },
        { { .source = "" }, "source" },
        { { .delivery_timeout_ms = -1 }, "delivery_timeout_ms" },
        { { .linger_ms = -2 }, "linger_ms" },
        { { .buffer_jobs = SIZE_MAX }, "buffer_jobs" },
        { { .properties = &unknown, .n_properties = 1 }, "no.such.thing" },
        { { .properties = &unsafe, .n_properties = 1 }, "enable.idempotence" },
        { { .reserved = { &reported } }, "reserved" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        struct job_client *c;
        ck_assert_int_eq(job_client_open(&c, &wrong[i].options), JOB_E_INVALID_CONFIG);
        ck_assert_msg(strstr(job_client_error(NULL), wrong[i].text) != NULL, "%s", job_client_error(NULL));
    }
}
END_TEST

/* --- delivery --- */

START_TEST(full_buffer_refuses_and_loses_nothing)
{
    struct job_id id;
    int accepted = 0, r;
    setup((struct job_client_options){ .buffer_jobs = 500 });
    mock_kafka_slow(&kafka, 300);
    while ((r = enqueue_echo(&id)) == 0)
        accepted++;
    ck_assert_int_eq(r, JOB_E_FULL);
    ck_assert_int_eq(accepted, 500);
    ck_assert_uint_eq(job_in_flight(client), 500);
    mock_kafka_slow(&kafka, 0);
    ck_assert_int_eq(job_flush(client, LONG_MS), 0);
    ck_assert_int_eq(enqueue_echo(&id), 0);
    ck_assert_int_eq(finish(LONG_MS), 0);
    ck_assert_int_eq(reported[0], 501);
}
END_TEST

START_TEST(unknown_queue_is_reported)
{
    const struct job_property impatient = { "topic.metadata.propagation.max.ms", "200" };
    setup((struct job_client_options){ .properties = &impatient, .n_properties = 1 });
    mock_kafka_topic(&kafka, "job.absent", 1);
    rd_kafka_mock_topic_set_error(kafka.cluster, "job.absent", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    struct job_spec spec = { .type = "t", .queue = "absent" };
    ck_assert_int_eq(job_enqueue(client, &spec, NULL), 0);
    ck_assert_int_eq(job_flush(client, LONG_MS), 0);
    ck_assert_int_eq(reported[JOB_E_UNKNOWN_QUEUE], 1);
    ck_assert_int_eq(job_enqueue(client, &spec, NULL), JOB_E_UNKNOWN_QUEUE);
    ck_assert_int_eq(job_enqueue_wait(client, &spec, NULL, LONG_MS), JOB_E_UNKNOWN_QUEUE);
    finish(0);
}
END_TEST

START_TEST(refusal_is_reported)
{
    setup((struct job_client_options){ 0 });
    mock_kafka_fail_next(&kafka, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    ck_assert_int_eq(job_enqueue_wait(client, &(struct job_spec){ .type = "t" }, NULL, LONG_MS),
                     JOB_E_REFUSED);
    finish(0);
}
END_TEST

START_TEST(kafka_away_is_a_time_out)
{
    mock_kafka_start(&kafka);
    client = open_client((struct job_client_options){ .brokers = "127.0.0.1:1", .delivery_timeout_ms = 300 });
    ck_assert_int_eq(enqueue_echo(NULL), 0);
    ck_assert_int_eq(job_flush(client, 50), JOB_E_TIMED_OUT);
    ck_assert_int_eq(job_flush(client, LONG_MS), 0);
    ck_assert_int_eq(reported[JOB_E_TIMED_OUT], 1);
    ck_assert_int_eq(finish(LONG_MS), 0);
}
END_TEST

START_TEST(waiting_ends_with_its_time)
{
    struct job_id id = { { 0 } };
    setup((struct job_client_options){ 0 });
    mock_kafka_slow(&kafka, 1000);
    ck_assert_int_eq(job_enqueue_wait(client, &(struct job_spec){ .type = "t" }, &id, 50), JOB_E_TIMED_OUT);
    ck_assert_int_ne(id.bytes[0] | id.bytes[1] | id.bytes[2], 0);
    ck_assert_uint_eq(job_in_flight(client), 1);
    mock_kafka_slow(&kafka, 0);
    ck_assert_int_eq(finish(LONG_MS), 0); /* the late answer finds nobody */
    ck_assert_int_eq(reported[0], 0);
}
END_TEST

START_TEST(close_reports_what_is_outstanding)
{
    setup((struct job_client_options){ 0 });
    mock_kafka_slow(&kafka, 5000);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(enqueue_echo(NULL), 0);
    ck_assert_int_eq(job_client_close(client, 50), JOB_E_TIMED_OUT);
    ck_assert_int_eq(reported[JOB_E_CLOSED], 100);
    mock_kafka_stop(&kafka);
}
END_TEST

START_TEST(many_stops_at_the_first_refusal)
{
    struct job_id ids[3];
    size_t accepted;
    const struct job_spec specs[] = { { .type = "a" }, { .type = "b" }, { .type = "1" } };
    setup((struct job_client_options){ 0 });
    ck_assert_int_eq(job_enqueue_many(client, specs, 2, ids, &accepted), 0);
    ck_assert_uint_eq(accepted, 2);
    ck_assert_int_eq(job_enqueue_many(client, specs, 3, NULL, &accepted), JOB_E_INVALID_TYPE);
    ck_assert_uint_eq(accepted, 2);
    ck_assert_int_eq(finish(LONG_MS), 0);
    ck_assert_int_eq(reported[0], 4);
}
END_TEST

/* --- a lost producer --- */

START_TEST(lost_producer_is_replaced_and_its_jobs_are_sent_again)
{
    struct mock_record records[200];
    setup((struct job_client_options){ .linger_ms = -1 });
    mock_kafka_fail_next(&kafka, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(enqueue_echo(NULL), 0);
    ck_assert_int_eq(job_flush(client, LONG_MS), 0);
    ck_assert_int_eq(reported[0], 100);
    size_t n = mock_kafka_read(&kafka, "job.default", 0, records, 200), claimed = 0;
    ck_assert_uint_ge(n, 100);
    for (size_t i = 0; i < n; i++)
        claimed += strstr(records[i].headers, "ce_claim=1\n") != NULL;
    ck_assert_uint_ge(claimed, 1);
    ck_assert_int_eq(finish(LONG_MS), 0);
}
END_TEST

START_TEST(lost_producer_does_not_wake_a_waiting_thread_early)
{
    struct job_id id;
    setup((struct job_client_options){ 0 });
    for (int i = 0; i < 5; i++) {
        mock_kafka_fail_next(&kafka, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
        ck_assert_int_eq(job_enqueue_wait(client, &(struct job_spec){ .type = "t" }, &id, LONG_MS), 0);
    }
    finish(0);
}
END_TEST

/* --- threads --- */

#define N_THREADS 4
#define N_JOBS 2000

static void *enqueue_some(void *arg)
{
    for (int i = 0; i < N_JOBS; i++) {
        int r;
        while ((r = enqueue_echo(NULL)) == JOB_E_FULL)
            job_flush(client, LONG_MS);
        ck_assert_int_eq(r, 0);
    }
    return arg;
}

static void enqueue_from_threads(void)
{
    pthread_t threads[N_THREADS];
    for (int i = 0; i < N_THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, enqueue_some, NULL), 0);
    for (int i = 0; i < N_THREADS; i++)
        pthread_join(threads[i], NULL);
}

START_TEST(many_threads_share_a_client)
{
    setup((struct job_client_options){ .buffer_jobs = 1000 });
    enqueue_from_threads();
    ck_assert_int_eq(job_flush(client, LONG_MS), 0);
    ck_assert_int_eq(reported[0], N_THREADS * N_JOBS);
    ck_assert_uint_eq(job_in_flight(client), 0);
    ck_assert_int_eq(finish(LONG_MS), 0);
}
END_TEST

static void *break_now_and_then(void *stop)
{
    while (!atomic_load((atomic_bool *)stop)) {
        mock_kafka_fail_next(&kafka, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
        usleep(30000);
    }
    return NULL;
}

START_TEST(many_threads_survive_lost_producers)
{
    atomic_bool stop = false;
    pthread_t breaker;
    setup((struct job_client_options){ .buffer_jobs = 1000 });
    ck_assert_int_eq(pthread_create(&breaker, NULL, break_now_and_then, &stop), 0);
    enqueue_from_threads();
    atomic_store(&stop, true);
    pthread_join(breaker, NULL);
    rd_kafka_mock_clear_request_errors(kafka.cluster, MOCK_API_PRODUCE);
    ck_assert_int_eq(job_flush(client, LONG_MS), 0);
    ck_assert_int_eq(reported[0], N_THREADS * N_JOBS);
    ck_assert_int_eq(finish(LONG_MS), 0);
}
END_TEST

static void enqueue_ten_more(const struct job_id *id, int error, void *cookie, void *userdata)
{
    int n = atomic_fetch_add(&reported[error], 1);
    if (error == 0 && n < 10)
        ck_assert_int_eq(job_enqueue(client, &(struct job_spec){ .type = "again", .parent = id }, NULL), 0);
    (void)cookie, (void)userdata;
}

START_TEST(callback_may_enqueue)
{
    setup((struct job_client_options){ .delivered = enqueue_ten_more });
    ck_assert_int_eq(enqueue_echo(NULL), 0);
    while (reported[0] < 11)
        ck_assert_int_eq(job_flush(client, LONG_MS), 0);
    ck_assert_int_eq(finish(LONG_MS), 0);
    ck_assert_int_eq(reported[0], 11);
}
END_TEST

static void enqueue_for_ever(const struct job_id *id, int error, void *cookie, void *userdata)
{
    int r = job_enqueue(client, &(struct job_spec){ .type = "again", .parent = id }, NULL);
    ck_assert(r == 0 || r == JOB_E_CLOSED);
    atomic_fetch_add(&reported[error], 1);
    (void)cookie, (void)userdata;
}

START_TEST(callback_that_always_enqueues_does_not_keep_a_client_open)
{
    setup((struct job_client_options){ .delivered = enqueue_for_ever });
    ck_assert_int_eq(enqueue_echo(NULL), 0);
    ck_assert_int_eq(job_flush(client, LONG_MS), 0);
    finish(100);
    ck_assert_int_ge(reported[0], 1);
}
END_TEST

START_TEST(flush_does_not_wait_for_what_comes_later)
{
    setup((struct job_client_options){ .delivered = enqueue_for_ever });
    ck_assert_int_eq(enqueue_echo(NULL), 0);
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(job_flush(client, LONG_MS), 0);
    finish(0);
}
END_TEST

/* --- small things --- */

START_TEST(every_error_has_a_sentence)
{
    for (int error = 0; error <= JOB_E_CLOSED; error++)
        ck_assert_uint_gt(strlen(job_strerror(error)), 5);
    ck_assert_str_eq(job_strerror(-ENOMEM), "Cannot allocate memory");
    ck_assert_str_eq(job_strerror(99), "unknown error");
    ck_assert_str_eq(job_strerror(-100000), "unknown error");
    ck_assert_int_eq(job_client_close(NULL, 0), 0);
}
END_TEST

START_TEST(id_reads_back)
{
    struct job_id id, back;
    char text[JOB_ID_TEXT_SIZE];
    job_id_new(&id);
    ck_assert_int_eq(job_id_parse(job_id_format(&id, text), &back), 0);
    ck_assert_mem_eq(&id, &back, sizeof(id));
    ck_assert_int_eq(job_id_parse("x", &back), JOB_E_INVALID_ID);
    ck_assert_int_eq(job_id_parse(NULL, &back), JOB_E_INVALID_ID);
}
END_TEST

SUITE_MAIN("client", job_is_written_with_few_headers, options_become_headers,
           what_the_broker_has_to_see_goes_to_it, moment_that_has_passed_is_now, time_of_enqueueing_is_now,
           every_limit_has_its_error, largest_job_is_delivered, no_payload_and_empty_payload_are_jobs,
           wrong_option_is_named, full_buffer_refuses_and_loses_nothing, unknown_queue_is_reported,
           refusal_is_reported, kafka_away_is_a_time_out, waiting_ends_with_its_time,
           close_reports_what_is_outstanding, many_stops_at_the_first_refusal,
           lost_producer_is_replaced_and_its_jobs_are_sent_again,
           lost_producer_does_not_wake_a_waiting_thread_early, many_threads_share_a_client,
           many_threads_survive_lost_producers, callback_may_enqueue,
           callback_that_always_enqueues_does_not_keep_a_client_open,
           flush_does_not_wait_for_what_comes_later, every_error_has_a_sentence, id_reads_back)
