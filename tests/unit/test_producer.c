/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/producer.h"

#include <errno.h>
#include <pthread.h>

#include "base/clock.h"

#define SUITE_TIMEOUT_S 60
#include "tests/support/mock_kafka.h"
#include "tests/support/suite.h"

#define TOPIC "job.test"
#define LONG_US (20 * USEC_PER_SEC)

static struct mock_kafka kafka;

/* What the reports of a test said. */
struct seen {
    int delivered, unknown, refused, lost, no_topic;
    void *last_cookie;
    int64_t last_offset;
    char last_topic[64], last_key[64], last_value[64], last_headers[256];
};

static void see_message(struct seen *s, const struct message *m)
{
    size_t at = 0;
    snprintf(s->last_topic, sizeof(s->last_topic), "%s", m->topic);
    snprintf(s->last_key, sizeof(s->last_key), "%.*s", (int)m->key.size, m->key.data ? m->key.data : "");
    snprintf(s->last_value, sizeof(s->last_value), "%.*s", (int)m->value.size,
             m->value.data ? m->value.data : "");
    for (size_t i = 0; i < m->n_headers && at < sizeof(s->last_headers); i++)
        at += (size_t)snprintf(s->last_headers + at, sizeof(s->last_headers) - at, "%s=%.*s;",
                               m->headers[i].name, (int)m->headers[i].value.size,
                               m->headers[i].value.data ? m->headers[i].value.data : "");
}

static void see(const struct producer_report *report, void *userdata)
{
    struct seen *s = userdata;
    s->delivered += report->outcome == PRODUCER_DELIVERED;
    s->unknown += report->outcome == PRODUCER_UNKNOWN;
    s->refused += report->outcome == PRODUCER_REFUSED;
    s->lost += report->cause == PRODUCER_CAUSE_LOST;
    s->no_topic += report->cause == PRODUCER_CAUSE_NO_TOPIC;
    s->last_cookie = report->cookie;
    s->last_offset = report->message->offset;
    ck_assert((report->error == NULL) == (report->outcome == PRODUCER_DELIVERED));
    see_message(s, report->message);
}

/* What the product waits for a topic to appear, shortened. */
static const struct producer_property impatient[] = { { "topic.metadata.propagation.max.ms", "200" },
                                                      { "topic.metadata.refresh.interval.ms", "500" } };

static struct producer_config small_config(void)
{
    return (struct producer_config){
        .brokers = kafka.brokers,
        .message_timeout_us = 10 * USEC_PER_SEC,
        .buffer_messages = 1000,
        .buffer_bytes = 1 << 20,
        .silent = true,
        .properties = impatient,
        .n_properties = ARRAY_SIZE(impatient),
    };
}

static struct producer *start(const struct producer_config *config, struct seen *seen)
{
    struct producer *p;
    struct err error = { "" };
    ck_assert_msg(producer_new(&p, config, see, seen, &error) == 0, "%s", error.text);
    return p;
}

static struct producer *start_small(struct seen *seen)
{
    struct producer_config config = small_config();
    mock_kafka_start(&kafka);
    mock_kafka_topic(&kafka, TOPIC, 4);
    config.brokers = kafka.brokers;
    return start(&config, seen);
}

static int send_text(struct producer *p, const char *topic, const char *value, void *cookie)
{
    struct message m = { .topic = topic, .partition = -1, .value = span_from_string(value) };
    return producer_send(p, &m, cookie);
}

START_TEST(report_brings_the_message_back_with_place_and_cookie)
{
    struct seen seen = { 0 };
    struct producer *p = start_small(&seen);
    const struct message_header headers[] = { { "one", { "1", 1 } },
                                              { "none", { NULL, 0 } },
                                              { "one", { "", 0 } } };
    struct message m = { .topic = TOPIC,
                         .partition = 2,
                         .key = { "k", 1 },
                         .value = { "v", 1 },
                         .n_headers = 3,
                         .headers = headers };
    ck_assert_int_eq(producer_send(p, &m, &m), 0);
    ck_assert_uint_eq(producer_in_flight(p), 1);
    ck_assert_int_eq(producer_flush(p, LONG_US), 0);
    ck_assert_int_eq(seen.delivered, 1);
    ck_assert_ptr_eq(seen.last_cookie, &m);
    ck_assert_int_eq(seen.last_offset, 0);
    ck_assert_str_eq(seen.last_topic, TOPIC);
    ck_assert_str_eq(seen.last_key, "k");
    ck_assert_str_eq(seen.last_value, "v");
    ck_assert_str_eq(seen.last_headers, "one=1;none=;one=;");
    ck_assert_uint_eq(producer_in_flight(p), 0);
    producer_free(p);
    mock_kafka_stop(&kafka);
}
END_TEST

