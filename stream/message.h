/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One Kafka record as the rest of the project sees it.
 *
 * A message that was consumed owns its memory through `handle` and is released with message_free(); all spans point
 * into it. A message to be produced is filled in by the caller, who keeps all memory.
 */
#pragma once

#include <stdint.h>

#include "base/cleanup.h"
#include "base/span.h"

#define MESSAGE_MAX_HEADERS 72

struct message_header {
    const char *name;  /* NUL-terminated */
    struct span value; /* data NULL: a header without value */
};

struct message {
    const char *topic; /* NUL-terminated */
    int32_t partition; /* to produce: -1 lets the partitioner choose by key */
    int64_t offset;
    int64_t timestamp_ms; /* of the record, as Kafka has it; -1 when it has none */
    struct span key;
    struct span value;
    size_t
        n_headers; /* more than MESSAGE_MAX_HEADERS are not read: n_headers is then MESSAGE_MAX_HEADERS + 1 */
    const struct message_header *headers;
    void *handle; /* consumed only */
};

/* Releases a consumed message. NULL is fine. Return: NULL. */
struct message *message_free(struct message *m);
DEFINE_CLEANUP(struct message *, message_free)
