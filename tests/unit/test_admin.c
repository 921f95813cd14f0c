/* SPDX-License-Identifier: Apache-2.0 */
/* stream/admin.h and stream/consume_message.h against librdkafka's mock cluster, which has no requests for topics. */
#include "tests/support/suite.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>

#include "base/clock.h"
#include "stream/admin.h"
#include "stream/consume_message.h"

struct mock {
    rd_kafka_t *rk; /* whose threads run the cluster; also the producer */
    rd_kafka_mock_cluster_t *cluster;
    struct admin *admin;
};

static struct admin *new_admin(const char *brokers, int64_t timeout_us)
{
    struct admin *admin = NULL;
    struct err err = { 0 };
    const struct admin_config config = { .brokers = brokers, .client_id = "test", .timeout_us = timeout_us };
    ck_assert_msg(admin_new(&admin, &config, &err) == 0, "%s", err.text);
    return admin;
}

static void start_mock(struct mock *m, int n_partitions)
{
    char text[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "test.mock.num.brokers", "1", text, sizeof(text));
    rd_kafka_conf_set(conf, "linger.ms", "0", text, sizeof(text));
    m->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof(text));
    ck_assert_ptr_nonnull(m->rk);
    m->cluster = rd_kafka_handle_mock_cluster(m->rk);
    rd_kafka_mock_topic_create(m->cluster, "job.mail", n_partitions, 1);
    rd_kafka_mock_topic_create(m->cluster, "job.else", 1, 1);
    m->admin = new_admin(rd_kafka_mock_cluster_bootstraps(m->cluster), 5 * USEC_PER_SEC);
}

static void stop_mock(struct mock *m)
{
    admin_free(m->admin);
    rd_kafka_destroy(m->rk);
}

static void produce_later(struct mock *m, const char *topic, int partition, const char *value)
{
    ck_assert_int_eq(rd_kafka_producev(m->rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition),
                                       RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                       RD_KAFKA_V_VALUE((void *)(uintptr_t)value, strlen(value)),
                                       RD_KAFKA_V_END),
                     0);
}

static void produce(struct mock *m, const char *topic, int partition, const char *value,
                    rd_kafka_headers_t *headers)
{
    rd_kafka_vu_t fields[] = {
        { .vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = topic },
        { .vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = partition },
        { .vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY },
        { .vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = { (void *)(uintptr_t)value, value ? strlen(value) : 0 } },
        { .vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers },
    };
    ck_assert_ptr_null(rd_kafka_produceva(m->rk, fields, headers ? 5 : 4));
    ck_assert_int_eq(rd_kafka_flush(m->rk, 10000), 0);
}

struct wanted {
    const char *value;
    size_t n_seen;
    void (*check)(const struct message *m);
};

static bool match(const struct message *m, void *userdata)
{
    struct wanted *w = userdata;
    w->n_seen++;
    if (!w->value || !span_equals(m->value, w->value))
        return false;
    if (w->check)
        w->check(m);
    return true;
}

static int find(struct mock *m, struct wanted *w, struct admin_found *ret)
{
    static const char *const topics[] = { "job.else", "job.mail" };
    struct err err = { 0 };
    return admin_find_message(m->admin, topics, 2, 0, match, w, 5 * USEC_PER_SEC, ret, &err);
}

START_TEST(nobody_there_is_an_outcome)
{
    struct err err = { 0 };
    struct admin_topics topics;
    struct admin_found found;
    struct wanted w = { 0 };
    const char *names[] = { "t" };
    _cleanup_(admin_free_cleanup) struct admin *admin = new_admin("127.0.0.1:1", 300 * USEC_PER_MSEC);
    ck_assert_int_eq(admin_probe(admin, &err), ADMIN_AWAY);
    ck_assert_msg(strstr(err.text, "Kafka is away") && strstr(err.text, "127.0.0.1:1"), "%s", err.text);
    ck_assert_int_eq(admin_list_topics(admin, "job.", &topics, &err), ADMIN_AWAY);
    ck_assert_int_eq(admin_create_topic(admin, "job.x", 1, -1, &err), ADMIN_AWAY);
    int64_t began_us = clock_mono_us();
    ck_assert_int_eq(admin_find_message(admin, names, 1, 0, match, &w, 200 * USEC_PER_MSEC, &found, &err),
                     ADMIN_AWAY);
    ck_assert_int_lt(clock_mono_us() - began_us, 2 * USEC_PER_SEC);
}
END_TEST

START_TEST(a_property_that_is_none_is_refused)
{
    struct admin *admin = NULL;
    struct err err = { 0 };
    const struct producer_property properties[] = { { "no.such.property", "1" } };
    const struct admin_config config = {
        .brokers = "x", .client_id = "test", .properties = properties, .n_properties = 1
    };
    ck_assert_int_lt(admin_new(&admin, &config, &err), 0);
    ck_assert_ptr_nonnull(strstr(err.text, "no.such.property"));
}
END_TEST

