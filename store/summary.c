/* SPDX-License-Identifier: Apache-2.0 */
#include "store/summary.h"

#define JSON_OF(query) "SELECT coalesce(jsonb_pretty(jsonb_agg(to_jsonb(t))), '[]') FROM (" query ") t"

const struct summary summaries[] = {
    { "postgresql", "PostgreSQL's version and the settings that matter here",
      JSON_OF(
          "SELECT 'version' AS name, version() AS setting, '' AS source UNION ALL SELECT name, setting, source FROM pg_settings"
          " WHERE name IN ('shared_buffers', 'work_mem', 'max_connections', 'fsync', 'synchronous_commit', 'full_page_writes',"
          " 'wal_level', 'max_wal_size', 'checkpoint_timeout', 'effective_cache_size', 'default_transaction_isolation',"
          " 'server_encoding', 'lc_collate', 'data_checksums', 'jit', 'autovacuum', 'autovacuum_naptime', 'autovacuum_max_workers',"
          " 'max_prepared_transactions', 'statement_timeout', 'lock_timeout', 'transaction_timeout', 'max_locks_per_transaction')"),
      false },
    { "sessions", "who is connected to this database, without the texts of queries",
      JSON_OF(
          "SELECT pid, application_name, usename, client_addr, backend_type, state, wait_event_type, wait_event,"
          " clock_timestamp() - xact_start AS transaction_age, clock_timestamp() - state_change AS state_age"
          " FROM pg_stat_activity WHERE datname = current_database() ORDER BY pid LIMIT 300"),
      false },
    { "schema", "which migrations were applied, and when",
      JSON_OF("SELECT version, name, applied_at FROM job.schema_migration ORDER BY version"), true },
    { "tables", "sizes and vacuum of the schema's tables",
      JSON_OF(
          "SELECT c.relname, s.n_live_tup, s.n_dead_tup, pg_relation_size(c.oid) AS bytes, pg_indexes_size(c.oid) AS index_bytes,"
          " pg_total_relation_size(c.oid) AS total_bytes, s.last_autovacuum, s.last_autoanalyze, c.reloptions"
          " FROM pg_class c LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid"
          " WHERE c.relnamespace = to_regnamespace('job') AND c.relkind = 'r' ORDER BY 6 DESC LIMIT 300"),
      true },
    { "settings", "what all daemons agree on",
      JSON_OF(
          "SELECT name, value FROM job.setting WHERE name IN ('transport', 'dead_hook', 'trim_history') ORDER BY name"),
      true },
    { "cursors", "where recording stands in each partition",
      JSON_OF(
          "SELECT topic, partition, epoch, batch_seq, next_offset, octet_length(done) AS done_bytes, owner, unclean, crash_count,"
          " log_start, checked_offset, trouble, reset_to, updated_at FROM job.cursor ORDER BY topic, partition LIMIT 2000"),
      true },
    { "workers", "the workers that are registered",
      JSON_OF(
          "SELECT w.id, w.host, w.pid, w.queues, w.quiet, w.narrow, w.http, w.phase, w.started_at, w.beat_at, w.lost_at,"
          " (SELECT count(*) FROM job.lease l WHERE l.worker = w.id) AS leases FROM job.worker w ORDER BY w.id LIMIT 1000"),
      true },
    { "queues", "queues that people have paused or set",
      JSON_OF("SELECT name, paused_at, paused_by FROM job.queue ORDER BY name LIMIT 1000"), true },
    { "waiting", "how many jobs wait in PostgreSQL, by queue and reason",
      JSON_OF(
          "SELECT queue, reason, count(*) AS jobs, min(run_at) AS first_due, count(*) FILTER (WHERE run_at <= now()) AS due,"
          " max(attempt) AS max_attempt, max(delivery) AS max_delivery FROM (SELECT * FROM job.pending LIMIT 1000000) p"
          " GROUP BY queue, reason ORDER BY queue, reason LIMIT 2000"),
      true },
    { "running", "how many jobs have a lease, by queue and worker",
      JSON_OF("SELECT queue, worker, count(*) AS jobs, min(started_at) AS first_started FROM job.lease"
              " GROUP BY queue, worker ORDER BY queue, worker LIMIT 2000"),
      true },
    { "ended", "how many jobs have ended, by day, queue, type and state, of 7 days",
      JSON_OF(
          "SELECT date_trunc('day', hour) AS day, queue, type, state, sum(n)::bigint AS jobs FROM job.rollup"
          " WHERE hour > now() - interval '7 days' GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4 LIMIT 5000"),
      true },
    { "dead", "dead letters that died of the same, and how many; not of what",
      JSON_OF(
          "SELECT group_name, queue, type, reason, sum(n)::bigint AS letters, min(first_at) AS first_at, max(last_at) AS last_at"
          " FROM job.dead_count GROUP BY 1, 2, 3, 4 ORDER BY 5 DESC LIMIT 500"),
      true },
    { "tries", "the last 10,000 tries, by outcome and fingerprint of their error",
      JSON_OF(
          "SELECT outcome, CASE WHEN error IS NOT NULL THEN job.fingerprint(error) END AS fingerprint, count(*) AS tries,"
          " max(finished_at) AS last_at, max(attempt) AS max_attempt FROM (SELECT * FROM job.attempt ORDER BY id DESC LIMIT 10000) a"
          " GROUP BY 1, 2 ORDER BY 3 DESC LIMIT 500"),
      true },
    { "incidents", "the last 200 incidents, with their numbers",
      JSON_OF(
          "SELECT i.id, i.at, i.kind, i.topic, i.partition, (SELECT jsonb_object_agg(d.key, d.value) FROM jsonb_each(i.detail) d"
          " WHERE jsonb_typeof(d.value) = 'number') AS detail FROM job.incident i ORDER BY i.id DESC LIMIT 200"),
      true },
    { "audit", "who did what lately: the last 200 entries, without what it was done to but for its id",
      JSON_OF("SELECT at, actor, action, queue, job FROM job.audit ORDER BY id DESC LIMIT 200"), true },
    { "cron", "entries of the clock, without payloads and keys",
      JSON_OF(
          "SELECT name, expression, zone, queue, type, missed, enabled, source, since, next_at, last_at, last_id, error IS NOT NULL"
          " AS failing FROM job.cron ORDER BY name LIMIT 500"),
      true },
    { 0 },
};

int summary_read(struct db *db, const struct summary *summary, struct rows **ret, struct err *reterr)
{
    return db_query(db, summary->sql, NULL, 0, ret, reterr);
}
