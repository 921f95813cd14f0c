/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/producer.h"

#include <errno.h>
#include <librdkafka/rdkafka.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "stream/producer_conf.h"
#include "stream/topic_table.h"

#define PURGE_AGAIN_US (100 * USEC_PER_MSEC)
#define POLL_EVENTS_MAX 64
#define FLUSH_SHORT_STEPS 50
#define FLUSH_STEP_MS 20

/* One life of librdkafka's producer; a fatal error ends it and producer_renew() starts the next. */
struct handle {
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue; /* reports and errors */
    struct topic_table topics;
};

struct producer {
    struct producer_config config; /* all strings are copies */
    producer_report_fn report;
    void *userdata;
    struct handle *handle;
    atomic_size_t n_in_flight;
    atomic_size_t bytes_in_flight; /* librdkafka's own bound counts neither keys nor headers */
    bool away;                     /* said so in the log */
    char last_trouble[256];        /* what librdkafka said of the newest connection that failed */
};

/* --- life --- */

static struct handle *handle_free(struct handle *h)
{
    if (!h)
        return NULL;
    topic_table_done(&h->topics);
    if (h->queue)
        rd_kafka_queue_destroy(h->queue);
    if (h->rk)
        rd_kafka_destroy(h->rk);
    free(h);
    return NULL;
}
DEFINE_CLEANUP(struct handle *, handle_free)

static int handle_new(struct handle **ret, struct producer *p, struct err *reterr)
{
    char text[512];
    rd_kafka_conf_t *conf;
    _cleanup_(handle_free_cleanup) struct handle *h = calloc(1, sizeof(*h));
    if (!h)
        return -ENOMEM;
    int r = producer_conf_new(&conf, &p->config, p, reterr);
    if (r < 0)
        return r;
    h->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof(text));
    if (!h->rk) {
        r = rd_kafka_last_error() == RD_KAFKA_RESP_ERR__INVALID_ARG ? -EINVAL : -EAGAIN;
        rd_kafka_conf_destroy(conf);
        return err_set(reterr, r, "Kafka producer: %s", text);
    }
    h->queue = rd_kafka_queue_get_main(h->rk);
    *ret = steal(h);
    return 0;
}

static void config_done(struct producer_config *config)
{
    struct producer_property *properties = (struct producer_property *)(uintptr_t)config->properties;
    free((char *)(uintptr_t)config->brokers);
    free((char *)(uintptr_t)config->client_id);
    for (size_t i = 0; properties && i < config->n_properties; i++) {
        free((char *)(uintptr_t)properties[i].name);
        free((char *)(uintptr_t)properties[i].value);
    }
    free(properties);
}

static bool config_copy_properties(struct producer_config *to, const struct producer_config *from)
{
    struct producer_property *properties = calloc(from->n_properties + 1, sizeof(*properties));
    to->properties = properties;
    to->n_properties = from->n_properties;
    if (!properties)
        return false;
    for (size_t i = 0; i < from->n_properties; i++) {
        properties[i].name = strdup(from->properties[i].name);
        properties[i].value = strdup(from->properties[i].value);
        if (!properties[i].name || !properties[i].value)
            return false;
    }
    return true;
}

static int config_copy(struct producer_config *to, const struct producer_config *from)
{
    *to = *from;
    to->brokers = strdup(from->brokers);
    to->client_id = from->client_id ? strdup(from->client_id) : NULL;
    bool complete = config_copy_properties(to, from) && to->brokers && (to->client_id || !from->client_id);
    return complete ? 0 : -ENOMEM;
}

int producer_new(struct producer **ret, const struct producer_config *config, producer_report_fn report,
                 void *userdata, struct err *reterr)
{
    _cleanup_(producer_free_cleanup) struct producer *p = calloc(1, sizeof(*p));
    if (!p)
        return -ENOMEM;
    p->report = report;
    p->userdata = userdata;
    int r = config_copy(&p->config, config);
    if (r == 0)
        r = handle_new(&p->handle, p, reterr);
    if (r < 0)
        return r;
    *ret = steal(p);
    return 0;
}

struct producer *producer_free(struct producer *p)
{
    if (!p)
        return NULL;
    if (p->handle)
        producer_purge(p);
    handle_free(p->handle);
    config_done(&p->config);
    free(p);
    return NULL;
}

/* --- sending --- */

static int send_result(rd_kafka_resp_err_t code)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        return 0;
    case RD_KAFKA_RESP_ERR__QUEUE_FULL:
        return PRODUCER_FULL;
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
        return PRODUCER_TOO_LARGE;
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
        return PRODUCER_NO_TOPIC;
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
        return PRODUCER_DENIED;
    default:
        return -EIO;
    }
}

