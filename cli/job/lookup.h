/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding a job that PostgreSQL does not know: it is still in its topic, and nobody has told in which one.
 *
 * Its id has its time, and Kafka finds offsets by time; so all queue topics are read from that time on, for 2 s at most.
 */
#pragma once

#include "base/buf.h"
#include "cli/invocation.h"

/* Copies of what the message has. */
struct lookup {
    struct uuid id;
    int min_delivery; /* an earlier message of it is passed by */
    char *topic;
    int32_t partition;
    int64_t offset;
    int64_t ahead; /* jobs between the cursor and this one, roughly; negative: the cursor has passed it */
    struct buf type, key, payload;
    struct buf queue; /* of a message on the topic of what comes later: where it goes */
    bool has_key, has_payload;
    struct buf headers; /* JSON */
    struct uuid parent; /* null UUID: none */
    int64_t enqueued_us;
    int64_t run_at_us;  /* 0: at once */
    int64_t expires_us; /* 0: never */
    int64_t key_seq;    /* as envelope.key_seq */
    int attempt, delivery;
    bool failed; /* out of memory */
};

enum lookup_outcome {
    LOOKUP_NOT_FOUND = 1000, /* read to the end: it is not there */
    LOOKUP_TIMED_OUT = 1001, /* there was more to read than the time allowed */
};

/* @ret: lookup_done() it in every case. Return: 0; a lookup_outcome; another enum status with the reason. */
int lookup_find(struct invocation *in, const struct uuid *id, struct lookup *ret, struct err *reterr);

/* What is looked for, when more is known than the id. */
struct lookup_wish {
    int64_t since_us; /* no message before this time; 0: the time in the id */
    int min_delivery; /* nor one of an earlier delivery */
    bool later;       /* on the topic of what comes later, too */
};
/* The same with a wish. */
int lookup_find_wished(struct invocation *in, const struct uuid *id, const struct lookup_wish *wish,
                       struct lookup *ret, struct err *reterr);
/*
 * The message of @id at a place where it is said to lie, within 2 s. `ahead` stays 0. Return: 0; LOOKUP_NOT_FOUND: that record is gone, or is another
 * job's by now; another enum status with the reason.
 */
int lookup_read(struct invocation *in, const struct uuid *id, const char *topic, int32_t partition,
                int64_t offset, struct lookup *ret, struct err *reterr);
void lookup_done(struct lookup *l);
