/* SPDX-License-Identifier: Apache-2.0 */
/* jobctl job why on real servers: each reason for which a job may wait, run or have ended, made and then named. */
#define SUITE_TIMEOUT_S 120
#include "tests/support/suite.h"

#include <signal.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/timefmt.h"
#include "stream/message.h"
#include "tests/support/control.h"
#include "tests/support/harness.h"
#include "tests/support/harness_site.h"

#define NOBODY_KAFKA "JOB_KAFKA=127.0.0.1:9"
#define NOBODY_POSTGRES "JOB_DATABASE_URL=postgresql://nobody@127.0.0.1:9/none"
#define UNKNOWN_ID "0190a6c2-7d3e-7f00-8000-00000000ffff"

#define MODULE "path = \"${build}/jobs/selftest/selftest.so\"; queue = \"selftest\"; "
#define SLOW "backoff: { kind = \"constant\"; base = \"1h\"; jitter = 0; }; "
#define HANDLERS                                                                                             \
    "{ type = \"selftest.*\"; " MODULE SLOW "}, "                                                            \
    "{ type = \"selftest.fail\"; " MODULE SLOW "max_attempts = 2; order = \"key_strict\"; }, "               \
    "{ type = \"selftest.echo\"; " MODULE "order = \"key_strict\"; }"

static struct site *site;

/* Daemons are started by those tests that need one. */
static void setup_with(const char *broker)
{
    site = site_new(&(struct site_options){
        .queues = "{ name = \"mail\"; partitions = 1; }, { name = \"selftest\"; partitions = 1; }",
        .worker = "queues = ( { name = \"selftest\"; } ); executors_max = 2; handover_after = \"300ms\";",
        .broker = broker,
        .handlers = HANDLERS,
    });
    control_use(site);
    control_expect(0, "topic apply");
}

static void setup(void)
{
    setup_with(NULL);
}

static void teardown(void)
{
    control_use(NULL);
    site = site_free(site);
}

static void check_part(const json_t *json, const char *name, const char *part)
{
    if (part)
        ck_assert_msg(strstr(control_member(json, name), part) != NULL, "%s has no \"%s\":\n%s", name, part,
                      control_output());
}

/* What `why` says of @id, with exit status @status; @because and @next: parts, NULL for any. */
static void explain_with(const char *environment, int status, const char *id, const char *cause,
                         const char *because, const char *next)
{
    control_expect_with(environment, status, "job why %s -o json", id);
    json_t *json = control_json();
    ck_assert_str_eq(control_member(json, "id"), id);
    ck_assert_msg(strcmp(control_member(json, "cause"), cause) == 0, "expected cause %s:\n%s", cause,
                  control_output());
    check_part(json, "because", because);
    check_part(json, "next", next);
    json_decref(json);
}

static void explain(const char *id, const char *cause, const char *because, const char *next)
{
    explain_with("", 0, id, cause, because, next);
}

/* To be freed. */
static char *enqueue(const char *arguments)
{
    control_expect(0, "enqueue %s", arguments);
    return strdup(control_id(0));
}

static char *enqueue_by_sql(const char *arguments)
{
    return site_ask_text(site, "SELECT job.enqueue(%s)::text", arguments);
}

/* A worker that is only a row and takes the queue mail, and its cursor in partition 0 there. */
static void pretend_owner(int64_t next_offset)
{
    char topic[250];
    site_add_worker(site, "w7", 0);
    site_sql(
        site,
        "INSERT INTO job.cursor (topic, partition, epoch, next_offset, owner) VALUES ('%s', 0, 1, %lld, 'w7')",
        site_topic(site, "mail", topic), (long long)next_offset);
}

/* --- Waiting in Kafka --- */

