/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A blocking connection to PostgreSQL, for straight-line code in threads and tools.
 *
 * Every wait is bounded: connecting by 5 s, statements by statement_timeout (30 s), a dead network by tcp_user_timeout
 * (10 s). A connection that was lost is opened again by the next call that finds no transaction open.
 *
 * Threads: one at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/pulse.h"
#include "base/span.h"
#include "base/uuid.h"
#include "store/outcome.h"

struct db;

struct db_options {
    const char *url;
    const char *name;        /* application_name, as pg_stat_activity shows it */
    int64_t idle_timeout_us; /* idle_in_transaction_session_timeout; 0: 5 s */
    int64_t
        answer_timeout_us; /* of each statement, also of a server that stands still: then STORE_AWAY; 0: as long as it takes */
    int64_t statement_timeout_us; /* PostgreSQL ends a statement after it; 0: 30 s */
    struct pulse *pulse; /* of the thread that uses it, stays the caller's; NULL: nobody watches it */
};

/* Does not connect yet. @options is copied. Return: 0; -ENOMEM. */
int db_new(struct db **ret, const struct db_options *options);
struct db *db_free(struct db *db);
DEFINE_CLEANUP(struct db *, db_free)

/* Is it a connection string that libpq can read? Connects to nothing. Return: 0; 1 with "expected …" in @reterr, which never shows @url. */
int db_check_url(const char *url, struct err *reterr);

/* The password that stands in @url. Return: false: there is none, or it is longer. */
bool db_find_password(const char *url, char *ret, size_t size);

/* Appends where @url leads, without what opens the door: "host=… port=… dbname=… user=… sslmode=…", one on a line. */
void db_describe_url(const char *url, struct buf *out);

/* libpq's version, "15.8". Valid until this thread's next call. */
const char *db_library_version(void);

/* Opens the connection if it is not open. Return: 0; STORE_AWAY with @reterr (address and reason, never a password). */
int db_connect(struct db *db, struct err *reterr);
bool db_is_connected(const struct db *db);
/* Ends the connection; an open transaction is rolled back by the server. */
void db_disconnect(struct db *db);

/* One parameter. Use the db_… makers; arrays and binary values come as PostgreSQL's binary format with their type's oid. */
struct db_param {
    unsigned oid; /* 0: let the server find it from the context; the value is text */
    const void *data;
    size_t size;
    bool binary;
};

struct db_param db_null(void);
struct db_param db_text(const char *text);   /* NULL becomes SQL NULL */
struct db_param db_bytes(struct span bytes); /* bytea */
struct db_param db_uuid(const struct uuid *id);

/* The rows of an answer; values are binary. */
struct rows;
struct rows *rows_free(struct rows *rows);
DEFINE_CLEANUP(struct rows *, rows_free)
size_t rows_count(const struct rows *rows);
size_t rows_affected(const struct rows *rows); /* of INSERT, UPDATE, DELETE */
bool rows_is_null(const struct rows *rows, size_t row, int column);
/* text, bytea, name, and jsonb selected as ::text. NULL gives a span without data. Valid until rows_free(). NUL-terminated. */
struct span rows_span(const struct rows *rows, size_t row, int column);
const char *rows_text(const struct rows *rows, size_t row, int column); /* NULL for SQL NULL */
int32_t rows_int(const struct rows *rows, size_t row, int column);      /* integer; 0 for NULL */
int64_t rows_bigint(const struct rows *rows, size_t row, int column);   /* bigint; 0 for NULL */
bool rows_bool(const struct rows *rows, size_t row, int column);
int64_t rows_time_us(const struct rows *rows, size_t row,
                     int column); /* timestamptz as µs since 1970; infinity: INT64_MAX/MIN */
void rows_uuid(const struct rows *rows, size_t row, int column, struct uuid *ret);
int rows_columns(const struct rows *rows);
const char *rows_column_name(const struct rows *rows, int column);

/*
 * db_query() - run one statement
 * @sql:      with $1 … placeholders; never built from data
 * @ret:      the rows; may be NULL when nobody wants them
 *
 * Blocks as described above. Connects first when that is needed and no transaction is open.
 *
 * Return: 0; STORE_AWAY (an open transaction is gone); STORE_REFUSED (db_refusal() has the SQLSTATE); -ENOMEM.
 * @reterr has PostgreSQL's sentence.
 */
int db_query(struct db *db, const char *sql, const struct db_param *params, int n_params, struct rows **ret,
             struct err *reterr);

/* The same for a statement that is run again and again: planned once per connection. @sql: the same static string each time. */
int db_query_often(struct db *db, const char *sql, const struct db_param *params, int n_params,
                   struct rows **ret, struct err *reterr);

/* Several statements without parameters or rows, e.g. a migration. Return: as db_query(). */
int db_execute(struct db *db, const char *sql, struct err *reterr);

/* BEGIN, COMMIT, ROLLBACK. Rollback cannot fail: at worst it disconnects. STORE_AWAY from commit: outcome unknown. */
int db_begin(struct db *db, struct err *reterr);
int db_commit(struct db *db, struct err *reterr);
void db_rollback(struct db *db);

/* The last STORE_REFUSED. */
const struct store_refusal *db_refusal(const struct db *db);

/*
 * Waits for a NOTIFY on a channel that was LISTENed to with db_execute(), for @wake_fd (an eventfd; -1: none; not read) to
 * become readable, or for the time to pass. @payload gets the notification's text, cut to its size; may be NULL.
 */
enum db_wait_result { DB_NOTIFIED = 0, DB_TIMED_OUT = 1, DB_WOKEN = 2, DB_AWAY = 3 };
int db_wait(struct db *db, int wake_fd, int64_t timeout_us, char *payload, size_t payload_size);
