/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tells a healthy database from one that needs somebody. Changes nothing.
 *
 * Every query is bounded: it reads catalogs, statistics and small tables, or counts up to HEALTH_COUNT_MAX. @patience_us: what has
 * lasted shorter than that is not listed. Return, of all: as db_query().
 */
#pragma once

#include "store/db.h"

#define HEALTH_SERVER_VERSION_MIN 150000
#define HEALTH_COUNT_MAX 1000000 /* more are counted as one more */
#define HEALTH_LIST_MAX 50       /* rows */

/* --- The server; needs no schema --- */

/* Columns: number integer (server_version_num); version text; standby boolean; now timestamptz. */
int health_check_server(struct db *db, struct rows **ret, struct err *reterr);
/* Settings that break promises. Columns: name, value. */
int health_list_settings(struct db *db, struct rows **ret, struct err *reterr);
/* Columns: used, most bigint: connections of clients. */
int health_check_connections(struct db *db, struct rows **ret, struct err *reterr);
/* Transactions that stay open. Columns: pid integer, name text (of the application), state text, role text, age_us bigint. */
int health_list_transactions(struct db *db, int64_t patience_us, struct rows **ret, struct err *reterr);
/* Those who wait for a lock. Columns: pid integer, name text, what text (a relation; NULL), age_us bigint, by text (pids that hold it up). */
int health_list_blocked(struct db *db, int64_t patience_us, struct rows **ret, struct err *reterr);
/* Prepared transactions. Columns: gid text, age_us bigint. */
int health_list_prepared(struct db *db, int64_t patience_us, struct rows **ret, struct err *reterr);
/* Replication slots that nobody reads. Columns: name text, held bigint (bytes of WAL; NULL), status text. Not on a standby. */
int health_list_slots(struct db *db, struct rows **ret, struct err *reterr);
/* Columns: transactions, multixacts bigint: how old the oldest in this database are; 2³¹ is the end. */
int health_check_wraparound(struct db *db, struct rows **ret, struct err *reterr);
/* Columns: directory text (NULL: this role may not know, or the server is on another host); bytes bigint: of the database. */
int health_check_disk(struct db *db, struct rows **ret, struct err *reterr);
/* Columns: pid, name, role, state, wait, age_us (of the transaction): of this database, without any query's text. */
int health_list_sessions(struct db *db, struct rows **ret, struct err *reterr);

/* --- The schema --- */

/* What the role lacks. Columns: what text ("UPDATE on job.cursor"), read boolean (it cannot even be read). */
int health_list_rights(struct db *db, struct rows **ret, struct err *reterr);
/* Columns: kind text (table, view, index, function, trigger), name text, body text (of a function; else NULL), off boolean (invalid, disabled). */
int health_list_objects(struct db *db, struct rows **ret, struct err *reterr);
/* Columns: version integer, name text. */
int health_list_migrations(struct db *db, struct rows **ret, struct err *reterr);
/* Columns: days_ahead integer (there are partitions up to so many days from today; NULL: not even today's); in_default bigint (rows). */
int health_check_partitions(struct db *db, struct rows **ret, struct err *reterr);
/* Columns: name text, live, dead bigint, vacuumed_us bigint (ago; NULL: never), bytes, index_bytes bigint, off boolean (no autovacuum). */
int health_list_tables(struct db *db, struct rows **ret, struct err *reterr);

/* --- The work --- */

/* Columns: overdue bigint (rows of job.pending due for so long), oldest timestamptz (of those), asleep boolean (the relay, although there are some). */
int health_check_relay(struct db *db, int64_t patience_us, struct rows **ret, struct err *reterr);
/* Connections of brokers to this database. Columns: name text (of the thread), n bigint. */
int health_list_broker_threads(struct db *db, struct rows **ret, struct err *reterr);
/* Every worker. Columns: id, host text, pid integer, http text, age_us bigint (of its beat), lost boolean, leases bigint. */
int health_list_workers(struct db *db, struct rows **ret, struct err *reterr);
/* Columns: topic text, partition integer, next_offset bigint, owner text, unclean boolean, crash_count integer, age_us bigint, alive boolean (its owner is a worker that beats), clock_us bigint (Kafka's clock is at least so much ahead; NULL). */
int health_list_cursors(struct db *db, struct rows **ret, struct err *reterr);
/* Queues that have rows in job.pending. Columns: queue text, jobs bigint. */
int health_list_pending_queues(struct db *db, struct rows **ret, struct err *reterr);
/* Columns: queue, by text, age_us bigint. */
int health_list_paused(struct db *db, struct rows **ret, struct err *reterr);
/* Columns: dead bigint; this_hour, before bigint: jobs that died in this hour and the one before, in an hour of the day before that on average. */
int health_check_dead(struct db *db, struct rows **ret, struct err *reterr);
/* Of the last 30 days, and nobody has mended them. Columns: kind text, n bigint, last timestamptz, about text (the topic of the last; NULL). */
int health_list_incidents(struct db *db, struct rows **ret, struct err *reterr);
