/* SPDX-License-Identifier: Apache-2.0 */
#include "store/db.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/connect.h"
#include "store/pgtypes.h"
#include "store/rows.h"

#define CONNECT_TIMEOUT_US (5 * USEC_PER_SEC)
#define DEFAULT_IDLE_TIMEOUT_US (5 * USEC_PER_SEC)
#define MAX_PARAMS 64
#define MAX_PREPARED 16

struct db {
    char *url, *name;
    int64_t idle_timeout_us, answer_timeout_us, statement_timeout_us;
    struct pulse *pulse;
    PGconn *pg;                         /* NULL: not connected */
    const char *prepared[MAX_PREPARED]; /* statements of this connection; the place is the name */
    int n_prepared;
    struct store_refusal refusal;
};

int db_new(struct db **ret, const struct db_options *options)
{
    _cleanup_(db_free_cleanup) struct db *db = calloc(1, sizeof(*db));
    if (!db)
        return -ENOMEM;
    db->url = strdup(options->url);
    db->name = strdup(options->name);
    db->idle_timeout_us = options->idle_timeout_us ? options->idle_timeout_us : DEFAULT_IDLE_TIMEOUT_US;
    db->answer_timeout_us = options->answer_timeout_us;
    db->statement_timeout_us =
        options->statement_timeout_us ? options->statement_timeout_us : CONNECT_STATEMENT_TIMEOUT_US;
    db->pulse = options->pulse;
    if (!db->url || !db->name)
        return -ENOMEM;
    *ret = steal(db);
    return 0;
}

struct db *db_free(struct db *db)
{
    if (!db)
        return NULL;
    db_disconnect(db);
    free(db->url);
    free(db->name);
    free(db);
    return NULL;
}

void db_disconnect(struct db *db)
{
    PQfinish(db->pg);
    db->pg = NULL;
    db->n_prepared = 0;
}

bool db_is_connected(const struct db *db)
{
    return db->pg != NULL;
}

const struct store_refusal *db_refusal(const struct db *db)
{
    return &db->refusal;
}

/* Waits until the socket is ready as @direction says. Return: true; false when @deadline_us has passed. */
static bool wait_socket(PGconn *pg, short direction, int64_t deadline_us)
{
    struct pollfd pfd = { .fd = PQsocket(pg), .events = direction };
    int64_t left_us = deadline_us - clock_mono_us();
    return left_us > 0 && poll(&pfd, 1, (int)(left_us / 1000) + 1) > 0;
}

/* PQconnectdb() ignores connect_timeout between its steps; so the steps are taken here, under one deadline. */
static bool finish_connecting(PGconn *pg)
{
    int64_t deadline_us = clock_mono_us() + CONNECT_TIMEOUT_US;
    PostgresPollingStatusType next = PGRES_POLLING_WRITING;
    while (next != PGRES_POLLING_OK) {
        if (next == PGRES_POLLING_FAILED || PQstatus(pg) == CONNECTION_BAD ||
            !wait_socket(pg, next == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline_us))
            return false;
        next = PQconnectPoll(pg);
    }
    return true;
}

/* --- Statements whose answer is not waited for any longer than a time-out --- */

/* Until all of an answer has arrived, or can be seen not to come. Return: false when @deadline_us has passed. */
static bool await_answer(PGconn *pg, int64_t deadline_us)
{
    while (PQisBusy(pg)) {
        int unsent = PQflush(pg);
        if (unsent < 0)
            return true;
        if (!wait_socket(pg, unsent ? POLLIN | POLLOUT : POLLIN, deadline_us))
            return false;
        if (!PQconsumeInput(pg))
            return true;
    }
    return true;
}

/* @sent: what a PQsend…() returned. Return: the last result; NULL: it did not come in time, or the connection is gone. */
static PGresult *take_answer(PGconn *pg, int sent, int64_t timeout_us)
{
    PGresult *result = NULL, *next;
    int64_t deadline_us = clock_mono_us() + timeout_us;
    do {
        if (!sent || !await_answer(pg, deadline_us)) {
            PQclear(result);
            return NULL;
        }
        next = PQgetResult(pg);
        if (next) {
            PQclear(result);
            result = next;
        }
    } while (next);
    return result;
}

/* Return: STORE_AWAY; the connection is given up. */
static int answer_is_late(struct db *db, struct err *reterr)
{
    bool lost = PQstatus(db->pg) != CONNECTION_OK;
    if (lost)
        connect_error(db->pg, reterr);
    db_disconnect(db);
    return lost ? STORE_AWAY
                : err_set(reterr, STORE_AWAY, "PostgreSQL does not answer within %.1f s",
                          (double)db->answer_timeout_us / USEC_PER_SEC);
}

static void ignore_notice(void *userdata, const PGresult *result)
{
    (void)userdata;
    (void)result;
}

