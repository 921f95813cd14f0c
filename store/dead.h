/* SPDX-License-Identifier: Apache-2.0 */
/* Dead letters: looking at them, running them again, throwing them away. */
#pragma once

#include <stdbool.h>

#include "store/db.h"

/* NULL, 0: any. */
struct dead_filter {
    const char *queue, *type, *reason;
    const char *group;          /* its name, as dead_list_groups() has it */
    const char *error;          /* is somewhere in the error, in capitals or not */
    const char *key;            /* of order, as text */
    const char *worker;         /* which had its last try */
    int64_t since_us, until_us; /* when it died; µs since 1970, the latter excluded */
    int limit;
};

/*
 * The groups that match queue, type, reason and group and have got a letter since since_us; those with most letters first. Columns: group, queue,
 * type, reason text; count bigint; first_seen, last_seen timestamptz; id uuid and error text of its newest letter. Return: as db_query().
 */
int dead_list_groups(struct db *db, const struct dead_filter *filter, struct rows **ret, struct err *reterr);

/*
 * The columns of dead_page_list() (store/dead_pages.h), then headers JSON as text; key, payload bytea; parent uuid; version text, which
 * changes whenever the letter does. At most one row. Return: as db_query().
 */
int dead_find(struct db *db, const struct uuid *id, struct rows **ret, struct err *reterr);

/*
 * What the letters of this job were before each change, the oldest first. Columns: edited_at timestamptz; edited_by text; died_at timestamptz; delivery
 * integer; queue, type text; key bytea; headers JSON as text; payload bytea. Return: as db_query().
 */
int dead_list_edits(struct db *db, const struct uuid *id, struct rows **ret, struct err *reterr);

/*
 * The deaths of this job that somebody has replayed, the oldest first. Columns: died_at timestamptz; delivery, attempt integer; reason, error text; replayed_at
 * timestamptz; replayed_by text; run bigint (NULL: it was named). Return: as db_query().
 */
int dead_list_replays(struct db *db, const struct uuid *id, struct rows **ret, struct err *reterr);

/* What a letter is to be. Borrowed. */
struct dead_revision {
    struct uuid id;
    const char *version; /* of the letter that was looked at, as dead_find() has it */
    const char *queue, *type;
    struct span key;     /* without data: none */
    const char *headers; /* JSON */
    struct span payload; /* without data: none */
};

/*
 * Changes a letter, keeps what it was (dead_list_edits()), and notes who did it. Column: edited, changed (by somebody else since it was looked at: nothing
 * was done), gone. Return: as db_query().
 */
int dead_edit(struct db *db, const struct dead_revision *change, struct rows **ret, struct err *reterr);

/* What of @ids is there. Columns: id uuid; reason text; can_replay boolean. Return: as db_query(). */
int dead_list_these(struct db *db, const struct uuid *ids, size_t n, struct rows **ret, struct err *reterr);

/*
 * Who hears of deaths. One row: queue text (NULL: nobody), workers bigint (live ones that take jobs of it), waiting bigint (deaths that
 * are on their way to Kafka, or back to it). Return: as db_query().
 */
int dead_find_hook(struct db *db, struct rows **ret, struct err *reterr);
/* From now on nobody does. One row: queue text, the one that did (NULL: nobody). Return: as db_query(). */
int dead_remove_hook(struct db *db, struct rows **ret, struct err *reterr);

/* Both return the ids that it happened to. Column: id uuid. Return: as db_query(). */
int dead_replay(struct db *db, const struct uuid *ids, size_t n, struct rows **ret, struct err *reterr);
/* The job's row in job.result stays, as the record of what became of it. */
int dead_purge(struct db *db, const struct uuid *ids, size_t n, struct rows **ret, struct err *reterr);
