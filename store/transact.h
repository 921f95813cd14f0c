/* SPDX-License-Identifier: Apache-2.0 */
/* Enqueueing over a connection that is somebody else's, within the transaction that is open there. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"
#include "base/uuid.h"
#include "store/outcome.h"

struct pg_conn; /* libpq calls it PGconn */

/* Checked already, but for what only PostgreSQL can check. NULL, 0, data NULL: not said. */
struct transact_job {
    const struct uuid *id;
    const char *queue, *type;
    struct span payload, key;
    struct span headers;  /* a JSON object as envelope_headers_to_json() writes it, UTF-8 */
    int64_t expires_ms;   /* from now, by PostgreSQL's clock */
    const char *priority; /* "high", "low" */
    int64_t delay_ms;     /* as expires_ms */
    int64_t run_at_us;    /* since 1970; not together with delay_ms */
    const char *unique_key;
    int64_t unique_ms;
    bool debounce;
};

enum transact_outcome {
    TRANSACT_AWAY = 1,    /* no connection, or lost on the way: the transaction is gone */
    TRANSACT_BUSY = 2,    /* a command is under way, or a pipeline is open: nothing was sent */
    TRANSACT_FAILED = 3,  /* the transaction had failed before: nothing was sent */
    TRANSACT_REFUSED = 4, /* PostgreSQL said no, and the transaction has failed */
};

/*
 * transact_enqueue() - one row of job.pending, seen by others when the caller commits
 * @pg:          stays the caller's; only one statement is run on it, and nothing of it is changed
 * @ret_refusal: filled with TRANSACT_REFUSED
 *
 * Without an open transaction the statement is one of its own. Blocks for that statement.
 *
 * Return: 0; enum transact_outcome, with @reterr.
 */
int transact_enqueue(struct pg_conn *pg, const struct transact_job *job, struct store_refusal *ret_refusal,
                     struct err *reterr);
