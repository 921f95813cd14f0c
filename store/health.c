/* SPDX-License-Identifier: Apache-2.0 */
/* What PostgreSQL as a server says of itself. */
#include "store/health.h"

#include <stdio.h>

#include "store/health_inside.h"

int health_query(struct db *db, const char *sql, int64_t patience_us, struct rows **ret, struct err *reterr)
{
    char text[32];
    snprintf(text, sizeof(text), "%lld us", (long long)patience_us);
    const struct db_param params[] = { db_text(text) };
    return db_query(db, sql, params, 1, ret, reterr);
}

int health_check_server(struct db *db, struct rows **ret, struct err *reterr)
{
    return db_query(
        db,
        "SELECT current_setting('server_version_num')::integer, current_setting('server_version'),"
        " pg_is_in_recovery(), clock_timestamp()",
        NULL, 0, ret, reterr);
}

int health_list_settings(struct db *db, struct rows **ret, struct err *reterr)
{
    return db_query(
        db,
        "SELECT name, setting FROM pg_settings WHERE setting = 'off' AND name IN"
        " ('fsync', 'full_page_writes', 'synchronous_commit', 'autovacuum', 'track_counts') ORDER BY name",
        NULL, 0, ret, reterr);
}

int health_check_connections(struct db *db, struct rows **ret, struct err *reterr)
{
    return db_query(
        db,
        "SELECT (SELECT coalesce(sum(numbackends), 0)::bigint FROM pg_stat_database),"
        " (current_setting('max_connections')::bigint - current_setting('superuser_reserved_connections')::bigint)",
        NULL, 0, ret, reterr);
}

int health_list_transactions(struct db *db, int64_t patience_us, struct rows **ret, struct err *reterr)
{
    /* One that works may take longer than one that waits for its client. */
    return health_query(
        db,
        "SELECT pid, application_name, state, usename::text," AGE(
            "xact_start") " FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
                          " AND backend_type = 'client backend'"
                          " AND xact_start < clock_timestamp() - $1::interval * CASE WHEN state LIKE 'idle%' THEN 1 ELSE 20 END"
                          " ORDER BY xact_start LIMIT " LIST_MAX,
        patience_us, ret, reterr);
}

int health_list_blocked(struct db *db, int64_t patience_us, struct rows **ret, struct err *reterr)
{
    return health_query(
        db,
        "SELECT l.pid, a.application_name, l.relation::regclass::text," AGE(
            "l.waitstart") ","
                           " array_to_string(pg_blocking_pids(l.pid), ', ')"
                           " FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
                           " WHERE NOT l.granted AND a.datname = current_database() AND l.waitstart < clock_timestamp() - $1::interval"
                           " ORDER BY l.waitstart LIMIT " LIST_MAX,
        patience_us, ret, reterr);
}

int health_list_prepared(struct db *db, int64_t patience_us, struct rows **ret, struct err *reterr)
{
    return health_query(
        db,
        "SELECT gid," AGE(
            "prepared") " FROM pg_prepared_xacts WHERE database = current_database() AND prepared < clock_timestamp() - $1::interval * 20"
                        " ORDER BY prepared LIMIT " LIST_MAX,
        patience_us, ret, reterr);
}

int health_list_slots(struct db *db, struct rows **ret, struct err *reterr)
{
    return db_query(
        db,
        "SELECT slot_name::text, pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint, coalesce(wal_status, '')"
        " FROM pg_replication_slots WHERE NOT active AND restart_lsn IS NOT NULL ORDER BY 2 DESC NULLS LAST LIMIT " LIST_MAX,
        NULL, 0, ret, reterr);
}

int health_check_wraparound(struct db *db, struct rows **ret, struct err *reterr)
{
    return db_query(db,
                    "SELECT age(datfrozenxid)::bigint, mxid_age(datminmxid)::bigint"
                    " FROM pg_database WHERE datname = current_database()",
                    NULL, 0, ret, reterr);
}

int health_check_disk(struct db *db, struct rows **ret, struct err *reterr)
{
    return db_query(db,
                    "SELECT (SELECT setting FROM pg_settings WHERE name = 'data_directory'"
                    "   AND (inet_server_addr() IS NULL OR inet_server_addr() = inet_client_addr())),"
                    " pg_database_size(current_database())",
                    NULL, 0, ret, reterr);
}

int health_list_sessions(struct db *db, struct rows **ret, struct err *reterr)
{
    return db_query(
        db,
        "SELECT pid, application_name, usename::text, state, wait_event_type || '/' || wait_event," AGE(
            "xact_start") " FROM pg_stat_activity WHERE datname = current_database() ORDER BY xact_start NULLS LAST LIMIT 200",
        NULL, 0, ret, reterr);
}
