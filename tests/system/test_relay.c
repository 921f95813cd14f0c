/* SPDX-License-Identifier: Apache-2.0 */
/* jobbrokerd on real servers: what is due in PostgreSQL gets to Kafka, once, whatever happens meanwhile. */
#define SUITE_TIMEOUT_S 90
#include "tests/support/suite.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>

#include "base/clock.h"
#include "tests/support/harness.h"

#define MAIL "{ name = \"mail\"; partitions = 2; }"

static struct site *new_site(void)
{
    return site_new(&(struct site_options){ .queues = MAIL });
}

static char *enqueue(struct site *s, const char *arguments)
{
    return site_ask_text(s, "SELECT job.enqueue(%s)", arguments);
}

START_TEST(an_enqueued_job_arrives_whole)
{
    struct site *s = new_site();
    site_start_broker(s);
    char *id = enqueue(
        s, "'mail', 'welcome', '{\"to\": \"ada\"}', key => 'k1', max_attempts => 3, timeout => '90 s',"
           " tags => '{a,b}', headers => '{\"traceparent\": \"00-1-2-01\", \"x-mine\": \"ä\"}'");
    struct site_records *r = site_await_records(s, "mail", 1, 10);
    const struct site_record *job = site_find_record(r, id);
    ck_assert_ptr_nonnull(job);
    ck_assert_str_eq(job->value, "{\"to\": \"ada\"}");
    ck_assert_str_eq(job->key, "k1");
    ck_assert_str_eq(site_header(job, "ce_specversion"), "1.0");
    ck_assert_str_eq(site_header(job, "ce_type"), "welcome");
    ck_assert_str_eq(site_header(job, "ce_delivery"), "1");
    ck_assert_ptr_null(site_header(job, "ce_attempt"));
    ck_assert_str_eq(site_header(job, "ce_maxattempts"), "3");
    ck_assert_str_eq(site_header(job, "ce_timeoutms"), "90000");
    ck_assert_str_eq(site_header(job, "ce_tags"), "a,b");
    ck_assert_str_eq(site_header(job, "content-type"), "application/json");
    ck_assert_str_eq(site_header(job, "traceparent"), "00-1-2-01");
    ck_assert_str_eq(site_header(job, "x-mine"), "ä");
    ck_assert_ptr_nonnull(strstr(site_header(job, "ce_source"), "/postgresql/job_test_"));
    site_await(s, 5, "SELECT NOT EXISTS (SELECT FROM job.pending)");
    site_records_free(r);
    free(id);
    site_free(s);
}
END_TEST

START_TEST(a_sleeping_relay_is_woken)
{
    struct site *s = new_site();
    site_start_broker(s);
    for (int i = 0; i < 5; i++) {
        site_await(s, 10, "SELECT asleep AND wake_at > clock_timestamp() FROM job.relay");
        int64_t began_us = clock_mono_us();
        free(enqueue(s, "'mail', 'welcome'"));
        site_await(s, 5, "SELECT NOT EXISTS (SELECT FROM job.pending)");
        ck_assert_int_lt(clock_mono_us() - began_us, USEC_PER_SEC);
    }
    struct site_records *r = site_await_records(s, "mail", 5, 5);
    ck_assert_uint_eq(r->n, 5);
    site_records_free(r);
    site_free(s);
}
END_TEST

START_TEST(a_delayed_job_is_neither_early_nor_late)
{
    struct site *s = new_site();
    site_start_broker(s);
    site_await(s, 10, "SELECT asleep FROM job.relay");
    char *id = enqueue(s, "'mail', 'welcome', run_at => clock_timestamp() + interval '300 ms'");
    int64_t due_ms = site_ask(s, "SELECT floor(extract(epoch FROM run_at) * 1000)::bigint FROM job.pending");
    struct site_records *r = site_await_records(s, "mail", 1, 10);
    ck_assert_int_ge(r->records[0].timestamp_ms, due_ms);
    ck_assert_int_lt(r->records[0].timestamp_ms, due_ms + 1000);
    ck_assert_str_eq(site_header(&r->records[0], "ce_id"), id);
    site_records_free(r);
    free(id);
    site_free(s);
}
END_TEST

