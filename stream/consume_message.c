/* SPDX-License-Identifier: Apache-2.0 */
/* A consumed librdkafka message as a struct message: one allocation, with room for the headers behind it. */
#include "stream/consume_message.h"

#include <errno.h>
#include <stdlib.h>

struct consumed {
    struct message message; /* first: message_free() gets its address */
    struct message_header headers[];
};

static struct span span_of(const void *data, size_t size)
{
    return (struct span){ data, data ? size : 0 };
}

/* librdkafka decodes the headers at the first question and keeps them. */
static const rd_kafka_headers_t *decode_headers(rd_kafka_message_t *rkm, size_t *ret_n)
{
    rd_kafka_headers_t *headers = NULL;
    *ret_n = rd_kafka_message_headers(rkm, &headers) ? 0 : rd_kafka_header_cnt(headers);
    return headers;
}

static void take_headers(struct consumed *c, const rd_kafka_headers_t *headers, size_t n)
{
    for (size_t i = 0; i < n && i < MESSAGE_MAX_HEADERS; i++) {
        const void *value = NULL;
        size_t size = 0;
        rd_kafka_header_get_all(headers, i, &c->headers[i].name, &value, &size);
        c->headers[i].value = span_of(value, size);
    }
    c->message.headers = c->headers;
    c->message.n_headers = n > MESSAGE_MAX_HEADERS ? MESSAGE_MAX_HEADERS + 1 : n;
}

int message_from_kafka(rd_kafka_message_t *rkm, bool raw, struct message **ret)
{
    size_t n = 0;
    const rd_kafka_headers_t *headers = raw ? NULL : decode_headers(rkm, &n);
    size_t room = n > MESSAGE_MAX_HEADERS ? MESSAGE_MAX_HEADERS : n;
    struct consumed *c = malloc(sizeof(*c) + room * sizeof(c->headers[0]));
    if (!c)
        return -ENOMEM;
    c->message = (struct message){
        .topic = rd_kafka_topic_name(rkm->rkt),
        .partition = rkm->partition,
        .offset = rkm->offset,
        .timestamp_ms = rd_kafka_message_timestamp(rkm, NULL),
        .key = span_of(rkm->key, rkm->key_len),
        .value = span_of(rkm->payload, rkm->len),
        .handle = rkm,
    };
    take_headers(c, headers, n);
    *ret = &c->message;
    return 0;
}

struct message *message_free(struct message *m)
{
    if (!m)
        return NULL;
    rd_kafka_message_destroy(m->handle);
    free(m);
    return NULL;
}