static size_t message_size(const struct message *m)
{
    size_t size = m->key.size + m->value.size;
    for (size_t i = 0; i < m->n_headers; i++)
        size += strlen(m->headers[i].name) + m->headers[i].value.size;
    return size;
}

static rd_kafka_headers_t *headers_new(const struct message *m)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(m->n_headers);
    for (size_t i = 0; headers && i < m->n_headers; i++) {
        const struct message_header *h = &m->headers[i];
        if (rd_kafka_header_add(headers, h->name, -1, h->value.data, (ssize_t)h->value.size)) {
            rd_kafka_headers_destroy(headers);
            return NULL;
        }
    }
    return headers;
}

static int hand_over(struct handle *h, rd_kafka_topic_t *topic, const struct message *m, void *cookie)
{
    rd_kafka_headers_t *headers = headers_new(m);
    if (!headers)
        return -ENOMEM;
    rd_kafka_vu_t fields[] = {
        { .vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = topic },
        { .vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = m->partition },
        { .vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY },
        { .vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = { (void *)(uintptr_t)m->value.data, m->value.size } },
        { .vtype = RD_KAFKA_VTYPE_KEY, .u.mem = { (void *)(uintptr_t)m->key.data, m->key.size } },
        { .vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = cookie },
        { .vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers },
    };
    rd_kafka_error_t *error = rd_kafka_produceva(h->rk, fields, ARRAY_SIZE(fields));
    if (!error)
        return 0;
    int r = rd_kafka_error_is_fatal(error) ? PRODUCER_FATAL : send_result(rd_kafka_error_code(error));
    rd_kafka_error_destroy(error);
    rd_kafka_headers_destroy(headers); /* librdkafka owns them only after success */
    return r;
}

static int send_to_topic(struct handle *h, const struct message *m, void *cookie)
{
    bool owned;
    rd_kafka_topic_t *topic = topic_table_get(&h->topics, h->rk, m->topic, &owned);
    if (!topic)
        return PRODUCER_NO_TOPIC;
    int r = hand_over(h, topic, m, cookie);
    if (owned)
        rd_kafka_topic_destroy(topic);
    return r;
}

int producer_send(struct producer *p, const struct message *m, void *cookie)
{
    size_t size = message_size(m);
    size_t before = atomic_fetch_add_explicit(&p->bytes_in_flight, size, memory_order_relaxed);
    atomic_fetch_add_explicit(&p->n_in_flight, 1, memory_order_relaxed);
    /* One message is always taken, so that a small buffer does not refuse a large message for ever. */
    int r = before > 0 && before + size > p->config.buffer_bytes ? PRODUCER_FULL
                                                                 : send_to_topic(p->handle, m, cookie);
    if (r) {
        atomic_fetch_sub_explicit(&p->bytes_in_flight, size, memory_order_relaxed);
        atomic_fetch_sub_explicit(&p->n_in_flight, 1, memory_order_relaxed);
    }
    return r;
}

/* --- reports --- */

/* The sequence or identity of an idempotent producer is lost: nobody knows what of it is in the log. */
static bool is_lost(rd_kafka_resp_err_t code)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR__FATAL:
    case RD_KAFKA_RESP_ERR__PURGE_QUEUE:
    case RD_KAFKA_RESP_ERR__PURGE_INFLIGHT:
    case RD_KAFKA_RESP_ERR__INCONSISTENT:
    case RD_KAFKA_RESP_ERR__FENCED:
    case RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER:
    case RD_KAFKA_RESP_ERR_DUPLICATE_SEQUENCE_NUMBER:
    case RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID:
    case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH:
    case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING:
        return true;
    default:
        return false;
    }
}

/* Named by the broker before it appended anything, or by librdkafka before it sent anything. */
static bool is_refused(rd_kafka_resp_err_t code)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
    case RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT:
        return true;
    default:
        return send_result(code) == PRODUCER_NO_TOPIC || send_result(code) == PRODUCER_DENIED;
    }
}

static void report_judge(struct producer_report *report, rd_kafka_resp_err_t code)
{
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        report->outcome = PRODUCER_DELIVERED;
        return;
    }
    report->error = rd_kafka_err2str(code);
    report->outcome = is_refused(code) ? PRODUCER_REFUSED : PRODUCER_UNKNOWN;
    if (is_lost(code))
        report->cause = PRODUCER_CAUSE_LOST;
    else if (send_result(code) == PRODUCER_NO_TOPIC)
        report->cause = PRODUCER_CAUSE_NO_TOPIC;
}

static size_t headers_get(const rd_kafka_message_t *rkm, struct message_header *headers)
{
    rd_kafka_headers_t *list;
    size_t n = 0;
    if (rd_kafka_message_headers(rkm, &list))
        return 0;
    for (; n < MESSAGE_MAX_HEADERS; n++) {
        const void *value;
        if (rd_kafka_header_get_all(list, n, &headers[n].name, &value, &headers[n].value.size))
            break;
        headers[n].value.data = value;
    }
    return n;
}

