/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs over many jobs (job.bulk): begun, gone on with, broken off.
 *
 * A part of a run is one transaction that changes its jobs and moves the run's position; so whoever dies in between, nothing is
 * done twice and nothing is left out by whoever goes on. A run belongs to one process: who resumes it takes it over, and the former
 * one does nothing any more.
 *
 * What a run is about is a JSON object, the filter: {"queue": …, "type": …, "reason": …, "group": …, "error": …, "key": …, "worker": …, "since": …, "until": …} for dead
 * letters, each of which may be missing.
 */
#pragma once

#include "store/db.h"

struct bulk_count {
    int64_t total;        /* letters that the filter means */
    int64_t n_malformed;  /* of which so many cannot be read */
    struct uuid first[5]; /* the first of those that a replay can touch */
    size_t n_first;
    struct uuid after; /* as far as has been looked */
};

/*
 * Counts on with the next @to_look letters behind ret->after. @replayable: `first` has no malformed ones. *ret_more: call again.
 * Return: as db_query().
 */
int bulk_count_dead(struct db *db, const char *filter_json, bool replayable, int to_look,
                    struct bulk_count *ret, bool *ret_more, struct err *reterr);

/* Some dead letters. Columns: id uuid; queue, type, reason, error text; died_at timestamptz. Return: as db_query(). */
int bulk_list_dead(struct db *db, const struct uuid *ids, size_t n, struct rows **ret, struct err *reterr);

/* The next @to_look letters behind @after, oldest first. Columns: id uuid; boolean, does the filter mean it? Return: as db_query(). */
int bulk_list_dead_ids(struct db *db, const char *filter_json, bool replayable, const struct uuid *after,
                       int to_look, struct rows **ret, struct err *reterr);

/*
 * Runs are rows of these columns: id bigint; kind, filter (JSON), actor, owner text; begun_at, moved_at, finished_at timestamptz; state
 * text; total, done, gone bigint; after_at timestamptz; after_id uuid.
 */
enum {
    BULK_ID,
    BULK_KIND,
    BULK_FILTER,
    BULK_ACTOR,
    BULK_OWNER,
    BULK_BEGUN_AT,
    BULK_MOVED_AT,
    BULK_FINISHED_AT,
    BULK_STATE,
    BULK_TOTAL,
    BULK_DONE,
    BULK_GONE,
    BULK_AFTER_AT,
    BULK_AFTER_ID,
};

/* @owner: a name that no other process has. Earlier ones of the same kind and filter that are not done are given up. One row. Return: as db_query(). */
int bulk_begin(struct db *db, const char *kind, const char *filter_json, int64_t total, const char *owner,
               struct rows **ret, struct err *reterr);
/* At most one row; none: it is done, of another kind, or not there. Return: as db_query(). */
int bulk_resume(struct db *db, int64_t run, const char *kind, const char *owner, struct rows **ret,
                struct err *reterr);
int bulk_find(struct db *db, int64_t run, struct rows **ret, struct err *reterr);
/* The latest of that kind and filter that was not given up. At most one row. Return: as db_query(). */
int bulk_find_last(struct db *db, const char *kind, const char *filter_json, struct rows **ret,
                   struct err *reterr);
/* Says that nobody is at it any more, if it is still @owner's. Return: as db_query(). */
int bulk_interrupt(struct db *db, int64_t run, const char *owner, struct err *reterr);
/* It is done before its end, because no more was wanted. Return: as db_query(). */
int bulk_finish(struct db *db, int64_t run, const char *owner, struct err *reterr);

struct bulk_part {
    int64_t n_looked;  /* 0: the run is done */
    int64_t done;      /* in all */
    bool taken;        /* the run is somebody else's now: nothing was done */
    size_t n;          /* letters that it happened to */
    struct rows *rows; /* their first n rows are these. Column: id uuid */
};

/* One part of a run over dead letters (job.bulk_dead()): at most so many. rows_free() ret->rows on success. Return: as db_query(). */
int bulk_change_dead(struct db *db, int64_t run, const char *owner, int to_look, int at_most,
                     struct bulk_part *ret, struct err *reterr);

/*
 * What a job had died of each time that it was replayed, the oldest first. Columns: delivery, attempt integer; reason, error text; died_at,
 * replayed_at timestamptz; replayed_by text; run bigint (null: it was named by itself). Return: as db_query().
 */
int bulk_list_replays(struct db *db, const struct uuid *id, struct rows **ret, struct err *reterr);