int db_connect(struct db *db, struct err *reterr)
{
    char settings[512];
    pulse_step(db->pulse);
    if (db->pg && PQstatus(db->pg) == CONNECTION_OK)
        return 0;
    db_disconnect(db);
    PGconn *pg = connect_start(db->url, db->name);
    if (!pg || !finish_connecting(pg)) {
        connect_error(pg, reterr);
        PQfinish(pg);
        return STORE_AWAY;
    }
    PQsetNoticeReceiver(pg, ignore_notice, NULL);
    connect_settings(db->idle_timeout_us, db->statement_timeout_us, settings);
    PGresult *result = db->answer_timeout_us
                           ? take_answer(pg, PQsendQuery(pg, settings), db->answer_timeout_us)
                           : PQexec(pg, settings);
    bool ready = PQresultStatus(result) == PGRES_TUPLES_OK;
    PQclear(result);
    if (!ready) {
        connect_error(pg, reterr);
        PQfinish(pg);
        return STORE_AWAY;
    }
    db->pg = pg;
    return 0;
}

static bool in_transaction(const struct db *db)
{
    return db->pg && PQtransactionStatus(db->pg) != PQTRANS_IDLE;
}

/* Judges a result; on failure clears it. */
static int judge(struct db *db, PGresult *result, struct err *reterr)
{
    switch (PQresultStatus(result)) {
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
        return 0;
    default:
        break;
    }
    int r = connect_refusal(result, &db->refusal);
    PQclear(result);
    if (r == STORE_AWAY || PQstatus(db->pg) != CONNECTION_OK) {
        connect_error(db->pg, reterr);
        db_disconnect(db);
        return STORE_AWAY;
    }
    return err_set(reterr, STORE_REFUSED, "PostgreSQL: %s (SQLSTATE %s)", db->refusal.text,
                   db->refusal.sqlstate);
}

/* The parameters as libpq takes them. */
struct values {
    int n;
    Oid types[MAX_PARAMS];
    const char *values[MAX_PARAMS];
    int sizes[MAX_PARAMS], formats[MAX_PARAMS];
};

static int set_values(struct values *v, const struct db_param *params, int n, struct err *reterr)
{
    if (n > MAX_PARAMS)
        return err_set(reterr, -E2BIG, "%d parameters, at most %d", n, MAX_PARAMS);
    for (int i = 0; i < n; i++) {
        v->types[i] = params[i].oid;
        v->values[i] = params[i].data;
        v->sizes[i] = (int)params[i].size;
        v->formats[i] = params[i].binary;
    }
    v->n = n;
    return 0;
}

/* Takes over @result. Return: as db_query(). */
static int give_rows(struct db *db, PGresult *result, struct rows **ret, struct err *reterr)
{
    int r = result ? judge(db, result, reterr) : -ENOMEM;
    if (r)
        return r;
    if (!ret) {
        PQclear(result);
        return 0;
    }
    struct rows *rows = rows_new(result);
    if (!rows)
        return -ENOMEM;
    *ret = rows;
    return 0;
}

int db_query(struct db *db, const char *sql, const struct db_param *params, int n_params, struct rows **ret,
             struct err *reterr)
{
    struct values v;
    int r = set_values(&v, params, n_params, reterr);
    if (r == 0 && !in_transaction(db))
        r = db_connect(db, reterr);
    if (r)
        return r;
    pulse_step(db->pulse);
    if (db->answer_timeout_us == 0)
        return give_rows(db, PQexecParams(db->pg, sql, v.n, v.types, v.values, v.sizes, v.formats, 1), ret,
                         reterr);
    PGresult *result =
        take_answer(db->pg, PQsendQueryParams(db->pg, sql, v.n, v.types, v.values, v.sizes, v.formats, 1),
                    db->answer_timeout_us);
    return result ? give_rows(db, result, ret, reterr) : answer_is_late(db, reterr);
}

/* Return: 0 and the statement's name; as db_query(). */
static int prepare(struct db *db, const char *sql, const struct values *v, char *name, size_t name_size,
                   struct err *reterr)
{
    int i = 0;
    while (i < db->n_prepared && db->prepared[i] != sql)
        i++;
    if (i == MAX_PREPARED)
        return err_set(reterr, -E2BIG, "%d prepared statements at most", MAX_PREPARED);
    snprintf(name, name_size, "s%d", i);
    if (i < db->n_prepared)
        return 0;
    pulse_step(db->pulse);
    int r = give_rows(db, PQprepare(db->pg, name, sql, v->n, v->types), NULL, reterr);
    if (r == 0)
        db->prepared[db->n_prepared++] = sql;
    return r;
}

int db_query_often(struct db *db, const char *sql, const struct db_param *params, int n_params,
                   struct rows **ret, struct err *reterr)
{
    struct values v;
    char name[16];
    int r = set_values(&v, params, n_params, reterr);
    if (r == 0 && !in_transaction(db))
        r = db_connect(db, reterr);
    if (r == 0)
        r = prepare(db, sql, &v, name, sizeof(name), reterr);
    if (r)
        return r;
    pulse_step(db->pulse);
    return give_rows(db, PQexecPrepared(db->pg, name, v.n, v.values, v.sizes, v.formats, 1), ret, reterr);
}

