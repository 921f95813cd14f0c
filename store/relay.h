/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The relay's side of job.pending: taking due rows under lock, and what becomes of them.
 *
 * relay_take() opens a transaction that holds the rows; relay_delete(), relay_postpone() and relay_bury() work inside of it, and
 * relay_commit() or db_rollback() ends it. Rows that another relay holds are skipped, so any number of relays share the work.
 * If we die in between, PostgreSQL gives the rows back.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"
#include "base/uuid.h"
#include "store/db.h"

#define RELAY_TAKE_BYTES (4 * 1024 * 1024)    /* of a batch; its first row may be larger */
#define RELAY_ROW_BYTES_MAX (2 * 1024 * 1024) /* a row beyond this is not even read */

/* Rows that were taken, in the order in which they go. */
struct relay_batch;
struct relay_batch *relay_batch_free(struct relay_batch *b);
DEFINE_CLEANUP(struct relay_batch *, relay_batch_free)
size_t relay_batch_count(const struct relay_batch *b);

/* All pointers are valid as long as the batch. */
struct relay_row {
    struct uuid id;
    int64_t run_at_us;
    int32_t delivery, attempt;
    const char *queue, *type;
    const char *topic; /* where its last delivery came from; NULL: it had none */
    int32_t partition; /* of that topic; -1: not known */
    const char
        *headers; /* JSON; NULL when size_bytes is beyond RELAY_ROW_BYTES_MAX, and key and payload then too */
    struct span key, payload;
    int64_t size_bytes; /* of key, headers and payload as stored */
    int32_t share;      /* of the turn that it was taken for */
    int32_t n_found; /* rows that were found for this share; not all of them may have fitted into the batch */
};

/* What is wanted of one queue. */
struct relay_turn {
    const char *queue;
    int64_t
        low_us; /* rows that were due earlier are not looked for (they are gone, only their traces are left); INT64_MIN looks for all */
    int32_t limit;     /* rows at most */
    int32_t share;     /* for the caller; comes back with the rows */
    bool ordered_only; /* only jobs that later ones of their key may wait for (header ce_keyseq) */
};

/*
 * Ends jobs that have expired, due or not, and takes those that are due: of each queue in the order of (run_at, id), and so
 * that the queues share the batch (store/fair.h).
 *
 * @turns:          each of another queue
 * @limit:          of both together
 * @expired_low_us: jobs that have expired earlier are not looked for
 * @ret_expired:    rows that went because their jobs have expired
 *
 * Return: 0, also with no rows; STORE_AWAY, STORE_REFUSED, -ENOMEM: then no transaction is open.
 */
int relay_take(struct db *db, const struct relay_turn *turns, size_t n_turns, int limit,
               int64_t expired_low_us, struct relay_batch **ret, int64_t *ret_expired, struct err *reterr);
void relay_batch_get(const struct relay_batch *b, size_t i, struct relay_row *ret);

/* They lie in Kafka. Return: as db_query(). */
int relay_delete(struct db *db, const struct uuid *ids, size_t n, struct err *reterr);

/* They wait @delay_us longer. Return: as db_query(). */
int relay_postpone(struct db *db, const struct uuid *ids, size_t n, int64_t delay_us, struct err *reterr);

/*
 * Rows that can never be messages: they become dead letters with reason "malformed". All of them, or none. Return: as
 * db_query(), but after STORE_REFUSED the rows are as they were and the transaction goes on.
 */
int relay_bury(struct db *db, const struct uuid *ids, const char *const *errors, size_t n,
               struct err *reterr);

/* Return: as db_commit(). */
int relay_commit(struct db *db, struct err *reterr);

/* Be told of NOTIFY job_relay; once per connection, before all else. Return: as db_query(). */
int relay_listen(struct db *db, struct err *reterr);

/* Which queues have rows, due or not: column 0. Return: as db_query(). */
int relay_list_queues(struct db *db, struct rows **ret, struct err *reterr);

/* How far topics are done: topic, partition, next_offset, and how many records are done behind that. Return: as db_query(). */
int relay_list_cursors(struct db *db, const char *const *topics, size_t n, struct rows **ret,
                       struct err *reterr);

/*
 * Tells enqueuers that relays sleep: whoever commits a row that is due within @for_us from now notifies. Rows committed
 * at the same time may not have seen it, so the caller looks once more a little later, unless they were told so already.
 *
 * @held:        these queues are not waited for
 * @ret_wait_us: as relay_wait_us(), but of all other queues, whether their rows are late or not
 *
 * Return: as db_query().
 */
int relay_sleep(struct db *db, int64_t for_us, const char *const *held, size_t n_held, bool *ret_was_up,
                int64_t *ret_wait_us, struct err *reterr);
/* Tells enqueuers that a relay is looking anyway. Return: as db_query(). */
int relay_wake(struct db *db, struct err *reterr);

/* @ret_us: until the next of these rows is due, or any expires, by PostgreSQL's clock: 0 when one is, INT64_MAX when none waits. Return: as db_query(). */
int relay_wait_us(struct db *db, const struct relay_turn *turns, size_t n_turns, int64_t expired_low_us,
                  int64_t *ret_us, struct err *reterr);