START_TEST(a_queued_job_names_the_first_obstacle)
{
    setup();
    free(enqueue("some.type -q mail --count 4"));
    char *id = enqueue("some.type -q mail");
    explain(id, "no_worker", "No live worker takes jobs of the queue mail", "start jobworkerd");
    site_add_worker(site, "w7", 0);
    explain(id, "no_owner", "No worker has taken over partition 0", NULL);
    site_sql(site, "DELETE FROM job.worker");
    pretend_owner(1);
    explain(id, "behind", "It is behind 3 jobs in partition 0 of", NULL);
    control_prints("\"owner\": \"w7\"");
    control_prints("\"next_offset\": 1, \"ahead\": 3");
    site_sql(site, "UPDATE job.cursor SET next_offset = 4");
    explain(id, "next", "whose owner is worker w7: it may be running", NULL);
    site_sql(site, "UPDATE job.worker SET narrow = '{\"mail\": 1000}'");
    explain(id, "storm", "Too many tries of the queue mail fail in worker w7", NULL);
    site_sql(site, "UPDATE job.cursor SET crash_count = 3");
    explain(id, "careful", "Workers died 3 times", NULL);
    site_sql(site, "UPDATE job.worker SET beat_at = clock_timestamp() - interval '16 seconds';"
                   "INSERT INTO job.worker (id, host, pid, queues) VALUES ('w8', 'test', 1, '{mail}')");
    explain(id, "owner_silent", "stopped beating 16s ago", "session_timeout");
    site_sql(site, "DELETE FROM job.worker WHERE id = 'w7'");
    explain(id, "owner_gone", "Worker w7, which owned partition 0", NULL);
    site_sql(site, "SELECT job.drain_worker('w8')");
    explain(id, "drained", "Worker w8 was drained by ", "jobctl worker drain --undo w8");
    site_sql(site, "SELECT job.undrain_worker('w8')");
    control_expect(0, "queue pause mail");
    explain(id, "paused", "Its queue mail was paused by ", "jobctl queue resume mail");
    control_expect(0, "queue resume mail");
    site_sql(site, "UPDATE job.cursor SET trouble = 'recreated'");
    explain(id, "stands", "was deleted and made again", "jobctl topic reset");
    site_sql(site, "UPDATE job.cursor SET reset_to = 0");
    explain(id, "resetting", "Somebody has reset partition 0", "within 5 s");
    control_expect(0, "job cancel %s", id);
    explain(id, "cancelling", "ends when a worker reads it", NULL);
    free(id);
    teardown();
}
END_TEST

START_TEST(a_busy_worker_is_told_from_a_slow_one)
{
    setup();
    char *id = enqueue("some.type -q mail");
    site_add_worker(site, "w6", 2);
    pretend_owner(0);
    site_sql(site, "UPDATE job.lease SET worker = 'w7'");
    explain(id, "busy", "it runs 2 long jobs and has 2 executors", "executors_max");
    free(id);
    teardown();
}
END_TEST

START_TEST(a_job_that_the_cursor_has_passed_has_ended)
{
    setup();
    char *id = enqueue("some.type -q mail");
    pretend_owner(1);
    explain_with("", 3, id, "record_gone", "there is no record of it", "retention");
    control_prints("\"state\": null");
    free(id);
    teardown();
}
END_TEST

START_TEST(an_expired_job_in_kafka_says_so)
{
    setup();
    char *id = enqueue("some.type -q mail --expires 1ms");
    site_add_worker(site, "w7", 0);
    explain(id, "expiring", "ends as expired when a worker looks", NULL);
    free(id);
    teardown();
}
END_TEST

START_TEST(what_comes_later_waits_for_a_broker_to_read_it)
{
    static char id[] = "0190a6c2-7d3e-7f00-8000-00000000abcd";
    char run_at[RFC3339_SIZE];
    const struct message_header headers[] = {
        { "ce_type", span_from_string("some.type") },
        { "ce_id", span_from_string(id) },
        { "ce_queue", span_from_string("mail") },
        { "ce_runat", span_from_string(rfc3339_format(clock_wall_us() + 3600 * USEC_PER_SEC, 3, run_at)) }
    };
    char topic[250];
    struct err err = { 0 };
    setup();
    ck_assert_int_eq(admin_create_topic(site_admin(site), site_topic(site, "later", topic), 1, -1, &err), 0);
    site_produce(site, "later",
                 &(struct message){ .partition = 0,
                                    .value = span_from_string("{}"),
                                    .headers = (struct message_header *)headers,
                                    .n_headers = 4 });
    explain(id, "later", "which no broker is connected to read", "start jobbrokerd");
    control_prints("\"state\": \"scheduled\"");
    control_prints("\"queue\": \"mail\"");
    site_start_broker(site);
    site_await(site, 20, "SELECT count(*) = 1 FROM job.pending");
    explain(id, "scheduled", "enqueued to run in ", NULL);
    site_sql(site, "DELETE FROM job.pending"); /* as if it had run, and its record were gone */
    explain_with("", 3, id, "record_gone", ".later is done beyond its offset 0", NULL);
    teardown();
}
END_TEST

/* --- Waiting in PostgreSQL, without any daemon --- */

