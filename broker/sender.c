/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/sender.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "broker/duty.h"
#include "libjob/envelope.h"
#include "libjob/names.h"
#include "stream/producer.h"

#define MESSAGE_TIMEOUT_US (5 * USEC_PER_SEC)
#define LINGER_US (50 * USEC_PER_MSEC) /* until flushed: a request costs Kafka as much as a hundred rows */
#define FULL_WAIT_US (20 * USEC_PER_MSEC)
#define COMPLAINTS_MAX 256

struct verdict {
    enum sender_fate fate;
    struct sender_place place;
    char *error; /* HOPELESS */
};

struct sender {
    const struct job_config *config;
    struct admin *admin;
    struct producer *producer;
    struct admin_topics topics;
    int64_t topics_read_us; /* 0: never */
    int64_t began_us;       /* the batch */
    struct verdict *verdicts;
    size_t n_verdicts;
    struct buf storage;               /* of one row's headers */
    char trouble[256];                /* of the first report that was no acknowledgement */
    char *complained[COMPLAINTS_MAX]; /* queues whose topic's trouble is in the log */
    size_t n_complained;
};

/* --- Life --- */

static int start_producer(struct sender *s, void (*report)(const struct producer_report *, void *),
                          struct err *reterr)
{
    const struct config_kafka *kafka = &s->config->kafka;
    _cleanup_free_ struct producer_property *properties = duty_list_properties(kafka);
    if (!properties)
        return err_set(reterr, -ENOMEM, "out of memory");
    const struct producer_config config = {
        .brokers = kafka->brokers,
        .client_id = "jobbrokerd",
        .message_timeout_us = MESSAGE_TIMEOUT_US,
        .linger_us = LINGER_US,
        /* Rows without a key go to one partition. An idempotent producer has one request of a partition under way, and librdkafka
         * spins while another one is ready. */
        .batch_messages = (size_t)s->config->broker.relay_batch,
        .buffer_messages = (size_t)s->config->broker.relay_batch + 1,
        .buffer_bytes = RELAY_TAKE_BYTES + RELAY_ROW_BYTES_MAX,
        .silent = true, /* the relay says what matters */
        .properties = properties,
        .n_properties = kafka->n_properties,
    };
    return producer_new(&s->producer, &config, report, s, reterr);
}

static void note_trouble(struct sender *s, const char *text)
{
    if (!*s->trouble)
        snprintf(s->trouble, sizeof(s->trouble), "%s", text);
}

/* The topic's trouble is said once per queue, until the broker starts anew. */
static void complain(struct sender *s, const char *topic, const char *why)
{
    for (size_t i = 0; i < s->n_complained; i++)
        if (strcmp(s->complained[i], topic) == 0)
            return;
    log_error("relay: topic %s: %s; its jobs wait in PostgreSQL", topic, why);
    if (s->n_complained < COMPLAINTS_MAX && (s->complained[s->n_complained] = strdup(topic)))
        s->n_complained++;
}

static void take_report(const struct producer_report *report, void *userdata)
{
    struct sender *s = userdata;
    struct verdict *verdict = &s->verdicts[(uintptr_t)report->cookie - 1];
    switch (report->outcome) {
    case PRODUCER_DELIVERED:
        verdict->fate = SENDER_DELIVERED;
        verdict->place.partition = report->message->partition;
        verdict->place.offset = report->message->offset;
        return;
    case PRODUCER_REFUSED:
        verdict->fate = SENDER_REFUSED;
        complain(s, report->message->topic, report->error);
        if (report->cause == PRODUCER_CAUSE_NO_TOPIC)
            s->topics_read_us = 0;
        return;
    case PRODUCER_UNKNOWN:
        note_trouble(s, report->error);
        return;
    }
}

int sender_new(struct sender **ret, const struct job_config *config, struct admin *admin, struct err *reterr)
{
    _cleanup_(sender_free_cleanup) struct sender *s = calloc(1, sizeof(*s));
    if (!s)
        return err_set(reterr, -ENOMEM, "out of memory");
    s->config = config;
    s->admin = admin;
    int r = start_producer(s, take_report, reterr);
    if (r)
        return r;
    *ret = steal(s);
    return 0;
}

static void forget_verdicts(struct sender *s)
{
    for (size_t i = 0; i < s->n_verdicts; i++)
        free(s->verdicts[i].error);
    free(s->verdicts);
    s->verdicts = NULL;
    s->n_verdicts = 0;
}