START_TEST(delivery_and_attempt_come_from_the_row)
{
    struct site *s = new_site();
    site_start_broker(s);
    site_sql(
        s,
        "INSERT INTO job.pending (id, run_at, delivery, attempt, queue, type, reason, headers, payload, topic, partition)"
        " VALUES (job.new_id(), now(), 7, 3, 'mail', 'welcome', 'retry',"
        " '{\"ce_id\": \"not this\", \"ce_delivery\": \"1\", \"bin\": {\"base64\": \"/w==\"}, \"empty\": null}',"
        " '\\x00ff', 'x.mail', 1)");
    struct site_records *r = site_await_records(s, "mail", 1, 10);
    ck_assert_str_eq(site_header(&r->records[0], "ce_delivery"), "7");
    ck_assert_str_eq(site_header(&r->records[0], "ce_attempt"), "3");
    ck_assert_str_ne(site_header(&r->records[0], "ce_id"), "not this");
    ck_assert_str_eq(site_header(&r->records[0], "bin"), "\xff");
    site_records_free(r);
    site_free(s);
}
END_TEST

static int compare_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* How many different jobs there are. */
static size_t count_ids(const struct site_records *r)
{
    char **ids = calloc(r->n + 1, sizeof(*ids));
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++)
        ids[i] = strdup(site_header(&r->records[i], "ce_id"));
    qsort(ids, r->n, sizeof(*ids), compare_text);
    for (size_t i = 0; i < r->n; i++)
        n += i == 0 || strcmp(ids[i - 1], ids[i]) != 0;
    for (size_t i = 0; i < r->n; i++)
        free(ids[i]);
    free(ids);
    return n;
}

START_TEST(two_brokers_send_each_job_once)
{
    struct site *s = site_new(&(struct site_options){ .queues = MAIL, .broker = "relay_batch = 50;" });
    site_start_broker(s);
    site_start_broker(s);
    for (int i = 0; i < 20; i++)
        site_sql(s, "SELECT job.enqueue('mail', 'welcome', to_jsonb(n)) FROM generate_series(1, 100) n");
    site_await(s, 30, "SELECT NOT EXISTS (SELECT FROM job.pending)");
    struct site_records *r = site_read_queue(s, "mail");
    ck_assert_uint_eq(r->n, 2000);
    ck_assert_uint_eq(count_ids(r), 2000);
    site_records_free(r);
    site_free(s);
}
END_TEST

START_TEST(jobs_of_one_key_keep_their_order)
{
    struct site *s = site_new(&(struct site_options){ .queues = MAIL, .broker = "relay_batch = 7;" });
    site_sql(s,
             "SELECT job.enqueue('mail', 'welcome', to_jsonb(n), key => 'k') FROM generate_series(1, 100) n");
    site_start_broker(s);
    struct site_records *r = site_await_records(s, "mail", 100, 20);
    for (size_t i = 0; i < r->n; i++)
        ck_assert_int_eq(atoi(r->records[i].value), (int)i + 1);
    site_records_free(r);
    site_free(s);
}
END_TEST

START_TEST(a_killed_broker_loses_nothing)
{
    struct site *s = site_new(&(struct site_options){ .queues = MAIL, .broker = "relay_batch = 20;" });
    struct site_daemon *broker = site_start_broker(s);
    site_sql(s, "SELECT job.enqueue('mail', 'welcome', to_jsonb(n)) FROM generate_series(1, 3000) n");
    site_await(s, 10, "SELECT count(*) < 2500 FROM job.pending");
    site_destroy(broker);
    ck_assert_int_gt(site_ask(s, "SELECT count(*) FROM job.pending"), 0);
    site_start_broker(s);
    site_await(s, 40, "SELECT NOT EXISTS (SELECT FROM job.pending)");
    struct site_records *r = site_read_queue(s, "mail");
    ck_assert_uint_eq(count_ids(r), 3000);
    ck_assert_uint_le(r->n, 3020); /* what was under way twice, at most */
    site_records_free(r);
    site_free(s);
}
END_TEST