START_TEST(topics_are_listed_by_prefix)
{
    struct mock m;
    struct err err = { 0 };
    struct admin_topics topics;
    start_mock(&m, 3);
    ck_assert_int_eq(admin_probe(m.admin, &err), 0);
    ck_assert_int_eq(admin_list_topics(m.admin, "job.", &topics, &err), 0);
    ck_assert_uint_eq(topics.n, 2);
    ck_assert_str_eq(topics.topics[0].name, "job.else");
    ck_assert_str_eq(topics.topics[1].name, "job.mail");
    ck_assert_int_eq(topics.topics[1].n_partitions, 3);
    ck_assert_int_eq(topics.topics[1].n_leaderless, 0);
    admin_topics_done(&topics);
    ck_assert_int_eq(admin_list_topics(m.admin, "nothing", &topics, &err), 0);
    ck_assert_uint_eq(topics.n, 0);
    admin_topics_done(&topics);
    stop_mock(&m);
}
END_TEST

START_TEST(ranges_tell_both_ends)
{
    struct mock m;
    struct err err = { 0 };
    struct admin_range ranges[3];
    start_mock(&m, 3);
    for (int i = 0; i < 5; i++)
        produce(&m, "job.mail", 1, "x", NULL);
    ck_assert_int_eq(admin_read_ranges(m.admin, "job.mail", 3, ranges, &err), 0);
    ck_assert_int_eq(ranges[0].end, 0);
    ck_assert_int_eq(ranges[1].start, 0);
    ck_assert_int_eq(ranges[1].end, 5);
    ck_assert_int_eq(ranges[2].end, 0);
    stop_mock(&m);
}
END_TEST

START_TEST(a_message_is_found_with_its_place)
{
    struct mock m;
    struct admin_found found;
    char value[16];
    start_mock(&m, 3);
    for (int i = 0; i < 30; i++) {
        snprintf(value, sizeof(value), "%d", i);
        produce(&m, "job.mail", i % 3, value, NULL);
    }
    struct wanted w = { .value = "13" };
    ck_assert_int_eq(find(&m, &w, &found), 0);
    ck_assert_uint_eq(found.topic, 1);
    ck_assert_int_eq(found.partition, 1);
    ck_assert_int_eq(found.offset, 4);
    ck_assert_int_eq(found.end, 10);
    stop_mock(&m);
}
END_TEST

START_TEST(a_search_ends_when_all_was_read)
{
    struct mock m;
    struct admin_found found;
    start_mock(&m, 3);
    for (int i = 0; i < 7; i++)
        produce(&m, "job.mail", i % 2, "x", NULL);
    struct wanted w = { .value = "y" };
    int64_t began_us = clock_mono_us();
    ck_assert_int_eq(find(&m, &w, &found), ADMIN_NOT_FOUND);
    ck_assert_uint_eq(w.n_seen, 7);
    ck_assert_int_lt(clock_mono_us() - began_us, 4 * USEC_PER_SEC);
    stop_mock(&m);
}
END_TEST

START_TEST(an_empty_topic_is_searched_at_once)
{
    struct mock m;
    struct admin_found found;
    struct wanted w = { .value = "y" };
    start_mock(&m, 1);
    ck_assert_int_eq(find(&m, &w, &found), ADMIN_NOT_FOUND);
    stop_mock(&m);
}
END_TEST

static void check_headers(const struct message *m)
{
    ck_assert_str_eq(m->topic, "job.mail");
    ck_assert_ptr_null(m->key.data);
    ck_assert_uint_eq(m->n_headers, 4);
    ck_assert_str_eq(m->headers[0].name, "a");
    ck_assert(span_equals(m->headers[0].value, "1"));
    ck_assert_str_eq(m->headers[1].name, "null");
    ck_assert_ptr_null(m->headers[1].value.data);
    ck_assert_str_eq(m->headers[2].name, "a");
    ck_assert(span_equals(m->headers[2].value, "2"));
    ck_assert_uint_eq(m->headers[3].value.size, 3);
    ck_assert_int_eq(memcmp(m->headers[3].value.data, "x\0y", 3), 0);
}

START_TEST(headers_are_taken_as_they_are)
{
    struct mock m;
    struct admin_found found;
    struct wanted w = { .value = "v", .check = check_headers };
    start_mock(&m, 1);
    rd_kafka_headers_t *headers = rd_kafka_headers_new(4);
    rd_kafka_header_add(headers, "a", -1, "1", 1);
    rd_kafka_header_add(headers, "null", -1, NULL, 0);
    rd_kafka_header_add(headers, "a", -1, "2", 1);
    rd_kafka_header_add(headers, "bytes", -1, "x\0y", 3);
    produce(&m, "job.mail", 0, "v", headers);
    ck_assert_int_eq(find(&m, &w, &found), 0);
    stop_mock(&m);
}
END_TEST

