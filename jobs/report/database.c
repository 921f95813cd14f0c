/* SPDX-License-Identifier: Apache-2.0 */
#include "database.h"

#include <errno.h>
#include <inttypes.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECT_TIMEOUT_MS 15000

struct database {
    PGconn *conn;
    PGresult *result; /* holds the row that is shown */
    bool is_fresh;    /* that row has not been given yet */
    bool has_ended;
    int64_t timeout_ms;
    struct columns columns;
    struct cell *cells;
};

/* --- What PostgreSQL says ------------------------------------------------------------------------------- */

/* SQLSTATEs, by their first letters, that the same statement will give again. */
static bool is_permanent(const char *state)
{
    static const char *const classes[] = { "0A", "21", "22", "23", "25001", "25006", "2D",
                                           "2F", "38", "39", "42", "44",    "54",    "08P01" };
    for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
        if (strncmp(state, classes[i], strlen(classes[i])) == 0)
            return true;
    return false;
}

/* @text without its final line end, in @line. */
static const char *one_line(const char *text, char line[static 1024])
{
    snprintf(line, 1024, "%s", text ? text : "");
    for (size_t size = strlen(line); size > 0 && (line[size - 1] == '\n' || line[size - 1] == ' ');)
        line[--size] = 0;
    for (char *c = line; *c; c++)
        if (*c == '\n')
            *c = ' ';
    return line;
}

static int lose(struct job_context *ctx, const struct database *d)
{
    char line[1024];
    return job_retry(ctx, "the connection to PostgreSQL is lost: %s",
                     one_line(PQerrorMessage(d->conn), line));
}

static int judge(struct job_context *ctx, const struct database *d, const PGresult *result, const char *what)
{
    char line[1024];
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE),
               *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY),
               *place = PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION);
    if (job_context_is_cancelled(ctx))
        return job_retry(ctx, "asked to stop while the query ran");
    if (!state || !message)
        return lose(ctx, d);
    one_line(message, line);
    if (strcmp(state, "57014") == 0)
        return job_retry(ctx, "%s: %s (SQLSTATE %s; REPORT_TIMEOUT is %" PRId64 " ms)", what, line, state,
                         d->timeout_ms);
    return (is_permanent(state) ? job_fail : job_retry)(ctx, "%s: %s (SQLSTATE %s%s%s)", what, line, state,
                                                        place ? ", at character " : "", place ? place : "");
}

/* --- Waiting -------------------------------------------------------------------------------------------- */

static void cancel(struct database *d)
{
    char error[256];
    PGcancel *request = PQgetCancel(d->conn);
    if (request)
        PQcancel(request, error, sizeof(error));
    PQfreeCancel(request);
}

/* Until the connection's socket is ready for @events. */
static int await_socket(struct job_context *ctx, struct database *d, short events, int timeout_ms)
{
    struct pollfd fds[] = { { .fd = PQsocket(d->conn), .events = events },
                            { .fd = job_context_cancel_fd(ctx), .events = POLLIN } };
    for (;;) {
        int n = job_context_is_cancelled(ctx) ? 0 : poll(fds, 2, timeout_ms);
        if (n < 0 && errno == EINTR)
            continue;
        if (job_context_is_cancelled(ctx))
            return job_retry(ctx, "asked to stop while PostgreSQL worked");
        if (n <= 0)
            return job_retry(ctx, "no connection to PostgreSQL: no answer within %d s",
                             CONNECT_TIMEOUT_MS / 1000);
        if (fds[0].revents)
            return JOB_DONE;
    }
}

/* Until a result can be taken without blocking. */
static int await_result(struct job_context *ctx, struct database *d)
{
    int verdict = JOB_DONE;
    while (verdict == JOB_DONE && PQisBusy(d->conn)) {
        verdict = await_socket(ctx, d, POLLIN, -1);
        if (verdict == JOB_DONE && !PQconsumeInput(d->conn))
            return lose(ctx, d);
    }
    if (job_context_is_cancelled(ctx)) {
        cancel(d);
        return job_retry(ctx, "asked to stop while the query ran");
    }
    return verdict;
}

/* The connection is in blocking mode for sending: what is sent here is small. */
static int next_result(struct job_context *ctx, struct database *d)
{
    PQclear(d->result);
    d->result = NULL;
    int verdict = await_result(ctx, d);
    if (verdict == JOB_DONE)
        d->result = PQgetResult(d->conn);
    return verdict;
}

/* Results up to the last, of statements that give nothing of interest. */
static int finish(struct job_context *ctx, struct database *d, const char *what)
{
    int verdict = JOB_DONE;
    do {
        int r = next_result(ctx, d);
        if (r != JOB_DONE)
            return r;
        if (verdict == JOB_DONE && d->result && PQresultStatus(d->result) != PGRES_COMMAND_OK &&
            PQresultStatus(d->result) != PGRES_TUPLES_OK)
            verdict = judge(ctx, d, d->result, what);
    } while (d->result);
    return verdict;
}

