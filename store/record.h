/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One batch of the recorder: everything that a worker tells PostgreSQL about jobs, as one transaction.
 *
 *     BEGIN · fence · claims · results · ended leases · deferrals · keys · progress · waiters · beat · COMMIT      one round trip
 *
 * The builder copies rows into column arrays; the sender submits them to a session. The reply says whether the
 * transaction took effect; after RECORD_UNKNOWN or RECORD_FENCED the truth is read back (record_read_back()).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"
#include "base/uuid.h"
#include "store/session.h"

/* One job. Spans and strings are copied by the builder, but type and topic must stay until the batch is sent. Times: µs since 1970 by PostgreSQL's clock; 0: not known. */
struct record_row {
    struct uuid id, parent;
    struct span queue, type;
    const char *topic;
    int32_t partition;
    int64_t offset;
    int64_t token; /* the lease it ends (or takes); 0: none */
    int attempt, delivery;
    int64_t enqueued_us, started_us, finished_us;
    int32_t cpu_ms, peak_kib; /* -1: not known */
    struct span trace_id;
    struct span error;  /* valid UTF-8 */
    struct span result; /* JSON text; without data: none */

    /* deferrals and claims */
    const char *outcome; /* of the try; NULL: there was none */
    const char *verdict; /* dead.reason when it is dead for certain; NULL: the budgets decide */
    int64_t delay_us;    /* -1: as the outcome has it */
    int max_crashes;
    bool fresh; /* claims: its id was chosen by who enqueued it, and no relay has sent it */
    struct span key, headers_json, payload;
};

/* What a batch says of an ordered job's key: see job.settle_keys(). */
struct record_key {
    struct uuid id;
    const char *topic;
    int32_t partition;
    int64_t seq; /* its place in the order of its key */
    uint64_t hash;
    struct span key;
    bool holds, passes;
};

/* The state of one cursor after the batch. */
struct record_cursor {
    const char *topic;
    int32_t partition;
    int64_t epoch;
    int64_t seq; /* batch_seq as we know it */
    int64_t next_offset;
    struct span done;  /* worker/window.h */
    int64_t log_start; /* -1: not known */
    bool released;     /* the worker gives it back in good order */
    bool careful;      /* its crash count stays: a message that kills workers is being searched */
    int64_t suspect;   /* the first undone record from here on is taken up alone; -1: none */
    int64_t checked_offset, checked_ms; /* a record below next_offset and its time stamp; -1: none is known */
};

struct record_batch;

int record_batch_new(struct record_batch **ret);
struct record_batch *record_batch_free(struct record_batch *b);
DEFINE_CLEANUP(struct record_batch *, record_batch_free)
void record_batch_reset(struct record_batch *b);
size_t record_batch_size_bytes(const struct record_batch *b);

void record_add_cursor(struct record_batch *b, const struct record_cursor *cursor);
void record_add_success(struct record_batch *b, const struct record_row *row);
void record_add_deferral(struct record_batch *b, const struct record_row *row);
void record_add_claim(struct record_batch *b, const struct record_row *row);
void record_add_key(struct record_batch *b, const struct record_key *key);
/* How far a leased job is: JSON that jsonb takes. Nothing happens when the lease is somebody else's. */
void record_add_progress(struct record_batch *b, const struct uuid *id, int64_t token, struct span json);
/* Somebody waits for this job: tell them in the same transaction. */
void record_add_waiter(struct record_batch *b, const struct uuid *id);

enum record_outcome {
    RECORD_DONE,        /* committed */
    RECORD_UNKNOWN,     /* connection lost: committed or not */
    RECORD_FENCED,      /* not committed, unless an earlier try of the same batch was: read back */
    RECORD_ROW_REFUSED, /* not committed: some row cannot be stored (class 22, 23, 54) */
    RECORD_REPEAT,      /* not committed: deadlock, serialisation, lock time-out */
    RECORD_GONE,        /* not committed: this worker has been declared dead */
};

struct record_reply {
    enum record_outcome outcome;
    char sqlstate[SQLSTATE_SIZE];
    const char *text; /* what PostgreSQL said, unless RECORD_DONE; valid during the callback */
    const struct rows *
        claimed; /* RECORD_DONE: column 0 the tokens of the leases that are ours; NULL when nothing was claimed */
    const struct rows *
        heads; /* RECORD_DONE: of the keys that the batch has spoken of; enum head_column. NULL: it has not */
    bool beaten;            /* RECORD_DONE: the worker was not declared dead */
    int64_t server_time_us; /* RECORD_DONE: PostgreSQL's clock */
};

