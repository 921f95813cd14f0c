/* SPDX-License-Identifier: Apache-2.0 */
#include "store/migrate.h"

#include <stdio.h>
#include <string.h>

static int latest_version(void)
{
    int version = 0;
    for (const struct migration *m = migrations; m->name; m++)
        version = m->version;
    return version;
}

int migrate_status(struct db *db, struct migrate_status *ret, struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    *ret = (struct migrate_status){ .latest = latest_version() };
    int r = db_query(db, "SELECT to_regclass('job.schema_migration') IS NOT NULL", NULL, 0, &rows, reterr);
    if (r || !rows_bool(rows, 0, 0))
        return r;
    rows = rows_free(rows);
    r = db_query(db, "SELECT coalesce(max(version), 0) FROM job.schema_migration", NULL, 0, &rows, reterr);
    if (r == 0)
        ret->version = rows_int(rows, 0, 0);
    return r;
}

static int record(struct db *db, const struct migration *m, struct err *reterr)
{
    char version[12];
    snprintf(version, sizeof(version), "%d", m->version);
    struct db_param params[] = { db_text(version), db_text(m->name) };
    return db_query(db, "INSERT INTO job.schema_migration (version, name) VALUES ($1::integer, $2)", params,
                    2, NULL, reterr);
}

static int apply(struct db *db, const struct migration *m, struct err *reterr)
{
    int r =
        db_execute(db, "SET LOCAL statement_timeout = 0; SET LOCAL client_min_messages = warning", reterr);
    if (r == 0)
        r = db_execute(db, m->sql, reterr);
    if (r == 0)
        r = record(db, m, reterr);
    return r ? err_prefix(reterr, r, "migration %04d-%s", m->version, m->name) : 0;
}

static int lock(struct db *db, struct err *reterr)
{
    return db_execute(
        db,
        "SELECT pg_advisory_xact_lock(hashtextextended('job.schema_migration', 0));"
        "CREATE SCHEMA IF NOT EXISTS job;"
        "CREATE TABLE IF NOT EXISTS job.schema_migration (version integer PRIMARY KEY, name text NOT NULL,"
        " applied_at timestamptz NOT NULL DEFAULT now());",
        reterr);
}

/* Applies the next migration in a transaction of its own. Return: 0 with *ret set, or NULL when none was left. */
static int apply_next(struct db *db, const struct migration **ret, struct err *reterr)
{
    struct migrate_status status;
    const struct migration *m = migrations;
    int r = db_begin(db, reterr);
    if (r == 0)
        r = lock(db, reterr);
    if (r == 0)
        r = migrate_status(db, &status, reterr);
    if (r == 0) {
        while (m->name && m->version <= status.version)
            m++;
        r = m->name ? apply(db, m, reterr) : 0;
    }
    if (r == 0)
        r = db_commit(db, reterr);
    if (r) {
        db_rollback(db);
        return r;
    }
    *ret = m->name ? m : NULL;
    return 0;
}

int migrate_apply(struct db *db, void (*applied)(const struct migration *m), struct err *reterr)
{
    for (;;) {
        const struct migration *m;
        int r = apply_next(db, &m, reterr);
        if (r || !m)
            return r;
        if (applied)
            applied(m);
    }
}
