/* SPDX-License-Identifier: Apache-2.0 */
/* jobctl doctor on set-ups that were broken on purpose: each is found, named, and its cure said; a healthy site gives no finding. */
#define SUITE_TIMEOUT_S 120
#include "tests/support/suite.h"

#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "tests/support/examine.h"
#include "tests/support/harness.h"
#include "tests/support/harness_site.h"

#define QUEUES "{ name = \"default\"; partitions = 1; }, { name = \"mail\"; partitions = 2; }"
#define WORKS                                                                                                \
    "executors_min = 1; executors_max = 2; queues = ( { name = \"default\"; }, { name = \"mail\"; } );"
#define HANDLER                                                                                              \
    "{ type = \"selftest.*\"; kind = \"module\"; path = \"${build}/jobs/selftest/selftest.so\"; queue = \"mail\"; }"

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

/* --- A healthy site --- */

static void run_some_jobs(void)
{
    control_expect(0, "enqueue selftest.echo --count 20");
    site_await(site, 30, "SELECT count(*) = 20 FROM job.result");
}

START_TEST(healthy_site_gives_no_finding)
{
    setup_with(&(struct site_options){ .queues = QUEUES, .handlers = HANDLER, .worker = WORKS });
    site_start_broker(site);
    site_start_worker(site);
    run_some_jobs();
    control_run("", "doctor -o json"); /* the first assignment may still be under way */
    for (int64_t deadline_us = site_deadline(20); control_run("", "doctor -o json") && site_nap(deadline_us);)
        ;
    examine_as("", "", 0);
    size_t i;
    const json_t *f;
    json_array_foreach(examine_findings(), i, f)
    {
        const char *state = control_member(f, "state"), *check = control_member(f, "check");
        ck_assert_msg(strcmp(state, "ok") == 0 || strcmp(state, "unknown") == 0 ||
                          strcmp(check, "postgresql disk") == 0,
                      "%s is %s: %s", check, state, control_member(f, "found"));
    }
    ck_assert_ptr_nonnull(examine_find("consumer group", NULL, "ok"));
    ck_assert_ptr_nonnull(examine_find("group members", NULL, "ok"));
    ck_assert_ptr_nonnull(examine_find("brokers", NULL, "ok"));
    ck_assert_ptr_nonnull(examine_find("schema objects", NULL, "ok"));
    ck_assert_ptr_nonnull(examine_find("kafka disk", NULL, "unknown"));
    control_expect(0, "doctor");
    control_prints("ok       postgresql: version");
    teardown();
}
END_TEST

/* --- Configuration and host --- */

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

START_TEST(files_that_handlers_need_are_looked_at)
{
    setup_with(&(struct site_options){
        .handlers =
            "{ type = \"a\"; kind = \"module\"; path = \"gone.so\"; },"
            "{ type = \"b\"; kind = \"module\"; path = \"text.so\"; },"
            "{ type = \"c\"; kind = \"command\"; argv = ( \"/nonexistent/program\" ); },"
            "{ type = \"d\"; kind = \"http\"; url = \"https://example.org/\"; secret_file = \"secret\"; }" });
    write_file("text.so", "this is no module, however long it is: it is a text of more than sixty-four bytes",
               0755);
    examine();
    examine_expect(PROBLEM, "handlers", "a", "gone.so: No such file", "handlers.path");
    examine_expect(PROBLEM, "handlers", "b", "no shared object", "-shared");
    examine_expect(PROBLEM, "handlers", "c", "/nonexistent/program", "handlers.argv");
    examine_expect(WARNING, "secrets", "d", "cannot be read", "chgrp");
    teardown();
}
END_TEST

START_TEST(password_that_everyone_may_read_is_named_and_not_shown)
{
    char text[1200];
    setup_with(&(struct site_options){ .no_schema = true });
    snprintf(text, sizeof(text),
             "prefix = \"%s\";\nkafka: { brokers = \"127.0.0.1:9\"; };\n"
             "database: { url = \"postgresql://ada:correct-horse@127.0.0.1:9/none\"; };\n",
             site_prefix(site));
    write_file("libjob.conf", text, 0644);
    examine();
    examine_expect(WARNING, "secrets", "database.url", "may be read by everyone", "chmod o-rw");
    ck_assert_ptr_null(strstr(control_output(), "correct-horse"));
    write_file("libjob.conf", text, 0640);
    examine();
    examine_expect_none("secrets", NULL);
    teardown();
}
END_TEST

