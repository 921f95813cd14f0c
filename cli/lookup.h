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
    char *topic;
    int32_t partition;
    int64_t offset;
    int64_t ahead; /* jobs between the cursor and this one, roughly; negative: the cursor has passed it */
    struct buf type, key, payload;
    bool has_key, has_payload;
    struct buf headers; /* JSON */
    struct uuid parent; /* null UUID: none */
    int64_t enqueued_us;
    int attempt, delivery;
    bool failed; /* out of memory */
};

enum lookup_outcome {
    LOOKUP_NOT_FOUND = 1000, /* read to the end: it is not there */
    LOOKUP_TIMED_OUT = 1001, /* there was more to read than the time allowed */
};

/* @ret: lookup_done() it in every case. Return: 0; a lookup_outcome; another enum status with the reason. */
int lookup_find(struct invocation *in, const struct uuid *id, struct lookup *ret, struct err *reterr);
void lookup_done(struct lookup *l);