/* librdkafka before 2.10.1 lets the first message of a topic wait for a timer of one second. */
START_TEST(first_message_to_a_topic_does_not_wait_for_a_timer)
{
    struct seen seen = { 0 };
    struct producer *p = start_small(&seen);
    ck_assert_int_eq(send_text(p, TOPIC, "warm", NULL), 0);
    ck_assert_int_eq(producer_flush(p, LONG_US), 0);
    for (int i = 0; i < 3; i++) {
        char topic[32];
        snprintf(topic, sizeof(topic), "job.fresh%d", i);
        mock_kafka_topic(&kafka, topic, 1);
        int64_t before_us = clock_mono_us();
        ck_assert_int_eq(send_text(p, topic, "x", NULL), 0);
        ck_assert_int_eq(producer_flush(p, LONG_US), 0);
        ck_assert_int_lt(clock_mono_us() - before_us, 500 * USEC_PER_MSEC);
    }
    producer_free(p);
    mock_kafka_stop(&kafka);
}
END_TEST

START_TEST(full_buffer_is_said_and_empties)
{
    struct seen seen = { 0 };
    struct producer *p = start_small(&seen);
    int accepted = 0, r;
    mock_kafka_slow(&kafka, 200);
    while ((r = send_text(p, TOPIC, "x", NULL)) == 0)
        accepted++;
    ck_assert_int_eq(r, PRODUCER_FULL);
    ck_assert_int_eq(accepted, 1000);
    mock_kafka_slow(&kafka, 0);
    ck_assert_int_eq(producer_flush(p, LONG_US), 0);
    ck_assert_int_eq(send_text(p, TOPIC, "x", NULL), 0);
    ck_assert_int_eq(producer_flush(p, LONG_US), 0);
    ck_assert_int_eq(seen.delivered, 1001);
    producer_free(p);
    mock_kafka_stop(&kafka);
}
END_TEST

START_TEST(headers_count_in_the_buffers_bytes)
{
    static char large[100 * 1024];
    struct seen seen = { 0 };
    struct producer *p = start_small(&seen);
    const struct message_header header = { "large", { large, sizeof(large) } };
    struct message m = { .topic = TOPIC, .partition = 0, .n_headers = 1, .headers = &header };
    int accepted = 0, r;
    mock_kafka_slow(&kafka, 200);
    while ((r = producer_send(p, &m, NULL)) == 0)
        accepted++;
    ck_assert_int_eq(r, PRODUCER_FULL);
    ck_assert_int_eq(accepted, 10);
    mock_kafka_slow(&kafka, 0);
    ck_assert_int_eq(producer_flush(p, LONG_US), 0);
    ck_assert_int_eq(seen.delivered, 10);
    producer_free(p);
    mock_kafka_stop(&kafka);
}
END_TEST

START_TEST(too_large_message_is_refused_at_once)
{
    static char large[2 << 20];
    struct seen seen = { 0 };
    struct producer *p = start_small(&seen);
    struct message m = { .topic = TOPIC, .partition = -1, .value = { large, sizeof(large) } };
    ck_assert_int_eq(producer_send(p, &m, NULL), PRODUCER_TOO_LARGE);
    ck_assert_uint_eq(producer_in_flight(p), 0);
    producer_free(p);
    mock_kafka_stop(&kafka);
}
END_TEST

