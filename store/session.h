/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection to PostgreSQL that lives in somebody's event loop: nothing here blocks.
 *
 * One request at a time: a pipeline of prepared statements that ends in exactly one reply. The owner watches
 * session_fd() for session_events() (both may change after every call) and calls session_process(). It decides itself
 * when to try again after the connection was lost.
 *
 *     DOWN ──session_connect()──▶ CONNECTING ──▶ READY ◀──reply── BUSY
 *       ▲───────────── lost ─────────┴─────────────┴───────────────┘       (a request under way is answered STORE_AWAY)
 *
 * A request that begins a transaction ("BEGIN" as its first statement) and is refused is rolled back before its reply.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "store/db.h"
#include "store/outcome.h"

#define SESSION_MAX_STATEMENTS 12 /* in one request */

struct session;

/* Prepared when the connection is made; named by its place in the table. */
struct session_statement {
    const char *sql;
};

struct session_reply {
    int outcome;                  /* enum store_outcome */
    struct store_refusal refusal; /* with STORE_REFUSED */
    int n_rows;
    struct rows *rows
        [SESSION_MAX_STATEMENTS]; /* per statement of the request; NULL when it was not reached; freed by the session */
};

typedef void (*session_reply_fn)(const struct session_reply *reply, void *userdata);

struct session_events_fns {
    void (*ready)(void *userdata); /* connected and prepared */
    /* Also after a failed attempt; state is DOWN. @refused: PostgreSQL itself said that it is not there for anybody. */
    void (*lost)(const char *why, bool refused, void *userdata);
    /* Something was said on one of the channels. Only to be noted: it may come in the middle of a request. */
    void (*notified)(const char *channel, const char *payload, void *userdata);
    void *userdata;
};

enum session_state { SESSION_DOWN, SESSION_CONNECTING, SESSION_READY, SESSION_BUSY };

/* @channels: NULL-terminated; LISTENed to from ready() on. What is said while there is no connection is not heard. */
int session_new(struct session **ret, const char *url, const char *name,
                const struct session_statement *statements, int n_statements, const char *const *channels,
                const struct session_events_fns *events);
struct session *session_free(struct session *s);
DEFINE_CLEANUP(struct session *, session_free)

enum session_state session_state(const struct session *s);

/* Starts an attempt; only in DOWN. Its end is told by ready() or lost(), the latter possibly before this returns. */
void session_connect(struct session *s);

/* -1: nothing to watch. */
int session_fd(const struct session *s);
uint32_t session_events(const struct session *s); /* EPOLLIN, EPOLLOUT */
void session_process(struct session *s);

/* Gives up an attempt that takes too long, or a connection; lost() is called. */
void session_abort(struct session *s, const char *why);

/*
 * Building a request, only in READY: session_add() for each statement, then session_submit(). Parameters are copied by
 * session_add(). Memory that runs out makes the connection end, so the reply is STORE_AWAY.
 */
void session_add(struct session *s, int statement, const struct db_param *params, int n_params);
void session_submit(struct session *s, session_reply_fn reply, void *userdata);
