/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All that is known about one job, as it is printed: one object, or a table with its tries, its timeline and its children below.
 *
 * PostgreSQL's part is taken as store/jobs.h has it; what a message in Kafka has is laid over it where nothing is known yet.
 */
#pragma once

#include "cli/invocation.h"
#include "cli/job/lookup.h"

/* The first ones are the columns of jobs_find(), in its order. */
enum sheet_member {
    SHEET_ID,
    SHEET_STATE,
    SHEET_QUEUE,
    SHEET_TYPE,
    SHEET_REASON,
    SHEET_ATTEMPT,
    SHEET_DELIVERY,
    SHEET_RUN_AT,
    SHEET_ENQUEUED_AT,
    SHEET_STARTED_AT,
    SHEET_FINISHED_AT,
    SHEET_WORKER,
    SHEET_CPU_MS,
    SHEET_PEAK_KIB,
    SHEET_TRACE_ID,
    SHEET_TOPIC,
    SHEET_PARTITION,
    SHEET_OFFSET,
    SHEET_PARENT,
    SHEET_ERROR,
    SHEET_RESULT,
    SHEET_PROGRESS,
    SHEET_HEADERS,
    SHEET_KEY,
    SHEET_PAYLOAD,
    SHEET_PLACE,
    SHEET_TAGS,
    SHEET_UNIQUE_KEY,
    SHEET_UNIQUE_UNTIL,
    SHEET_DIED_AT,
    SHEET_N_FOUND,
    SHEET_AHEAD = SHEET_N_FOUND,
    SHEET_PAYLOAD_FROM,
    SHEET_TRACE_URL,
    SHEET_ATTEMPTS,
    SHEET_TIMELINE,
    SHEET_CHILDREN,
    SHEET_CHILDREN_UNTIL,
    SHEET_N,
};

struct sheet {
    struct cell cells[SHEET_N];
    struct rows *job, *attempts, *timeline,
        *children; /* what the cells borrow from; NULL: not asked, or not to be asked */
    struct lookup message;
    char place[400];
    struct buf tags, unique_key, trace_id,
        trace_url; /* of the message's headers; the last one of the configuration, too */
};

void sheet_done(struct sheet *s);
#define _cleanup_sheet_ _cleanup_(sheet_done)

enum sheet_outcome { SHEET_NOT_KNOWN = 2000 };

/* Asks PostgreSQL. Return: an enum status; SHEET_NOT_KNOWN: it knows no such job. */
int sheet_read(struct sheet *s, struct invocation *in, const struct uuid *id, struct err *reterr);
/* Lays s->message over what is not known. @queued: it waits there; otherwise that is where it came from. */
void sheet_take_message(struct sheet *s, const struct invocation *in, bool queued);

/* Return: an enum status. */
int sheet_print(struct sheet *s, struct invocation *in, struct err *reterr);
