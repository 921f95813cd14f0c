/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One delivery of a job inside a worker, from the record that was read to the row that was written.
 *
 *     READY ──▶ RUNNING ──▶ FINISHED ──▶ (recorded: freed)
 *       ▲ claimed    │ executor died before it started: READY again
 *     CLAIMING       ▼
 *       └─ taken or ended elsewhere: freed
 *
 * A job is in exactly one list at a time: the ready jobs', an executor's, or the recorder's.
 *
 * Beside that it may get a lease, before its start (a claim) or while it runs (a hand-over). With the lease its offset is done,
 * so it has no partition any more, and only the transaction that takes the lease away can end it:
 *
 *     NONE ──▶ WANTED ──batch sent──▶ ASKED ──committed──▶ HELD       not granted: taken, or ended, elsewhere
 *                ▲────not committed─────┘
 *
 * A job may finish in any of these. WANTED: it is recorded without a lease. ASKED: the batch's fate tells how, and
 * nothing is recorded before that is known.
 *
 * An ordered job waits for its turn before all that (worker/keys.h).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "libjob/config.h"
#include "libjob/envelope.h"
#include "stream/message.h"

struct partition;

enum job_outcome {
    OUTCOME_NONE,
    OUTCOME_SUCCEEDED,
    OUTCOME_FAILED, /* may be tried again */
    OUTCOME_FAILED_FOR_GOOD,
    OUTCOME_SNOOZED,
    OUTCOME_TIMEOUT,      /* stopped by us: it ran for its timeout */
    OUTCOME_CRASHED,      /* its executor died of it */
    OUTCOME_OOM,          /* its executor was killed for want of memory */
    OUTCOME_INTERRUPTED,  /* stopped by us */
    OUTCOME_UNKNOWN_TYPE, /* never started */
    OUTCOME_EXPIRED,      /* never started: it was too late */
    OUTCOME_CANCELLED,    /* somebody did not want it any more */
    OUTCOME_THROTTLED,    /* never started: it was not its turn */
    OUTCOME_MALFORMED,    /* never started */
    OUTCOME_CONDEMNED,    /* never looked at: it kills workers */
};

struct job_types;

/* A type of job as this worker has seen it. */
struct job_type {
    struct job_types *types;              /* where it is from; NULL: alone, of tests */
    const struct config_handler *handler; /* NULL: nobody here knows it */
    int64_t typical_us;                   /* moving average of durations; 0: none seen yet */
    char name[129];
};

enum lease_state {
    LEASE_NONE,
    LEASE_WANTED,
    LEASE_ASKED,
    LEASE_HELD,
};

/* How a job that has not ended is counted in its lane (worker/ready.h). */
enum job_count { JOB_NOT_COUNTED, JOB_COUNTED_HELD, JOB_COUNTED_RUNNING };

/* Of an ordered job, as long as it has a key (worker/keys.h). */
enum job_turn { JOB_WAITING, JOB_BUSY, JOB_LEAVING };

struct ready_lane;
struct ready_limit;
struct key;

struct job {
    struct list link;
    struct list lease_link;    /* of a hand-over that is WANTED or ASKED: the recorder's */
    struct list progress_link; /* while its progress waits to be written: the recorder's */
    struct list key_link;      /* while it waits for its turn: its key's */
    struct message *message;   /* owned */
    struct envelope envelope;  /* points into message */
    struct partition
        *partition; /* where its offset is still open; NULL: leased, or the partition is no longer ours */
    struct job_type *type;     /* NULL: malformed */
    struct ready_lane *lane;   /* NULL: not admitted to the ready jobs */
    struct ready_limit *limit; /* NULL: its handler has none */
    uint64_t number;           /* its place among the ready jobs */
    struct key *key;           /* NULL: not ordered, or done with its key */
    enum job_turn turn;
    int64_t key_seq; /* its place in the order of its key; -1: not ordered */
    enum job_count count;
    enum lease_state lease;
    int64_t token;      /* of its lease, unless NONE; 0: none */
    char *progress;     /* owned: the newest, as JSON; NULL: none */
    bool lease_refused; /* PostgreSQL would not store its lease: it stays in the log until it ends */
    bool finished;      /* the recorder has it, with its outcome */
    int64_t epoch;      /* of its partition's take-over, for the handler's fencing token */
    uint32_t seq;       /* in its executor */
    size_t *alive;      /* counts the jobs like this one, as long as it exists; NULL: nobody counts */
    bool orphan;        /* its partition went away: the outcome is nobody's business */

    /* FINISHED */
    enum job_outcome outcome;
    int64_t started_us, finished_us; /* monotonic; 0: not started */
    int64_t cpu_us, peak_kib;        /* -1: not known */
    int64_t retry_after_ms;          /* -1: not set */
    char *result;                    /* owned; NULL: none */
    size_t result_size;
    char *error;     /* owned, NUL-terminated; NULL: none */
    char refused[6]; /* PostgreSQL refused its row with this SQLSTATE; "" */
};

/* A type counts as short below this; only short jobs are sent ahead into an executor. */
#define JOB_SHORT_US 1000

/* Takes @message over. Return: NULL without memory (then the message is freed). */
struct job *job_new(struct message *message);
struct job *job_free(struct job *job);
DEFINE_CLEANUP(struct job *, job_free)

static inline struct job *job_of(struct list *link)
{
    return list_entry(link, struct job, link);
}

static inline struct job *job_of_lease(struct list *link)
{
    return list_entry(link, struct job, lease_link);
}

bool job_is_short(const struct job *job);
/* Of a type that has a handler: the job is never to be started twice. */
bool job_runs_at_most_once(const struct job *job);
/* It has a place in the order of its key. */
static inline bool job_is_ordered(const struct job *job)
{
    return job->key_seq >= 0;
}
/* Of an ordered one: it is not to be passed before it has ended; nor is one whose type has become unknown. */
bool job_is_strict(const struct job *job);
/* Of a finished one: later jobs of its key must not start although it has not ended. */
bool job_holds_key(const struct job *job);
/* Its budgets; of a job that runs at most once they are 1, whatever message and handler say. */
int job_max_attempts(const struct job *job);
int job_max_crashes(const struct job *job);
int64_t job_timeout_us(const struct job *job);
/* The memory that it holds, roughly. */
size_t job_size_bytes(const struct job *job);

/* Its type from now on, instead of the one that it has; NULL: none. */
void job_set_type(struct job *job, struct job_type *type);

/* Sets outcome and error text (printf-like; NULL: none). */
void job_finish(struct job *job, enum job_outcome outcome, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The types that this worker has met: bounded, found by name. */
struct job_types *job_types_new(const struct job_config *config);
struct job_types *job_types_free(struct job_types *types);
/*
 * No job gets its type from here any more. They live, and so does @config, whose handlers they name, until the last job that has one
 * of them is gone; both are freed then.
 */
void job_types_retire(struct job_types *types, struct job_config *config);
/* Never NULL: beyond the bound all unknown types share one entry. */
struct job_type *job_types_get(struct job_types *types, struct span name);
/* Learns from one run. */
void job_type_learn(struct job_type *type, int64_t duration_us);
