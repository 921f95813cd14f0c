/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The topic of what comes later, as PostgreSQL has it: cursors as those of workers, and what becomes of a message.
 *
 * A batch is one statement and so one transaction: job.store_later() moves the cursor, and every job of the batch waits in job.pending,
 * has ended as a duplicate, or is a dead letter. It is fenced: after another take-over of the partition it is refused (JB001).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"
#include "base/uuid.h"
#include "store/db.h"

/* One partition, between a take-over and the next. */
struct later_cursor {
    const char *topic;
    int32_t partition;
    int64_t epoch, seq;
    int64_t next_offset;
    int64_t log_start; /* where its log began when the cursor did; -1: nothing has been read yet */
    int64_t checked_offset, checked_ms; /* a record below next_offset and its time stamp; -1: none is known */
    bool trouble;                       /* its log is another one, and nobody has reset it yet */
};

/* A job, or what was to be one. Spans without data are NULL. */
struct later_row {
    struct uuid id;
    struct span queue, type;
    struct span topic; /* of its lane; NULL: the queue's own */
    int64_t run_at_us; /* 0: now */
    struct span key, headers_json, payload;
    int64_t enqueued_us;
    struct span unique_key;
    int64_t unique_us; /* 0: until it has ended */
    bool debounce, reply;
    struct span trace_id;
    struct uuid parent; /* null UUID: none */
    int64_t offset;
    struct span fault; /* why it is malformed; NULL: it is not */
};

/*
 * Raises the epochs of the partitions and reads their cursors; topic stays as it is. They get no owner: nothing depends on how the last one has
 * ended. Return: as db_query().
 */
int later_take_over(struct db *db, struct later_cursor *cursors, size_t n, struct err *reterr);

/* Has somebody found that a log of @topic is not the one that its cursor belongs to? Return: as db_query(). */
int later_has_trouble(struct db *db, const char *topic, bool *ret, struct err *reterr);

/*
 * Stores @n rows and moves the cursor to @next_offset; on success @cursor says so. Its checked record is to be below that already.
 *
 * Return: as db_query(). STORE_AWAY: nobody knows whether it happened: take over again, and read from where the cursor is then.
 */
int later_store(struct db *db, struct later_cursor *cursor, const struct later_row *rows, size_t n,
                int64_t next_offset, struct err *reterr);