START_TEST(a_row_that_is_not_due_says_what_it_waits_for)
{
    setup();
    char *id = enqueue("some.type -q mail --in 3m");
    explain(id, "scheduled", "It is not due yet: it was enqueued to run in ", "the time");
    control_prints("\"state\": \"scheduled\"");
    site_sql(site, "UPDATE job.pending SET reason = 'cron'");
    explain(id, "cron", "A cron entry has made it", NULL);
    site_sql(site, "UPDATE job.pending SET reason = 'replay'");
    explain(id, "replayed", "somebody replayed it", NULL);
    site_sql(site, "UPDATE job.pending SET reason = 'interrupted'");
    explain(id, "interrupted", "Its worker stopped", NULL);
    site_sql(site, "UPDATE job.pending SET reason = 'rescue', run_at = now() + interval '10 minutes'");
    explain(id, "rescued", "was lost", NULL);
    site_sql(site, "UPDATE job.pending SET reason = 'throttled'");
    explain(id, "key", "another job of the same key comes first", "jobctl queue keys mail");
    free(id);
    teardown();
}
END_TEST

START_TEST(a_due_row_says_what_keeps_brokers_from_it)
{
    setup();
    char *id = enqueue_by_sql("'mail', 'some.type'");
    explain(id, "no_broker", "no broker is connected to PostgreSQL", "start jobbrokerd");
    explain_with(NOBODY_KAFKA, 0, id, "kafka_away", "Kafka does not answer", "doctor");
    control_says("what Kafka has of the job is not known");
    char *stray = enqueue_by_sql("'stray', 'some.type'");
    explain(stray, "no_topic", ".stray does not exist there", "jobctl queue create stray");
    site_sql(
        site,
        "UPDATE job.pending SET headers = headers || '{\"ce_expires\": \"2020-01-01T00:00:00Z\"}' WHERE id = '%s'",
        id);
    explain(id, "expiring", "ends as expired when a broker looks", NULL);
    site_sql(site, "INSERT INTO job.cancel (id) VALUES ('%s')", id);
    explain(id, "cancelling", "ends when a broker looks", NULL);
    free(id);
    free(stray);
    teardown();
}
END_TEST

START_TEST(brokers_that_hold_back_or_are_behind_are_named)
{
    setup_with("relay_backlog = 10;");
    site_start_broker(site);
    site_sql(site, "SELECT job.enqueue('mail', 'some.type') FROM generate_series(1, 20)");
    site_await(site, 20, "SELECT count(*) < 12 FROM job.pending");
    char *id = site_ask_text(site, "SELECT id::text FROM job.pending ORDER BY run_at DESC LIMIT 1");
    explain(id, "held_back", "limit 10), and no live worker takes it", "start jobworkerd");
    control_expect(0, "queue pause mail");
    explain(id, "held_back", "while the queue is paused by", "queue resume mail");
    free(id);
    teardown();
}
END_TEST

/* Somebody has locked the row, so that brokers pass it by. */
START_TEST(a_row_that_brokers_do_not_send_says_for_how_long)
{
    setup();
    char *id = enqueue_by_sql("'mail', 'some.type'");
    site_sql(site, "UPDATE job.pending SET run_at = clock_timestamp() - interval '50 seconds'");
    site_sql(site, "BEGIN; SELECT FROM job.pending FOR UPDATE");
    site_start_broker(site);
    explain(id, "relay_behind", "It has been due for 5", "doctor");
    control_prints("\"relays\": 1");
    site_sql(site, "COMMIT");
    free(id);
    teardown();
}
END_TEST

/* --- With a worker and a broker --- */

static void await_state(const char *id, const char *state)
{
    site_await(site, 30, "SELECT EXISTS (SELECT FROM job.status WHERE id = '%s' AND state = '%s')", id,
               state);
}

START_TEST(jobs_that_were_tried_say_what_became_of_the_try)
{
    setup();
    site_start_broker(site);
    site_start_worker(site);
    char *failed = enqueue("selftest.fail -p '{\"times\": 9}'");
    char *parked = enqueue("no.such.type -q selftest");
    char *snoozed = enqueue("selftest.snooze -p '{\"ms\": 600000, \"times\": 1}'");
    site_await(site, 30, "SELECT count(*) = 3 FROM job.pending WHERE run_at > now()");
    explain(failed, "retry", "Attempt 1 ended as failed", "mend");
    control_prints("\"state\": \"retrying\"");
    control_prints("\"last_outcome\": \"failed\"");
    explain(parked, "parked", "No worker that got it has a handler for its type no.such.type",
            "handler for no.such.type");
    control_prints("this worker knows: selftest.*");
    explain(snoozed, "snoozed", "Its handler put it off", "the time");
    site_sql(site, "UPDATE job.pending SET run_at = clock_timestamp() WHERE id = '%s'", failed);
    await_state(failed, "dead");
    explain(failed, "dead",
            "its attempts are used up: the last one, attempt 2, ended as failed: ", "jobctl dead replay");
    site_sql(site, "DELETE FROM job.dead");
    explain(failed, "dead", "attempt 2", "purged");
    free(failed);
    free(parked);
    free(snoozed);
    teardown();
}
END_TEST

