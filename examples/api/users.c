/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The service's own table, and every line of its SQL.
 *
 * A user and the job of its welcome mail are one transaction: there is no user without a mail to come, and no mail to somebody who is not
 * registered, whenever this process or PostgreSQL dies. A few connections are shared by all requests; one that was lost is made anew when it
 * is taken the next time.
 */
#include "api.h"

#include <inttypes.h>
#include <libpq-fe.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CONNECTIONS 8
#define WAIT_S 5 /* for a connection that is free */

struct users {
    char *database_url;
    pthread_mutex_t lock;
    pthread_cond_t given_back;
    PGconn *idle[CONNECTIONS]; /* NULL: not made yet */
    int n_idle;
};

/* --- connections --- */

static PGconn *open_connection(const char *url)
{
    const char *const names[] = { "dbname", "connect_timeout", "tcp_user_timeout", NULL };
    const char *const values[] = { url, "5", "10000", NULL };
    PGconn *pg = PQconnectdbParams(names, values, 1);
    PQclear(PQexec(pg, "SET statement_timeout = '5s'"));
    if (PQstatus(pg) == CONNECTION_OK)
        return pg;
    fprintf(stderr, "%s", PQerrorMessage(pg));
    PQfinish(pg);
    return NULL;
}

static void put(struct users *u, PGconn *pg)
{
    pthread_mutex_lock(&u->lock);
    u->idle[u->n_idle++] = pg;
    pthread_cond_signal(&u->given_back);
    pthread_mutex_unlock(&u->lock);
}

/* A connection that is used by nobody else; NULL when PostgreSQL is away, or all have been busy for too long. */
static PGconn *take(struct users *u)
{
    struct timespec deadline;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += WAIT_S;
    pthread_mutex_lock(&u->lock);
    while (u->n_idle == 0 && pthread_cond_timedwait(&u->given_back, &u->lock, &deadline) == 0)
        ;
    bool found = u->n_idle > 0;
    PGconn *pg = found ? u->idle[--u->n_idle] : NULL;
    pthread_mutex_unlock(&u->lock);
    if (!found)
        return NULL;
    if (PQconsumeInput(pg) && PQstatus(pg) == CONNECTION_OK) /* it notices an end that came meanwhile */
        return pg;
    PQfinish(pg);
    pg = open_connection(u->database_url);
    if (!pg)
        put(u, NULL);
    return pg;
}

static void give_back(struct users *u, PGconn *pg)
{
    if (!pg)
        return;
    bool usable = PQtransactionStatus(pg) == PQTRANS_IDLE;
    if (!usable)
        PQfinish(pg);
    put(u, usable ? pg : NULL);
}

/* --- statements --- */

/* What a failed statement means; prints it unless it is an ordinary outcome. */
static int judge(PGconn *pg, PGresult *result)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    if (state && strcmp(state, "23505") == 0) /* unique_violation */
        return USERS_TAKEN;
    fprintf(stderr, "%s", PQerrorMessage(pg));
    return PQstatus(pg) == CONNECTION_OK ? USERS_FAILED : USERS_AWAY;
}

/* Runs one statement with text parameters. @ret: its rows, for PQclear(); may be NULL. */
static int run(PGconn *pg, const char *sql, int n, const char *const *values, PGresult **ret)
{
    PGresult *result = PQexecParams(pg, sql, n, NULL, values, NULL, NULL, 0);
    ExecStatusType status = PQresultStatus(result);
    int outcome = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK ? 0 : judge(pg, result);
    if (outcome == 0 && ret)
        *ret = result;
    else
        PQclear(result);
    return outcome;
}

static int enqueue_mail(PGconn *pg, const char *email, const char *name, struct job_id *ret_job)
{
    json_t *payload = json_pack("{s:s, s:s}", "to", email, "name", name);
    char *text = json_dumps(payload, JSON_COMPACT);
    json_decref(payload);
    struct job_spec spec = { .type = "welcome_email", .queue = "mail", .payload = text };
    int r = text ? job_enqueue_tx(pg, &spec, ret_job) : USERS_FAILED;
    free(text);
    if (r == 0)
        return 0;
    fprintf(stderr, "job_enqueue_tx: %s (%s)\n", job_strerror(r), job_client_error(NULL));
    return r == JOB_E_DATABASE_AWAY ? USERS_AWAY : USERS_FAILED;
}