struct sender *sender_free(struct sender *s)
{
    if (!s)
        return NULL;
    producer_free(s->producer);
    forget_verdicts(s);
    admin_topics_done(&s->topics);
    buf_done(&s->storage);
    for (size_t i = 0; i < s->n_complained; i++)
        free(s->complained[i]);
    free(s);
    return NULL;
}

/* --- Which topics there are --- */

void sender_forget_topics(struct sender *s)
{
    s->topics_read_us = 0;
}

static int compare_topic(const void *name, const void *topic)
{
    return strcmp(name, ((const struct admin_topic *)topic)->name);
}

static const struct admin_topic *known_topic(const struct sender *s, const char *topic)
{
    return s->topics_read_us > 0 && s->topics.n > 0
               ? bsearch(topic, s->topics.topics, s->topics.n, sizeof(*s->topics.topics), compare_topic)
               : NULL;
}

static int read_topics(struct sender *s, struct err *reterr)
{
    struct admin_topics topics;
    int r = admin_list_topics(s->admin, s->config->prefix, &topics, reterr);
    if (r)
        return r < 0 ? r : SENDER_INCOMPLETE;
    admin_topics_done(&s->topics);
    s->topics = topics;
    s->topics_read_us = clock_mono_us();
    return 0;
}

/*
 * Asked before producing: librdkafka would hold a message for an unknown topic until its time is over, and a whole batch
 * with it. A batch with unknown queues asks Kafka once. Return: 0 and *ret_there; SENDER_INCOMPLETE; negative errno.
 */
static int find_topic(struct sender *s, const char *topic, bool *ret_there, struct err *reterr)
{
    int r = 0;
    if (!known_topic(s, topic) && s->topics_read_us < s->began_us)
        r = read_topics(s, reterr);
    *ret_there = known_topic(s, topic);
    return r;
}

/* --- One row --- */

static int give_up(struct verdict *verdict, const char *why)
{
    verdict->fate = SENDER_HOPELESS;
    verdict->error = strdup(why);
    return 0;
}

static int check_row(const struct relay_row *row, struct err *reterr)
{
    if (!name_is_queue(span_from_string(row->queue)))
        return err_set(reterr, 1, "\"%.100s\" is no name of a queue", row->queue);
    if (!row->headers)
        return err_set(reterr, 1, "%" PRId64 " bytes are more than a message can have", row->size_bytes);
    return 0;
}

/* Waits for room as long as there is time. Return: 0; a producer_send_result; negative errno. */
static int produce(struct sender *s, const struct message *m, size_t index, int64_t deadline_us)
{
    for (;;) {
        int r = producer_send(s->producer, m, (void *)(uintptr_t)(index + 1));
        if (r != PRODUCER_FULL || clock_mono_us() >= deadline_us)
            return r;
        producer_poll(s->producer, FULL_WAIT_US);
    }
}

static int judge_send(struct sender *s, int sent, struct verdict *verdict, const char *topic,
                      struct err *reterr)
{
    switch (sent) {
    case 0:
        return 0;
    case PRODUCER_TOO_LARGE:
        return give_up(verdict, "larger than a message can be");
    case PRODUCER_NO_TOPIC:
    case PRODUCER_DENIED:
        verdict->fate = SENDER_REFUSED;
        complain(s, topic,
                 sent == PRODUCER_DENIED ? "Kafka does not let us write to it" : "Kafka does not know it");
        return 0;
    case PRODUCER_FULL:
        return err_set(reterr, SENDER_INCOMPLETE, "Kafka takes too long");
    case PRODUCER_FATAL:
        return err_set(reterr, SENDER_INCOMPLETE, "the producer must start anew");
    case -ENOMEM:
        return err_set(reterr, sent, "out of memory");
    default:
        verdict->fate = SENDER_REFUSED;
        complain(s, topic, "producing to it failed for a reason that librdkafka does not name");
        return 0;
    }
}

/* With a key, back to where it was: its producer may have chosen otherwise than librdkafka, and order is kept per partition. */
static int32_t choose_partition(const struct sender *s, const struct relay_row *row, const char *topic)
{
    bool was_there = row->key.size > 0 && row->topic && strcmp(row->topic, topic) == 0;
    return was_there && row->partition < known_topic(s, topic)->n_partitions ? row->partition : -1;
}

