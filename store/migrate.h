/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schema's migrations: numbered SQL files built in, applied once each, in order.
 *
 * Each migration is one transaction together with its row in job.schema_migration, under an advisory lock: two that run
 * at once apply everything once, and one that dies leaves whole migrations only.
 */
#pragma once

#include "base/err.h"
#include "store/db.h"

struct migration {
    int version;
    const char *name;
    const char *sql;
};

/* Built in, in order; ends with a NULL name. */
extern const struct migration migrations[];

struct migrate_status {
    int version; /* newest applied; 0: no schema */
    int latest;  /* newest built in */
};

/* Return: 0; as db_query(). */
int migrate_status(struct db *db, struct migrate_status *ret, struct err *reterr);

/* @applied: called after each migration; may be NULL. Return: 0; as db_query(). */
int migrate_apply(struct db *db, void (*applied)(const struct migration *m), struct err *reterr);
