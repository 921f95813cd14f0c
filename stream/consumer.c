/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/consumer.h"

#include <errno.h>
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/clock.h"
#include "base/log.h"
#include "stream/consume_message.h"

struct consumer {
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue; /* the consumer's: rebalances, errors, and records of partitions without feed */
    int fd;
    rd_kafka_event_t *event; /* the one that was returned last: it owns the places */
    struct consumer_place *places;
    bool away;
};

struct feed {
    rd_kafka_queue_t *queue;
    rd_kafka_t *rk;
    char *topic;
    int32_t partition;
};

/* librdkafka writes when an empty queue gets its first element, so one that came before this would keep all later ones quiet. */
static void wake_on(rd_kafka_queue_t *queue, int fd)
{
    static const uint64_t one = 1;
    rd_kafka_queue_io_event_enable(queue, fd, &one, sizeof(one));
    eventfd_write(fd, one);
}

/* --- Setting up -------------------------------------------------------------------------------------------------------- */

static int set_property(rd_kafka_conf_t *conf, const char *name, const char *value, struct err *reterr)
{
    char why[256];
    if (rd_kafka_conf_set(conf, name, value, why, sizeof(why)) != RD_KAFKA_CONF_OK)
        return err_set(reterr, -EINVAL, "kafka property \"%s\": %s", name, why);
    return 0;
}

static int set_number(rd_kafka_conf_t *conf, const char *name, int64_t value, struct err *reterr)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRId64, value);
    return set_property(conf, name, text, reterr);
}

static int set_fixed(rd_kafka_conf_t *conf, struct err *reterr)
{
    static const char *const fixed[][2] = {
        { "enable.auto.commit", "false" },
        { "enable.auto.offset.store", "false" },
        { "auto.offset.reset", "error" },
        { "enable.partition.eof", "true" },
        { "partition.assignment.strategy", "roundrobin" },
        { "socket.nagle.disable", "true" },
        { "fetch.wait.max.ms", "100" },
        { "fetch.error.backoff.ms", "50" },
        { "topic.metadata.refresh.interval.ms", "10000" },
        { "reconnect.backoff.max.ms", "2000" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(fixed); i++) {
        int r = set_property(conf, fixed[i][0], fixed[i][1], reterr);
        if (r)
            return r;
    }
    return 0;
}

static int configure(rd_kafka_conf_t *conf, const struct consumer_config *config, struct err *reterr)
{
    const struct {
        const char *name;
        int64_t value;
    } numbers[] = {
        { "session.timeout.ms", config->session_timeout_us / USEC_PER_MSEC },
        { "heartbeat.interval.ms", config->heartbeat_interval_us / USEC_PER_MSEC },
        { "max.poll.interval.ms", config->max_poll_interval_us / USEC_PER_MSEC },
        { "queued.min.messages", (int64_t)config->prefetch_messages },
        { "queued.max.messages.kbytes", (int64_t)config->prefetch_bytes / 1024 },
        { "fetch.max.bytes", 1 << 20 },
    };
    int r = set_fixed(conf, reterr);
    if (r == 0)
        r = set_property(conf, "bootstrap.servers", config->brokers, reterr);
    if (r == 0)
        r = set_property(conf, "client.id", config->client_id, reterr);
    if (r == 0)
        r = set_property(conf, "group.id", config->group, reterr);
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(numbers); i++)
        r = set_number(conf, numbers[i].name, numbers[i].value, reterr);
    for (size_t i = 0; r == 0 && i < config->n_properties; i++)
        r = set_property(conf, config->properties[i].name, config->properties[i].value, reterr);
    return r;
}

static void log_line(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    (void)rk;
    if (level <= 3) /* syslog's error and worse; what matters of the rest arrives as an event */
        log_debug("librdkafka: %s: %s", facility, text);
}

