/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One Kafka partition that is assigned to this worker, and its cursor.
 *
 *     TAKING ──rows──▶ PROVING ──Kafka took the commit──▶ OPEN ◀──written down── LOSING
 *        ▲ │                └──────────┐                  │ │ └──records are gone──▲
 *        │ │                           │                  │ └──another log──▶ OUTSIDE ◀──rows say so── TAKING
 *        │ └── 1 s, still assigned ── FENCED ◀─epoch raised┘                     │
 *        └──────────── 5 s, or woken, and nothing of it is open ─────────────────┘
 *
 * Beside its state it may be `closing`: revoked, so nothing new starts, and when nothing is open the cursor is given back.
 * Only an OPEN partition is read and dispatched.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "stream/consumer.h"
#include "worker/window.h"

enum partition_state {
    PARTITION_TAKING,  /* the cursor is not ours yet */
    PARTITION_PROVING, /* ours; Kafka has not yet confirmed that we are a member */
    PARTITION_OPEN,
    PARTITION_LOSING,  /* Kafka has dropped records of it; that is being written down */
    PARTITION_FENCED,  /* not ours any more, though Kafka assigns it to us */
    PARTITION_OUTSIDE, /* the cursor belongs to another log: nothing is read until somebody mends it */
};

/* What has to be written down about its log, and what for. */
struct partition_note {
    bool recreated;   /* otherwise records were lost */
    bool sent;        /* in the request under way */
    int64_t from, to; /* lost: the first and the last; recreated: where the log begins and ends */
    int64_t jobs;     /* lost: so many of them were not done */
    char text[1000];  /* lost: which ones, "7-9,12"; recreated: what tells */
};

#define PARTITION_FENCED_MAX 3 /* take-overs by others within a minute */

struct ready_lane;
struct keys;

struct partition {
    struct list link;
    struct ready_lane *lane; /* where its jobs wait for their start */
    char *topic;
    int32_t id;
    enum partition_state state;
    bool closing;                   /* revoked: nothing new starts */
    bool released;                  /* the cursor has been given back */
    bool in_batch;                  /* the batch under way moves the cursor */
    int64_t found_epoch, found_seq; /* during a read-back: what job.cursor says; -1: no row */
    struct feed *feed;
    struct message *held; /* read, but the window had no room for it */

    int64_t epoch, seq;                   /* job.cursor: epoch, batch_seq */
    int64_t log_start;                    /* -1: not known yet */
    bool log_start_dirty, log_start_sent; /* to be written; in the batch under way */
    struct window window;
    struct keys *keys;     /* its ordered jobs (worker/keys.h); NULL before it was taken over */
    int64_t probation_end; /* undone offsets below are claimed before they run */
    /* After repeated crashes without progress, below probation_end: one record at a time, each named in job.cursor before it
     * is taken up (worker/reader.h). -1: none. */
    bool careful, condemned; /* condemned: the next undone record was alone in flight at a crash */
    int64_t suspect, suspect_sent, suspect_recorded; /* wanted; in the batch under way; in job.cursor */

    /* Is it the log that the cursor belongs to (worker/sounding.h)? */
    int64_t start;   /* where reading begins after the take-over */
    int64_t read_to; /* everything of the log before it was read, or was done before the take-over */
    int64_t gap_to;  /* there is no record between what was read last and this offset */
    int64_t checked_offset,
        checked_ms; /* in job.cursor: a record below next_offset, its time stamp; -1: none */
    int64_t witness_offset, witness_ms; /* the same, in the batch under way */
    int64_t next_sent;                  /* next_offset in the batch under way */
    bool unverified;                    /* that record is still to be met */
    bool sounding;                      /* its position was not in the log: it is read from its start on */
    bool stood;                         /* that it stands has been said */
    struct partition_note *note;        /* NULL: nothing is to be written down */

    int64_t gap, gap_sent; /* offsets marked as gaps since the last batch; those in the batch under way */
    int64_t committed;     /* what Kafka was told last */
    int64_t fenced_us[PARTITION_FENCED_MAX]; /* ring: when it was fenced; 0: not */
    unsigned n_fenced;
    size_t n_dangerous; /* of its open jobs, those that wait until they may run alone (worker/reader.h) */
    size_t n_open;      /* jobs whose offset is open: ready, running, finished, claiming */
};

/* NULL: none in the list is that one. */
struct partition *partition_find(struct list *partitions, const char *topic, int32_t id);

struct partition *partition_new(const char *topic, int32_t id);
struct partition *partition_free(struct partition *p);
DEFINE_CLEANUP(struct partition *, partition_free)
