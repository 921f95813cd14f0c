/* SPDX-License-Identifier: Apache-2.0 */
/* librdkafka's Kafka inside of the test process: for errors on demand. Holds 5 MiB per partition, then forgets. */
#pragma once

#include <check.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdbool.h>

#define MOCK_API_PRODUCE 0
#define MOCK_BROKER 1

struct mock_kafka {
    rd_kafka_t *rk;
    rd_kafka_mock_cluster_t *cluster;
    const char *brokers;
};

static inline void mock_kafka_start(struct mock_kafka *k)
{
    char text[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "log_level", "0", NULL, 0);
    k->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof(text));
    ck_assert_msg(k->rk != NULL, "%s", text);
    k->cluster = rd_kafka_mock_cluster_new(k->rk, 1);
    k->brokers = rd_kafka_mock_cluster_bootstraps(k->cluster);
}

static inline void mock_kafka_stop(struct mock_kafka *k)
{
    rd_kafka_mock_cluster_destroy(k->cluster);
    rd_kafka_destroy(k->rk);
}

static inline void mock_kafka_topic(struct mock_kafka *k, const char *name, int partitions)
{
    ck_assert_int_eq(rd_kafka_mock_topic_create(k->cluster, name, partitions, 1), 0);
}

/* Answers get this slow; 0: at once again. */
static inline void mock_kafka_slow(struct mock_kafka *k, int rtt_ms)
{
    rd_kafka_mock_broker_set_rtt(k->cluster, MOCK_BROKER, rtt_ms);
}

/* The next request to append messages is answered with this error, and nothing is appended. */
static inline void mock_kafka_fail_next(struct mock_kafka *k, rd_kafka_resp_err_t error)
{
    rd_kafka_mock_push_request_errors(k->cluster, MOCK_API_PRODUCE, 1, error);
}

struct mock_record {
    char key[64], value[256], headers[1024];
    int32_t partition;
};

static inline void mock_record_fill(struct mock_record *r, const rd_kafka_message_t *m)
{
    rd_kafka_headers_t *list;
    size_t at = 0;
    snprintf(r->key, sizeof(r->key), "%.*s", (int)m->key_len, m->key ? (const char *)m->key : "");
    snprintf(r->value, sizeof(r->value), "%.*s", (int)m->len, m->payload ? (const char *)m->payload : "");
    r->headers[0] = 0;
    r->partition = m->partition;
    if (rd_kafka_message_headers(m, &list))
        return;
    for (size_t i = 0; i < rd_kafka_header_cnt(list) && at < sizeof(r->headers); i++) {
        const char *name;
        const void *value;
        size_t size;
        rd_kafka_header_get_all(list, i, &name, &value, &size);
        at += (size_t)snprintf(r->headers + at, sizeof(r->headers) - at, "%s=%.*s\n", name, (int)size,
                               value ? (const char *)value : "");
    }
}

/* Reads up to @max records of one partition from its start; ends at the partition's end. Return: how many. */
static inline size_t mock_kafka_read(struct mock_kafka *k, const char *topic, int32_t partition,
                                     struct mock_record *ret, size_t max)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", k->brokers, NULL, 0);
    rd_kafka_conf_set(conf, "enable.partition.eof", "true", NULL, 0);
    rd_kafka_conf_set(conf, "group.id", "reader", NULL, 0);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, NULL, 0);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, partition)->offset = RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_assign(rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    size_t n = 0;
    for (bool end = false; !end;) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, 10000);
        end = !m || m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF || n == max;
        if (m && !m->err && n < max)
            mock_record_fill(&ret[n++], m);
        if (m)
            rd_kafka_message_destroy(m);
    }
    rd_kafka_consumer_close(rk);
    rd_kafka_destroy(rk);
    return n;
}
