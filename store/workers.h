/* SPDX-License-Identifier: Apache-2.0 */
/* The workers that there are: what each holds, and draining one. */
#pragma once

#include "store/db.h"

#define WORKERS_MAX 10000 /* of a list */

/* NULL: whatever it is. */
struct workers_filter {
    const char *queue; /* takes jobs of it */
    const char *state; /* as column `state` below */
    const char *word;  /* the id, its beginning, or the host; a worker of exactly that id comes first */
};

/*
 * Columns: id, host text; pid integer; state text; queues text (JSON); leases, partitions bigint; started_at, beat_at; narrow text (JSON;
 * NULL: none); drain_at timestamptz; drain_by text; quiet text (JSON); http text; lost_at timestamptz. By id. State: running; quiet (all of
 * its queues are paused and nothing of them runs); draining, drained; stopping; silent (no beat for 15 s, and no broker has judged); lost
 * (declared dead). Return: as db_query().
 */
int workers_list(struct db *db, const struct workers_filter *filter, struct rows **ret, struct err *reterr);

/* What it holds leases of, the longest first. Columns: id uuid; queue, type text; attempt, delivery integer; started_at; progress text. Return: as db_query(). */
int workers_list_leases(struct db *db, const char *worker, int limit, struct rows **ret, struct err *reterr);

/* The partitions that it owns. Columns: topic text; partition integer; next_offset, epoch bigint; updated_at. Return: as db_query(). */
int workers_list_places(struct db *db, const char *worker, struct rows **ret, struct err *reterr);

enum workers_change { WORKERS_CHANGED, WORKERS_WAS_SO, WORKERS_GONE };
/* It is to take no more jobs, or it may again. Return: as db_query(). */
int workers_set_drained(struct db *db, const char *worker, bool drained, enum workers_change *ret,
                        struct err *reterr);