int consumer_new(struct consumer **ret, const struct consumer_config *config, struct err *reterr)
{
    char why[512];
    struct consumer *c = calloc(1, sizeof(*c));
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    int r = c && conf ? configure(conf, config, reterr) : -ENOMEM;
    if (r)
        goto fail;
    rd_kafka_conf_set_events(conf,
                             RD_KAFKA_EVENT_REBALANCE | RD_KAFKA_EVENT_OFFSET_COMMIT | RD_KAFKA_EVENT_ERROR);
    rd_kafka_conf_set_log_cb(conf, log_line);
    c->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (c->fd < 0) {
        r = -errno;
        goto fail;
    }
    c->rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof(why));
    if (!c->rk) {
        close(c->fd);
        r = err_set(reterr, -EINVAL, "kafka: %s", why);
        goto fail;
    }
    rd_kafka_poll_set_consumer(c->rk);
    c->queue = rd_kafka_queue_get_consumer(c->rk);
    wake_on(c->queue, c->fd);
    *ret = c;
    return 0;
fail:
    if (conf)
        rd_kafka_conf_destroy(conf);
    free(c);
    return r;
}

int consumer_subscribe(struct consumer *c, const char *const *topics, size_t n, struct err *reterr)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)n);
    for (size_t i = 0; i < n; i++)
        rd_kafka_topic_partition_list_add(list, topics[i], RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t error = rd_kafka_subscribe(c->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    return error ? err_set(reterr, -EINVAL, "kafka: subscribe: %s", rd_kafka_err2str(error)) : 0;
}

void consumer_unsubscribe(struct consumer *c)
{
    rd_kafka_resp_err_t error = rd_kafka_unsubscribe(c->rk);
    if (error)
        log_warning("kafka: unsubscribe: %s", rd_kafka_err2str(error));
}

/* --- Events ------------------------------------------------------------------------------------------------------------ */

bool consumer_was_answered(const struct consumer *c)
{
    char *id = rd_kafka_clusterid(c->rk, 0); /* known from the first metadata on */
    bool known = id != NULL;
    rd_kafka_mem_free(c->rk, id);
    return known;
}

int consumer_fd(const struct consumer *c)
{
    return c->fd;
}

void consumer_clear(struct consumer *c)
{
    uint64_t count;
    ssize_t n = read(c->fd, &count, sizeof(count));
    (void)n; /* empty is fine */
}

static void drop_event(struct consumer *c)
{
    if (c->event)
        rd_kafka_event_destroy(c->event);
    c->event = NULL;
    free(c->places);
    c->places = NULL;
}

/* Points the event's places into the librdkafka event that is kept. */
static bool take_places(struct consumer *c, struct consumer_event *ret)
{
    const rd_kafka_topic_partition_list_t *list = rd_kafka_event_topic_partition_list(c->event);
    size_t n = list ? (size_t)list->cnt : 0;
    c->places = calloc(n + 1, sizeof(*c->places));
    if (!c->places)
        return false;
    for (size_t i = 0; i < n; i++)
        c->places[i] =
            (struct consumer_place){ list->elems[i].topic, list->elems[i].partition, list->elems[i].offset };
    ret->n_places = n;
    ret->places = c->places;
    return true;
}

static bool take_rebalance(struct consumer *c, struct consumer_event *ret)
{
    rd_kafka_resp_err_t what = rd_kafka_event_error(c->event);
    if (what == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS)
        ret->kind = CONSUMER_ASSIGN;
    else
        ret->kind = rd_kafka_assignment_lost(c->rk) ? CONSUMER_LOST : CONSUMER_REVOKE;
    c->away = false;
    return take_places(c, ret);
}

static bool take_commit(struct consumer *c, struct consumer_event *ret)
{
    rd_kafka_resp_err_t error = rd_kafka_event_error(c->event);
    const rd_kafka_topic_partition_list_t *list = rd_kafka_event_topic_partition_list(c->event);
    for (int i = 0; !error && list && i < list->cnt; i++)
        error = list->elems[i].err;
    ret->kind = CONSUMER_COMMITTED;
    ret->cookie = rd_kafka_event_opaque(c->event);
    ret->error = error ? rd_kafka_err2str(error) : NULL;
    return true;
}

/* Return: true when the owner is to hear of it. */
static bool judge_error(struct consumer *c, rd_kafka_resp_err_t error, const char *text,
                        struct consumer_event *ret)
{
    ret->error = text ? text : rd_kafka_err2str(error);
    switch (error) {
    case RD_KAFKA_RESP_ERR__FATAL:
        ret->kind = CONSUMER_FATAL;
        return true;
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
        ret->kind = CONSUMER_AWAY;
        if (c->away)
            return false;
        c->away = true;
        return true;
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
        log_info("kafka: a topic does not exist yet: %s", ret->error);
        return false;
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__RESOLVE:
        log_debug("kafka: %s",
                  ret->error); /* one of several brokers, perhaps; all of them is CONSUMER_AWAY */
        return false;
    default:
        log_warning("kafka: %s", ret->error);
        return false;
    }
}

/* Records without a feed would arrive here, but every assigned partition has one; errors do. */
static bool take_message(struct consumer *c, struct consumer_event *ret)
{
    const rd_kafka_message_t *rkm = rd_kafka_event_message_next(c->event);
    if (!rkm || rkm->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
        return false;
    if (!rkm->err) { /* dropping it would look like a gap in the log */
        ret->kind = CONSUMER_FATAL;
        ret->error = "a record of a partition without feed";
        return true;
    }
    return judge_error(c, rkm->err, rd_kafka_message_errstr(rkm), ret);
}

static bool take_event(struct consumer *c, struct consumer_event *ret)
{
    *ret = (struct consumer_event){ 0 };
    switch (rd_kafka_event_type(c->event)) {
    case RD_KAFKA_EVENT_REBALANCE:
        return take_rebalance(c, ret);
    case RD_KAFKA_EVENT_OFFSET_COMMIT:
        return take_commit(c, ret);
    case RD_KAFKA_EVENT_FETCH:
        return take_message(c, ret);
    case RD_KAFKA_EVENT_ERROR:
        return judge_error(c, rd_kafka_event_error(c->event), rd_kafka_event_error_string(c->event), ret);
    default:
        return false;
    }
}

bool consumer_next_event(struct consumer *c, struct consumer_event *ret)
{
    for (;;) {
        drop_event(c);
        c->event = rd_kafka_queue_poll(c->queue, 0);
        if (!c->event)
            return false;
        if (take_event(c, ret))
            return true;
    }
}

/* --- Answers ----------------------------------------------------------------------------------------------------------- */

static rd_kafka_topic_partition_list_t *list_of(const struct consumer_place *places, size_t n)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)n);
    for (size_t i = 0; i < n; i++)
        rd_kafka_topic_partition_list_add(list, places[i].topic, places[i].partition)->offset =
            places[i].offset;
    return list;
}