START_TEST(host_without_time_zones_is_found)
{
    setup();
    examine_as("TZDIR=/nonexistent", "", 1);
    examine_expect(WARNING, "time zones", "", "", "tzdata");
    teardown();
}
END_TEST

/* A systemctl that tells what this one's would; that units are found by the real one, tests/system/test_units.c shows. */
START_TEST(units_that_failed_or_were_not_enabled_are_found)
{
    char environment[700];
    setup();
    write_file(
        "systemctl",
        "#!/bin/sh\n"
        "printf 'Id=jobbrokerd.service\\nActiveState=failed\\nUnitFileState=enabled\\nResult=watchdog\\nNRestarts=3\\n\\n'\n"
        "printf 'Id=jobworkerd@mail.service\\nActiveState=inactive\\nUnitFileState=enabled\\nResult=success\\nNRestarts=0\\n\\n'\n"
        "printf 'Id=jobworkerd.service\\nActiveState=active\\nUnitFileState=disabled\\nResult=success\\nNRestarts=0\\n'\n",
        0755);
    snprintf(environment, sizeof(environment), "PATH='%s':\"$PATH\"", site_folder(site));
    examine_as(environment, "", 1);
    examine_expect(PROBLEM, "units", "jobbrokerd.service", "failed (watchdog)",
                   "journalctl -u jobbrokerd.service");
    examine_expect(WARNING, "units", "jobbrokerd.service", "anew 3 times, for want of signs of life",
                   "journalctl");
    examine_expect(PROBLEM, "units", "jobworkerd@mail.service", "enabled, but inactive",
                   "systemctl start jobworkerd@mail.service");
    examine_expect(WARNING, "units", "jobworkerd.service", "not enabled",
                   "systemctl enable jobworkerd.service");
    write_file("systemctl", "#!/bin/sh\nexec sleep 60\n", 0755);
    int64_t began_us = clock_mono_us();
    examine_as(environment, "", 1);
    ck_assert_int_lt((clock_mono_us() - began_us) / USEC_PER_SEC, 15);
    examine_expect_none("units", NULL);
    teardown();
}
END_TEST

/* --- The schema --- */

START_TEST(missing_old_and_newer_schema_is_found)
{
    setup_with(&(struct site_options){ .no_schema = true, .queues = QUEUES });
    examine();
    examine_expect(PROBLEM, "schema", "", "there is none", "jobctl db migrate");
    examine_expect(PROBLEM, "topics", ".mail", "missing", "jobctl topic apply");
    site_migrate(site);
    control_expect(0, "topic apply");
    site_sql(site, "CREATE TABLE public.kept AS SELECT * FROM job.schema_migration;"
                   "DELETE FROM job.schema_migration WHERE version = (SELECT max(version) FROM public.kept)");
    examine();
    examine_expect(PROBLEM, "schema", "", "this jobctl has", "jobctl db migrate");
    site_sql(site, "INSERT INTO job.schema_migration SELECT * FROM public.kept ON CONFLICT DO NOTHING;"
                   "DELETE FROM job.schema_migration WHERE version = 5");
    examine();
    examine_expect(PROBLEM, "schema objects", "", "lacks version 5", "put the row back");
    site_sql(site, "INSERT INTO job.schema_migration SELECT * FROM public.kept ON CONFLICT DO NOTHING;"
                   "UPDATE job.schema_migration SET name = 'another' WHERE version = 7");
    examine();
    examine_expect(PROBLEM, "schema objects", "", "\"another\"", "jobctl that has made it");
    site_sql(site, "INSERT INTO job.schema_migration (version, name) VALUES (9999, 'later')");
    examine();
    examine_expect(WARNING, "schema", "", "version 9999", "newer jobctl");
    teardown();
}
END_TEST

START_TEST(schema_that_was_altered_is_found)
{
    setup();
    examine();
    examine_expect_none("schema objects", NULL);
    site_sql(site, "DROP INDEX job.pending_queue");
    site_sql(site, "ALTER TABLE job.lease DISABLE TRIGGER lease_wakes_lookout");
    site_sql(site,
             "CREATE OR REPLACE FUNCTION job.actor() RETURNS text LANGUAGE sql STABLE AS $$ SELECT 'me' $$");
    examine();
    examine_expect(PROBLEM, "schema objects", "pending_queue", "this index is missing", "store/schema/");
    examine_expect(PROBLEM, "schema objects", "lease_wakes_lookout", "disabled", "ENABLE TRIGGER");
    examine_expect(WARNING, "schema objects", "actor", "not that of any migration",
                   "CREATE OR REPLACE FUNCTION job.actor");
    teardown();
}
END_TEST

