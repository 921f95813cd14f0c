/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the recorder, for worker/recorder*.c alone: what waits, and the one request that is under way. */
#pragma once

#include "store/record.h"
#include "worker/batch.h"
#include "worker/keys.h"
#include "worker/link.h"
#include "worker/recorder.h"

enum request_kind {
    REQUEST_NONE,
    REQUEST_REGISTER,
    REQUEST_HOOK,
    REQUEST_WISHES,
    REQUEST_TAKE_OVER,
    REQUEST_LOOK,
    REQUEST_BATCH,
    REQUEST_READ_BACK,
    REQUEST_NOTE,
    REQUEST_UNREGISTER,
};

struct recorder {
    const struct job_config *config;
    struct recorder_owner owner;
    struct link *link;
    sd_event_source *timer; /* to the next beat, gap or repetition */
    sd_event_source *deadline_timer;
    char host[64];
    char worker_id[96];
    bool registered, unregistering, unregistered;
    bool hook_told;       /* PostgreSQL knows the queue that hears of deaths, or this worker has none */
    bool wishes_known;    /* they are, or are being, read over this connection, which hears of new ones */
    bool wishes_doubtful; /* the owner may know some that do not count any more */

    /* what waits */
    struct backlog finished, claims;
    struct list handovers; /* running jobs that are to get a lease, by lease_link */
    size_t n_handovers;
    struct list progress, progress_sent; /* leased jobs whose progress is to be written; is in the batch */
    struct list *take_over;              /* partitions to be taken over; NULL: none */
    struct list *release;                /* partitions to be given back; NULL: none */
    struct list *owned;                  /* all partitions of this worker */
    struct keys_room *keys;              /* of all partitions; NULL: not known yet */
    int64_t looked_at_us;                /* when doubtful keys were asked for last */
    bool looked;                         /* and no batch was sent since */
    bool has_notes;                      /* some partition may have one to be written down */
    bool gap_noted;
    int64_t gap_at_us;
    int64_t beat_at_us;        /* when the next beat of its own is due */
    char *quiet, *narrow;      /* owned: what the next beat tells; NULL: nothing */
    const char *phase;         /* the same */
    char *drain_by;            /* owned: who wants this worker drained; NULL: nobody */
    size_t n_leases;           /* jobs that hold a lease, in this process */
    int64_t beat_sent_us;      /* when the request under way, which is a beat too, was sent */
    int64_t lease_deadline_us; /* when the leases may be lost; 0: no beat has been answered since they were */

    /* the request under way */
    enum request_kind request;
    struct batch batch;
    bool must_read_back; /* the batch's fate is not known */

    /* after a refusal */
    size_t limit;         /* jobs in the next batch */
    size_t suspects;      /* jobs of the refused batch that have not been recorded since */
    int64_t repeat_at_us; /* no batch before this; 0: at once */
    int64_t repeat_pause_us;

    int64_t seq;             /* highest batch_seq used or met */
    int64_t clock_offset_us; /* PostgreSQL's clock less our monotonic one */
};

/* --- recorder.c --- */

struct session *recorder_session(struct recorder *r);
/* The request under way has ended. Return: true with rows; a refusal, which nobody expects here, ends the connection. */
bool recorder_answered(struct recorder *r, const struct session_reply *reply);
void recorder_learn_clock(struct recorder *r, int64_t server_time_us);
/* Until when the leases are safe, counted from the sending of a beat that was answered. */
void recorder_set_deadline(struct recorder *r, int64_t from_us);
void recorder_plan_beat(struct recorder *r);
void recorder_declared_dead(struct recorder *r);
void recorder_hold_lease(struct recorder *r, struct job *job);
void recorder_want_handover(struct recorder *r, struct job *job);

/* --- recorder_progress.c --- */

void recorder_progress_init(struct recorder *r);
void recorder_progress_done(struct recorder *r);
/* @job has a lease now: what it told before is to be written. */
void recorder_want_progress(struct recorder *r, struct job *job);
bool recorder_has_progress(const struct recorder *r);
void recorder_add_progress(struct recorder *r);
/* Of the batch: it is written, or of no use. */
void recorder_drop_progress(struct recorder *r);
/* It is not. */
void recorder_put_back_progress(struct recorder *r);

/* --- recorder_keys.c --- */

/* Rows of enum head_column: what keys have to wait for. */
void recorder_take_heads(struct recorder *r, const struct rows *heads);
/* All that there are of the partitions that are being taken over. */
void recorder_take_all_heads(struct recorder *r, const struct rows *heads);
/* When doubtful keys have to be asked for; 0: there are none. */
int64_t recorder_look_at_us(const struct recorder *r);
bool recorder_wants_look(const struct recorder *r);
void recorder_send_look(struct recorder *r);

/* --- recorder_hook.c --- */

/* Return: false when there is nothing to say. */
bool recorder_send_hook(struct recorder *r);

/* --- recorder_settle.c: one batch, from its sending to its fate --- */

bool settle_release_is_ready(const struct recorder *r);
void settle_send_batch(struct recorder *r);
void settle_send_read_back(struct recorder *r);