static int send_message(struct sender *s, const struct relay_row *row, size_t index, const char *topic,
                        int64_t deadline_us, struct err *reterr)
{
    struct err why = { 0 };
    struct message_header headers[MESSAGE_MAX_HEADERS];
    struct message m = {
        .topic = topic,
        .partition = choose_partition(s, row, topic),
        .key = row->key,
        .value = row->payload,
        .headers = headers,
    };
    const struct envelope_relay envelope = {
        .id = row->id,
        .type = row->type,
        .attempt = row->attempt,
        .delivery = row->delivery,
        .headers_json = row->headers,
    };
    buf_reset(&s->storage);
    int r = envelope_relay_headers(&envelope, &s->storage, headers, &m.n_headers, &why);
    if (r == ENVELOPE_MALFORMED)
        return give_up(&s->verdicts[index], why.text);
    if (r)
        return err_set(reterr, r, "headers: %s", strerror(-r));
    return judge_send(s, produce(s, &m, index, deadline_us), &s->verdicts[index], topic, reterr);
}

/* The lane that it came from, or, when it has come from none yet, the one that its enqueuer has named. */
static enum name_lane choose_lane(const char *prefix, const struct relay_row *row)
{
    if (!row->topic)
        return LANE_NORMAL;
    enum name_lane named = name_lane_of_end(row->topic);
    if (named != LANE_COUNT)
        return named;
    bool known = span_equals(name_queue_of_topic(prefix, row->topic), row->queue);
    return known ? name_lane_of_topic(prefix, row->topic) : LANE_NORMAL;
}

static int send_row(struct sender *s, const struct relay_row *row, size_t index, int64_t deadline_us,
                    struct err *reterr)
{
    bool there;
    struct err why = { 0 };
    char topic[NAME_TOPIC_MAX + 1];
    if (check_row(row, &why))
        return give_up(&s->verdicts[index], why.text);
    enum name_lane lane = choose_lane(s->config->prefix, row);
    s->verdicts[index].place.lane = lane;
    name_topic_of_lane(s->config->prefix, row->queue, lane, topic);
    int r = find_topic(s, topic, &there, reterr);
    if (r)
        return r;
    if (there)
        return send_message(s, row, index, topic, deadline_us, reterr);
    s->verdicts[index].fate = SENDER_REFUSED;
    complain(
        s, topic,
        "there is no such topic: declare the queue in the configuration (queues), then run: jobctl topic apply");
    return 0;
}

/* --- The batch --- */

static int send_rows(struct sender *s, const struct relay_batch *batch, int64_t deadline_us,
                     struct err *reterr)
{
    int r = 0;
    for (size_t i = 0; i < s->n_verdicts && r == 0; i++) {
        struct relay_row row;
        relay_batch_get(batch, i, &row);
        r = send_row(s, &row, i, deadline_us, reterr);
        if (i % 64 == 0)
            producer_poll(s->producer, 0);
    }
    return r;
}

/* Nothing is under way afterwards. */
static int await_reports(struct sender *s, int64_t deadline_us, struct err *reterr)
{
    int64_t left_us = deadline_us - clock_mono_us();
    if (producer_flush(s->producer, left_us > 0 ? left_us : 0))
        producer_purge(s->producer);
    return producer_is_fatal(s->producer) ? producer_renew(s->producer, reterr) : 0;
}

static bool is_complete(const struct sender *s)
{
    for (size_t i = 0; i < s->n_verdicts; i++)
        if (s->verdicts[i].fate == SENDER_UNKNOWN)
            return false;
    return true;
}

int sender_send(struct sender *s, const struct relay_batch *batch, int64_t timeout_us, struct err *reterr)
{
    s->began_us = clock_mono_us();
    int64_t deadline_us = s->began_us + timeout_us;
    forget_verdicts(s);
    s->verdicts = calloc(relay_batch_count(batch) + 1, sizeof(*s->verdicts));
    if (!s->verdicts)
        return err_set(reterr, -ENOMEM, "out of memory");
    s->n_verdicts = relay_batch_count(batch);
    *s->trouble = 0;
    int sent = send_rows(s, batch, deadline_us, reterr);
    int renewed = await_reports(s, deadline_us, sent ? NULL : reterr);
    if (sent || renewed)
        return sent ? sent : renewed;
    return is_complete(s) ? 0
                          : err_set(reterr, SENDER_INCOMPLETE, "%s", *s->trouble ? s->trouble : "no answer");
}

enum sender_fate sender_get_fate(const struct sender *s, size_t row)
{
    return s->verdicts[row].fate;
}

struct sender_place sender_get_place(const struct sender *s, size_t row)
{
    return s->verdicts[row].place;
}

const char *sender_get_error(const struct sender *s, size_t row)
{
    return s->verdicts[row].error ? s->verdicts[row].error : "malformed";
}
