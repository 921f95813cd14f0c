/* SPDX-License-Identifier: Apache-2.0 */
/* jobctl doctor with servers that are away, refuse, stand still or are not as they should be: which of these it is, it says, in time. */
#define SUITE_TIMEOUT_S 120
#include "tests/support/suite.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/support/examine.h"
#include "tests/support/harness.h"

#define QUEUES "{ name = \"default\"; partitions = 1; }, { name = \"mail\"; partitions = 2; }"

static struct site *site;

static void setup_with(const struct site_options *options)
{
    site = site_new(options);
    control_use(site);
}

static void setup(void)
{
    setup_with(&(struct site_options){ .queues = QUEUES });
    control_expect(0, "topic apply");
}

static void teardown(void)
{
    control_use(NULL);
    site = site_free(site);
}

static void write_file(const char *name, const char *text, mode_t mode)
{
    char path[600];
    snprintf(path, sizeof(path), "%s/%s", site_folder(site), name);
    FILE *file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
    ck_assert_int_eq(chmod(path, mode), 0);
}

/* A connection that calls itself as a broker's thread does. */
static struct db *pretend(const char *name)
{
    struct db *db = NULL;
    const struct db_options options = { .url = site_database_url(site), .name = name };
    ck_assert_int_eq(db_new(&db, &options), 0);
    ck_assert_int_eq(db_connect(db, NULL), 0);
    return db;
}

/* --- Servers that are away, and those that do not let us in --- */

START_TEST(servers_that_are_away_are_one_finding_each)
{
    setup();
    examine_as("JOB_DATABASE_URL=postgresql://nobody@127.0.0.1:9/none JOB_KAFKA=127.0.0.1:9", "", 1);
    examine_expect(PROBLEM, "postgresql", "", "refused", "JOB_DATABASE_URL");
    examine_expect(PROBLEM, "kafka", "", "", "JOB_KAFKA");
    size_t i, n = 0;
    const json_t *f;
    json_array_foreach(examine_findings(), i, f) n += strcmp(control_member(f, "state"), PROBLEM) == 0;
    ck_assert_uint_eq(n, 2);
    examine_as(
        "JOB_DATABASE_URL=postgresql://nobody@no-such-host.invalid/none JOB_KAFKA=no-such-host.invalid:9092",
        "", 1);
    examine_expect(PROBLEM, "postgresql", "", "no-such-host.invalid", "resolver");
    examine_expect(PROBLEM, "kafka", "", "no-such-host.invalid", "resolver");
    teardown();
}
END_TEST

/* The URL of this site's database, for another role. */
static void url_for(const char *role, char *text, size_t size)
{
    const char *url = site_database_url(site), *at = strchr(url, '@');
    ck_assert_ptr_nonnull(at);
    snprintf(text, size, "JOB_DATABASE_URL='postgresql://%s%s'", role, at);
}

START_TEST(refusals_of_postgresql_are_told_apart)
{
    char environment[700];
    setup();
    url_for("job_test_no_such_role", environment, sizeof(environment));
    examine_as(environment, "", 1);
    examine_expect(PROBLEM, "postgresql", "", "job_test_no_such_role", "pg_hba.conf");
    const char *url = site_database_url(site), *end = strrchr(url, '/');
    snprintf(environment, sizeof(environment), "JOB_DATABASE_URL='%.*s/no_such_database'", (int)(end - url),
             url);
    examine_as(environment, "", 1);
    examine_expect(PROBLEM, "postgresql", "", "no_such_database", "createdb");
    site_sql(site, "DROP ROLE IF EXISTS job_test_doctor_poor");
    site_sql(site, "CREATE ROLE job_test_doctor_poor LOGIN");
    url_for("job_test_doctor_poor", environment, sizeof(environment));
    examine_as(environment, "", 1);
    examine_expect(PROBLEM, "schema", "", "", "GRANT");
    site_sql(site, "GRANT USAGE ON SCHEMA job TO job_test_doctor_poor;"
                   "GRANT SELECT ON ALL TABLES IN SCHEMA job TO job_test_doctor_poor");
    examine_as(environment, "", 1);
    examine_expect(PROBLEM, "rights", "", "DELETE on job.", "GRANT");
    site_sql(site, "DROP OWNED BY job_test_doctor_poor; DROP ROLE job_test_doctor_poor");
    teardown();
}
END_TEST

