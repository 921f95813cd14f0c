/* SPDX-License-Identifier: Apache-2.0 */
/* One librdkafka handle for one question, with what it said about connections. */
#include "stream/admin_session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

#define DEFAULT_TIMEOUT_US (10 * USEC_PER_SEC)
#define REPEAT_WAIT_MS 50

struct admin {
    rd_kafka_conf_t *conf;
    char *brokers;
    int64_t timeout_us;
    int min_insync;
    struct pulse *pulse;
};

static void write_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    (void)rk;
    (void)level;
    log_debug("librdkafka %s: %s", facility, text);
}

/* Runs inside rd_kafka_poll(), in the session's own thread. */
static void note_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
    struct admin_session *s = opaque;
    (void)rk;
    if (code != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || !*s->reason)
        snprintf(s->reason, sizeof(s->reason), "%s", reason);
}

static int set(rd_kafka_conf_t *conf, const char *name, const char *value, struct err *reterr)
{
    char text[512];
    if (rd_kafka_conf_set(conf, name, value, text, sizeof(text)) != RD_KAFKA_CONF_OK)
        return err_set(reterr, -EINVAL, "kafka property %s: %s", name, text);
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

static int configure(struct admin *a, const struct admin_config *config, struct err *reterr)
{
    const struct producer_property own[] = {
        { "bootstrap.servers", config->brokers }, { "client.id", config->client_id },
        { "socket.nagle.disable", "true" },       { "reconnect.backoff.max.ms", "1000" },
        { "allow.auto.create.topics", "false" },  { "enable.auto.commit", "false" },
        { "log.connection.close", "false" },
    };
    rd_kafka_conf_set_log_cb(a->conf, write_log);
    rd_kafka_conf_set_error_cb(a->conf, note_error);
    int r = set_all(a->conf, own, ARRAY_SIZE(own), reterr);
    if (r == 0)
        r = set_all(a->conf, config->properties, config->n_properties, reterr);
    return r;
}

int admin_new(struct admin **ret, const struct admin_config *config, struct err *reterr)
{
    _cleanup_(admin_free_cleanup) struct admin *a = calloc(1, sizeof(*a));
    if (!a || !(a->conf = rd_kafka_conf_new()) || !(a->brokers = strdup(config->brokers)))
        return err_set(reterr, -ENOMEM, "out of memory");
    a->timeout_us = config->timeout_us > 0 ? config->timeout_us : DEFAULT_TIMEOUT_US;
    a->min_insync = config->min_insync;
    a->pulse = config->pulse;
    int r = configure(a, config, reterr);
    if (r)
        return r;
    *ret = steal(a);
    return 0;
}

struct admin *admin_free(struct admin *a)
{
    if (!a)
        return NULL;
    if (a->conf)
        rd_kafka_conf_destroy(a->conf);
    free(a->brokers);
    free(a);
    return NULL;
}

int admin_min_insync(const struct admin *a)
{
    return a->min_insync;
}

int64_t admin_timeout_us(const struct admin *a)
{
    return a->timeout_us;
}

/*
 * A consumer's handle, never a member of a group: unlike a producer's, its questions about a topic cannot create the
 * topic.
 */
int admin_session_open(struct admin_session *s, const struct admin *a,
                       const struct producer_property *properties, size_t n_properties, int64_t timeout_us,
                       struct err *reterr)
{
    char text[512];
    pulse_step(a->pulse);
    *s = (struct admin_session){ .deadline_us = clock_mono_us() + timeout_us };
    rd_kafka_conf_t *conf = rd_kafka_conf_dup(a->conf);
    rd_kafka_conf_set_opaque(conf, s);
    int r = set_all(conf, properties, n_properties, reterr);
    if (r == 0)
        s->rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof(text));
    if (s->rk)
        return 0;
    rd_kafka_conf_destroy(conf);
    return r ? r : err_set(reterr, -EINVAL, "kafka: %s", text);
}