START_TEST(lost_connections_are_made_again)
{
    struct site *s = new_site();
    struct site_daemon *broker = site_start_broker(s);
    for (int round = 0; round < 3; round++) {
        site_sql(s, "SELECT job.enqueue('mail', 'welcome') FROM generate_series(1, 500)");
        site_sql(s, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()");
        site_await(s, 20, "SELECT NOT EXISTS (SELECT FROM job.pending)");
    }
    struct site_records *r = site_read_queue(s, "mail");
    ck_assert_uint_eq(count_ids(r), 1500);
    site_records_free(r);
    ck_assert(site_is_running(broker));
    site_stop(broker);
    site_free(s);
}
END_TEST

START_TEST(jobs_of_a_silent_worker_are_rescued)
{
    struct site *s = new_site();
    struct site_daemon *broker = site_start_broker(s);
    site_add_worker(s, "w1", 3);
    struct site_records *r = site_await_records(s, "mail", 3, 20);
    ck_assert_uint_eq(r->n, 3);
    for (size_t i = 0; i < r->n; i++)
        ck_assert_str_eq(site_header(&r->records[i], "ce_delivery"), "2");
    ck_assert_int_eq(site_ask(s, "SELECT count(*) FROM job.attempt WHERE outcome = 'lost' AND worker = 'w1'"),
                     3);
    ck_assert_int_eq(
        site_ask(s, "SELECT (SELECT count(*) FROM job.lease) + (SELECT count(*) FROM job.worker)"), 0);
    site_await_log(broker, 5, "worker w1 is gone, 3 jobs rescued");
    site_records_free(r);
    site_free(s);
}
END_TEST

START_TEST(a_beating_worker_keeps_its_jobs)
{
    struct site *s = site_new(&(struct site_options){
        .queues = MAIL, .broker = "lease_timeout = \"1s\";", .worker = "beat = \"300ms\";" });
    site_start_broker(s);
    site_add_worker(s, "beats", 1);
    site_add_worker(s, "silent", 1);
    for (int64_t until_us = clock_mono_us() + 4 * USEC_PER_SEC; clock_mono_us() < until_us;) {
        site_beat(s, "beats");
        site_await(
            s, 5,
            "SELECT clock_timestamp() > beat_at + interval '200 ms' FROM job.worker WHERE id = 'beats'");
    }
    ck_assert_int_eq(site_ask(s, "SELECT count(*) FROM job.worker WHERE id = 'beats'"), 1);
    ck_assert_int_eq(site_ask(s, "SELECT count(*) FROM job.worker WHERE id = 'silent'"), 0);
    ck_assert_int_eq(site_ask(s, "SELECT count(*) FROM job.lease WHERE worker = 'beats'"), 1);
    site_free(s);
}
END_TEST

static void insert_row(struct site *s, const char *queue, const char *headers, const char *payload)
{
    site_sql(s,
             "INSERT INTO job.pending (id, run_at, delivery, attempt, queue, type, reason, headers, payload)"
             " VALUES (job.new_id(), now() - interval '1 minute', 1, 1, '%s', 'welcome', 'outbox', %s, %s)",
             queue, headers, payload);
}

/* A connection of its own that runs one statement; pg_stat_activity knows it as "late". */
struct late {
    pthread_t thread;
    struct db *db;
    const char *sql;
};

static void *run_late(void *userdata)
{
    struct late *late = userdata;
    struct err err = {};
    ck_assert_msg(db_execute(late->db, late->sql, &err) == 0, "%s", err.text);
    return NULL;
}

/* A relay has sent the row's message and not yet deleted the row; meanwhile @sql wants the job to run once more. */
static void write_next_delivery_before_the_relay_is_done(struct site *s, const char *sql)
{
    _cleanup_(db_free_cleanup) struct db *relay = NULL;
    struct late late = { .sql = sql };
    struct err err = {};
    ck_assert_int_eq(db_new(&relay, &(struct db_options){ .url = site_database_url(s), .name = "relay" }), 0);
    ck_assert_int_eq(db_new(&late.db, &(struct db_options){ .url = site_database_url(s), .name = "late" }),
                     0);
    ck_assert_int_eq(db_begin(relay, &err), 0);
    ck_assert_int_eq(db_execute(relay, "SELECT FROM job.pending FOR UPDATE", &err), 0);
    ck_assert_int_eq(pthread_create(&late.thread, NULL, run_late, &late), 0);
    site_await(s, 5,
               "SELECT wait_event_type = 'Lock' FROM pg_stat_activity"
               " WHERE application_name = 'late' AND datname = current_database()");
    ck_assert_int_eq(db_execute(relay, "DELETE FROM job.pending", &err), 0);
    ck_assert_int_eq(db_commit(relay, &err), 0);
    ck_assert_int_eq(pthread_join(late.thread, NULL), 0);
    ck_assert_int_eq(site_ask(s, "SELECT delivery FROM job.pending"), 2);
    db_free(late.db);
}

START_TEST(a_retry_outlives_the_row_of_its_last_delivery)
{
    struct site *s = new_site();
    site_add_worker(s, "ghost", 1);
    site_sql(s, "INSERT INTO job.pending (id, run_at, delivery, attempt, queue, type, reason, headers)"
                " SELECT id, now(), delivery, attempt, queue, type, 'outbox', headers FROM job.lease");
    write_next_delivery_before_the_relay_is_done(
        s, "SELECT job.declare_lost(id, beat_at), job.rescue(id) FROM job.worker");
    site_free(s);
}
END_TEST

START_TEST(a_replay_outlives_the_row_of_the_last_delivery)
{
    struct site *s = new_site();
    site_sql(s, "SELECT job.enqueue('mail', 'welcome')");
    site_sql(s, "INSERT INTO job.dead (id, died_at, delivery, attempt, queue, type, reason, headers)"
                " SELECT id, now(), delivery, attempt, queue, type, 'failed', headers FROM job.pending");
    write_next_delivery_before_the_relay_is_done(s, "SELECT job.replay(array_agg(id)) FROM job.dead");
    site_free(s);
}
END_TEST

START_TEST(a_row_that_can_be_no_message_blocks_nobody)
{
    struct site *s = new_site();
    insert_row(s, "mail", "'{}'", "decode(repeat('00', 3000000), 'hex')"); /* not even read */
    insert_row(s, "mail", "'{}'", "decode(repeat('00', 1500000), 'hex')"); /* refused by the producer */
    insert_row(s, "mail", "'[1]'", "NULL");
    insert_row(s, "mail", "'{\"x\": 1}'", "NULL");
    insert_row(s, "mail", "(SELECT jsonb_object_agg('h' || n, 'v') FROM generate_series(1, 100) n)", "NULL");
    insert_row(s, "Not A Queue", "'{}'", "NULL");
    free(enqueue(s, "'mail', 'welcome', '{}'"));
    site_start_broker(s);
    struct site_records *r = site_await_records(s, "mail", 1, 10);
    ck_assert_uint_eq(r->n, 1);
    ck_assert_str_eq(r->records[0].value, "{}");
    site_records_free(r);
    site_await(s, 10, "SELECT count(*) = 6 FROM job.dead WHERE reason = 'malformed' AND error IS NOT NULL");
    ck_assert_int_eq(
        site_ask(s, "SELECT count(*) FROM job.result WHERE state = 'dead' AND reason = 'malformed'"), 6);
    ck_assert_int_eq(site_ask(s, "SELECT max(octet_length(payload)) FROM job.dead"), 3000000);
    ck_assert_int_eq(site_ask(s, "SELECT count(*) FROM job.pending"), 0);
    site_free(s);
}
END_TEST

START_TEST(a_queue_without_topic_blocks_nobody)
{
    struct site *s = new_site();
    for (int i = 0; i < 3; i++)
        insert_row(s, "nowhere", "'{}'", "NULL");
    free(enqueue(s, "'mail', 'welcome'"));
    struct site_daemon *broker = site_start_broker(s);
    site_records_free(site_await_records(s, "mail", 1, 10));
    site_await(s, 10, "SELECT count(*) = 3 FROM job.pending WHERE run_at > now() + interval '20 s'");
    site_await_log(broker, 5, ".nowhere: there is no such topic");
    ck_assert_uint_eq(site_count_log(broker, "there is no such topic"), 1);
    /* Once it is there they go. */
    char topic[250];
    struct err err;
    ck_assert_int_eq(admin_create_topic(site_admin(s), site_topic(s, "nowhere", topic), 1, -1, &err), 0);
    site_sql(s, "UPDATE job.pending SET run_at = now()");
    site_records_free(site_await_records(s, "nowhere", 3, 10));
    site_free(s);
}
END_TEST

START_TEST(declared_queues_get_their_topics)
{
    char topic[250];
    struct err err = { 0 };
    struct admin_topic found;
    struct admin_setting settings[ADMIN_N_SETTINGS];
    struct site *s = site_new(
        &(struct site_options){ .queues = "{ name = \"mail\"; partitions = 3; }, { name = \"odd\"; }" });
    struct site_daemon *broker = site_start_broker(s);
    site_await_log(broker, 15, "mail made with 3 partitions");
    site_await_log(broker, 15, "default made with");
    ck_assert_int_eq(admin_find_topic(site_admin(s), site_topic(s, "mail", topic), &found, &err), 0);
    ck_assert_int_eq(found.n_partitions, 3);
    free(found.name);
    ck_assert_int_eq(admin_describe_topic(site_admin(s), topic, settings, &err), 0);
    for (size_t i = 0; i < ADMIN_N_SETTINGS; i++)
        ck_assert_msg(settings[i].right, "%s is %s", settings[i].name, settings[i].value);
    site_free(s);
}
END_TEST

START_TEST(a_broker_waits_for_the_schema)
{
    struct site *s = site_new(&(struct site_options){ .queues = MAIL, .no_schema = true });
    struct site_daemon *broker = site_start_broker(s);
    site_await_log(broker, 10, "relay waits: the database has no schema, run: jobctl db migrate");
    site_migrate(s);
    free(enqueue(s, "'mail', 'welcome'"));
    site_records_free(site_await_records(s, "mail", 1, 20));
    ck_assert_uint_eq(site_count_log(broker, "relay waits: the database"), 1);
    site_free(s);
}
END_TEST

START_TEST(a_broker_waits_for_kafka_and_stops_when_told)
{
    struct site *s = site_new(&(struct site_options){ .queues = MAIL, .kafka = "127.0.0.1:1" });
    struct site_daemon *broker = site_start_broker(s);
    free(enqueue(s, "'mail', 'welcome'"));
    site_await_log(broker, 15, "relay waits: Kafka is away");
    site_await(s, 5, "SELECT count(*) = 1 FROM job.pending");
    site_kill(broker, SIGTERM);
    ck_assert_int_eq(site_await_exit(broker, 5), 0);
    ck_assert_uint_eq(site_count_log(broker, "relay waits: Kafka is away"), 1);
    site_free(s);
}
END_TEST

START_TEST(partitions_are_made_ahead)
{
    struct site *s = site_new(&(struct site_options){ .queues = MAIL, .broker = "partitions_ahead = 9;" });
    site_start_broker(s);
    site_await(
        s, 10,
        "SELECT to_regclass('job.result_' || to_char((now() AT TIME ZONE 'UTC')::date + 9, 'YYYYMMDD')) IS NOT NULL");
    site_free(s);
}
END_TEST

static int run(struct site *s, const char *argument)
{
    const char *const arguments[] = { argument, NULL };
    return site_await_exit(site_spawn(s, "broker/jobbrokerd", arguments), 10);
}

START_TEST(the_command_line_answers)
{
    struct site *s = new_site();
    ck_assert_int_eq(run(s, "--check"), 0);
    ck_assert_int_eq(run(s, "--version"), 0);
    ck_assert_int_eq(run(s, "--help"), 0);
    ck_assert_int_eq(run(s, "--nonsense"), 2);
    ck_assert_int_eq(run(s, "nonsense"), 2);
    ck_assert_int_eq(run(s, "--log-level=loud"), 2);
    ck_assert_int_eq(run(s, "--config=/nowhere"), 2);
    site_free(s);
}
END_TEST

SUITE_MAIN("relay", an_enqueued_job_arrives_whole, a_sleeping_relay_is_woken,
           a_delayed_job_is_neither_early_nor_late, delivery_and_attempt_come_from_the_row,
           two_brokers_send_each_job_once, jobs_of_one_key_keep_their_order, a_killed_broker_loses_nothing,
           lost_connections_are_made_again, jobs_of_a_silent_worker_are_rescued,
           a_beating_worker_keeps_its_jobs, a_retry_outlives_the_row_of_its_last_delivery,
           a_replay_outlives_the_row_of_the_last_delivery, a_row_that_can_be_no_message_blocks_nobody,
           a_queue_without_topic_blocks_nobody, declared_queues_get_their_topics,
           a_broker_waits_for_the_schema, a_broker_waits_for_kafka_and_stops_when_told,
           partitions_are_made_ahead, the_command_line_answers)
