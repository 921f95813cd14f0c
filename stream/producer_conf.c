/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/producer_conf.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "base/clock.h"
#include "base/log.h"

/* A job of JOB_MAX_MESSAGE_SIZE with the headers that the relay adds and Kafka's own framing. */
#define MESSAGE_MAX_BYTES "1114112"

DEFINE_CLEANUP(rd_kafka_conf_t *, rd_kafka_conf_destroy)

static const struct producer_property fixed_properties[] = {
    { "enable.idempotence",
      "true" }, /* implies acks=all, endless retries in order, at most 5 requests in flight */
    { "partitioner", "murmur2_random" },
    { "allow.auto.create.topics",
      "false" }, /* a queue's name with a typing error is an error, not a new topic */
    { "topic.metadata.propagation.max.ms",
      "5000" }, /* then a topic that is not there is said to be not there */
    { "topic.metadata.refresh.interval.ms",
      "10000" }, /* and noticed when it has been made, or has got more partitions */
    { "message.max.bytes", MESSAGE_MAX_BYTES },
    { "queue.buffering.max.kbytes", "2147483647" }, /* counts no headers, so the producer counts by itself */
    { "socket.nagle.disable", "true" },
    { "reconnect.backoff.ms", "50" },
    { "reconnect.backoff.max.ms", "2000" },
};

/* What the promise "acknowledged is never lost" rests on is not for sale. */
static const struct producer_property required_properties[] = {
    { "enable.idempotence", "true" },
    { "transactional.id", "" },
};

static int set(rd_kafka_conf_t *conf, const char *name, const char *value, struct err *reterr)
{
    char text[512];
    if (rd_kafka_conf_set(conf, name, value, text, sizeof(text)) != RD_KAFKA_CONF_OK)
        return err_set(reterr, -EINVAL, "Kafka property \"%s\": %s", name, text);
    return 0;
}

static int set_all(rd_kafka_conf_t *conf, const struct producer_property *properties, size_t n,
                   struct err *reterr)
{
    int r = 0;
    for (size_t i = 0; i < n && r == 0; i++)
        r = set(conf, properties[i].name, properties[i].value, reterr);
    return r;
}

static int set_number(rd_kafka_conf_t *conf, const char *name, int64_t value, struct err *reterr)
{
    char text[32];
    snprintf(text, sizeof(text), "%" PRId64, value);
    return set(conf, name, text, reterr);
}

static int set_configured(rd_kafka_conf_t *conf, const struct producer_config *config, struct err *reterr)
{
    int r = set(conf, "bootstrap.servers", config->brokers, reterr);
    if (r == 0 && config->client_id)
        r = set(conf, "client.id", config->client_id, reterr);
    if (r == 0)
        r = set_number(conf, "message.timeout.ms", config->message_timeout_us / USEC_PER_MSEC, reterr);
    if (r == 0)
        r = set_number(conf, "linger.ms", config->linger_us / USEC_PER_MSEC, reterr);
    if (r == 0 && config->batch_messages)
        r = set_number(conf, "batch.num.messages", (int64_t)config->batch_messages, reterr);
    if (r == 0)
        r = set_number(conf, "queue.buffering.max.messages", (int64_t)config->buffer_messages, reterr);
    return r;
}

static int check_required(const rd_kafka_conf_t *conf, struct err *reterr)
{
    for (size_t i = 0; i < ARRAY_SIZE(required_properties); i++) {
        const struct producer_property *required = &required_properties[i];
        char value[64] = "";
        size_t size = sizeof(value);
        rd_kafka_conf_get(conf, required->name, value, &size);
        if (strcmp(value, required->value) != 0)
            return err_set(reterr, -EINVAL, "Kafka property \"%s\": must stay \"%s\"", required->name,
                           required->value);
    }
    return 0;
}

/* librdkafka's lines say once more, and per broker, what its error events say; only what has no event is for everyone. */
static void log_line(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    (void)rk;
    if (level <= LOG_CRIT || strcmp(facility, "CONFWARN") == 0)
        log_warning("Kafka: %s", text);
    else
        log_debug("Kafka: %s: %s", facility, text);
}

static void log_nothing(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    (void)rk, (void)level, (void)facility, (void)text;
}

int producer_conf_new(rd_kafka_conf_t **ret, const struct producer_config *config, void *opaque,
                      struct err *reterr)
{
    _cleanup_(rd_kafka_conf_destroy_cleanup) rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (!conf)
        return -ENOMEM;
    rd_kafka_conf_set_opaque(conf, opaque);
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR);
    rd_kafka_conf_set_log_cb(conf, config->silent ? log_nothing : log_line);
    int r = set_all(conf, fixed_properties, ARRAY_SIZE(fixed_properties), reterr);
    if (r == 0)
        r = set_configured(conf, config, reterr);
    if (r == 0)
        r = set_all(conf, config->properties, config->n_properties, reterr);
    if (r == 0)
        r = check_required(conf, reterr);
    if (r < 0)
        return r;
    *ret = steal(conf);
    return 0;
}