/* --- Connecting ----------------------------------------------------------------------------------------- */

/* A bare @ or / in a password makes its rest a part of the host or port. */
static bool has_split_password(const char *url)
{
    const char *start = strncmp(url, "postgres://", 11) == 0     ? url + 11
                        : strncmp(url, "postgresql://", 13) == 0 ? url + 13
                                                                 : "";
    const char *rest = start + strcspn(start, "@/");
    rest = *rest == '@' ? rest + 1 : start;
    return memchr(rest, '@', strcspn(rest, "?"));
}

/* libpq tells the part of an address that it cannot read, which may be of the password. */
static int check_url(struct job_context *ctx, const char *url)
{
    PQconninfoOption *options = PQconninfoParse(url, NULL);
    PQconninfoFree(options);
    return options && !has_split_password(url)
               ? JOB_DONE
               : job_retry(ctx,
                           "REPORT_DATABASE_URL: is no connection string of libpq; in a URL %% is written "
                           "%%25, @ is %%40 and / is %%2F");
}

static int connect_to(struct job_context *ctx, struct database *d, const char *url)
{
    const char *const names[] = { "dbname",
                                  "client_encoding",
                                  "fallback_application_name",
                                  "keepalives_idle",
                                  "keepalives_interval",
                                  "keepalives_count",
                                  "tcp_user_timeout",
                                  NULL };
    const char *const values[] = { url, "UTF8", "libjob report", "10", "5", "3", "15000", NULL };
    char line[1024];
    d->conn = PQconnectStartParams(names, values, 1);
    if (!d->conn)
        return job_retry(ctx, "no memory for a connection");
    PostgresPollingStatusType state = PGRES_POLLING_WRITING;
    while (PQstatus(d->conn) != CONNECTION_BAD && state != PGRES_POLLING_OK &&
           state != PGRES_POLLING_FAILED) {
        int verdict =
            await_socket(ctx, d, state == PGRES_POLLING_READING ? POLLIN : POLLOUT, CONNECT_TIMEOUT_MS);
        if (verdict != JOB_DONE)
            return verdict;
        state = PQconnectPoll(d->conn);
    }
    if (PQstatus(d->conn) != CONNECTION_OK)
        return job_retry(ctx, "no connection to PostgreSQL: %s", one_line(PQerrorMessage(d->conn), line));
    return JOB_DONE;
}

static bool says(const struct database *d, const char *parameter, const char *value)
{
    const char *text = PQparameterStatus(d->conn, parameter);
    return text && strcmp(text, value) == 0;
}

static int check_server(struct job_context *ctx, const struct database *d)
{
    if (says(d, "is_superuser", "on"))
        return job_retry(ctx,
                         "REPORT_DATABASE_URL: is a superuser's; give reports a role that may only read");
    if (says(d, "server_encoding", "SQL_ASCII"))
        return job_retry(ctx, "the database has the encoding SQL_ASCII: its text may be anything");
    return JOB_DONE;
}

/* What is written as text depends on these, and nothing is written to the database. */
static int begin(struct job_context *ctx, struct database *d)
{
    char sql[640];
    snprintf(sql, sizeof(sql),
             "SET default_transaction_read_only = on; "
             "BEGIN READ ONLY; "
             "SET LOCAL statement_timeout = %" PRId64 "; SET LOCAL lock_timeout = '10s'; "
             "SET LOCAL idle_in_transaction_session_timeout = '5min'; "
             "SET LOCAL datestyle = 'ISO, YMD'; SET LOCAL intervalstyle = 'iso_8601'; "
             "SET LOCAL bytea_output = 'hex'; SET LOCAL extra_float_digits = 1%s",
             d->timeout_ms,
             PQserverVersion(d->conn) >= 140000 ? "; SET LOCAL client_connection_check_interval = '10s'"
                                                : "");
    return PQsendQuery(d->conn, sql) ? finish(ctx, d, "the session") : lose(ctx, d);
}

int database_open(struct job_context *ctx, const struct settings *settings, struct database **ret)
{
    struct database *d = calloc(1, sizeof(*d));
    if (!d)
        return job_retry(ctx, "no memory for a connection");
    d->timeout_ms = settings->timeout_ms;
    int verdict = check_url(ctx, settings->database_url);
    if (verdict == JOB_DONE)
        verdict = connect_to(ctx, d, settings->database_url);
    if (verdict == JOB_DONE)
        verdict = check_server(ctx, d);
    if (verdict == JOB_DONE)
        verdict = begin(ctx, d);
    if (verdict != JOB_DONE)
        d = database_free(d);
    *ret = d;
    return verdict;
}