void admin_session_close(struct admin_session *s)
{
    if (s->rk)
        rd_kafka_destroy_flags(s->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    s->rk = NULL;
}

int admin_session_left_ms(const struct admin_session *s)
{
    int64_t left_ms = (s->deadline_us - clock_mono_us()) / USEC_PER_MSEC;
    return left_ms > 1 ? (int)left_ms : 1;
}

/* Codes that say "not now", whether librdkafka (negative) or a Kafka broker (positive) says so. */
static bool is_away(rd_kafka_resp_err_t code)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE:
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__RESOLVE:
    case RD_KAFKA_RESP_ERR__WAIT_COORD:
    case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
    case RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION:
    case RD_KAFKA_RESP_ERR_NOT_CONTROLLER:
        return true;
    default:
        return false;
    }
}

int admin_session_judge(struct admin_session *s, rd_kafka_resp_err_t code, const char *detail,
                        const char *what, struct err *reterr)
{
    const char *words = detail && *detail ? detail : rd_kafka_err2str(code);
    switch (code) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        return 0;
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
        return err_set(reterr, ADMIN_NO_TOPIC, "%s: Kafka knows no such topic", what);
    case RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS:
        return err_set(reterr, ADMIN_EXISTS, "%s: it exists already", what);
    default:
        break;
    }
    if (!is_away(code))
        return err_set(reterr, ADMIN_REFUSED, "%s: Kafka: %s", what, words);
    rd_kafka_poll(s->rk, 0); /* runs note_error() */
    return err_set(reterr, ADMIN_AWAY, "Kafka is away: %s", *s->reason ? s->reason : words);
}

/* Return: false when the session's time does not allow to wait. */
static bool wait_a_little(struct admin_session *s)
{
    if (admin_session_left_ms(s) <= REPEAT_WAIT_MS)
        return false;
    rd_kafka_poll(s->rk, REPEAT_WAIT_MS);
    return true;
}

bool admin_session_may_repeat(struct admin_session *s, rd_kafka_resp_err_t code)
{
    return (code == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE ||
            code == RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION) &&
           wait_a_little(s);
}

static rd_kafka_resp_err_t ask_topic(struct admin_session *s, rd_kafka_topic_t *rkt,
                                     const struct rd_kafka_metadata **ret)
{
    const struct rd_kafka_metadata *found = NULL;
    rd_kafka_resp_err_t code = rd_kafka_metadata(s->rk, 0, rkt, &found, admin_session_left_ms(s));
    if (code == 0)
        code = found->topic_cnt == 1 ? found->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    if (code == 0)
        *ret = found;
    else if (found)
        rd_kafka_metadata_destroy(found);
    return code;
}

int admin_session_topic(struct admin_session *s, const char *topic, const struct rd_kafka_metadata **ret,
                        struct err *reterr)
{
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(s->rk, topic, NULL);
    if (!rkt)
        return admin_session_judge(s, rd_kafka_last_error(), NULL, topic, reterr);
    rd_kafka_resp_err_t code = ask_topic(s, rkt, ret);
    while (admin_session_may_repeat(s, code))
        code = ask_topic(s, rkt, ret);
    rd_kafka_topic_destroy(rkt);
    return admin_session_judge(s, code, NULL, topic, reterr);
}

static bool has_leaders(const struct rd_kafka_metadata_topic *t, int32_t n_partitions)
{
    int n = 0;
    for (int i = 0; i < t->partition_cnt; i++)
        n += t->partitions[i].leader >= 0;
    return n >= n_partitions;
}

int admin_session_await(struct admin_session *s, const char *topic, int32_t n_partitions, struct err *reterr)
{
    for (;;) {
        const struct rd_kafka_metadata *found = NULL;
        int r = admin_session_topic(s, topic, &found, reterr);
        bool whole = r == 0 && has_leaders(&found->topics[0], n_partitions);
        if (found)
            rd_kafka_metadata_destroy(found);
        if (whole || (r != 0 && r != ADMIN_NO_TOPIC))
            return r;
        if (!wait_a_little(s))
            return err_set(reterr, ADMIN_AWAY, "%s: made, but Kafka does not show all its partitions yet",
                           topic);
    }
}
