/* SPDX-License-Identifier: Apache-2.0 */
/* Ended jobs that are to run once more, as new ones; and jobs that wait and are not to wait any longer. */
#pragma once

#include "store/db.h"

/* --- Which have ended --- */

struct rerun_filter {
    const char *queue, *type; /* NULL: any */
    const char *const *states;
    size_t n_states;
    bool with_result;
};

/* How many ended in [from, to). One row: bigint. Reads only that span (an index by time). Return: as db_query(). */
int rerun_count(struct db *db, const struct rerun_filter *filter, int64_t from_us, int64_t to_us,
                int64_t *ret, struct err *reterr);

/*
 * The next @limit of those that ended before @to_us and behind (@after_us, @after_id), in the order of their ends and ids. Columns: id
 * uuid; finished_at timestamptz; queue, type, state, topic text; partition integer; offset bigint; result JSON as text (filter->with_result).
 * Return: as db_query().
 */
int rerun_list(struct db *db, const struct rerun_filter *filter, int64_t after_us,
               const struct uuid *after_id, int64_t to_us, int limit, struct rows **ret, struct err *reterr);

/* None has ended before; INT64_MIN: that is not known. Return: as db_query(). */
int rerun_find_oldest(struct db *db, int64_t *ret_us, struct err *reterr);

/* --- New jobs --- */

struct rerun_job {
    struct uuid id;
    const char *queue, *type;
    const char *lane; /* ".high", ".low"; NULL: neither */
    struct span key;  /* data NULL: none */
    const char *headers_json;
    struct span payload;
};

struct rerun_part {
    int64_t upto_us; /* the job that ended last among those that were looked at */
    struct uuid upto_id;
    int64_t n_gone;
    bool is_last; /* the run is done */
    const struct rerun_job *jobs;
    size_t n;
};

/*
 * One part of a run (job.bulk_rerun()), in one transaction: the jobs wait, the run's position moves. *ret_done: in all; -1: the run is
 * somebody else's now, and nothing was done. Return: as db_query().
 */
int rerun_put(struct db *db, int64_t run, const char *owner, const struct rerun_part *part, int64_t *ret_done,
              struct err *reterr);

/* --- One that waits --- */

/* What becomes of each (job.run_now()). Columns: id uuid; action, queue text; boolean, is the queue paused? Return: as db_query(). */
int rerun_make_due(struct db *db, const struct uuid *ids, size_t n, struct rows **ret, struct err *reterr);
