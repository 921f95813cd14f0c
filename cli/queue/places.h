/* SPDX-License-Identifier: Apache-2.0 */
/* The partitions of one queue's topics: what lies in Kafka, beside how far workers have got. */
#pragma once

#include "cli/invocation.h"
#include "libjob/names.h"

struct place {
    enum name_lane lane;
    const char *topic; /* of the places' own names */
    int32_t partition;
    int64_t start, end;            /* of its log; -1: not asked, or Kafka does not have it */
    bool has_cursor;               /* what follows is known */
    int64_t next_offset, n_beyond; /* n_beyond: later records that are done */
    const char *owner;             /* NULL: nobody */
    int64_t beat_us;               /* of the owner, µs since 1970; 0: there is no such worker any more */
    int64_t updated_us;
    const char *trouble; /* recreated, reset */
    int crash_count;
};

struct places {
    char topics[LANE_COUNT][NAME_TOPIC_MAX + 1];
    bool there[LANE_COUNT]; /* Kafka has that topic */
    int32_t n_partitions[LANE_COUNT];
    struct place *list; /* by lane and partition */
    size_t n;
    struct rows *cursors;
};

/* Both add to @p, which began as { 0 }, in any order. Return: an enum status. */
int places_read_kafka(struct invocation *in, const char *queue, struct places *p, struct err *reterr);
/* PostgreSQL's part. */
int places_read_store(struct invocation *in, const char *queue, struct places *p, struct err *reterr);
void places_done(struct places *p);

bool places_has_topic(const struct places *p, const char *topic);
/* Records from the cursor to the end; without a cursor all. -1: not known. */
int64_t place_lag(const struct place *place);
/* Records that are still to be done, in all places whose ends are known. */
int64_t places_sum_backlog(const struct places *p);