START_TEST(jobs_that_ended_say_how)
{
    setup();
    site_start_broker(site);
    site_start_worker(site);
    char *done = enqueue("selftest.echo");
    char *bad = enqueue("selftest.fail -p '{\"permanent\": true}'");
    char *first = enqueue("selftest.echo --unique u --in 1h");
    char *second = enqueue("selftest.echo --unique u --in 1h");
    char *late = enqueue_by_sql("'selftest', 'selftest.echo', run_at => now() + interval '10 minutes',"
                                " expires => now() + interval '1 hour'");
    await_state(done, "succeeded");
    explain(done, "succeeded", ", at attempt 1 in worker ", "has its result");
    await_state(bad, "dead");
    explain(bad, "dead", "its handler gave it up for good at attempt 1", "dead replay");
    await_state(second, "duplicate");
    explain(second, "duplicate", "It is a duplicate: job ", "jobctl job why ");
    control_prints(first);
    control_prints("\"duplicate_of_state\": \"scheduled\"");
    control_expect(0, "job cancel %s", first);
    explain(first, "cancelled", ", before it started", NULL);
    control_prints(" by ");
    site_sql(
        site,
        "UPDATE job.pending SET headers = headers || '{\"ce_expires\": \"2020-01-01T00:00:00Z\"}' WHERE id = '%s';"
        "NOTIFY job_relay",
        late);
    site_sql(site, "SELECT job.expire_waiting('-infinity', 10)");
    await_state(late, "expired");
    explain(late, "expired", "because it had not started by the time", "--expires");
    free(done);
    free(bad);
    free(first);
    free(second);
    free(late);
    teardown();
}
END_TEST

START_TEST(a_running_job_says_where_and_whether_it_is_to_stop)
{
    setup();
    site_start_broker(site);
    site_start_worker(site);
    char *id = enqueue("selftest.sleep -p '{\"ms\": 60000, \"progress\": 1, \"stubborn\": true}'");
    site_await(site, 30, "SELECT progress IS NOT NULL FROM job.lease");
    explain(id, "running", "It has been running in worker ", "jobctl job cancel");
    control_prints("progress {\\\"percent\\\": 0}");
    control_prints("\"state\": \"running\"");
    control_expect(0, "job cancel %s", id);
    explain(id, "stopping", " to stop it, and it has not ended yet", "killed");
    free(id);
    teardown();
}
END_TEST

START_TEST(a_job_behind_its_key_names_the_one_before_it)
{
    setup();
    site_start_broker(site);
    struct site_daemon *worker = site_start_worker(site);
    char *first = enqueue("selftest.fail -p '{\"times\": 1}' --key k");
    await_state(first, "retrying");
    char *second = enqueue("selftest.echo --key k");
    site_await(site, 30,
               "SELECT count(*) = 1 FROM job.cursor WHERE starts_with(topic, '%s') AND owner IS NOT NULL",
               site_prefix(site));
    control_expect(0, "job why %s -o json", second);
    json_t *json = control_json();
    ck_assert_str_eq(control_member(json, "cause"), "key");
    ck_assert_str_eq(control_member(json_object_get(json, "evidence"), "blocked_by"), first);
    ck_assert_str_eq(control_member(json_object_get(json, "evidence"), "blocked_by_state"), "retrying");
    json_decref(json);
    site_stop(worker); /* what waits in it for its turn goes back */
    explain(second, "no_worker", "No live worker", NULL);
    free(first);
    free(second);
    teardown();
}
END_TEST

#define ROWS_READ                                                                                            \
    "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) FROM pg_stat_user_tables WHERE schemaname = 'job' AND relname IN ('hold', 'pending')"

