/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dead letters page by page, by their ids, with every filter and however many there are.
 *
 * One call looks at a bounded number of letters, so it is short even when few of them match: then the page is not full and
 * *ret_edge says how far it has looked. What queue, type, reason, group and the time of death say is found by the groups (job.dead_count)
 * and the index on their names, unless too many groups match; the rest is looked at letter by letter.
 */
#pragma once

#include "store/dead.h"

struct dead_page {
    struct dead_filter filter; /* limit: so many letters at most */
    bool oldest_first;         /* else the newest */
    const struct uuid *after;  /* the last id of the page before, or its edge; NULL: from the beginning */
};

/* How far a page has come. */
struct dead_edge {
    size_t n_letters; /* rows of the page that are letters: there may be one without */
    struct uuid id;   /* the next page goes on behind it */
    bool is_last;     /* there is nothing behind it */
    int64_t n_looked;
};

/*
 * Columns: id uuid; queue, type, reason text; delivery, attempt integer; error text; enqueued_at, died_at timestamptz; topic text; partition
 * integer; offset bigint; group text; edited_at timestamptz. Return: as db_query().
 */
int dead_page_list(struct db *db, const struct dead_page *page, struct rows **ret, struct dead_edge *ret_edge,
                   struct err *reterr);

/*
 * The same page with all that a letter has, as much of it as has no more than 4 MiB, but at least one. Columns: id uuid; a JSON object as text, without
 * key and payload; key, payload bytea. Return: as db_query().
 */
int dead_page_export(struct db *db, const struct dead_page *page, struct rows **ret,
                     struct dead_edge *ret_edge, struct err *reterr);
