/* SPDX-License-Identifier: Apache-2.0 */
#include "store/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "store/connect.h"
#include "store/rows.h"

#define MAX_PARAMS 32

/* What the pipeline under way is for. */
enum purpose { PURPOSE_SETUP, PURPOSE_REQUEST, PURPOSE_ROLLBACK };

struct session {
    char *url, *name;
    const struct session_statement *statements;
    int n_statements;
    const char *const *channels;
    struct session_events_fns events;

    enum session_state state;
    PGconn *pg;
    uint32_t watch; /* EPOLLIN, EPOLLOUT */

    enum purpose purpose;
    int at; /* which statement of the pipeline answers now */
    bool failed;
    struct session_reply reply;
    session_reply_fn reply_fn;
    void *reply_userdata;
};

int session_new(struct session **ret, const char *url, const char *name,
                const struct session_statement *statements, int n_statements, const char *const *channels,
                const struct session_events_fns *events)
{
    _cleanup_(session_free_cleanup) struct session *s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->url = strdup(url);
    s->name = strdup(name);
    if (!s->url || !s->name)
        return -ENOMEM;
    s->statements = statements;
    s->n_statements = n_statements;
    s->channels = channels;
    s->events = *events;
    *ret = steal(s);
    return 0;
}

static void drop_rows(struct session *s)
{
    for (int i = 0; i < SESSION_MAX_STATEMENTS; i++)
        s->reply.rows[i] = rows_free(s->reply.rows[i]);
    s->reply = (struct session_reply){ 0 };
}

struct session *session_free(struct session *s)
{
    if (!s)
        return NULL;
    drop_rows(s);
    PQfinish(s->pg);
    free(s->url);
    free(s->name);
    free(s);
    return NULL;
}

enum session_state session_state(const struct session *s)
{
    return s->state;
}

int session_fd(const struct session *s)
{
    return s->pg ? PQsocket(s->pg) : -1;
}

uint32_t session_events(const struct session *s)
{
    return s->watch;
}

/* Hands the reply to its request and is ready for the next, which the callback may already submit. */
static void deliver_reply(struct session *s, int outcome)
{
    session_reply_fn reply_fn = s->reply_fn;
    struct session_reply reply = s->reply;
    reply.outcome = outcome;
    s->reply = (struct session_reply){ 0 };
    s->reply_fn = NULL;
    if (reply_fn)
        reply_fn(&reply, s->reply_userdata);
    for (int i = 0; i < SESSION_MAX_STATEMENTS; i++)
        rows_free(reply.rows[i]);
}

static void lose(struct session *s, const char *why, bool refused)
{
    char text[512];
    if (s->state == SESSION_DOWN)
        return;
    snprintf(text, sizeof(text), "%s", why); /* why may be the connection's own */
    PQfinish(s->pg);
    s->pg = NULL;
    s->watch = 0;
    s->state = SESSION_DOWN;
    deliver_reply(s, STORE_AWAY);
    s->events.lost(text, refused, s->events.userdata);
}

void session_abort(struct session *s, const char *why)
{
    lose(s, why, false);
}

static void abort_with_libpq_error(struct session *s)
{
    struct err err = { 0 };
    connect_error(s->pg, &err);
    lose(s, err.text, connect_is_refused(s->pg));
}

static bool flush_output(struct session *s)
{
    int left = PQflush(s->pg);
    s->watch = left == 1 ? EPOLLIN | EPOLLOUT : EPOLLIN;
    return left >= 0;
}

static void ignore_notice(void *userdata, const PGresult *result)
{
    (void)userdata;
    (void)result;
}

void session_connect(struct session *s)
{
    s->state = SESSION_CONNECTING;
    s->watch = EPOLLOUT;
    s->pg = connect_start(s->url, s->name);
    if (!s->pg || PQstatus(s->pg) == CONNECTION_BAD)
        abort_with_libpq_error(s);
    else
        PQsetNoticeReceiver(s->pg, ignore_notice, NULL);
}

/* A pipeline begins: from here on answers are counted by statement. */
static void pipeline_begin(struct session *s, enum purpose purpose)
{
    s->purpose = purpose;
    s->at = 0;
    s->failed = false;
}

static bool pipeline_end(struct session *s)
{
    return PQpipelineSync(s->pg) == 1 && flush_output(s);
}

/* Connected: settings, channels and all statements in one round trip. */
static bool send_setup(struct session *s)
{
    char text[512], name[12];
    if (PQsetnonblocking(s->pg, 1) != 0 || PQenterPipelineMode(s->pg) != 1)
        return false;
    pipeline_begin(s, PURPOSE_SETUP);
    if (PQsendQueryParams(s->pg, connect_settings(5 * USEC_PER_SEC, CONNECT_STATEMENT_TIMEOUT_US, text), 0,
                          NULL, NULL, NULL, NULL, 1) != 1)
        return false;
    for (const char *const *channel = s->channels; *channel; channel++) {
        snprintf(text, sizeof(text), "LISTEN %s", *channel);
        if (PQsendQueryParams(s->pg, text, 0, NULL, NULL, NULL, NULL, 1) != 1)
            return false;
    }
    for (int i = 0; i < s->n_statements; i++) {
        snprintf(name, sizeof(name), "s%d", i);
        if (PQsendPrepare(s->pg, name, s->statements[i].sql, 0, NULL) != 1)
            return false;
    }
    return pipeline_end(s);
}