START_TEST(partitions_that_are_missing_or_too_full_are_found)
{
    setup();
    site_sql(site, "INSERT INTO job.attempt (id, finished_at, delivery, attempt, outcome)"
                   " SELECT gen_random_uuid(), now(), 1, 1, 'failed' FROM generate_series(1, 10001)");
    char *day = site_ask_text(site, "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYYMMDD')");
    site_sql(site, "DROP TABLE job.result_%s", day);
    free(day);
    examine();
    examine_expect(PROBLEM, "partitions", "", "none for today", "start jobbrokerd");
    examine_expect(WARNING, "partitions", "default", "10001 rows", "UUIDv7");
    teardown();
}
END_TEST

START_TEST(table_that_is_not_vacuumed_is_found)
{
    setup();
    site_sql(
        site,
        "ALTER TABLE job.pending SET (autovacuum_enabled = false);"
        "INSERT INTO job.pending (id, run_at, delivery, attempt, queue, type, reason, headers)"
        " SELECT gen_random_uuid(), now() + interval '1 day', 1, 1, 'mail', 't', 'delay', '{}' FROM generate_series(1, 60000);"
        "DELETE FROM job.pending");
    site_await(site, 20,
               "SELECT n_dead_tup >= 50000 FROM pg_stat_all_tables WHERE relid = 'job.pending'::regclass");
    examine();
    examine_expect(PROBLEM, "hot tables", "pending", "autovacuum is off", "RESET (autovacuum_enabled)");
    examine_expect(WARNING, "hot tables", "pending", "60000 dead rows", "VACUUM (ANALYZE) job.pending");
    teardown();
}
END_TEST

/* --- Topics --- */

static void create_careless_topic(const char *queue)
{
    char topic[250], errstr[256];
    struct admin_topic found = { 0 };
    int64_t deadline_us = site_deadline(20);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", site_kafka(site), errstr, sizeof(errstr));
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, errstr, sizeof(errstr));
    rd_kafka_NewTopic_t *new_topic =
        rd_kafka_NewTopic_new(site_topic(site, queue, topic), 3, 1, errstr, sizeof(errstr));
    rd_kafka_NewTopic_set_config(new_topic, "retention.ms", "3600000");
    rd_kafka_NewTopic_set_config(new_topic, "unclean.leader.election.enable", "true");
    rd_kafka_queue_t *answers = rd_kafka_queue_new(rk);
    rd_kafka_CreateTopics(rk, &new_topic, 1, NULL, answers);
    rd_kafka_event_t *answer = rd_kafka_queue_poll(answers, 20000);
    ck_assert_ptr_nonnull(answer);
    rd_kafka_event_destroy(answer);
    rd_kafka_queue_destroy(answers);
    rd_kafka_NewTopic_destroy(new_topic);
    rd_kafka_destroy(rk);
    while (admin_find_topic(site_admin(site), topic, &found, NULL) == ADMIN_NO_TOPIC)
        ck_assert(site_nap(deadline_us));
    free(found.name);
}

START_TEST(topics_that_drop_jobs_are_found)
{
    setup_with(&(struct site_options){ .queues = QUEUES });
    create_careless_topic("mail");
    examine();
    examine_expect(PROBLEM, "topics", ".default", "missing", "jobctl topic apply");
    examine_expect(PROBLEM, "topic settings", ".mail", "retention.ms", "retention.ms=-1");
    examine_expect(PROBLEM, "topic settings", ".mail", "message.timestamp.type", "LogAppendTime");
    examine_expect(PROBLEM, "topic settings", ".mail", "unclean.leader.election.enable",
                   "unclean.leader.election.enable=false");
    examine_expect(WARNING, "topic settings", ".mail", "3 partitions, declared are 2", "topic apply --grow");
    teardown();
}
END_TEST

START_TEST(jobs_of_queues_that_nobody_declared_are_found)
{
    char topic[250];
    struct err err;
    setup();
    site_sql(site, "SELECT job.enqueue('nosuchqueue', 't')");
    ck_assert_int_eq(admin_create_topic(site_admin(site), site_topic(site, "other", topic), 1, 1, &err), 0);
    control_expect(0, "enqueue t -q other");
    examine();
    examine_expect(PROBLEM, "undeclared queues", "nosuchqueue", "1 jobs wait", "topic apply");
    examine_expect(WARNING, "undeclared topics", ".other", "it has records", "declare the queue");
    teardown();
}
END_TEST