START_TEST(kafka_that_speaks_no_tls_is_told_from_one_that_is_away)
{
    setup_with(&(struct site_options){ .no_schema = true });
    char text[1200];
    snprintf(
        text, sizeof(text),
        "prefix = \"%s\";\nkafka: { brokers = \"%s\"; properties = ( { name = \"security.protocol\"; value = \"ssl\"; } ); };\n"
        "database: { url = \"%s\"; };\n",
        site_prefix(site), site_kafka(site), site_database_url(site));
    write_file("libjob.conf", text, 0600);
    examine();
    examine_expect(PROBLEM, "kafka", "", "SSL", "security.protocol");
    teardown();
}
END_TEST

/* --- PostgreSQL's own state; a server for this alone --- */

static void *lock_table(void *userdata)
{
    struct db *db = userdata;
    db_execute(db, "BEGIN; LOCK TABLE job.cron", NULL);
    return NULL;
}

/* One holds a lock, another waits for it, a third has prepared its transaction. */
static void stand_in_the_way(struct db **holder, struct db **waiter, pthread_t *thread)
{
    *holder = pretend("careless");
    *waiter = pretend("patient");
    ck_assert_int_eq(
        db_execute(*holder, "SET idle_in_transaction_session_timeout = 0; BEGIN; LOCK TABLE job.cron", NULL),
        0);
    ck_assert_int_eq(pthread_create(thread, NULL, lock_table, *waiter), 0);
    site_await(site, 10, "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)");
    site_sql(site, "BEGIN; CREATE TABLE public.prepared (); PREPARE TRANSACTION 'forgotten one'");
}

START_TEST(who_stands_in_the_way_in_postgresql_is_found)
{
    pthread_t thread;
    struct db *holder, *waiter;
    struct site_servers *postgres = site_servers_start("postgres");
    setup();
    stand_in_the_way(&holder, &waiter, &thread);
    site_sql(site, "SELECT pg_create_physical_replication_slot('abandoned', true)");
    examine_as("", "--patience 1ms", 1);
    examine_expect(WARNING, "transactions", "pid", "idle in transaction of careless", "pg_terminate_backend");
    examine_expect(PROBLEM, "locks", "pid", "patient waits for a lock on job.cron", "pg_terminate_backend");
    examine_expect(WARNING, "prepared transactions", "forgotten one", "prepared", "ROLLBACK PREPARED");
    examine_expect(WARNING, "replication slots", "abandoned", "nobody reads it",
                   "pg_drop_replication_slot('abandoned')");
    examine_as("", "--patience 1h", 1);
    examine_expect_none("transactions", NULL);
    examine_expect_none("locks", NULL);
    db_rollback(holder);
    pthread_join(thread, NULL);
    db_free(holder);
    db_free(waiter);
    site_sql(site, "ROLLBACK PREPARED 'forgotten one'");
    site_sql(site, "SELECT pg_drop_replication_slot('abandoned')");
    teardown();
    site_servers_free(postgres);
}
END_TEST

static void connect_many(struct db **list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        list[i] = pretend("many");
}

/* The server goes on as a standby does. */
static void become_standby(struct site_servers *postgres)
{
    char path[512];
    struct stat owner;
    char *data = site_ask_text(site, "SELECT current_setting('data_directory')");
    ck_assert_int_eq(stat(data, &owner), 0);
    site_servers_run(postgres, "stop");
    snprintf(path, sizeof(path), "%s/standby.signal", data);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fchown(fd, owner.st_uid, owner.st_gid), 0);
    close(fd);
    site_servers_run(postgres, "start");
    free(data);
}

