/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A member of a Kafka consumer group whose truth about offsets lies elsewhere.
 *
 * Nothing is committed or stored by itself, and a position outside of the log is an error, never a jump
 * (auto.offset.reset=error). Everything is non-blocking and announced through one eventfd:
 *
 *   - rebalances arrive as events. ASSIGN is answered with consumer_assign() when the owner knows its positions, REVOKE with
 *     consumer_unassign() when it is done with the partitions; until then the group waits (up to max.poll.interval.ms).
 *   - records are read per partition (a feed), so one that is not read holds up no other and needs no pause or seek.
 *
 * The protocol is eager (roundrobin): a rebalance revokes everything, then assigns anew. Positions come from PostgreSQL,
 * so that costs a refetch and nothing else; librdkafka 2.0.2's cooperative mode has known faults (#4059, #4527).
 *
 * Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "stream/message.h"
#include "stream/producer.h"

struct consumer;

struct consumer_config {
    const char *brokers;
    const char *client_id;
    const char *group;
    int64_t session_timeout_us;
    int64_t heartbeat_interval_us;
    int64_t max_poll_interval_us; /* how long an unanswered rebalance may last */
    size_t prefetch_messages;     /* per partition */
    size_t prefetch_bytes;        /* per partition */
    const struct producer_property *properties;
    size_t n_properties;
};

/* offset: CONSUMER_LOG_START or a position. */
#define CONSUMER_LOG_START INT64_C(-2)

struct consumer_place {
    const char *topic;
    int32_t partition;
    int64_t offset;
};

enum consumer_event_kind {
    CONSUMER_ASSIGN,    /* places: now ours, once answered */
    CONSUMER_REVOKE,    /* places: to be given up, then answered */
    CONSUMER_LOST,      /* as REVOKE, but others may have them already */
    CONSUMER_COMMITTED, /* answer to a consumer_commit(): error is NULL or why Kafka refused */
    CONSUMER_AWAY,      /* no Kafka broker is reachable; error */
    CONSUMER_FATAL,     /* this consumer is of no use any more; error */
};

struct consumer_event {
    enum consumer_event_kind kind;
    size_t n_places;
    const struct consumer_place *places; /* valid until the next consumer_next_event() */
    const char *error;
    void *cookie; /* of the commit */
};

int consumer_new(struct consumer **ret, const struct consumer_config *config, struct err *reterr);

/*
 * Leaves the group and frees. May take until @timeout_us; librdkafka 2.0.2 can hang there, then 1 is returned, nothing is
 * freed and the process should end. Answers what rebalance there is by itself.
 */
int consumer_close(struct consumer *c, int64_t timeout_us);

/* Topics that do not exist yet are joined when they appear. Return: 0; -EINVAL with @reterr. */
int consumer_subscribe(struct consumer *c, const char *const *topics, size_t n, struct err *reterr);

/* Leaves the group: REVOKE comes for what there is, and when it is answered others get it. Subscribing again joins anew. */
void consumer_unsubscribe(struct consumer *c);

/* Has Kafka answered anything yet? Does not ask. */
bool consumer_was_answered(const struct consumer *c);

/* Readable when there may be an event or a record; consumer_clear() resets it, before reading everything. */
int consumer_fd(const struct consumer *c);
void consumer_clear(struct consumer *c);

/* Return: true with the next event. */
bool consumer_next_event(struct consumer *c, struct consumer_event *ret);

/* Answers ASSIGN. Return: 0; -EIO with @reterr. */
int consumer_assign(struct consumer *c, const struct consumer_place *places, size_t n, struct err *reterr);
/* Answers REVOKE and LOST. Feeds must be freed before. */
void consumer_unassign(struct consumer *c);

/* Tells Kafka positions, for lag tools, and to learn whether we still are a member: COMMITTED follows. */
void consumer_commit(struct consumer *c, const struct consumer_place *places, size_t n, void *cookie);

/*
 * Reads an assigned partition again from @offset: what feed_next() gives afterwards is from there. Blocks up to 2 s until
 * librdkafka has turned round; it is for the rare case that a cursor was lost and won back without a rebalance.
 * Return: 0; -EIO with @reterr (the position is then unknown: do not read on).
 */
int consumer_seek(struct consumer *c, const char *topic, int32_t partition, int64_t offset,
                  struct err *reterr);

/* Reading one assigned partition. The consumer must outlive it. */
struct feed;
int feed_new(struct feed **ret, struct consumer *c, const char *topic, int32_t partition);
struct feed *feed_free(struct feed *f);
DEFINE_CLEANUP(struct feed *, feed_free)

/* Where the log ended when Kafka last sent something of it; -1: it has not. Does not ask. */
int64_t feed_log_end(const struct feed *f);

enum feed_result {
    FEED_EMPTY = 1,   /* nothing now; consumer_fd() tells when there is */
    FEED_END = 2,     /* the end of the log, at *ret_offset */
    FEED_OUTSIDE = 3, /* the position to start from is not in the log: nothing more will come */
};
/* @raw: without decoding the record's headers. Return: 0 with a message to be freed; FEED_EMPTY; FEED_END; FEED_OUTSIDE; -ENOMEM (the record will not come again: give the feed up). */
int feed_next(struct feed *f, bool raw, struct message **ret, int64_t *ret_offset);