int consumer_assign(struct consumer *c, const struct consumer_place *places, size_t n, struct err *reterr)
{
    rd_kafka_topic_partition_list_t *list = list_of(places, n);
    rd_kafka_resp_err_t error = rd_kafka_assign(c->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    return error ? err_set(reterr, -EIO, "kafka: assign: %s", rd_kafka_err2str(error)) : 0;
}

void consumer_unassign(struct consumer *c)
{
    rd_kafka_resp_err_t error = rd_kafka_assign(c->rk, NULL);
    if (error)
        log_warning("kafka: unassign: %s", rd_kafka_err2str(error));
}

void consumer_commit(struct consumer *c, const struct consumer_place *places, size_t n, void *cookie)
{
    rd_kafka_topic_partition_list_t *list = list_of(places, n);
    rd_kafka_resp_err_t error = rd_kafka_commit_queue(c->rk, list, c->queue, NULL, cookie);
    if (error)
        log_debug("kafka: commit: %s", rd_kafka_err2str(error));
    rd_kafka_topic_partition_list_destroy(list);
}

/* Not rd_kafka_seek_partitions(): its time-out is a thousandth of what is asked for in 2.0.2 (#4230). */
int consumer_seek(struct consumer *c, const char *topic, int32_t partition, int64_t offset,
                  struct err *reterr)
{
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(c->rk, topic, NULL);
    if (!rkt)
        return err_set(reterr, -EIO, "kafka: seek: %s", rd_kafka_err2str(rd_kafka_last_error()));
    rd_kafka_resp_err_t error = rd_kafka_seek(rkt, partition, offset, 2000);
    rd_kafka_topic_destroy(rkt);
    return error ? err_set(reterr, -EIO, "kafka: seek: %s", rd_kafka_err2str(error)) : 0;
}

int consumer_close(struct consumer *c, int64_t timeout_us)
{
    int64_t deadline_us = clock_mono_us() + timeout_us;
    if (!c)
        return 0;
    drop_event(c);
    rd_kafka_queue_io_event_enable(c->queue, -1, NULL, 0);
    rd_kafka_error_t *error = rd_kafka_consumer_close_queue(c->rk, c->queue);
    rd_kafka_error_destroy(error);
    while (!rd_kafka_consumer_closed(c->rk)) {
        struct consumer_event event;
        if (clock_mono_us() > deadline_us)
            return 1;
        rd_kafka_event_t *next = rd_kafka_queue_poll(c->queue, 50);
        if (!next)
            continue;
        drop_event(c);
        c->event = next;
        if (take_event(c, &event) && event.kind <= CONSUMER_LOST)
            consumer_unassign(c);
    }
    drop_event(c);
    rd_kafka_queue_destroy(c->queue);
    rd_kafka_destroy(c->rk);
    close(c->fd);
    free(c);
    return 0;
}

/* --- Records ----------------------------------------------------------------------------------------------------------- */

int feed_new(struct feed **ret, struct consumer *c, const char *topic, int32_t partition)
{
    _cleanup_(feed_free_cleanup) struct feed *f = calloc(1, sizeof(*f));
    if (!f || !(f->topic = strdup(topic)))
        return -ENOMEM;
    f->rk = c->rk;
    f->partition = partition;
    f->queue = rd_kafka_queue_get_partition(c->rk, topic, partition);
    if (!f->queue)
        return -ENOENT;
    rd_kafka_queue_forward(f->queue, NULL);
    wake_on(f->queue, c->fd);
    *ret = steal(f);
    return 0;
}

struct feed *feed_free(struct feed *f)
{
    if (!f)
        return NULL;
    if (f->queue) {
        rd_kafka_queue_io_event_enable(f->queue, -1, NULL, 0);
        rd_kafka_queue_destroy(f->queue);
    }
    free(f->topic);
    free(f);
    return NULL;
}

int64_t feed_log_end(const struct feed *f)
{
    int64_t low, high;
    return rd_kafka_get_watermark_offsets(f->rk, f->topic, f->partition, &low, &high) == 0 && high >= 0 ? high
                                                                                                        : -1;
}

static int judge_feed_error(const rd_kafka_message_t *rkm)
{
    if (rkm->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
        return FEED_END;
    log_debug("kafka: %s", rd_kafka_message_errstr(rkm));
    return rkm->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET ? FEED_OUTSIDE : 0;
}

int feed_next(struct feed *f, bool raw, struct message **ret, int64_t *ret_offset)
{
    for (;;) {
        rd_kafka_message_t *rkm = rd_kafka_consume_queue(f->queue, 0);
        if (!rkm)
            return FEED_EMPTY;
        int r = rkm->err ? judge_feed_error(rkm) : message_from_kafka(rkm, raw, ret);
        if (r == 0 && !rkm->err)
            return 0;
        *ret_offset = rkm->offset;
        rd_kafka_message_destroy(rkm);
        if (r)
            return r;
    }
}