/* --- Workers, brokers, groups --- */

/* A connection that calls itself as a broker's thread does. */
static struct db *pretend(const char *name)
{
    struct db *db = NULL;
    const struct db_options options = { .url = site_database_url(site), .name = name };
    ck_assert_int_eq(db_new(&db, &options), 0);
    ck_assert_int_eq(db_connect(db, NULL), 0);
    return db;
}

START_TEST(daemons_that_do_not_run_are_found)
{
    setup();
    examine();
    examine_expect(PROBLEM, "brokers", "", "none is connected", "start jobbrokerd");
    examine_expect(PROBLEM, "queue workers", "mail", "no live worker", "start jobworkerd");
    examine_expect(PROBLEM, "consumer group", ".workers", "no members", "start jobworkerd");
    struct db *clock = pretend("clock"), *later = pretend("later"), *cron = pretend("cron");
    examine();
    examine_expect(PROBLEM, "brokers", "relay", "no broker has a connection", "broker.relay");
    examine_expect_none("brokers", "cron");
    db_free(clock);
    db_free(later);
    db_free(cron);
    teardown();
}
END_TEST

START_TEST(workers_that_have_gone_are_found)
{
    setup();
    site_add_worker(site, "silent", 2);
    site_sql(
        site,
        "UPDATE job.worker SET beat_at = now() - interval '10 minutes';"
        "INSERT INTO job.worker (id, host, pid, queues, beat_at) VALUES ('gone', 'h', 1, '{mail}', now() - interval '1 hour')");
    site_sql(site,
             "INSERT INTO job.cursor (topic, partition, epoch, owner, crash_count, updated_at)"
             " VALUES ('%s.mail', 0, 7, 'nobody', 3, now() - interval '1 hour')",
             site_prefix(site));
    examine();
    examine_expect(PROBLEM, "workers", "silent", "it has 2 jobs, and was heard 10 min ago", "broker.rescue");
    examine_expect(WARNING, "workers", "gone", "heard 60 min ago", "start jobbrokerd");
    examine_expect(WARNING, "cursors", ".mail[0]", "its owner nobody does not beat", "start jobworkerd");
    examine_expect(WARNING, "cursors", ".mail[0]", "3 workers in a row", "dead list --reason crashed");
    teardown();
}
END_TEST

/* A consumer that is none of ours becomes a member, and commits. */
static rd_kafka_t *join_group(const char *group, const char *queue)
{
    char topic[250], errstr[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", site_kafka(site), errstr, sizeof(errstr));
    rd_kafka_conf_set(conf, "group.id", group, errstr, sizeof(errstr));
    rd_kafka_conf_set(conf, "client.id", "somebody-else", errstr, sizeof(errstr));
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, errstr, sizeof(errstr));
    ck_assert_ptr_nonnull(rk);
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, site_topic(site, queue, topic), RD_KAFKA_PARTITION_UA);
    ck_assert_int_eq(rd_kafka_subscribe(rk, topics), 0);
    rd_kafka_topic_partition_list_destroy(topics);
    rd_kafka_topic_partition_list_t *mine = NULL;
    for (int64_t deadline_us = site_deadline(20); !mine || mine->cnt == 0;) {
        ck_assert(clock_mono_us() < deadline_us);
        rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, 100);
        if (m)
            rd_kafka_message_destroy(m);
        if (mine)
            rd_kafka_topic_partition_list_destroy(mine);
        rd_kafka_assignment(rk, &mine);
    }
    for (int i = 0; i < mine->cnt; i++)
        mine->elems[i].offset = 17;
    ck_assert_int_eq(rd_kafka_commit(rk, mine, 0), 0);
    rd_kafka_topic_partition_list_destroy(mine);
    return rk;
}

START_TEST(group_that_others_use_is_found)
{
    char group[64];
    setup();
    snprintf(group, sizeof(group), "%s.workers", site_prefix(site));
    rd_kafka_t *other = join_group(group, "default");
    site_sql(site,
             "INSERT INTO job.cursor (topic, partition, epoch, next_offset) VALUES ('%s.default', 0, 1, 0)",
             site_prefix(site));
    examine();
    examine_expect(PROBLEM, "group members", ".workers",
                   "1 members, but 0 workers in this database; one calls itself somebody-else",
                   "worker.group");
    examine_expect(PROBLEM, "consumer group", ".mail", "2 of 2 partitions belong to no worker",
                   "worker.queues");
    examine_expect(WARNING, "group offsets", ".default[0]", "Kafka has offset 17", "worker.group");
    rd_kafka_consumer_close(other);
    rd_kafka_destroy(other);
    teardown();
}
END_TEST