static void serve_report(struct producer *p, const rd_kafka_message_t *rkm)
{
    struct message_header headers[MESSAGE_MAX_HEADERS];
    struct message m = {
        .topic = rd_kafka_topic_name(rkm->rkt),
        .partition = rkm->partition,
        .offset = rkm->offset,
        .timestamp_ms = rd_kafka_message_timestamp(rkm, NULL),
        .key = { rkm->key, rkm->key_len },
        .value = { rkm->payload, rkm->len },
        .n_headers = headers_get(rkm, headers),
        .headers = headers,
    };
    struct producer_report report = { .message = &m, .cookie = rkm->_private };
    report_judge(&report, rkm->err);
    if (p->away && report.outcome == PRODUCER_DELIVERED) {
        p->away = false;
        if (!p->config.silent)
            log_info("Kafka is back");
    }
    /* Given back before the callback, so that it can send. */
    atomic_fetch_sub_explicit(&p->bytes_in_flight, message_size(&m), memory_order_relaxed);
    p->report(&report, p->userdata);
    atomic_fetch_sub_explicit(&p->n_in_flight, 1, memory_order_relaxed);
}

static int serve_reports(struct producer *p, rd_kafka_event_t *event)
{
    int n = 0;
    for (const rd_kafka_message_t *rkm; (rkm = rd_kafka_event_message_next(event)); n++)
        serve_report(p, rkm);
    return n;
}

/* One line when Kafka goes away and one when it is back, whatever librdkafka repeats in between. */
static void serve_error(struct producer *p, rd_kafka_event_t *event)
{
    const char *text = rd_kafka_event_error_string(event);
    if (p->config.silent)
        return;
    if (rd_kafka_event_error_is_fatal(event)) {
        log_warning("Kafka producer ended, a new one takes over: %s", text);
    } else if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
        snprintf(p->last_trouble, sizeof(p->last_trouble), "%s", text);
        log_debug("Kafka: %s", text);
    } else if (!p->away) {
        p->away = true;
        log_warning("Kafka is away, messages wait: %s", p->last_trouble[0] ? p->last_trouble : text);
    }
}

static int serve_event(struct producer *p, rd_kafka_event_t *event)
{
    int n = 0;
    if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_DR)
        n = serve_reports(p, event);
    else if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_ERROR)
        serve_error(p, event);
    rd_kafka_event_destroy(event);
    return n;
}

int producer_poll(struct producer *p, int64_t timeout_us)
{
    int n = 0, timeout_ms = (int)((timeout_us + USEC_PER_MSEC - 1) / USEC_PER_MSEC);
    for (int i = 0; i < POLL_EVENTS_MAX; i++, timeout_ms = 0) {
        rd_kafka_event_t *event = rd_kafka_queue_poll(p->handle->queue, timeout_ms);
        if (!event)
            break;
        n += serve_event(p, event);
    }
    return n;
}

void producer_wake(struct producer *p)
{
    rd_kafka_queue_yield(p->handle->queue);
}

size_t producer_in_flight(struct producer *p)
{
    return atomic_load_explicit(&p->n_in_flight, memory_order_relaxed);
}

/*
 * As long as a thread is in rd_kafka_flush(), nothing lingers. It does not serve events itself, so it is left again and again: at first
 * soon, because an answer usually comes within a millisecond or two.
 */
int producer_flush(struct producer *p, int64_t timeout_us)
{
    int64_t deadline_us = clock_mono_us() + timeout_us;
    for (unsigned n = 0; producer_in_flight(p) > 0; n++) {
        int64_t left_us = deadline_us - clock_mono_us();
        if (left_us > 0)
            rd_kafka_flush(p->handle->rk, n < FLUSH_SHORT_STEPS ? 1 : FLUSH_STEP_MS);
        if (producer_poll(p, 0) == 0 && left_us <= 0)
            return 1;
    }
    return 0;
}

/* --- ending one life and starting the next --- */

/* Repeated, because a message that is on its way between two of librdkafka's threads escapes a purge. */
void producer_purge(struct producer *p)
{
    while (producer_in_flight(p) > 0) {
        rd_kafka_purge(p->handle->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        producer_flush(p, PURGE_AGAIN_US);
    }
}

bool producer_is_fatal(struct producer *p)
{
    return rd_kafka_fatal_error(p->handle->rk, NULL, 0) != RD_KAFKA_RESP_ERR_NO_ERROR;
}

int producer_renew(struct producer *p, struct err *reterr)
{
    struct handle *fresh;
    producer_purge(p);
    int r = handle_new(&fresh, p, reterr);
    if (r < 0)
        return r;
    handle_free(p->handle);
    p->handle = fresh;
    return 0;
}
