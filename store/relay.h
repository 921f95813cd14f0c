/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The relay's side of job.pending: taking due rows under lock, and what becomes of them.
 *
 * relay_take() opens a transaction that holds the rows; every other function but relay_sleep() and relay_wait_us() works
 * inside of it, and relay_commit() or db_rollback() ends it. Rows that another relay holds are skipped, so any number of
 * relays share the work. If we die in between, PostgreSQL gives the rows back.
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

/* All pointers are valid as long as the rows. */
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
};

/*
 * Ends jobs that have expired, due or not, and takes those that are due.
 *
 * @limit:       of both together
 * @low_us:      rows that were due or expired earlier are not looked for (they are gone, only their traces are left);
 *               INT64_MIN looks for all
 * @ret:         the rows in order of (run_at, id)
 * @ret_expired: rows that went because their jobs have expired
 *
 * Return: 0, also with no rows; STORE_AWAY, STORE_REFUSED, -ENOMEM: then no transaction is open.
 */
int relay_take(struct db *db, int limit, int64_t low_us, struct rows **ret, int64_t *ret_expired,
               struct err *reterr);
void relay_get(const struct rows *rows, size_t row, struct relay_row *ret);

/* They lie in Kafka. Return: as db_query(). */
int relay_delete(struct db *db, const struct uuid *ids, size_t n, struct err *reterr);

/* They wait @delay_us longer. Return: as db_query(). */
int relay_postpone(struct db *db, const struct uuid *ids, size_t n, int64_t delay_us, struct err *reterr);

/*
 * A row that can never be a message: it becomes a dead letter with reason "malformed". Return: as db_query(), but after
 * STORE_REFUSED the row is as it was and the transaction goes on.
 */
int relay_bury(struct db *db, const struct uuid *id, const char *error, struct err *reterr);

/* Return: as db_commit(). */
int relay_commit(struct db *db, struct err *reterr);

/* Be told of NOTIFY job_relay; once per connection. Return: as db_query(). */
int relay_listen(struct db *db, struct err *reterr);

/*
 * Tells enqueuers that relays sleep: whoever commits a row that is due within @for_us from now notifies. Rows committed
 * at the same time may not have seen it, so the caller looks once more a little later, unless they were told so already.
 * Return: as db_query().
 */
int relay_sleep(struct db *db, int64_t for_us, bool *ret_was_up, struct err *reterr);
/* Tells enqueuers that a relay is looking anyway. Return: as db_query(). */
int relay_wake(struct db *db, struct err *reterr);

/* @ret_us: until the next row is due or expires, by PostgreSQL's clock: 0 when one is, INT64_MAX when none waits. Return: as db_query(). */
int relay_wait_us(struct db *db, int64_t low_us, int64_t *ret_us, struct err *reterr);