typedef void (*record_reply_fn)(const struct record_reply *reply, void *userdata);

/* Statements of the worker's session, in the order of enum record_statement. */
extern const struct session_statement record_statements[];
extern const int record_n_statements;

/* What a worker says of itself with each batch. */
struct record_beat {
    const char *worker;
    const char *quiet;  /* paused queues of which nothing runs in it, with commas between them */
    const char *narrow; /* as job.worker.narrow, JSON */
    const char *phase;  /* as job.worker.phase */
};

/* Session must be READY. @b may be reset when the reply has come. */
void record_send(struct record_batch *b, struct session *s, const struct record_beat *beat, int64_t new_seq,
                 int64_t parked_grace_us, record_reply_fn reply, void *userdata);

/* --- Around the batches; the reply is the session's own ---------------------------------------------------------------- */

struct record_place {
    const char *topic;
    int32_t partition;
};

/* Take-over, step one. Rows: see enum take_over_column. */
enum take_over_column {
    TAKE_TOPIC,
    TAKE_PARTITION,
    TAKE_EPOCH,
    TAKE_SEQ,
    TAKE_NEXT,
    TAKE_DONE,
    TAKE_LOG_START,
    TAKE_UNCLEAN,
    TAKE_CRASHES,
    TAKE_SUSPECT,
    TAKE_CHECKED_OFFSET,
    TAKE_CHECKED_MS,
    TAKE_TROUBLE /* text; null: none */
};
/* The second rows of the reply: the heads of all keys that have one, at most @max_heads; none are asked for when that is 0. */
void record_take_over(struct session *s, const struct record_place *places, size_t n, const char *worker,
                      int64_t max_heads, session_reply_fn reply, void *userdata);

/* The first hold of a key (job.look_at_keys()); its place and job are null when there is none. Ordered by topic and partition. */
enum head_column { HEAD_TOPIC, HEAD_PARTITION, HEAD_HASH, HEAD_SEQ, HEAD_ID, HEAD_PARKED };

struct record_look {
    struct record_place place;
    uint64_t hash;
};
/* Asks for the heads of some keys, and lets parked jobs of them come back. */
void record_look_at_keys(struct session *s, const struct record_look *keys, size_t n, session_reply_fn reply,
                         void *userdata);

/* Rows: topic, partition, epoch, batch_seq. Waits for a transaction that still holds one of the cursors. */
void record_read_back(struct session *s, const struct record_place *places, size_t n, session_reply_fn reply,
                      void *userdata);

/* What became of a partition's log: Kafka has dropped records that nobody had run, or it is another log. */
struct record_log_note {
    struct record_place place;
    int64_t epoch;
    bool recreated;
    int64_t from, to;   /* lost: first and last offset; recreated: where the log begins and ends */
    int64_t jobs;       /* lost: so many of them were not done */
    const char *ranges; /* lost: which ones; recreated: what tells */
};
/* Rows: none that say anything. */
void record_note_log(struct session *s, const struct record_log_note *note, session_reply_fn reply,
                     void *userdata);

struct record_worker {
    const char *id, *host;
    int pid;
    const struct span *queues; /* names */
    size_t n_queues;
    const char *phase;    /* as job.worker.phase */
    const char *drain_by; /* who wants it drained, under whatever name it had; NULL: nobody */
};

/* Registers the worker; rows: clock; none when that name was declared dead. */
void record_register(struct session *s, const struct record_worker *worker, session_reply_fn reply,
                     void *userdata);
/* From now on each job that dies is told to the handler of job.dead in @queue; rows: the queue before that (NULL: none), @queue. */
void record_set_dead_hook(struct session *s, const char *queue, const char *worker, session_reply_fn reply,
                          void *userdata);
/*
 * What people want: the jobs that somebody has cancelled; rows: id. The queues that somebody has paused; second rows: name. And who wants
 * this worker drained; third rows: one with who (NULL: nobody), none when it was declared dead.
 */
void record_list_wishes(struct session *s, const char *worker, session_reply_fn reply, void *userdata);
/* Takes the worker's row away (nothing happens while it holds leases). */
void record_unregister(struct session *s, const char *worker, session_reply_fn reply, void *userdata);
