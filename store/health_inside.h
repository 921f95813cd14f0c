/* SPDX-License-Identifier: Apache-2.0 */
/* Inside store/ only: what the files of store/health.h share. */
#pragma once

#include "store/health.h"

#define LIST_MAX "50"
#define COUNT_MAX "1000001"
/* µs since a time stamp. */
#define AGE(at) " (extract(epoch FROM clock_timestamp() - " at ") * 1000000)::bigint"

/* $1 is @patience_us, to be cast to interval. */
int health_query(struct db *db, const char *sql, int64_t patience_us, struct rows **ret, struct err *reterr);
