/* SPDX-License-Identifier: Apache-2.0 */
/* Enqueueing in the application's own PostgreSQL transaction: checked and encoded here, stored by store/transact.c. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "libjob/encode.h"
#include "libjob/envelope.h"
#include "libjob/error.h"
#include "store/transact.h"

#define SQLSTATE_OF_ERRORS "JB1" /* and two digits: the enum job_error */

/* PostgreSQL's clock decides about times, so these are its function's to write. */
static bool is_a_time(const char *name)
{
    return strcmp(name, HEADER_TIME) == 0 || strcmp(name, HEADER_EXPIRES) == 0;
}

static void put_headers(const struct message *m, struct buf *json)
{
    struct message_header headers[MESSAGE_MAX_HEADERS];
    size_t n = 0;
    for (size_t i = 0; i < m->n_headers; i++)
        if (!is_a_time(m->headers[i].name))
            headers[n++] = m->headers[i];
    envelope_headers_to_json(headers, n, true, json);
}

static const char *priority_name(int priority)
{
    return priority == JOB_PRIORITY_NORMAL ? NULL : priority > JOB_PRIORITY_NORMAL ? "high" : "low";
}

/* What the SQL function found says which error it is: JB103 is JOB_E_INVALID_QUEUE. */
static int error_of_sqlstate(const char *sqlstate)
{
    size_t skip = strlen(SQLSTATE_OF_ERRORS);
    if (strncmp(sqlstate, SQLSTATE_OF_ERRORS, skip) != 0)
        return JOB_E_DATABASE_REFUSED;
    int error = atoi(sqlstate + skip);
    return error >= JOB_E_TOO_LARGE && error <= JOB_E_INVALID_HEADER ? error : JOB_E_DATABASE_REFUSED;
}

static int error_of_outcome(int outcome, const struct store_refusal *refusal)
{
    switch (outcome) {
    case TRANSACT_AWAY:
        return JOB_E_DATABASE_AWAY;
    case TRANSACT_BUSY:
        return JOB_E_CONNECTION_BUSY;
    case TRANSACT_FAILED:
        return JOB_E_TRANSACTION_FAILED;
    default:
        return error_of_sqlstate(refusal->sqlstate);
    }
}

static int store(struct pg_conn *pg, const struct job_spec *spec, const struct encoding *e)
{
    _cleanup_buf_ struct buf headers = { 0 };
    struct err why = { 0 };
    struct store_refusal refusal = { 0 };
    put_headers(&e->message, &headers);
    if (headers.failed)
        return -ENOMEM;
    const struct transact_job job = {
        .id = &e->id,
        .queue = spec->queue ? spec->queue : "default",
        .type = spec->type,
        .payload = e->message.value,
        .key = e->message.key,
        .headers = { headers.data, headers.size },
        .expires_ms = spec->expires_ms,
        .priority = priority_name(spec->priority),
        .delay_ms = spec->delay_ms,
        .run_at_us = spec->run_at_ms * USEC_PER_MSEC,
        .unique_key = spec->unique_key,
        .unique_ms = spec->unique_for_ms,
        .debounce = spec->debounce != 0,
    };
    int r = transact_enqueue(pg, &job, &refusal, &why);
    return r ? error_set(error_of_outcome(r, &refusal), "%s", why.text) : 0;
}

int job_enqueue_tx(struct pg_conn *pg, const struct job_spec *spec, struct job_id *ret_id)
{
    char source[64];
    struct encoding e;
    snprintf(source, sizeof(source), "/%s", program_invocation_short_name);
    int r = encode_job("job", source, spec, &e);
    if (r == 0)
        r = store(pg, spec, &e);
    if (r == 0 && ret_id)
        memcpy(ret_id, &e.id, sizeof(*ret_id));
    return r;
}
