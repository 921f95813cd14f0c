/* SPDX-License-Identifier: Apache-2.0 */
/* Inside store/ only: which dead letters a filter means, as a condition on job.dead AS d with bound parameters. */
#pragma once

#include "base/timefmt.h"
#include "store/dead.h"

/* The parameters $1 to $9 are those of struct dead_match. */
#define DEAD_MATCH_N 9
#define DEAD_MATCHES                                                                                         \
    "($1::text IS NULL OR d.queue = $1) AND ($2::text IS NULL OR d.type = $2)"                               \
    " AND ($3::text IS NULL OR d.reason = $3) AND ($4::text IS NULL OR d.group_name = $4)"                   \
    " AND ($5::text IS NULL OR strpos(lower(d.error), lower($5)) > 0)"                                       \
    " AND ($6::text IS NULL OR d.key = convert_to($6, 'UTF8'))"                                              \
    " AND ($7::text IS NULL OR EXISTS (SELECT FROM job.result r WHERE r.id = d.id AND r.worker = $7))"       \
    " AND ($8::timestamptz IS NULL OR d.died_at >= $8) AND ($9::timestamptz IS NULL OR d.died_at < $9)"

struct dead_match {
    struct db_param params[DEAD_MATCH_N];
    char since[RFC3339_SIZE], until[RFC3339_SIZE];
};

/* Borrows from @filter, and points into itself: it may not be moved. */
void dead_match_fill(struct dead_match *m, const struct dead_filter *filter);