START_TEST(a_job_behind_many_of_its_key_is_explained_without_reading_them)
{
    setup();
    site_sql(site, "INSERT INTO job.pending (id, run_at, delivery, attempt, queue, type, reason, headers)"
                   " SELECT job.new_id(), now() + interval '10 minutes', 2, 1, 'mail', 't', 'throttled', '{}'"
                   " FROM generate_series(1, 5000);"
                   "INSERT INTO job.hold (id, seq, key_hash, partition, topic, key)"
                   " SELECT id, row_number() OVER (ORDER BY id), 7, 0, 'x', 'k' FROM job.pending");
    site_sql(site, "ANALYZE job.hold, job.pending");
    char *id = site_ask_text(site, "SELECT id::text FROM job.hold WHERE seq = 5000");
    char *first = site_ask_text(site, "SELECT id::text FROM job.hold WHERE seq = 1");
    site_sql(site, "SELECT pg_stat_force_next_flush()");
    int64_t before = site_ask(site, ROWS_READ);
    explain(id, "key", " (waiting) of the same key comes first", first);
    site_await(site, 10, "SELECT numbackends = 1 FROM pg_stat_database WHERE datname = current_database()");
    ck_assert_int_lt(site_ask(site, ROWS_READ) - before, 1000);
    site_sql(site,
             "INSERT INTO job.result (id, queue, type, state, attempt, delivery, finished_at)"
             " VALUES ('%s', 'mail', 't', 'succeeded', 1, 1, now())",
             first);
    char *second = site_ask_text(site, "SELECT id::text FROM job.hold WHERE seq = 2");
    explain(id, "key", "comes first", second); /* the hold of one that has ended is nobody's turn */
    free(id);
    free(first);
    free(second);
    teardown();
}
END_TEST

/* Its message is one that the relay has sent; the first delivery's lies before it. */
START_TEST(a_delivery_under_way_is_found_in_kafka)
{
    setup();
    site_start_broker(site);
    struct site_daemon *worker = site_start_worker(site);
    char *id = enqueue("selftest.fail -p '{\"times\": 1}'");
    await_state(id, "retrying");
    site_stop(worker);
    site_sql(site, "UPDATE job.pending SET run_at = clock_timestamp()");
    site_await(site, 30, "SELECT NOT EXISTS (SELECT FROM job.pending)");
    explain(id, "no_worker", "No live worker takes jobs of the queue selftest", NULL);
    control_prints("\"offset\": 1");
    control_prints("\"last_outcome\": \"failed\"");
    explain_with(NOBODY_KAFKA, 0, id, "kafka_away", "on its way to delivery 2", NULL);
    free(id);
    teardown();
}
END_TEST

/* --- A worker that is lost; without a broker, which would make something of it at once --- */

START_TEST(a_lost_worker_is_named)
{
    setup();
    struct site_daemon *worker = site_start_worker(site);
    char *id = enqueue("selftest.sleep -p '{\"ms\": 60000}'");
    await_state(id, "running");
    site_kill(worker, SIGSTOP);
    site_await(site, 20, "SELECT beat_at < clock_timestamp() - interval '4 seconds' FROM job.worker");
    explain(id, "worker_silent", "and no broker is connected that could give the job to another one",
            "start jobbrokerd");
    site_sql(site, "UPDATE job.worker SET lost_at = clock_timestamp()");
    explain(id, "worker_lost", "was declared dead", "start jobbrokerd");
    free(id);
    site_kill(worker, SIGCONT);
    site_destroy(worker);
    teardown();
}
END_TEST

/* --- Unknown jobs and servers that are away --- */

START_TEST(unknown_jobs_are_told_by_the_exit_status)
{
    setup();
    explain_with("", 3, UNKNOWN_ID, "not_found", "No worker has seen it", "compare the id");
    control_prints("\"state\": null");
    control_expect(0, "job cancel " UNKNOWN_ID);
    explain_with("", 3, UNKNOWN_ID, "cancelling", "and will not start when one reads it", NULL);
    explain_with(NOBODY_KAFKA, 4, UNKNOWN_ID, "kafka_away", "PostgreSQL does not know it", "doctor");
    teardown();
}
END_TEST

START_TEST(with_kafka_alone_it_says_what_it_cannot_know)
{
    setup();
    char *id = enqueue("some.type -q mail");
    explain_with(NOBODY_POSTGRES, 0, id, "postgresql_away", "lies in partition 0 of ", "PostgreSQL is back");
    control_says("what PostgreSQL has of the job is not known");
    control_expect_with(NOBODY_POSTGRES, 4, "job why " UNKNOWN_ID);
    control_says("it is not found in Kafka, so PostgreSQL alone could tell");
    control_expect_with(NOBODY_POSTGRES " " NOBODY_KAFKA, 4, "job why %s", id);
    control_says("is it running?");
    free(id);
    teardown();
}
END_TEST

