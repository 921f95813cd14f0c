/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why a job is where it is: from facts to one sentence, the evidence for it, and what would change it.
 *
 * What a job waits for is judged along its way, and the first obstacle is the cause: what lies behind it cannot matter yet. A job
 * that has ended, runs or is not due has no way before it.
 *
 * Pure: no I/O, no clock. Who gathers the facts is in cli/why/why_facts.h.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "cli/print/cell.h"

enum why_place {
    WHY_NOWHERE, /* nobody knows it */
    WHY_LATER,   /* on the topic of what comes later */
    WHY_QUEUED,  /* in a topic of its queue */
    WHY_PASSED, /* the same, and the cursor has passed it: it has ended without a record, or its record is gone */
    WHY_SENT, /* it has tries, and its next message was not found */
    WHY_PENDING,
    WHY_LEASED,
    WHY_ENDED,
};

/* A job that comes first, or that this one is a duplicate of. */
struct why_other {
    const char *id;    /* NULL: there is none, or none is known */
    const char *state; /* NULL: not known */
    int64_t since_us;
};

/* Strings are borrowed. Times are µs since 1970, 0: none or not known. Numbers are -1 when not known. */
struct why_facts {
    int64_t now_us;          /* PostgreSQL's clock; without it this host's */
    const char *store_error; /* PostgreSQL does not answer: why; NULL: it does */
    const char *kafka_error; /* the same of Kafka; NULL also when it was not asked */
    bool search_timed_out;   /* the topics hold more than could be searched */
    enum why_place place;

    const char *id;
    const char *state, *queue, *type; /* state: as job.status has it */
    const char *reason;               /* as job.pending or job.dead has it */
    const char *error;                /* ENDED */
    const char *worker;               /* ENDED: that had it; LEASED: that has it */
    int attempt, delivery;
    int64_t enqueued_us, started_us, finished_us, run_at_us, expires_us;
    const char *progress;      /* JSON */
    bool has_letter;           /* of a dead job: it can be replayed */
    struct why_other original; /* of a duplicate */
    int64_t beat_us,
        lost_us; /* of the worker: LEASED that has it; QUEUED that owns the partition. lost_us: it was declared dead */

    int64_t n_tries;
    struct {
        const char *outcome, *error; /* NULL: there is none */
        int attempt, delivery;
        int64_t finished_us;
    } last;
    int64_t parked_since_us;
    int64_t cancel_us;
    const char *cancel_actor; /* NULL: not known */

    /* --- The way --- */
    const char *topic;
    int32_t partition;
    int64_t offset;
    bool topic_missing;
    bool unrecorded; /* its handler records failures only */
    int64_t paused_us;
    const char *paused_by;
    int64_t n_workers, n_live; /* live workers: that take the queue and were not drained; all */
    const char *drained;       /* a live worker that takes the queue and was drained; NULL: none */
    int64_t drained_us;
    const char *drained_by;
    int64_t next_offset; /* -1: nobody has read the partition yet */
    const char *trouble; /* recreated, reset */
    int64_t ahead;       /* undone records before it */
    int crash_count;
    const char *owner; /* NULL: nobody owns the partition */
    int64_t n_leases;  /* of the owner */
    const char *narrow_worker, *narrow_rate;
    struct why_other blocker;
    int64_t n_relays, n_laters, n_clocks; /* brokers' duties that are connected */
    int64_t oldest_due_us;
    int64_t backlog; /* records of the queue that are to be done in Kafka */

    /* --- The configuration --- */
    int64_t backlog_max; /* 0: without limit */
    int64_t beat_every_us, lease_timeout_us, handover_after_us, parked_grace_us;
    int executors_max;
    bool has_handler; /* or nothing is known of handlers */
};

struct why_item {
    const char *name;
    struct cell cell;
};

#define WHY_MAX_ITEMS 40

struct why_verdict {
    const char *state; /* NULL: not known */
    const char *cause; /* one of why_causes */
    struct buf because, next;
    struct why_item evidence[WHY_MAX_ITEMS];
    size_t n_evidence;
    bool failed; /* out of memory */
};

/* @ret borrows from @f; why_verdict_done() it. */
void why_judge(const struct why_facts *f, struct why_verdict *ret);
void why_verdict_done(struct why_verdict *v);

/* Every cause there is; NULL-terminated. Scripts rely on these words. */
extern const char *const why_causes[];
