/* SPDX-License-Identifier: Apache-2.0 */
#include "store/transact.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/timefmt.h"
#include "store/connect.h"
#include "store/db.h"
#include "store/pgtypes.h"

/* Headers and the unique key as bytes, because the connection's client_encoding is the caller's. */
#define HEADERS "pg_catalog.convert_from($6, 'UTF8')::pg_catalog.jsonb"
static const char plain_sql[] = "SELECT job.enqueue_message($1, $2, $3, $4, $5, " HEADERS ")";
#define N_PLAIN 6
static const char full_sql[] = "SELECT job.enqueue_message($1, $2, $3, $4, $5, " HEADERS ", $7, $8, NULL,"
                               " $9, $10, pg_catalog.convert_from($11, 'UTF8'), $12, $13)";

static int check_connection(PGconn *pg, struct err *reterr)
{
    if (PQstatus(pg) != CONNECTION_OK)
        return err_set(reterr, TRANSACT_AWAY, "there is no connection to PostgreSQL");
    if (PQpipelineStatus(pg) != PQ_PIPELINE_OFF)
        return err_set(reterr, TRANSACT_BUSY, "the connection is in pipeline mode");
    switch (PQtransactionStatus(pg)) {
    case PQTRANS_IDLE:
    case PQTRANS_INTRANS:
        return 0;
    case PQTRANS_INERROR:
        return err_set(reterr, TRANSACT_FAILED,
                       "the transaction has failed already; it can only be rolled back");
    case PQTRANS_ACTIVE:
        return err_set(reterr, TRANSACT_BUSY, "another command is under way on the connection");
    default:
        return err_set(reterr, TRANSACT_AWAY, "the connection to PostgreSQL is lost");
    }
}

static struct db_param bytes(struct span value)
{
    return value.data ? db_bytes(value) : (struct db_param){ .oid = PG_BYTEA };
}

static struct db_param number(int64_t value, char text[24])
{
    snprintf(text, 24, "%" PRId64, value);
    return db_text(value ? text : NULL);
}

static bool is_plain(const struct transact_job *job)
{
    return !job->run_at_us && !job->delay_ms && !job->expires_ms && !job->priority && !job->unique_key;
}

static PGresult *run(PGconn *pg, const struct transact_job *job)
{
    char expires[24], delay[24], run_at[RFC3339_SIZE], unique[24];
    const struct db_param params[] = {
        db_uuid(job->id),
        db_text(job->queue),
        db_text(job->type),
        bytes(job->payload),
        bytes(job->key),
        bytes(job->headers),
        db_text(job->run_at_us ? rfc3339_format(job->run_at_us, 6, run_at) : NULL),
        number(job->delay_ms, delay),
        number(job->expires_ms, expires),
        db_text(job->priority),
        bytes(span_from_string(job->unique_key)),
        number(job->unique_ms, unique),
        db_text(job->debounce ? "true" : NULL),
    };
    Oid types[ARRAY_SIZE(params)];
    const char *values[ARRAY_SIZE(params)];
    int sizes[ARRAY_SIZE(params)], formats[ARRAY_SIZE(params)];
    for (size_t i = 0; i < ARRAY_SIZE(params); i++) {
        types[i] = params[i].oid;
        values[i] = params[i].data;
        sizes[i] = (int)params[i].size;
        formats[i] = params[i].binary;
    }
    bool plain = is_plain(job);
    return PQexecParams(pg, plain ? plain_sql : full_sql, plain ? N_PLAIN : ARRAY_SIZE(params), types, values,
                        sizes, formats, 1);
}

static int judge(PGconn *pg, const PGresult *result, struct store_refusal *ret_refusal, struct err *reterr)
{
    if (PQresultStatus(result) == PGRES_TUPLES_OK)
        return 0;
    if (PQstatus(pg) != CONNECTION_OK || connect_refusal(result, ret_refusal) == STORE_AWAY) {
        connect_error(pg, reterr);
        return TRANSACT_AWAY;
    }
    return err_set(reterr, TRANSACT_REFUSED, "PostgreSQL: %s (SQLSTATE %s)", ret_refusal->text,
                   ret_refusal->sqlstate);
}

int transact_enqueue(struct pg_conn *pg, const struct transact_job *job, struct store_refusal *ret_refusal,
                     struct err *reterr)
{
    int r = check_connection(pg, reterr);
    if (r)
        return r;
    PGresult *result = run(pg, job);
    r = judge(pg, result, ret_refusal, reterr);
    PQclear(result);
    return r;
}