START_TEST(postgresql_that_breaks_promises_is_found)
{
    static const char *const off[] = { "full_page_writes", "synchronous_commit", "autovacuum" };
    struct db *many[165];
    struct site_servers *postgres = site_servers_start("postgres");
    setup();
    for (size_t i = 0; i < sizeof(off) / sizeof(off[0]); i++)
        site_sql(site, "ALTER SYSTEM SET %s = off", off[i]);
    site_sql(site, "SELECT pg_reload_conf()");
    site_await(site, 10, "SELECT setting = 'off' FROM pg_settings WHERE name = 'autovacuum'");
    connect_many(many, 165);
    examine();
    for (size_t i = 0; i < sizeof(off) / sizeof(off[0]); i++)
        examine_expect(PROBLEM, "postgresql settings", off[i], "off", "ALTER SYSTEM SET");
    examine_expect(WARNING, "connections", "", "of 197", "max_connections");
    for (size_t i = 0; i < 165; i++)
        db_free(many[i]);
    become_standby(postgres);
    site_await(site, 30, "SELECT pg_is_in_recovery()");
    examine();
    examine_expect(PROBLEM, "postgresql", "", "in recovery", "target_session_attrs=read-write");
    teardown();
    site_servers_free(postgres);
}
END_TEST

/* --- Servers that stand still --- */

START_TEST(an_answer_that_does_not_come_ends_the_connection)
{
    struct db *db = NULL;
    struct err err = { 0 };
    setup();
    const struct db_options options = { .url = site_database_url(site),
                                        .name = "test",
                                        .answer_timeout_us = USEC_PER_SEC / 2 };
    ck_assert_int_eq(db_new(&db, &options), 0);
    ck_assert_int_eq(db_query(db, "SELECT repeat('x', 10000000)", NULL, 0, NULL, &err), 0);
    int64_t began_us = clock_mono_us();
    ck_assert_int_eq(db_query(db, "SELECT pg_sleep(20)", NULL, 0, NULL, &err), STORE_AWAY);
    ck_assert_int_lt(clock_mono_us() - began_us, 5 * USEC_PER_SEC);
    ck_assert_ptr_nonnull(strstr(err.text, "does not answer within 0.5 s"));
    ck_assert_int_eq(db_query(db, "SELECT 1", NULL, 0, NULL, &err), 0);
    ck_assert_int_eq(db_query(db, "SELECT 1 / 0", NULL, 0, NULL, &err), STORE_REFUSED);
    db_free(db);
    teardown();
}
END_TEST

static void expect_in_time(void)
{
    int64_t began_us = clock_mono_us();
    examine();
    ck_assert_msg(clock_mono_us() - began_us < 15 * USEC_PER_SEC, "it took %.1f s",
                  (double)(clock_mono_us() - began_us) / USEC_PER_SEC);
}

START_TEST(servers_that_hang_are_named_within_15_s)
{
    struct site_servers *postgres = site_servers_start("postgres"), *kafka = site_servers_start("kafka");
    setup_with(&(struct site_options){ .queues = QUEUES, .kafka = site_servers_address(kafka) });
    site_servers_signal(postgres, SIGSTOP);
    site_servers_signal(kafka, SIGSTOP);
    expect_in_time();
    examine_expect(PROBLEM, "postgresql", "", "", "start PostgreSQL");
    examine_expect(PROBLEM, "kafka", "", "", "start Kafka");
    site_servers_signal(postgres, SIGCONT);
    site_servers_signal(kafka, SIGCONT);
    teardown();
    site_servers_free(kafka);
    site_servers_free(postgres);
}
END_TEST

SUITE_MAIN("doctor_servers", servers_that_are_away_are_one_finding_each,
           refusals_of_postgresql_are_told_apart, kafka_that_speaks_no_tls_is_told_from_one_that_is_away,
           who_stands_in_the_way_in_postgresql_is_found, postgresql_that_breaks_promises_is_found,
           an_answer_that_does_not_come_ends_the_connection, servers_that_hang_are_named_within_15_s)