static void check_too_many(const struct message *m)
{
    ck_assert_uint_eq(m->n_headers, MESSAGE_MAX_HEADERS + 1);
    ck_assert_str_eq(m->headers[MESSAGE_MAX_HEADERS - 1].name, "h71");
}

START_TEST(too_many_headers_are_said)
{
    struct mock m;
    struct admin_found found;
    struct wanted w = { .value = "v", .check = check_too_many };
    char name[16];
    start_mock(&m, 1);
    rd_kafka_headers_t *headers = rd_kafka_headers_new(100);
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "h%d", i);
        rd_kafka_header_add(headers, name, -1, "", 0);
    }
    produce(&m, "job.mail", 0, "v", headers);
    ck_assert_int_eq(find(&m, &w, &found), 0);
    stop_mock(&m);
}
END_TEST

struct taken {
    size_t n, stop_at;
    struct {
        size_t want;
        char value[16];
    } messages[64];
};

static bool take(size_t want, const struct message *m, void *userdata)
{
    struct taken *t = userdata;
    t->messages[t->n].want = want;
    snprintf(t->messages[t->n].value, sizeof(t->messages[0].value), "%.*s", (int)m->value.size,
             m->value.data);
    return ++t->n != t->stop_at;
}

static const char *find_taken(const struct taken *t, size_t want)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->messages[i].want == want)
            return t->messages[i].value;
    return "";
}

START_TEST(messages_are_read_where_they_are_known_to_be)
{
    struct mock m;
    struct err err = { 0 };
    struct taken t = { 0 };
    char value[16];
    struct admin_want wants[] = {
        { -1, 0, ADMIN_READ },   { 0, 0, ADMIN_MISSING }, { 0, 2999, ADMIN_MISSING }, { 1, 3, ADMIN_MISSING },
        { 1, 3, ADMIN_MISSING }, { 1, 9, ADMIN_MISSING }, { 1, 10, ADMIN_READ },      { 7, 0, ADMIN_READ },
    };
    start_mock(&m, 3);
    for (int i = 0; i < 3000; i++) {
        snprintf(value, sizeof(value), "%d", i);
        produce_later(&m, "job.mail", 0, value);
    }
    for (int i = 0; i < 10; i++) {
        snprintf(value, sizeof(value), "b%d", i);
        produce(&m, "job.mail", 1, value, NULL);
    }
    ck_assert_msg(admin_read_messages(m.admin, "job.mail", wants, ARRAY_SIZE(wants), take, &t, &err) == 0,
                  "%s", err.text);
    ck_assert_uint_eq(t.n, 5);
    ck_assert_str_eq(find_taken(&t, 1), "0");
    ck_assert_str_eq(find_taken(&t, 2), "2999"); /* what is between was passed over */
    ck_assert_str_eq(find_taken(&t, 3), "b3");
    ck_assert_str_eq(find_taken(&t, 4), "b3");
    ck_assert_str_eq(find_taken(&t, 5), "b9");
    for (size_t i = 1; i <= 5; i++)
        ck_assert_int_eq(wants[i].fate, ADMIN_READ);
    ck_assert_int_eq(wants[0].fate, ADMIN_BEYOND);
    ck_assert_int_eq(wants[6].fate, ADMIN_BEYOND);
    ck_assert_int_eq(wants[7].fate, ADMIN_BEYOND);
    t = (struct taken){ .stop_at = 2 };
    ck_assert_int_eq(admin_read_messages(m.admin, "job.mail", wants, ARRAY_SIZE(wants), take, &t, &err),
                     ADMIN_STOPPED);
    ck_assert_uint_eq(t.n, 2);
    ck_assert_int_eq(admin_read_messages(m.admin, "job.mail", &wants[7], 1, take, &t, &err), 0);
    stop_mock(&m);
}
END_TEST

START_TEST(no_message_is_freed_without_harm)
{
    ck_assert_ptr_null(message_free(NULL));
    ck_assert_ptr_null(admin_free(NULL));
}
END_TEST

SUITE_MAIN("admin", nobody_there_is_an_outcome, a_property_that_is_none_is_refused,
           topics_are_listed_by_prefix, ranges_tell_both_ends, a_message_is_found_with_its_place,
           a_search_ends_when_all_was_read, an_empty_topic_is_searched_at_once, headers_are_taken_as_they_are,
           too_many_headers_are_said, messages_are_read_where_they_are_known_to_be,
           no_message_is_freed_without_harm)
