/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much of what the relay has put into one queue's topics is still to be done there.
 *
 * Of each partition that we have sent to we know where our last message lies, from Kafka's acknowledgement, and how far the
 * cursor was when we last asked PostgreSQL. What lies between has to be done before that message's turn, whoever sent it. It
 * costs no request to Kafka. What others have put behind our last message is not counted, and a partition that
 * nobody has a cursor for counts from our first message on.
 *
 * Pure: no I/O, no clock.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libjob/names.h"

/* One partition of one of the queue's topics. */
struct backlog_place {
    enum name_lane lane;
    int32_t partition;
    int64_t end;  /* behind our last message */
    int64_t done; /* so many of the records before `end` are done, counted from offset 0 */
};

struct backlog {
    struct backlog_place *places;
    size_t n;
    bool has_news; /* a place whose cursor has never been looked at */
};

void backlog_done(struct backlog *b);

/* Kafka has acknowledged our message at @offset. Return: 0; -ENOMEM. */
int backlog_note_sent(struct backlog *b, enum name_lane lane, int32_t partition, int64_t offset);
/* All records before @next_offset are done there, and @n_beyond later ones. Places that we have not sent to are not kept. */
void backlog_note_cursor(struct backlog *b, enum name_lane lane, int32_t partition, int64_t next_offset,
                         int64_t n_beyond);
int64_t backlog_count(const struct backlog *b);