START_TEST(unknown_topic_is_refused_and_found_once_it_is_there)
{
    struct seen seen = { 0 };
    struct producer *p = start_small(&seen);
    mock_kafka_topic(&kafka, "job.absent", 1);
    rd_kafka_mock_topic_set_error(kafka.cluster, "job.absent", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    ck_assert_int_eq(send_text(p, "job.absent", "x", NULL), 0);
    ck_assert_int_eq(producer_flush(p, LONG_US), 0);
    ck_assert_int_eq(seen.refused, 1);
    ck_assert_int_eq(seen.no_topic, 1);
    ck_assert_int_eq(send_text(p, "job.absent", "x", NULL), PRODUCER_NO_TOPIC);

    rd_kafka_mock_topic_set_error(kafka.cluster, "job.absent", RD_KAFKA_RESP_ERR_NO_ERROR);
    int64_t deadline_us = clock_mono_us() + LONG_US;
    while (send_text(p, "job.absent", "x", NULL) && clock_mono_us() < deadline_us)
        producer_poll(p, 100 * USEC_PER_MSEC);
    ck_assert_int_eq(producer_flush(p, LONG_US), 0);
    ck_assert_int_eq(seen.delivered, 1);
    producer_free(p);
    mock_kafka_stop(&kafka);
}
END_TEST

START_TEST(message_without_answer_is_unknown_after_its_time)
{
    struct seen seen = { 0 };
    struct producer_config config = small_config();
    config.brokers = "127.0.0.1:1";
    config.message_timeout_us = 300 * USEC_PER_MSEC;
    struct producer *p = start(&config, &seen);
    ck_assert_int_eq(send_text(p, TOPIC, "x", NULL), 0);
    ck_assert_int_eq(producer_flush(p, 100 * USEC_PER_MSEC), 1);
    ck_assert_int_eq(producer_flush(p, LONG_US), 0);
    ck_assert_int_eq(seen.unknown, 1);
    ck_assert_int_eq(seen.lost, 0);
    producer_free(p);
}
END_TEST

START_TEST(purge_reports_everything_as_lost)
{
    struct seen seen = { 0 };
    struct producer *p = start_small(&seen);
    mock_kafka_slow(&kafka, 5000);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(send_text(p, TOPIC, "x", NULL), 0);
    producer_purge(p);
    ck_assert_uint_eq(producer_in_flight(p), 0);
    ck_assert_int_eq(seen.unknown, 100);
    ck_assert_int_eq(seen.lost, 100);
    producer_free(p);
    mock_kafka_stop(&kafka);
}
END_TEST

static void make_fatal(struct producer *p)
{
    int64_t deadline_us = clock_mono_us() + LONG_US;
    mock_kafka_fail_next(&kafka, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    ck_assert_int_eq(send_text(p, TOPIC, "x", NULL), 0);
    while (!producer_is_fatal(p) && clock_mono_us() < deadline_us)
        producer_poll(p, 10 * USEC_PER_MSEC);
    ck_assert(producer_is_fatal(p));
}

START_TEST(fatal_error_refuses_until_renewed)
{
    struct seen seen = { 0 };
    struct producer *p = start_small(&seen);
    make_fatal(p);
    ck_assert_int_eq(send_text(p, TOPIC, "x", NULL), PRODUCER_FATAL);
    ck_assert_int_eq(producer_renew(p, NULL), 0);
    ck_assert_int_eq(seen.lost, 1);
    ck_assert(!producer_is_fatal(p));
    ck_assert_int_eq(send_text(p, TOPIC, "x", NULL), 0);
    ck_assert_int_eq(producer_flush(p, LONG_US), 0);
    ck_assert_int_eq(seen.delivered, 1);
    producer_free(p);
    mock_kafka_stop(&kafka);
}
END_TEST

START_TEST(refusal_by_the_broker_is_no_unknown)
{
    struct seen seen = { 0 };
    struct producer *p = start_small(&seen);
    mock_kafka_fail_next(&kafka, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    ck_assert_int_eq(send_text(p, TOPIC, "x", NULL), 0);
    ck_assert_int_eq(producer_flush(p, LONG_US), 0);
    ck_assert_int_eq(seen.refused, 1);
    ck_assert_int_eq(send_text(p, TOPIC, "x", NULL), PRODUCER_DENIED);
    producer_free(p);
    mock_kafka_stop(&kafka);
}
END_TEST

START_TEST(free_reports_what_is_under_way)
{
    struct seen seen = { 0 };
    struct producer *p = start_small(&seen);
    mock_kafka_slow(&kafka, 5000);
    ck_assert_int_eq(send_text(p, TOPIC, "x", NULL), 0);
    producer_free(p);
    ck_assert_int_eq(seen.lost, 1);
    mock_kafka_stop(&kafka);
}
END_TEST

static void *wake_soon(void *arg)
{
    usleep(50000);
    producer_wake(arg);
    return NULL;
}

START_TEST(wake_ends_a_poll)
{
    struct seen seen = { 0 };
    struct producer *p = start_small(&seen);
    pthread_t thread;
    int64_t before_us = clock_mono_us();
    pthread_create(&thread, NULL, wake_soon, p);
    ck_assert_int_eq(producer_poll(p, LONG_US), 0);
    ck_assert_int_lt(clock_mono_us() - before_us, 5 * USEC_PER_SEC);
    pthread_join(thread, NULL);
    producer_wake(p); /* nobody polls: the next poll returns at once */
    before_us = clock_mono_us();
    ck_assert_int_eq(producer_poll(p, LONG_US), 0);
    ck_assert_int_lt(clock_mono_us() - before_us, 5 * USEC_PER_SEC);
    producer_free(p);
    mock_kafka_stop(&kafka);
}
END_TEST

START_TEST(same_key_goes_where_a_java_client_sends_it)
{
    /* From Kafka's own UtilsTest: murmur2("21") = -973932308, murmur2("foobar") = -790332482, both & 0x7fffffff. */
    static const struct {
        const char *key;
        uint32_t hash;
    } known[] = { { "21", (uint32_t)-973932308 }, { "foobar", (uint32_t)-790332482 } };
    struct seen seen = { 0 };
    struct producer *p = start_small(&seen);
    for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
        struct mock_record record;
        struct message m = {
            .topic = TOPIC, .partition = -1, .key = span_from_string(known[i].key), .value = { "v", 1 }
        };
        ck_assert_int_eq(producer_send(p, &m, NULL), 0);
        ck_assert_int_eq(producer_flush(p, LONG_US), 0);
        int32_t partition = (int32_t)((known[i].hash & 0x7fffffff) % 4);
        ck_assert_uint_ge(mock_kafka_read(&kafka, TOPIC, partition, &record, 1), 1);
    }
    producer_free(p);
    mock_kafka_stop(&kafka);
}
END_TEST

START_TEST(wrong_property_is_named)
{
    static const struct {
        struct producer_property property;
        const char *text;
    } wrong[] = {
        { { "no.such.thing", "1" }, "no.such.thing" },
        { { "linger.ms", "soon" }, "linger.ms" },
        { { "enable.idempotence", "false" }, "enable.idempotence" },
        { { "transactional.id", "mine" }, "transactional.id" },
        { { "acks", "1" }, "acks" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        struct producer *p;
        struct seen seen = { 0 };
        struct err error = { "" };
        struct producer_config config = small_config();
        config.brokers = "127.0.0.1:1";
        config.properties = &wrong[i].property;
        config.n_properties = 1;
        ck_assert_int_eq(producer_new(&p, &config, see, &seen, &error), -EINVAL);
        ck_assert_msg(strstr(error.text, wrong[i].text) != NULL, "%s", error.text);
    }
}
END_TEST

SUITE_MAIN("producer", report_brings_the_message_back_with_place_and_cookie,
           first_message_to_a_topic_does_not_wait_for_a_timer, full_buffer_is_said_and_empties,
           headers_count_in_the_buffers_bytes, too_large_message_is_refused_at_once,
           unknown_topic_is_refused_and_found_once_it_is_there,
           message_without_answer_is_unknown_after_its_time, purge_reports_everything_as_lost,
           fatal_error_refuses_until_renewed, refusal_by_the_broker_is_no_unknown,
           free_reports_what_is_under_way, wake_ends_a_poll, same_key_goes_where_a_java_client_sends_it,
           wrong_property_is_named)
