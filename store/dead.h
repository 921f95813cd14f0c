/* SPDX-License-Identifier: Apache-2.0 */
/* Dead letters: looking at them, running them again, throwing them away. */
#pragma once

#include <stdbool.h>

#include "store/db.h"

/* NULL: any. */
struct dead_filter {
    const char *queue, *type, *reason;
    int limit;
};

/*
 * The newest first. Columns: id uuid; queue, type, reason text; delivery, attempt integer; error text; enqueued_at,
 * died_at timestamptz; topic text; partition integer; offset bigint. Return: as db_query().
 */
int dead_list(struct db *db, const struct dead_filter *filter, struct rows **ret, struct err *reterr);

/* The same columns, then headers JSON as text; key, payload bytea. At most one row. Return: as db_query(). */
int dead_find(struct db *db, const struct uuid *id, struct rows **ret, struct err *reterr);

/* What of @ids is there. Columns: id uuid; reason text. Return: as db_query(). */
int dead_list_these(struct db *db, const struct uuid *ids, size_t n, struct rows **ret, struct err *reterr);

/*
 * The next filter->limit ids behind @after (NULL: from the first), oldest first. @replayable: without malformed ones.
 * Column: id uuid. Return: as db_query().
 */
int dead_list_ids(struct db *db, const struct dead_filter *filter, bool replayable, const struct uuid *after,
                  struct rows **ret, struct err *reterr);

/* How many, and how many of them are malformed. Columns: total, malformed bigint. Return: as db_query(). */
int dead_count(struct db *db, const struct dead_filter *filter, struct rows **ret, struct err *reterr);

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
