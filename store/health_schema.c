/* SPDX-License-Identifier: Apache-2.0 */
/* Is the schema whole, and are its tables in shape? */
#include "store/health_inside.h"

int health_list_rights(struct db *db, struct rows **ret, struct err *reterr)
{
    return db_query(
        db,
        "SELECT 'USAGE on the schema job', true WHERE NOT has_schema_privilege('job', 'USAGE') UNION ALL"
        " SELECT format('%s on job.%s', p.name, c.relname), p.name = 'SELECT'"
        " FROM pg_class c, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS p (name)"
        " WHERE c.relnamespace = to_regnamespace('job') AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
        " AND NOT has_table_privilege(c.oid, p.name) ORDER BY 1 LIMIT " LIST_MAX,
        NULL, 0, ret, reterr);
}

int health_list_objects(struct db *db, struct rows **ret, struct err *reterr)
{
    return db_query(
        db,
        "SELECT CASE c.relkind WHEN 'v' THEN 'view' WHEN 'i' THEN 'index' WHEN 'I' THEN 'index' ELSE 'table' END,"
        " c.relname::text, NULL::text, coalesce(NOT i.indisvalid, false)"
        " FROM pg_class c LEFT JOIN pg_index i ON i.indexrelid = c.oid"
        " WHERE c.relnamespace = to_regnamespace('job') AND c.relkind IN ('r', 'p', 'v', 'i', 'I')"
        " UNION ALL SELECT 'function', p.proname::text, p.prosrc, false FROM pg_proc p"
        " WHERE p.pronamespace = to_regnamespace('job')"
        " UNION ALL SELECT 'trigger', t.tgname::text, NULL, t.tgenabled = 'D' FROM pg_trigger t"
        " JOIN pg_class c ON c.oid = t.tgrelid"
        " WHERE c.relnamespace = to_regnamespace('job') AND NOT t.tgisinternal",
        NULL, 0, ret, reterr);
}

int health_list_migrations(struct db *db, struct rows **ret, struct err *reterr)
{
    return db_query(db, "SELECT version, name FROM job.schema_migration ORDER BY version", NULL, 0, ret,
                    reterr);
}

int health_check_partitions(struct db *db, struct rows **ret, struct err *reterr)
{
    return db_query(
        db,
        "SELECT (SELECT max(n) FROM generate_series(0, 31) AS n WHERE (SELECT bool_and("
        "   to_regclass(format('job.%s_%s', t, to_char((clock_timestamp() AT TIME ZONE 'UTC')::date + m,"
        "   'YYYYMMDD'))) IS NOT NULL)"
        "   FROM generate_series(0, n) AS m, unnest(ARRAY['result', 'attempt']) AS t)),"
        " (SELECT count(*) FROM (SELECT FROM job.result_default LIMIT " COUNT_MAX ") r)"
        " + (SELECT count(*) FROM (SELECT FROM job.attempt_default LIMIT " COUNT_MAX ") a)",
        NULL, 0, ret, reterr);
}

int health_list_tables(struct db *db, struct rows **ret, struct err *reterr)
{
    return db_query(
        db,
        "SELECT c.relname::text, coalesce(s.n_live_tup, 0), coalesce(s.n_dead_tup, 0)," AGE(
            "greatest(s.last_vacuum, s.last_autovacuum)") ","
                                                          " pg_relation_size(c.oid), pg_indexes_size(c.oid),"
                                                          " coalesce(c.reloptions @> ARRAY['autovacuum_enabled=false']"
                                                          "   OR c.reloptions @> ARRAY['autovacuum_enabled=off'], false)"
                                                          " FROM pg_class c LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid"
                                                          " WHERE c.relnamespace = to_regnamespace('job') AND c.relkind = 'r' ORDER BY 5 DESC LIMIT 500",
        NULL, 0, ret, reterr);
}
