/* SPDX-License-Identifier: Apache-2.0 */
/* What tells a healthy database from one that needs somebody. Changes nothing. */
#pragma once

#include "store/db.h"

#define HEALTH_SERVER_VERSION_MIN 150000

/* Needs no schema. Columns: number integer (server_version_num); version text. Return: as db_query(). */
int health_check_server(struct db *db, struct rows **ret, struct err *reterr);

/*
 * Columns: days_ahead integer (there are partitions up to so many days from today; NULL: not even today's); overdue bigint
 * (rows of job.pending that have been due for 30 s), oldest_due_at timestamptz (of those); dead, incidents bigint (of the last
 * 30 days, and nobody has mended them).
 * Return: as db_query().
 */
int health_check_schema(struct db *db, struct rows **ret, struct err *reterr);