START_TEST(bad_input_names_the_rule)
{
    setup_with(NULL);
    control_expect(2, "job why");
    control_expect(2, "job why nonsense");
    control_says("is no job id");
    control_expect(2, "job why " UNKNOWN_ID " " UNKNOWN_ID);
    teardown();
    site = site_new(&(struct site_options){ .no_schema = true });
    control_use(site);
    control_expect(1, "job why " UNKNOWN_ID);
    control_says("jobctl db migrate");
    teardown();
}
END_TEST

/* --- For people --- */

START_TEST(people_get_the_sentence_the_evidence_and_the_way_on)
{
    setup();
    char *id = enqueue_by_sql("'mail', E'some.type', run_at => '2199-01-01'");
    site_sql(site,
             "UPDATE job.pending SET attempt = 2, reason = 'retry';"
             "INSERT INTO job.attempt (id, delivery, attempt, outcome, error, finished_at)"
             " VALUES ('%s', 1, 1, 'failed', E'bad\\x1b[2J thing', '2026-01-01')",
             id);
    control_expect(0, "job why %s", id);
    ck_assert(strncmp(control_output(), "Attempt 1 ended as failed", 25) == 0);
    control_prints(": bad\\x1b[2J thing\n");
    control_prints("\n  queue             mail\n");
    control_prints("\n  run_at            2199-01-01T00:00:00.000Z\n");
    control_prints("\n→ the time; or mend what the error names\n");
    ck_assert_ptr_null(strchr(control_output(), 0x1b));
    control_expect(0, "job why %s -o csv", id);
    control_prints("id,state,cause,because,evidence,next\n");
    control_expect(0, "job why %s --columns cause,state", id);
    control_prints("retrying");
    control_expect(0, "job why %s -o jsonl --columns cause", id);
    ck_assert_str_eq(control_output(), "{\"cause\": \"retry\"}\n");
    free(id);
    teardown();
}
END_TEST

START_TEST(its_output_is_as_it_was_read)
{
    setup();
    site_sql(
        site,
        "INSERT INTO job.result (id, queue, type, state, reason, attempt, delivery, error, enqueued_at, started_at,"
        " finished_at, worker, topic, partition, \"offset\") VALUES ('" UNKNOWN_ID
        "', 'mail', 'welcome', 'dead',"
        " 'exhausted', 2, 2, E'550 no such user: \"ada\\x1b[2J\"\\nand a second line', '2026-01-01', '2026-01-01', '2026-01-01',"
        " 'w7', 'job.mail', 0, 41);"
        "INSERT INTO job.attempt (id, delivery, attempt, outcome, error, started_at, finished_at, worker) VALUES"
        " ('" UNKNOWN_ID "', 2, 2, 'failed', '550', '2026-01-01', '2026-01-01', 'w7');"
        "INSERT INTO job.dead (id, died_at, delivery, attempt, queue, type, reason, headers)"
        " VALUES ('" UNKNOWN_ID "', '2026-01-01', 2, 2, 'mail', 'welcome', 'exhausted', '{}')");
    control_mask("for [0-9]+d", "for SOME DAYS");
    control_golden("job_why", "job why " UNKNOWN_ID);
    teardown();
}
END_TEST

SUITE_MAIN("job_why", its_output_is_as_it_was_read, a_queued_job_names_the_first_obstacle,
           a_busy_worker_is_told_from_a_slow_one, a_job_that_the_cursor_has_passed_has_ended,
           an_expired_job_in_kafka_says_so, what_comes_later_waits_for_a_broker_to_read_it,
           a_row_that_is_not_due_says_what_it_waits_for, a_due_row_says_what_keeps_brokers_from_it,
           brokers_that_hold_back_or_are_behind_are_named, a_row_that_brokers_do_not_send_says_for_how_long,
           jobs_that_were_tried_say_what_became_of_the_try, jobs_that_ended_say_how,
           a_running_job_says_where_and_whether_it_is_to_stop, a_job_behind_its_key_names_the_one_before_it,
           a_job_behind_many_of_its_key_is_explained_without_reading_them,
           a_delivery_under_way_is_found_in_kafka, a_lost_worker_is_named,
           unknown_jobs_are_told_by_the_exit_status, with_kafka_alone_it_says_what_it_cannot_know,
           bad_input_names_the_rule, people_get_the_sentence_the_evidence_and_the_way_on)