static int insert_user(PGconn *pg, const char *email, const char *name, const struct job_id *job,
                       int64_t *ret_id)
{
    char id[JOB_ID_TEXT_SIZE];
    const char *const values[] = { email, name, job_id_format(job, id) };
    PGresult *row;
    int r =
        run(pg, "INSERT INTO api_user (email, name, job) VALUES ($1, $2, $3) RETURNING id", 3, values, &row);
    if (r == 0) {
        *ret_id = strtoll(PQgetvalue(row, 0, 0), NULL, 10);
        PQclear(row);
    }
    return r;
}

int users_register(struct users *u, const char *email, const char *name, int64_t *ret_id,
                   struct job_id *ret_job)
{
    PGconn *pg = take(u);
    int r = pg ? run(pg, "BEGIN", 0, NULL, NULL) : USERS_AWAY;
    if (r == 0)
        r = enqueue_mail(pg, email, name, ret_job);
    if (r == 0)
        r = insert_user(pg, email, name, ret_job, ret_id);
    if (r == 0)
        r = run(pg, "COMMIT", 0, NULL, NULL);
    else if (pg)
        PQclear(PQexec(pg, "ROLLBACK")); /* the job goes with it */
    give_back(u, pg);
    return r;
}

static json_t *describe(PGresult *rows, int i)
{
    return json_pack("{s:I, s:s, s:s, s:s, s:s}", "id", (json_int_t)strtoll(PQgetvalue(rows, i, 0), NULL, 10),
                     "email", PQgetvalue(rows, i, 1), "name", PQgetvalue(rows, i, 2), "job",
                     PQgetvalue(rows, i, 3), "registered_at", PQgetvalue(rows, i, 4));
}

int users_list(struct users *u, int64_t after, int64_t limit, json_t **ret)
{
    char texts[2][24];
    snprintf(texts[0], sizeof(texts[0]), "%" PRId64, after);
    snprintf(texts[1], sizeof(texts[1]), "%" PRId64, limit);
    const char *const values[] = { texts[0], texts[1] };
    PGresult *rows;
    PGconn *pg = take(u);
    int r = pg ? run(pg,
                     "SELECT id, email, name, job,"
                     "       to_char(registered_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"
                     "  FROM api_user WHERE id > $1 ORDER BY id LIMIT $2",
                     2, values, &rows)
               : USERS_AWAY;
    give_back(u, pg);
    if (r)
        return r;
    *ret = json_array();
    for (int i = 0; i < PQntuples(rows); i++)
        json_array_append_new(*ret, describe(rows, i));
    PQclear(rows);
    return 0;
}

int users_have_job(struct users *u, const struct job_id *id, bool *ret)
{
    char text[JOB_ID_TEXT_SIZE];
    const char *const values[] = { job_id_format(id, text) };
    PGresult *rows;
    PGconn *pg = take(u);
    int r = pg ? run(pg, "SELECT FROM api_user WHERE job = $1", 1, values, &rows) : USERS_AWAY;
    give_back(u, pg);
    if (r)
        return r;
    *ret = PQntuples(rows) > 0;
    PQclear(rows);
    return 0;
}

/* --- the pool --- */

static int make_table(struct users *u)
{
    PGconn *pg = take(u);
    int r = USERS_AWAY;
    if (pg) {
        PQclear(PQexec(pg, "SET client_min_messages = warning"));
        r = run(pg,
                "CREATE TABLE IF NOT EXISTS api_user ("
                "  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
                "  email text NOT NULL,"
                "  name text NOT NULL,"
                "  job uuid NOT NULL UNIQUE,"
                "  registered_at timestamptz NOT NULL DEFAULT now())",
                0, NULL, NULL);
        if (r == 0)
            r = run(pg, "CREATE UNIQUE INDEX IF NOT EXISTS api_user_email ON api_user (lower(email))", 0,
                    NULL, NULL);
    }
    give_back(u, pg);
    return r;
}

struct users *users_open(const char *database_url)
{
    struct users *u = calloc(1, sizeof(*u));
    if (!u)
        return NULL;
    u->database_url = strdup(database_url);
    u->n_idle = CONNECTIONS;
    pthread_mutex_init(&u->lock, NULL);
    pthread_cond_init(&u->given_back, NULL);
    return make_table(u) == 0 ? u : users_close(u);
}

struct users *users_close(struct users *u)
{
    if (!u)
        return NULL;
    for (int i = 0; i < u->n_idle; i++)
        PQfinish(u->idle[i]);
    pthread_cond_destroy(&u->given_back);
    pthread_mutex_destroy(&u->lock);
    free(u->database_url);
    free(u);
    return NULL;
}
