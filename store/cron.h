/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job.cron: entries, and the jobs that their ticks make.
 *
 * When an entry ticks is none of PostgreSQL's business; but its clock says what the time is, and the row's lock who may tick.
 */
#pragma once

#include "store/db.h"

struct cron_entry {
    const char *name, *expression, *zone, *queue, *type;
    const char *payload; /* JSON; NULL: none */
    const char *key;     /* NULL: none */
    const char *headers; /* a JSON object of strings; NULL: none */
    const char *tags;    /* comma-separated; NULL: none */
    const char *missed;  /* "skip", "last", "all" */
    int missed_max;
    int max_attempts;   /* 0: as the handler has it, as timeout_us */
    int64_t timeout_us; /* whole ms */
    int64_t jitter_us;
};

/* --- For brokers --- */

/* Hears of entries that tick earlier than somebody could know (NOTIFY job_cron). */
int cron_listen(struct db *db, struct err *reterr);

/*
 * Makes the entries of the configuration what @entries has, and removes those that it has no more; what people have disabled stays so.
 * One transaction, one broker at a time. @ret: names that somebody else has taken, which are left alone; column: name text.
 */
int cron_declare(struct db *db, const struct cron_entry *entries, size_t n, struct rows **ret,
                 struct err *reterr);

/* How long until an enabled entry is due, by PostgreSQL's clock; 0: now; INT64_MAX: there is none. */
int cron_wait_us(struct db *db, int64_t *ret_us, struct err *reterr);

struct cron_due {
    const char *name, *expression, *zone; /* valid as long as the rows */
    const char *missed, *error;           /* error: NULL when it was well */
    int missed_max;
    int64_t anchor_us, since_us, next_us;
    int64_t now_us; /* PostgreSQL's clock */
};

/*
 * Begins a transaction and locks entries that are due and that no other broker has locked, the first ones first. The caller moves each
 * one on, and commits. Without rows, or when it fails, there is no transaction.
 */
int cron_take(struct db *db, int limit, struct rows **ret, struct err *reterr);
/* Enabled entries that are well and not due, by name and behind @after ("" at first). */
int cron_list_ahead(struct db *db, const char *after, int limit, struct rows **ret, struct err *reterr);
void cron_get(const struct rows *rows, size_t row, struct cron_due *ret);

/* What has come of an entry. Times in µs since 1970; INT64_MAX: never. */
struct cron_move {
    const char *name;
    const int64_t *ticks; /* to be enqueued */
    size_t n_ticks;
    int64_t since_us, next_us;
    int64_t out_from_us, out_until_us; /* ticks that were left out; INT64_MAX: none */
};

/*
 * In cron_take()'s transaction, which goes on when PostgreSQL refuses: then nothing has been done, for one of them. Return: as db_query().
 */
int cron_move(struct db *db, const struct cron_move *moves, size_t n, struct err *reterr);
/* In cron_take()'s transaction: why it cannot tick. It is looked at again after a minute. */
int cron_fail(struct db *db, const char *name, const char *error, struct err *reterr);
/* When the next tick is another one than was thought; nothing if the entry has moved on since @was was read. */
int cron_correct(struct db *db, const struct cron_due *was, int64_t since_us, int64_t next_us,
                 struct err *reterr);

/* --- For people --- */

/* Adds an entry; with @replace it may be there, unless it is the configuration's. @ret_done: false: it was there, and nothing is changed. */
int cron_add(struct db *db, const struct cron_entry *entry, bool replace, bool *ret_done, struct err *reterr);

/*
 * Entries by name, all or (unless NULL) one. Columns: name, expression, zone, queue, type text; enabled bool; next_at, last_at
 * timestamptz; last_id uuid; missed text; missed_max integer; jitter text; source text; key text; payload, headers, tags text (JSON);
 * max_attempts integer; timeout text; left_out_from, left_out_until, anchor, since timestamptz; error text.
 */
int cron_list(struct db *db, const char *name, struct rows **ret, struct err *reterr);
enum cron_column {
    CRON_NAME,
    CRON_EXPRESSION,
    CRON_ZONE,
    CRON_ENABLED = 5,
    CRON_SOURCE = 12,
    CRON_ANCHOR = 21,
    CRON_SINCE,
    CRON_COLUMNS = 24,
};

/* Column: name text, of those that there were. */
int cron_remove(struct db *db, const char *const *names, size_t n, struct rows **ret, struct err *reterr);
int cron_enable(struct db *db, const char *const *names, size_t n, bool enabled, struct rows **ret,
                struct err *reterr);

/* Enqueues an entry's job now. Column: id uuid; null when there is no such entry. */
int cron_run_now(struct db *db, const char *name, struct rows **ret, struct err *reterr);

/* PostgreSQL's clock, in µs since 1970. */
int cron_read_clock(struct db *db, int64_t *ret_us, struct err *reterr);

/* What doctor asks. Columns: entries, enabled, failing bigint; overdue bigint: due for more than 30 s; oldest timestamptz; error text:
 * "NAME: …" of one that fails. */
int cron_check(struct db *db, struct rows **ret, struct err *reterr);