/* --- The work --- */

START_TEST(work_that_stands_is_found)
{
    setup();
    site_sql(site,
             "SELECT job.enqueue('mail', 't'); UPDATE job.pending SET run_at = now() - interval '1 minute'");
    examine();
    examine_expect(PROBLEM, "relay", "", "1 jobs", "jobbrokerd");
    site_sql(site,
             "UPDATE job.relay SET asleep = true, wake_at = now() + interval '1 minute';"
             "SELECT job.pause_queue('mail'); UPDATE job.queue SET paused_at = now() - interval '3 days'");
    site_sql(
        site,
        "INSERT INTO job.cron (name, expression, type, since) VALUES ('a', '@yearly', 't', now() - interval '10 minutes')");
    examine();
    examine_expect(PROBLEM, "relay", "", "the relay sleeps beyond that", "job.relay.asleep");
    examine_expect(WARNING, "paused queues", "mail", "paused 3 d ago", "jobctl queue resume mail");
    examine_expect(PROBLEM, "cron", "", "1 of 1 entries have been due", "broker.cron");
    examine_as("", "--patience 10m", 1);
    examine_expect_none("relay", NULL);
    teardown();
}
END_TEST

START_TEST(jobs_that_nobody_takes_are_found_with_their_age)
{
    setup();
    control_expect(0, "enqueue t -q mail --count 3 --key k");
    site_sql(
        site,
        "INSERT INTO job.cursor (topic, partition, epoch, owner, updated_at) SELECT '%s.mail', n, 1, 'w',"
        " now() - interval '1 hour' FROM generate_series(0, 1) n;"
        "INSERT INTO job.worker (id, host, pid, queues) VALUES ('w', 'h', 1, '{mail,default}')",
        site_prefix(site));
    examine();
    ck_assert_ptr_nonnull(examine_find("waiting jobs", ".mail", "ok"));
    control_prints("3 jobs wait, the oldest since");
    examine_expect(WARNING, "standing queues", ".mail[",
                   "3 jobs wait behind offset 0, and nothing was recorded for 60 min",
                   "jobctl queue keys mail");
    examine_expect_none("queue workers", "mail");
    teardown();
}
END_TEST

START_TEST(dead_letters_and_incidents_are_found)
{
    setup();
    site_sql(site, "INSERT INTO job.dead (id, died_at, delivery, attempt, queue, type, reason, headers)"
                   " VALUES (job.new_id(), now(), 1, 1, 'mail', 't', 'failed', '{}')");
    site_sql(site,
             "INSERT INTO job.incident (kind, topic, partition, detail)"
             " VALUES ('lost', '%s.mail', 0, '{\"jobs\": 13}')",
             site_prefix(site));
    site_sql(site, "SELECT job.set_dead_hook('nowhere')");
    examine();
    examine_expect(WARNING, "dead letters", "", "1", "jobctl dead list");
    examine_expect(WARNING, "lost jobs", "", "13", "job.incident");
    examine_expect(WARNING, "incidents", "lost", "1 in 30 days", "job.incident");
    examine_expect(WARNING, "dead hook", "", "no handler here is for job.dead", "jobctl dead hook --off");
    site_sql(site, "INSERT INTO job.rollup (hour, n, shard, queue, type, state)"
                   " VALUES (date_trunc('hour', now()), 500, 0, 'mail', 't', 'dead')");
    examine();
    examine_expect(PROBLEM, "dead letters", "", "they grow: 500 in the last two hours", "jobctl dead replay");
    teardown();
}
END_TEST

SUITE_MAIN("doctor", healthy_site_gives_no_finding, files_that_handlers_need_are_looked_at,
           password_that_everyone_may_read_is_named_and_not_shown, host_without_time_zones_is_found,
           units_that_failed_or_were_not_enabled_are_found, missing_old_and_newer_schema_is_found,
           schema_that_was_altered_is_found, partitions_that_are_missing_or_too_full_are_found,
           table_that_is_not_vacuumed_is_found, topics_that_drop_jobs_are_found,
           jobs_of_queues_that_nobody_declared_are_found, daemons_that_do_not_run_are_found,
           workers_that_have_gone_are_found, group_that_others_use_is_found, work_that_stands_is_found,
           jobs_that_nobody_takes_are_found_with_their_age, dead_letters_and_incidents_are_found)