void database_disconnect(struct database *d)
{
    PQclear(d->result);
    d->result = NULL;
    if (d->conn && PQtransactionStatus(d->conn) == PQTRANS_ACTIVE && !d->has_ended)
        cancel(d); /* or the server goes on until it sees that nobody reads */
    PQfinish(d->conn);
    d->conn = NULL;
}

struct database *database_free(struct database *d)
{
    if (!d)
        return NULL;
    database_disconnect(d);
    free(d->columns.list);
    free(d->cells);
    free(d);
    return NULL;
}

int database_check_values(struct job_context *ctx, struct database *d, const struct query_values *values)
{
    char what[QUERY_NAME_SIZE + 16];
    int verdict = JOB_DONE;
    for (size_t i = 0; i < values->n && verdict == JOB_DONE; i++) {
        snprintf(what, sizeof(what), "parameter %s", values->names[i]);
        if (!PQsendQueryParams(d->conn, "SELECT $1", 1, &values->oids[i],
                               (const char *const *)&values->texts[i], NULL, NULL, 0))
            return lose(ctx, d);
        verdict = finish(ctx, d, what);
    }
    return verdict;
}

/* --- Rows ----------------------------------------------------------------------------------------------- */

static enum cell_kind kind_of(Oid type)
{
    switch (type) {
    case 20: /* int8, int2, int4, oid, float4, float8, numeric */
    case 21:
    case 23:
    case 26:
    case 700:
    case 701:
    case 1700:
        return CELL_NUMBER;
    case 16:
        return CELL_BOOLEAN;
    case 1082:
        return CELL_DATE;
    case 1114:
    case 1184:
        return CELL_TIMESTAMP;
    default:
        return CELL_TEXT;
    }
}

static int take_columns(struct job_context *ctx, struct database *d)
{
    size_t n = (size_t)PQnfields(d->result);
    if (n == 0)
        return job_fail(ctx, "the query gives no columns");
    d->columns.list = calloc(n, sizeof(*d->columns.list));
    d->cells = calloc(n, sizeof(*d->cells));
    if (!d->columns.list || !d->cells)
        return job_retry(ctx, "no memory for %zu columns", n);
    d->columns.n = n;
    for (size_t i = 0; i < n; i++) {
        snprintf(d->columns.list[i].name, COLUMN_NAME_SIZE, "%s", PQfname(d->result, (int)i));
        d->columns.list[i].kind = kind_of(PQftype(d->result, (int)i));
    }
    return JOB_DONE;
}

/* After a result that is no row of the statement. */
static int end_rows(struct job_context *ctx, struct database *d)
{
    switch (PQresultStatus(d->result)) {
    case PGRES_TUPLES_OK:
        d->has_ended = true;
        return finish(ctx, d, "the query");
    case PGRES_COMMAND_OK:
    case PGRES_EMPTY_QUERY:
    case PGRES_COPY_IN:
    case PGRES_COPY_OUT:
    case PGRES_COPY_BOTH:
        return job_fail(ctx, "the query gives no rows: it must be one SELECT, VALUES, TABLE or WITH");
    default:
        return judge(ctx, d, d->result, "the query");
    }
}

static int take_row(struct job_context *ctx, struct database *d)
{
    int verdict = next_result(ctx, d);
    if (verdict != JOB_DONE)
        return verdict;
    if (!d->result)
        return lose(ctx, d);
    bool has_columns =
        PQresultStatus(d->result) == PGRES_SINGLE_TUPLE || PQresultStatus(d->result) == PGRES_TUPLES_OK;
    if (has_columns && !d->cells)
        verdict = take_columns(ctx, d);
    if (verdict != JOB_DONE)
        return verdict;
    if (PQresultStatus(d->result) != PGRES_SINGLE_TUPLE)
        return end_rows(ctx, d);
    d->is_fresh = true;
    return JOB_DONE;
}

int database_start(struct job_context *ctx, struct database *d, const char *sql,
                   const struct query_values *values, const struct columns **ret)
{
    if (!PQsendQueryParams(d->conn, sql, (int)values->n, values->oids, (const char *const *)values->texts,
                           NULL, NULL, 0) ||
        !PQsetSingleRowMode(d->conn))
        return lose(ctx, d);
    int verdict = take_row(ctx, d);
    *ret = &d->columns;
    return verdict;
}

int database_next(struct job_context *ctx, struct database *d, const struct cell **ret)
{
    int verdict = d->is_fresh || d->has_ended ? JOB_DONE : take_row(ctx, d);
    *ret = NULL;
    if (verdict != JOB_DONE || !d->is_fresh)
        return verdict;
    d->is_fresh = false;
    for (size_t i = 0; i < d->columns.n; i++) {
        int column = (int)i;
        bool is_null = PQgetisnull(d->result, 0, column);
        d->cells[i].text = is_null ? NULL : PQgetvalue(d->result, 0, column);
        d->cells[i].size = is_null ? 0 : (size_t)PQgetlength(d->result, 0, column);
    }
    *ret = d->cells;
    return JOB_DONE;
}
