/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Producing to Kafka, idempotent and with acks=all.
 *
 * Model: a message is accepted into a bounded buffer, sent in batches by librdkafka's threads, and ends in exactly one
 * report. A report says DELIVERED or UNKNOWN (it may be in the log or not: time-out, purge, fatal error) or REFUSED
 * (certainly not in the log: Kafka or librdkafka named a reason that repeating does not cure).
 *
 * A fatal error of the idempotent producer (possible after a lost connection, librdkafka #4438) ends the handle inside,
 * not this object: producer_renew() purges what is under way, waits for its reports (UNKNOWN), and puts a new handle in
 * its place. Whoever still has those messages sends them again; `cause` tells them from messages whose time ran out.
 *
 * Keys choose partitions as Kafka's own Java clients do (murmur2), so that a job's key means the same partition whoever
 * enqueues it. Topics are never created by producing to them.
 *
 * Threads: producer_send() from any thread; producer_poll() and producer_flush() from one thread at a time.
 * producer_renew() and producer_free() moreover not while another thread is in producer_send(), producer_wake(),
 * producer_is_fatal() or producer_in_flight() (the caller holds a lock where that can happen). A report callback may
 * call producer_send(), nothing else.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "stream/message.h"

struct producer;

struct producer_property {
    const char *name, *value;
};

struct producer_config {
    const char *brokers;
    const char *client_id;
    int64_t message_timeout_us; /* after this a message without answer is reported UNKNOWN */
    int64_t linger_us;          /* how long a batch waits for company */
    size_t batch_messages;      /* so many wait for no others; 0: as librdkafka has it */
    size_t buffer_messages;     /* bounds of what waits for an answer */
    size_t buffer_bytes;        /* of keys, values and headers */
    bool silent; /* log nothing: in an application's process, standard error is the application's */
    const struct producer_property *properties; /* the user's own, applied last */
    size_t n_properties;
};

enum producer_outcome { PRODUCER_DELIVERED, PRODUCER_UNKNOWN, PRODUCER_REFUSED };

enum producer_cause {
    PRODUCER_CAUSE_OTHER,
    PRODUCER_CAUSE_LOST,     /* UNKNOWN because of a fatal error, a purge or a renewal; send it again */
    PRODUCER_CAUSE_NO_TOPIC, /* REFUSED because Kafka does not know topic or partition */
};

struct producer_report {
    enum producer_outcome outcome;
    enum producer_cause cause; /* unless DELIVERED */
    const char *error;         /* why, unless DELIVERED; valid during the callback */
    const struct message
        *message; /* as it was sent, with partition and offset when DELIVERED; valid during the callback */
    void *cookie; /* as given to producer_send() */
};

typedef void (*producer_report_fn)(const struct producer_report *report, void *userdata);

enum producer_send_result {
    PRODUCER_FULL = 1,      /* the buffer is full: poll, then send again */
    PRODUCER_TOO_LARGE = 2, /* larger than Kafka takes */
    PRODUCER_FATAL = 3,     /* producer_renew() is due */
    PRODUCER_NO_TOPIC = 4,  /* Kafka does not know topic or partition */
    PRODUCER_DENIED = 5,    /* Kafka does not let us write to the topic */
};

/* @ret: set on success. Does not connect and does not block. Return: 0; negative errno with @reterr. */
int producer_new(struct producer **ret, const struct producer_config *config, producer_report_fn report,
                 void *userdata, struct err *reterr);

/* Purges what is under way (each message gets its report), and frees. NULL is fine. Return: NULL. */
struct producer *producer_free(struct producer *p);
DEFINE_CLEANUP(struct producer *, producer_free)

/*
 * Hands one message over. All of it is copied. Does not block.
 * Return: 0, then exactly one report follows; a producer_send_result, then none follows; negative errno.
 */
int producer_send(struct producer *p, const struct message *m, void *cookie);

/* Runs the callbacks of waiting reports; waits up to @timeout_us for the first. Return: how many reports. */
int producer_poll(struct producer *p, int64_t timeout_us);

/* Makes a producer_poll() in another thread return early. */
void producer_wake(struct producer *p);

/* How many messages still wait for their report. */
size_t producer_in_flight(struct producer *p);

/* Sends at once what waits for company, and polls until nothing is under way or the time is over. Return: 0; 1 when the time was over. */
int producer_flush(struct producer *p, int64_t timeout_us);

/* Gives up everything under way: the reports (UNKNOWN) have run when this returns. */
void producer_purge(struct producer *p);

bool producer_is_fatal(struct producer *p);

/* Purges, then starts with a new handle. Return: 0; negative errno with @reterr (then the old one stays, fatal). */
int producer_renew(struct producer *p, struct err *reterr);