static void process_connecting(struct session *s)
{
    switch (PQconnectPoll(s->pg)) {
    case PGRES_POLLING_READING:
        s->watch = EPOLLIN;
        break;
    case PGRES_POLLING_WRITING:
        s->watch = EPOLLOUT;
        break;
    case PGRES_POLLING_OK:
        s->state = SESSION_BUSY;
        if (!send_setup(s))
            abort_with_libpq_error(s);
        break;
    default:
        abort_with_libpq_error(s);
    }
}

static void finish_setup(struct session *s)
{
    char why[600];
    if (s->failed) {
        bool no_schema = s->reply.refusal.sqlstate[0] == '4' || s->reply.refusal.sqlstate[0] == '3';
        snprintf(why, sizeof(why), "PostgreSQL: %s%s", s->reply.refusal.text,
                 no_schema ? " (schema missing or old: run \"jobctl db migrate\")" : "");
        session_abort(s, why);
        return;
    }
    drop_rows(s);
    s->state = SESSION_READY;
    s->events.ready(s->events.userdata);
}

static bool send_rollback(struct session *s)
{
    pipeline_begin(s, PURPOSE_ROLLBACK);
    return PQsendQueryParams(s->pg, "ROLLBACK", 0, NULL, NULL, NULL, NULL, 1) == 1 && pipeline_end(s);
}

static void finish_request(struct session *s)
{
    if (s->failed && PQtransactionStatus(s->pg) != PQTRANS_IDLE) {
        if (!send_rollback(s))
            abort_with_libpq_error(s);
        return;
    }
    s->state = SESSION_READY;
    deliver_reply(s, s->failed ? STORE_REFUSED : STORE_OK);
}

static void finish_pipeline(struct session *s)
{
    switch (s->purpose) {
    case PURPOSE_SETUP:
        finish_setup(s);
        break;
    case PURPOSE_REQUEST:
        finish_request(s);
        break;
    case PURPOSE_ROLLBACK:
        s->state = SESSION_READY;
        deliver_reply(s, STORE_REFUSED);
        break;
    }
}

static void keep_rows(struct session *s, PGresult *result)
{
    if (s->purpose == PURPOSE_REQUEST && s->at < SESSION_MAX_STATEMENTS) {
        s->reply.rows[s->at] = rows_new(result);
        s->reply.n_rows = s->at + 1;
    } else {
        PQclear(result);
    }
}

/* Takes one result. Return: false when the connection ended with it. */
static bool take_result(struct session *s, PGresult *result)
{
    switch (PQresultStatus(result)) {
    case PGRES_TUPLES_OK:
    case PGRES_COMMAND_OK:
        keep_rows(s, result);
        return true;
    case PGRES_PIPELINE_SYNC:
        PQclear(result);
        finish_pipeline(s);
        return s->pg != NULL;
    case PGRES_PIPELINE_ABORTED:
        PQclear(result);
        return true;
    default:
        break;
    }
    s->failed = true;
    int r = connect_refusal(result, &s->reply.refusal);
    PQclear(result);
    if (r == STORE_AWAY)
        lose(s, s->reply.refusal.text, strncmp(s->reply.refusal.sqlstate, "57P0", 4) == 0);
    return r != STORE_AWAY;
}

static void tell_notifications(struct session *s)
{
    PGnotify *notify;
    while (s->pg && (notify = PQnotifies(s->pg))) {
        s->events.notified(notify->relname, notify->extra, s->events.userdata);
        PQfreemem(notify);
    }
}

static void process_answers(struct session *s)
{
    if (!PQconsumeInput(s->pg) || !flush_output(s)) {
        abort_with_libpq_error(s);
        return;
    }
    while (s->state == SESSION_BUSY && !PQisBusy(s->pg)) {
        PGresult *result = PQgetResult(s->pg);
        if (!result) {
            if (PQstatus(s->pg) != CONNECTION_OK) {
                abort_with_libpq_error(s);
                return;
            }
            s->at++; /* this statement has said everything */
            continue;
        }
        if (!take_result(s, result))
            return;
    }
    if (s->state == SESSION_READY && PQstatus(s->pg) != CONNECTION_OK)
        abort_with_libpq_error(s);
}

void session_process(struct session *s)
{
    if (s->state == SESSION_CONNECTING)
        process_connecting(s);
    else if (s->state != SESSION_DOWN)
        process_answers(s);
    tell_notifications(s);
}

void session_add(struct session *s, int statement, const struct db_param *params, int n_params)
{
    const char *values[MAX_PARAMS];
    int sizes[MAX_PARAMS], formats[MAX_PARAMS];
    char name[12];

    if (s->state != SESSION_BUSY) {
        s->state = SESSION_BUSY;
        pipeline_begin(s, PURPOSE_REQUEST);
    }
    for (int i = 0; i < n_params; i++) {
        values[i] = params[i].data;
        sizes[i] = (int)params[i].size;
        formats[i] = params[i].binary;
    }
    snprintf(name, sizeof(name), "s%d", statement);
    if (PQsendQueryPrepared(s->pg, name, n_params, values, sizes, formats, 1) != 1)
        s->failed = true;
}

void session_submit(struct session *s, session_reply_fn reply, void *userdata)
{
    s->reply_fn = reply;
    s->reply_userdata = userdata;
    if (s->failed || !pipeline_end(s))
        abort_with_libpq_error(s);
}
