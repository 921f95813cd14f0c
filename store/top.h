/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a live view needs, every moment: each call takes a few milliseconds, however much there is. So what could be many is counted up to
 * TOP_COUNT_MAX only, and ends are read from their counters (job.rollup).
 *
 * Return: as db_query().
 */
#pragma once

#include "store/db.h"

#define TOP_COUNT_MAX 1000  /* of a queue: pending, due; a greater number means that there are more */
#define TOP_DEAD_MAX 2000   /* of all queues together */
#define TOP_LEASES_MAX 2000 /* the same */

/* Once for each connection. */
int top_prepare(struct db *db, struct err *reterr);

/*
 * Columns: kind text; queue text; n bigint; due bigint; at timestamptz. By kind: "pending" (n of them, due of these, at: when the
 * first is due), "lease", "dead", "paused" (at: since when); without queue: "dead", "lease" (n: of all, counted up to the limit), "broker" (n), "now" (at).
 */
int top_count(struct db *db, struct rows **ret, struct err *reterr);

/* Ends by the hour of their ending, of this hour and the last one. Columns: hour timestamptz; queue text; state text; n bigint; now timestamptz. */
int top_list_ends(struct db *db, struct rows **ret, struct err *reterr);

/* What runs longest with a lease, of TOP_LEASES_MAX of them. Columns: id uuid; queue, type, worker text; attempt integer; started_at; progress text. */
int top_list_slow(struct db *db, int limit, struct rows **ret, struct err *reterr);

/* Some of the tries that failed after @since_us. Columns: id uuid; finished_at; outcome, error, queue, type text (these two null when not known any more). */
int top_list_failures(struct db *db, int64_t since_us, int limit, struct rows **ret, struct err *reterr);