int db_execute(struct db *db, const char *sql, struct err *reterr)
{
    int r = in_transaction(db) ? 0 : db_connect(db, reterr);
    if (r)
        return r;
    pulse_step(db->pulse);
    PGresult *result = PQexec(db->pg, sql);
    r = judge(db, result, reterr);
    if (r == 0)
        PQclear(result);
    return r;
}

/* libpq's other messages quote the string, which may hold a password. */
static bool message_names_an_option(const char *message)
{
    static const char *const harmless[] = { "invalid connection option", "invalid URI query parameter" };
    for (size_t i = 0; message && i < ARRAY_SIZE(harmless); i++)
        if (strncmp(message, harmless[i], strlen(harmless[i])) == 0)
            return true;
    return false;
}

int db_check_url(const char *url, struct err *reterr)
{
    char *message = NULL;
    PQconninfoOption *options = PQconninfoParse(url, &message);
    bool good = options != NULL;
    const char *detail = message_names_an_option(message) ? message : "";
    PQconninfoFree(options);
    if (!good)
        err_set(reterr, 1, "expected a URI (postgresql://…) or \"key=value\" words%s%.*s",
                *detail ? ": " : "", (int)strcspn(detail, "\n"), detail);
    PQfreemem(message);
    return good ? 0 : 1;
}

bool db_find_password(const char *url, char *ret, size_t size)
{
    bool is_there = false;
    PQconninfoOption *options = PQconninfoParse(url, NULL);
    for (PQconninfoOption *o = options; o && o->keyword; o++)
        if (strcmp(o->keyword, "password") == 0 && o->val && *o->val && strlen(o->val) < size) {
            snprintf(ret, size, "%s", o->val);
            is_there = true;
        }
    PQconninfoFree(options);
    return is_there;
}

void db_describe_url(const char *url, struct buf *out)
{
    static const char *const shown[] = {
        "host", "hostaddr", "port", "dbname", "user", "sslmode", "target_session_attrs", "connect_timeout"
    };
    PQconninfoOption *options = PQconninfoParse(url, NULL);
    for (PQconninfoOption *o = options; o && o->keyword; o++)
        for (size_t i = 0; i < ARRAY_SIZE(shown); i++)
            if (strcmp(o->keyword, shown[i]) == 0 && o->val && *o->val)
                buf_append_format(out, "%s = %s\n", o->keyword, o->val);
    PQconninfoFree(options);
}

const char *db_library_version(void)
{
    static _Thread_local char text[16];
    int version = PQlibVersion();
    snprintf(text, sizeof(text), "%d.%d", version / 10000, version % 10000);
    return text;
}

int db_begin(struct db *db, struct err *reterr)
{
    return db_query(db, "BEGIN", NULL, 0, NULL, reterr);
}

int db_commit(struct db *db, struct err *reterr)
{
    return db_query(db, "COMMIT", NULL, 0, NULL, reterr);
}

void db_rollback(struct db *db)
{
    if (in_transaction(db) && db_query(db, "ROLLBACK", NULL, 0, NULL, NULL) != 0)
        db_disconnect(db);
}

/* Takes one notification that has arrived. */
static bool take_notification(struct db *db, char *payload, size_t payload_size)
{
    PGnotify *notify = PQnotifies(db->pg);
    if (!notify)
        return false;
    if (payload)
        snprintf(payload, payload_size, "%s", notify->extra);
    PQfreemem(notify);
    return true;
}

static int wait_for(struct db *db, int wake_fd, int64_t timeout_us, char *payload, size_t payload_size)
{
    int64_t deadline_us = clock_mono_us() + timeout_us;
    if (!db->pg)
        return DB_AWAY;
    for (;;) {
        if (take_notification(db, payload, payload_size))
            return DB_NOTIFIED;
        struct pollfd pfds[] = { { .fd = PQsocket(db->pg), .events = POLLIN },
                                 { .fd = wake_fd, .events = POLLIN } };
        int64_t left_us = deadline_us - clock_mono_us();
        if (left_us <= 0)
            return DB_TIMED_OUT;
        int n = poll(pfds, 2, (int)(left_us / 1000) + 1);
        if (n < 0 && errno != EINTR)
            return DB_AWAY;
        if (n > 0 && pfds[1].revents)
            return DB_WOKEN;
        if (n > 0 && !PQconsumeInput(db->pg)) {
            db_disconnect(db);
            return DB_AWAY;
        }
    }
}

int db_wait(struct db *db, int wake_fd, int64_t timeout_us, char *payload, size_t payload_size)
{
    pulse_wait(db->pulse, timeout_us);
    int r = wait_for(db, wake_fd, timeout_us, payload, payload_size);
    pulse_step(db->pulse);
    return r;
}

struct db_param db_null(void)
{
    return (struct db_param){ 0 };
}

struct db_param db_text(const char *text)
{
    return (struct db_param){ .data = text, .size = text ? strlen(text) : 0 };
}

struct db_param db_bytes(struct span bytes)
{
    return (struct db_param){ .oid = PG_BYTEA, .data = bytes.data, .size = bytes.size, .binary = true };
}

struct db_param db_uuid(const struct uuid *id)
{
    return (struct db_param){ .oid = PG_UUID, .data = id->bytes, .size = sizeof(id->bytes), .binary = true };
}
