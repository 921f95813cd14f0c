/* SPDX-License-Identifier: Apache-2.0 */
/* jobctl on real servers, with no daemon running: what it prints, what it changes, what it exits with. */
#define SUITE_TIMEOUT_S 90
#include "tests/support/suite.h"

#include <jansson.h>
#include <librdkafka/rdkafka.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "tests/support/control.h"
#include "tests/support/harness.h"
#include "tests/support/harness_site.h"

#define NOBODY_KAFKA "JOB_KAFKA=127.0.0.1:9"
#define NOBODY_POSTGRES "JOB_DATABASE_URL=postgresql://nobody@127.0.0.1:9/none"
#define UNKNOWN_ID "0190a6c2-7d3e-7f00-8000-00000000ffff"

static struct site *site;

static void setup_with(const struct site_options *options)
{
    site = site_new(options);
    control_use(site);
}

static void setup(void)
{
    setup_with(&(struct site_options){
        .queues = "{ name = \"mail\"; partitions = 2; }",
        .handlers =
            "{ type = \"welcome_email\"; kind = \"module\"; path = \"welcome.so\"; queue = \"mail\"; }",
    });
}

static void setup_with_topics(void)
{
    setup();
    control_expect(0, "topic apply");
}

static void teardown(void)
{
    control_use(NULL);
    site = site_free(site);
}

/* --- db --- */

START_TEST(schema_is_made_once)
{
    setup_with(&(struct site_options){ .no_schema = true });
    control_expect(1, "db status -o json");
    control_prints("\"current\": false");
    control_says("jobctl db migrate");
    control_expect(1, "job list");
    control_says("jobctl db migrate");
    control_expect(0, "db migrate");
    control_says("0001-tables");
    control_expect(0, "db status -o json");
    control_prints("\"current\": true");
    control_expect(0, "db migrate");
    control_says("nothing to do");
    site_sql(site, "INSERT INTO job.schema_migration (version, name) VALUES (9999, 'later')");
    control_expect(1, "db status -o json");
    control_says("newer than this jobctl");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.schema_migration WHERE version = 1"), 1);
    teardown();
}
END_TEST

/* --- topic --- */

START_TEST(declared_topics_are_made_and_kept)
{
    setup();
    control_expect(0, "topic apply -o json");
    json_t *json = control_json();
    ck_assert_uint_eq(json_array_size(json), 2);
    ck_assert_str_eq(control_member(json_array_get(json, 0), "action"), "created");
    json_decref(json);
    control_expect(0, "topic apply -o json");
    control_prints("\"kept\"");
    ck_assert_str_eq(control_remarks() ? control_remarks() : "", "");
    control_expect(0, "topic list -o json");
    json = control_json();
    ck_assert_uint_eq(json_array_size(json), 2);
    ck_assert_int_eq(json_integer_value(json_object_get(json_array_get(json, 1), "partitions")), 2);
    json_decref(json);
    teardown();
}
END_TEST

START_TEST(wrong_topics_are_reported)
{
    char topic[250];
    struct err err;
    setup();
    ck_assert_int_eq(admin_create_topic(site_admin(site), site_topic(site, "mail", topic), 3, 1, &err), 0);
    control_expect(1, "topic apply");
    control_prints("it has 3 partitions, declared are 2");
    teardown();
}
END_TEST

/* --- enqueue --- */

START_TEST(enqueued_job_is_in_kafka_with_its_headers)
{
    setup_with_topics();
    control_expect(
        0,
        "enqueue welcome_email --payload '{\"to\": \"ada\"}' --key k1 --tag a --tag b --header x=y --timeout 90s"
        " --max-attempts 3 --expires 1h");
    char *id = strdup(control_id(0));
    ck_assert_uint_eq(strlen(control_output()), strlen("{\"id\": \"\"}\n") + 36);
    struct site_records *records = site_await_records(site, "mail", 1, 10);
    const struct site_record *r = site_find_record(records, id);
    ck_assert_ptr_nonnull(r);
    ck_assert_str_eq(r->key, "k1");
    ck_assert_str_eq(r->value, "{\"to\": \"ada\"}");
    ck_assert_str_eq(site_header(r, "ce_type"), "welcome_email");
    ck_assert_str_eq(site_header(r, "ce_tags"), "a,b");
    ck_assert_str_eq(site_header(r, "ce_timeoutms"), "90000");
    ck_assert_str_eq(site_header(r, "ce_maxattempts"), "3");
    ck_assert_str_eq(site_header(r, "x"), "y");
    ck_assert_ptr_nonnull(site_header(r, "ce_expires"));
    ck_assert_ptr_null(site_header(r, "ce_reply"));
    int32_t partition = r->partition;
    site_records_free(records);

    control_expect(0, "job show %s -o json", id);
    json_t *json = control_json();
    ck_assert_str_eq(control_member(json, "state"), "queued");
    ck_assert_str_eq(control_member(json, "queue"), "mail");
    ck_assert_str_eq(control_member(json, "key"), "k1");
    ck_assert_str_eq(control_member(json_object_get(json, "payload"), "to"), "ada");
    ck_assert_int_eq(json_integer_value(json_object_get(json, "partition")), partition);
    ck_assert(json_is_integer(json_object_get(json, "offset")));
    ck_assert_int_eq(json_integer_value(json_object_get(json, "ahead")), 0);
    ck_assert_ptr_nonnull(strstr(control_member(json, "topic"), ".mail"));
    ck_assert_uint_eq(json_array_size(json_object_get(json, "attempts")), 0);
    json_decref(json);
    free(id);
    teardown();
}
END_TEST

START_TEST(count_prints_one_line_per_job_in_order)
{
    char first[37];
    setup_with_topics();
    control_expect(0, "enqueue welcome_email --count 12 --key k");
    snprintf(first, sizeof(first), "%s", control_id(0));
    ck_assert_str_lt(first, control_id(11));
    control_expect(0, "job show %s -o json", control_id(11));
    control_prints("\"ahead\": 11");
    control_expect(0, "queue list -o json");
    control_prints("\"queue\": \"mail\", \"declared\": true, \"partitions\": 2, \"lag\": 12");
    teardown();
}
END_TEST

START_TEST(queue_is_the_handlers_unless_said)
{
    setup_with_topics();
    control_expect(0, "enqueue other_type --in 1h");
    control_says("no handler for the type \"other_type\"");
    control_expect(0, "enqueue welcome_email --in 1h");
    control_expect(0, "enqueue welcome_email --in 1h -q reports");
    control_says("declares no queue \"reports\"");
    ck_assert_int_eq(
        site_ask(site, "SELECT count(*) FROM job.pending WHERE queue IN ('default', 'mail', 'reports')"), 3);
    control_expect(3, "enqueue welcome_email -q mial");
    control_says("did you mean \"mail\"?");
    control_says("jobctl topic apply");
    teardown();
}
END_TEST

START_TEST(later_jobs_wait_in_postgresql_and_need_no_kafka)
{
    setup();
    ck_assert_int_eq(control_run(NOBODY_KAFKA,
                                 "enqueue welcome_email --in 10m -p '[1]' --key k --tag a --header x=y"
                                 " --timeout 3s --max-attempts 4 --expires 1h --count 2"),
                     0);
    ck_assert_int_eq(
        site_ask(site, "SELECT count(*) FROM job.pending WHERE run_at BETWEEN now() + interval '9 min' AND"
                       " now() + interval '10 min' AND reason = 'delay' AND queue = 'mail' AND key = 'k'"
                       " AND payload = '[1]' AND headers ->> 'x' = 'y' AND headers ->> 'ce_tags' = 'a'"
                       " AND headers ->> 'ce_timeoutms' = '3000' AND headers ->> 'ce_maxattempts' = '4'"
                       " AND headers ? 'ce_expires' AND NOT headers ? 'ce_reply'"),
        2);
    control_expect(0, "job show %s -o json", control_id(1));
    control_prints("\"state\": \"scheduled\"");
    control_expect(0, "enqueue welcome_email --at 2199-01-01T00:00:00+01:00");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.pending WHERE run_at = '2198-12-31 23:00+00'"),
                     1);
    control_expect(0, "enqueue welcome_email --in 1h --id %s", UNKNOWN_ID);
    control_expect(0, "enqueue welcome_email --in 1h --id %s", UNKNOWN_ID); /* repeating it is safe */
    ck_assert_str_eq(control_id(0), UNKNOWN_ID);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.pending WHERE id = '%s'", UNKNOWN_ID), 1);
    control_expect(0, "enqueue welcome_email --unique u --unique-for 1h --in 1h");
    control_expect(0, "enqueue welcome_email --unique u --unique-for 1h");
    ck_assert_int_eq(
        site_ask(
            site,
            "SELECT count(*) FROM job.result r JOIN job.unique u ON r.result ->> 'duplicate_of' = u.id::text"
            " WHERE r.id = '%s' AND r.state = 'duplicate' AND u.key = 'u'",
            control_id(0)),
        1);
    control_expect(2, "enqueue welcome_email --unique ''");
    control_expect(2, "enqueue welcome_email --unique-for 1h");
    control_says("--unique-for has a meaning with --unique only");
    teardown();
}
END_TEST

START_TEST(payload_comes_from_file_or_standard_input)
{
    char command[1200];
    setup_with_topics();
    snprintf(command, sizeof(command), "echo '{\"a\": 1}' >'%s/payload.json'", site_folder(site));
    ck_assert_int_eq(system(command), 0);
    control_expect(0, "enqueue welcome_email --in 1h --payload @%s/payload.json", site_folder(site));
    control_expect(0, "enqueue welcome_email --in 1h --payload - <'%s/payload.json'", site_folder(site));
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.pending WHERE payload = '{\"a\": 1}'"), 2);
    control_expect(2, "enqueue welcome_email --payload @/nonexistent");
    control_says("/nonexistent");
    teardown();
}
END_TEST

START_TEST(wrong_input_is_refused_with_its_rule)
{
    static const struct {
        const char *arguments, *rule;
    } cases[] = {
        { "enqueue 'no type'", "[A-Za-z]" },
        { "enqueue t --queue Bad", "[a-z0-9]" },
        { "enqueue t --queue later", "later" },
        { "enqueue t --payload '{a}'", "not JSON at byte 2" },
        { "enqueue t --payload ''", "not JSON" },
        { "enqueue t --payload '\"\\u0000\"' --in 1s", "u0000" },
        { "enqueue t --in 10", "units" },
        { "enqueue t --at now", "RFC 3339" },
        { "enqueue t --in 1s --at 2199-01-01T00:00:00Z", "exclude" },
        { "enqueue t --in 1h --expires 1m", "--expires" },
        { "enqueue t --at 2099-01-01T00:00:00Z --expires 1h", "is not after run_at" },
        { "enqueue t --in 1s --expires 200000w", "100 years" },
        { "enqueue t --expires 200000w", "expires_ms" },
        { "enqueue t --expires soon", "--expires" },
        { "enqueue t --expires 1us", "at least 1ms" },
        { "enqueue t --max-attempts 0", "1 to 1000" },
        { "enqueue t --timeout 60d", "" },
        { "enqueue t --timeout 60d --in 1s", "30 days" },
        { "enqueue t --header ce_id=x", "ce_" },
        { "enqueue t --header ce_id=x --in 1s", "ce_" },
        { "enqueue t --tag a,b", "comma" },
        { "enqueue t --id 00000000-0000-4000-8000-000000000000", "version 7" },
        { "enqueue t --count 2 --id " UNKNOWN_ID, "--count" },
        { "enqueue t --wait-timeout 1s", "--wait" },
        { "job show 42", "UUID" },
        { "job list --state deed", "did you mean \"dead\"?" },
        { "job lits", "did you mean `jobctl job list`?" },
        { "dead replay", "--all" },
        { "dead purge --all " UNKNOWN_ID, "not both" },
        { "-c /nonexistent job list", "/nonexistent" },
        { "", "Usage" },
    };
    setup();
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        control_expect(2, "%s", cases[i].arguments);
        control_says(cases[i].rule);
        ck_assert_str_eq(control_output(), "");
    }
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.pending"), 0);
    teardown();
}
END_TEST

/* --- Nobody there --- */

START_TEST(unknown_ids_are_not_found)
{
    setup_with_topics();
    control_expect(0, "enqueue welcome_email --count 3");
    control_expect(3, "job show %s", UNKNOWN_ID);
    control_says("not seen by any worker yet, or never enqueued");
    control_expect(3, "job wait %s", UNKNOWN_ID);
    control_expect(3, "dead show %s", UNKNOWN_ID);
    control_expect(3, "dead replay %s", UNKNOWN_ID);
    control_expect(3, "dead purge %s --yes", UNKNOWN_ID);
    teardown();
}
END_TEST

START_TEST(without_postgresql_the_status_is_4_and_the_cure_is_named)
{
    static const char *const cases[] = {
        "db migrate",
        "db status",
        "job list",
        ("job show " UNKNOWN_ID),
        ("job wait " UNKNOWN_ID),
        "dead list",
        ("dead show " UNKNOWN_ID),
        "dead replay --all",
        "dead purge --all --yes",
        "enqueue t --in 1s",
        "enqueue t --wait",
    };
    setup();
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        ck_assert_msg(control_run(NOBODY_POSTGRES, cases[i]) == 4, "%s: %s", cases[i], control_remarks());
        control_says("JOB_DATABASE_URL");
        control_says("database.url");
        ck_assert_str_eq(control_output(), "");
    }
    teardown();
}
END_TEST

START_TEST(without_kafka_the_status_is_4_and_the_cure_is_named)
{
    static const char *const cases[] = {
        "enqueue t",
        "topic list",
        "topic apply",
        ("job show " UNKNOWN_ID),
    };
    setup();
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        ck_assert_msg(control_run(NOBODY_KAFKA, cases[i]) == 4, "%s: %s", cases[i], control_remarks());
        control_says("JOB_KAFKA");
        control_says("kafka.brokers");
        ck_assert_str_eq(control_output(), "");
    }
    teardown();
}
END_TEST

START_TEST(queues_are_listed_with_one_server_alone)
{
    setup_with_topics();
    site_sql(site, "SELECT job.enqueue('mail', 't', run_at => now() + interval '1 hour')");
    control_expect(0, "queue list -o json");
    control_prints(
        "\"pending\": 1, \"pending_by_reason\": {\"delay\": 1}, \"leases\": 0, \"dead\": 0, \"workers\": 0");
    ck_assert_int_eq(control_run(NOBODY_KAFKA, "queue list -o json"), 0);
    control_prints("\"partitions\": null, \"lag\": null, \"pending\": 1");
    control_says("not known");
    ck_assert_int_eq(control_run(NOBODY_POSTGRES, "queue list -o json"), 0);
    control_prints("\"partitions\": 2, \"lag\": null, \"pending\": null");
    control_says("not known");
    ck_assert_int_eq(control_run(NOBODY_POSTGRES " " NOBODY_KAFKA, "queue list"), 4);
    teardown();
}
END_TEST

/* --- Waiting --- */

static FILE *start(const char *arguments)
{
    char *command = control_command("", arguments);
    FILE *running = popen(command, "re");
    free(command);
    ck_assert_ptr_nonnull(running);
    return running;
}

static int finish(FILE *running)
{
    int status = pclose(running);
    control_take();
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* What a worker's recording transaction does. */
static void end_job(const char *id, const char *state)
{
    site_sql(
        site,
        "INSERT INTO job.result (id, finished_at, attempt, delivery, queue, type, state, result) VALUES"
        " ('%s', now(), 1, 1, 'mail', 'welcome_email', '%s', '{\"n\": 1}'); SELECT pg_notify('job_result', '%s')",
        id, state, id);
}

/* Ends all jobs that lie in the queue and whose end somebody waits for. */
static void end_queued(size_t n, const char *state)
{
    struct site_records *records = site_await_records(site, "mail", n, 20);
    for (size_t i = 0; i < records->n; i++) {
        ck_assert_str_eq(site_header(&records->records[i], "ce_reply"), "1");
        char *id = strdup(site_header(&records->records[i], "ce_id"));
        end_job(id, state);
        free(id);
    }
    site_records_free(records);
}

START_TEST(waiting_ends_with_the_result)
{
    setup_with_topics();
    FILE *running = start("enqueue welcome_email --wait --wait-timeout 30s");
    end_queued(1, "succeeded");
    ck_assert_int_eq(finish(running), 0);
    json_t *json = control_json();
    ck_assert_str_eq(control_member(json, "state"), "succeeded");
    ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(json, "result"), "n")), 1);
    control_expect(0, "job wait %s -o table", control_member(json, "id"));
    control_prints("succeeded");
    json_decref(json);
    teardown();
}
END_TEST

START_TEST(waiting_tells_other_ends_by_its_status)
{
    setup_with_topics();
    FILE *running = start("enqueue welcome_email --wait --count 3 -o jsonl");
    end_queued(3, "dead");
    ck_assert_int_eq(finish(running), 1);
    control_says("3 of 3 jobs did not succeed");
    teardown();
}
END_TEST

START_TEST(later_jobs_can_be_waited_for)
{
    setup();
    FILE *running = start("enqueue welcome_email --in 1ms --wait");
    site_await(site, 20, "SELECT count(*) = 1 FROM job.pending WHERE headers ->> 'ce_reply' = '1'");
    char *id = site_ask_text(site, "SELECT id::text FROM job.pending");
    site_sql(site, "DELETE FROM job.pending");
    end_job(id, "succeeded");
    ck_assert_int_eq(finish(running), 0);
    control_prints(id);
    free(id);
    teardown();
}
END_TEST

START_TEST(waiting_ends_after_its_time)
{
    setup_with_topics();
    control_expect(5, "enqueue welcome_email --wait --wait-timeout 300ms");
    control_says("did not end within 300ms");
    ck_assert_str_eq(control_output(), "");
    control_expect(0, "enqueue welcome_email");
    char *id = strdup(control_id(0));
    control_expect(5, "job wait %s --wait-timeout 300ms", id);
    free(id);
    teardown();
}
END_TEST

START_TEST(interrupted_waiting_has_its_own_status)
{
    setup_with_topics();
    const char *const arguments[] = { "enqueue", "welcome_email", "--wait", NULL };
    struct site_daemon *jobctl = site_spawn(site, "cli/jobctl", arguments);
    site_records_free(site_await_records(site, "mail", 1, 20));
    site_kill(jobctl, SIGINT);
    ck_assert_int_eq(site_await_exit(jobctl, 5), 130);
    teardown();
}
END_TEST

START_TEST(interrupted_waiting_for_several_jobs_ends_as_well)
{
    setup_with_topics();
    const char *const arguments[] = { "enqueue", "welcome_email", "--count", "2", "--wait", NULL };
    struct site_daemon *jobctl = site_spawn(site, "cli/jobctl", arguments);
    site_records_free(site_await_records(site, "mail", 2, 20));
    site_kill(jobctl, SIGINT);
    ck_assert_int_eq(site_await_exit(jobctl, 5), 130);
    teardown();
}
END_TEST

/* --- Looking --- */

START_TEST(jobs_are_listed_and_shown_in_every_state)
{
    setup();
    site_sql(
        site,
        "INSERT INTO job.worker (id, host, pid, queues) VALUES ('w1', 'h', 1, '{mail}');"
        "INSERT INTO job.lease (id, token, delivery, attempt, max_crashes, queue, type, worker, headers, payload)"
        " VALUES ('0190a6c2-7d3e-7f00-8000-000000000001', 1, 1, 1, 5, 'mail', 't', 'w1', '{}', '{\"p\": 1}');"
        "INSERT INTO job.pending (id, run_at, delivery, attempt, queue, type, reason, headers, key, payload) VALUES"
        " ('0190a6c2-7d3e-7f00-8000-000000000002', now(), 2, 2, 'mail', 't', 'retry', '{}', '\\xff', 'text');"
        "INSERT INTO job.attempt (id, delivery, attempt, outcome, error, finished_at) VALUES"
        " ('0190a6c2-7d3e-7f00-8000-000000000002', 1, 1, 'failed', E'no\\x1b[31m', now());"
        "INSERT INTO job.result (id, finished_at, attempt, delivery, queue, type, state, result) VALUES"
        " ('0190a6c2-7d3e-7f00-8000-000000000003', now(), 1, 1, 'mail', 't', 'succeeded', '[1]')");
    control_expect(0, "job list -o json");
    json_t *json = control_json();
    ck_assert_uint_eq(json_array_size(json), 3);
    ck_assert_str_eq(control_member(json_array_get(json, 0), "state"), "succeeded");
    ck_assert_str_eq(control_member(json_array_get(json, 1), "state"), "retrying");
    ck_assert_str_eq(control_member(json_array_get(json, 2), "state"), "running");
    json_decref(json);
    control_expect(0, "job list --state running -o csv");
    control_prints("id,state,queue,type,");
    control_prints("\n0190a6c2-7d3e-7f00-8000-000000000001,running,mail,t,");
    control_expect(0, "job list --limit 1 -o jsonl");
    json_decref(control_json());
    control_expect(0, "job list --type nothing -o json");
    ck_assert_str_eq(control_output(), "[]\n");

    control_expect(0, "job show 0190a6c2-7d3e-7f00-8000-000000000002 -o json");
    json = control_json();
    const json_t *attempt = json_array_get(json_object_get(json, "attempts"), 0);
    ck_assert_str_eq(control_member(json, "payload"), "text");
    ck_assert_str_eq(control_member(json_object_get(json, "key"), "base64"), "/w==");
    ck_assert_str_eq(control_member(attempt, "error"), "no\033[31m");
    json_decref(json);
    control_expect(0, "job show 0190a6c2-7d3e-7f00-8000-000000000002");
    control_prints("no\\x1b[31m");
    ck_assert_ptr_null(strchr(control_output(), '\033'));
    control_expect(0, "job show 0190a6c2-7d3e-7f00-8000-000000000001 -o json");
    control_prints("\"worker\": \"w1\"");
    control_prints("\"payload\": {\"p\": 1}");
    teardown();
}
END_TEST

/* --- dead --- */

#define DEAD(n) "0190a6c2-7d3e-7f00-8000-00000000000" #n

/* 1 and 2 exhausted, 3 crashed, 4 malformed. */
static void make_dead(void)
{
    site_sql(
        site,
        "INSERT INTO job.dead (id, died_at, delivery, attempt, queue, type, reason, error, headers, payload)"
        " SELECT ('0190a6c2-7d3e-7f00-8000-00000000000' || n)::uuid, now(), 3, 3, 'mail', 't',"
        " CASE n WHEN 3 THEN 'crashed' WHEN 4 THEN 'malformed' ELSE 'exhausted' END, 'E' || n, '{\"h\": \"v\"}',"
        " '{\"n\": 1}' FROM generate_series(1, 4) AS n;"
        "INSERT INTO job.result (id, finished_at, attempt, delivery, queue, type, state, reason)"
        " SELECT id, died_at, attempt, delivery, queue, type, 'dead', reason FROM job.dead");
}

START_TEST(dead_letters_are_listed_and_shown)
{
    setup();
    make_dead();
    control_expect(0, "dead list -o json");
    json_t *json = control_json();
    ck_assert_uint_eq(json_array_size(json), 4);
    json_decref(json);
    control_expect(0, "dead list --reason crashed -o jsonl");
    json = control_json();
    ck_assert_str_eq(control_member(json, "id"), DEAD(3));
    json_decref(json);
    control_expect(0, "dead show %s -o json", DEAD(1));
    json = control_json();
    ck_assert_str_eq(control_member(json, "reason"), "exhausted");
    ck_assert_str_eq(control_member(json_object_get(json, "headers"), "h"), "v");
    ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(json, "payload"), "n")), 1);
    json_decref(json);
    control_expect(0, "job show %s -o json", DEAD(1));
    control_prints("\"state\": \"dead\"");
    control_prints("\"reason\": \"exhausted\"");
    teardown();
}
END_TEST

START_TEST(dead_letters_are_replayed)
{
    setup();
    make_dead();
    control_expect(0, "dead replay --all --dry-run -o json");
    json_t *json = control_json();
    ck_assert_uint_eq(json_array_size(json), 3);
    json_decref(json);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.dead"), 4);
    control_expect(0, "dead replay %s", DEAD(1));
    control_prints(DEAD(1));
    ck_assert_int_eq(
        site_ask(site,
                 "SELECT count(*) FROM job.pending WHERE id = '%s' AND reason = 'replay' AND attempt = 1"
                 " AND delivery = 4",
                 DEAD(1)),
        1);
    control_expect(1, "dead replay %s", DEAD(4));
    control_says("malformed");
    control_expect(3, "dead replay %s %s", DEAD(1), DEAD(2));
    control_says("no dead letter has the id " DEAD(1));
    control_expect(0, "dead replay --all");
    control_says("malformed");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.pending"), 3);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.dead WHERE reason = 'malformed'"), 1);
    control_expect(0, "dead replay --all --reason malformed");
    control_says("malformed ones left where they are");
    teardown();
}
END_TEST

START_TEST(dead_letters_are_purged_only_when_that_is_certain)
{
    setup();
    make_dead();
    control_expect(2, "dead purge %s", DEAD(1));
    control_says("--yes");
    control_expect(2, "dead purge --all");
    control_expect(0, "dead purge --all --dry-run");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.dead"), 4);
    control_expect(0, "dead purge %s --yes", DEAD(1));
    control_expect(0, "dead purge --all --reason exhausted --yes");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.dead"), 2);
    control_expect(0, "dead purge --all -y");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.dead"), 0);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.result WHERE state = 'dead'"), 4);
    teardown();
}
END_TEST

START_TEST(ids_are_printed_in_the_form_that_was_asked_for)
{
    setup_with_topics();
    control_expect(0, "enqueue welcome_email --count 2 -o csv");
    ck_assert_int_eq(strncmp(control_output(), "id\n", 3), 0);
    ck_assert_uint_eq(strlen(control_output()), 3 + 2 * 37);
    control_expect(0, "enqueue welcome_email -o jsonl");
    control_id(0);
    teardown();
}
END_TEST

START_TEST(foreign_ids_from_the_future_do_not_lead_the_list)
{
    setup();
    site_sql(site,
             "INSERT INTO job.pending (id, run_at, delivery, attempt, queue, type, reason, headers) VALUES"
             " ('ffffffff-0000-4000-8000-000000000000', now(), 1, 1, 'mail', 'odd', 'outbox', '{}'),"
             " (job.new_id(), now(), 1, 1, 'mail', 'newest', 'outbox', '{}')");
    control_expect(0, "job list -o jsonl --limit 1");
    control_prints("\"newest\"");
    control_expect(0, "job list -o jsonl");
    control_prints("\"odd\"");
    teardown();
}
END_TEST

START_TEST(one_id_is_one_row_of_the_status)
{
    setup();
    site_sql(site,
             "INSERT INTO job.pending (id, run_at, delivery, attempt, queue, type, reason, headers) VALUES"
             " ('%s', now() + interval '1 hour', 1, 1, 'mail', 't', 'delay', '{}');"
             "INSERT INTO job.result (id, finished_at, attempt, delivery, queue, type, state) VALUES"
             " ('%s', now(), 1, 1, 'mail', 't', 'succeeded')",
             UNKNOWN_ID, UNKNOWN_ID);
    ck_assert(site_ask(site, "SELECT count(*) = 1 AND max(state) = 'succeeded' FROM job.status"));
    teardown();
}
END_TEST

START_TEST(version_and_help_need_nothing)
{
    setup();
    ck_assert_int_eq(control_run("JOB_CONFIG=/nonexistent", "version -o json"), 0);
    control_prints("{\"version\": \"");
    control_expect(0, "--version");
    control_prints("jobctl ");
    control_expect(0, "help dead purge");
    control_prints("Usage: jobctl dead purge");
    control_expect(0, "--check");
    teardown();
}
END_TEST

SUITE_MAIN("jobctl", schema_is_made_once, declared_topics_are_made_and_kept, wrong_topics_are_reported,
           enqueued_job_is_in_kafka_with_its_headers, count_prints_one_line_per_job_in_order,
           queue_is_the_handlers_unless_said, later_jobs_wait_in_postgresql_and_need_no_kafka,
           payload_comes_from_file_or_standard_input, wrong_input_is_refused_with_its_rule,
           unknown_ids_are_not_found, without_postgresql_the_status_is_4_and_the_cure_is_named,
           without_kafka_the_status_is_4_and_the_cure_is_named, queues_are_listed_with_one_server_alone,
           waiting_ends_with_the_result, waiting_tells_other_ends_by_its_status, later_jobs_can_be_waited_for,
           waiting_ends_after_its_time, interrupted_waiting_has_its_own_status,
           interrupted_waiting_for_several_jobs_ends_as_well, jobs_are_listed_and_shown_in_every_state,
           dead_letters_are_listed_and_shown, dead_letters_are_replayed,
           dead_letters_are_purged_only_when_that_is_certain, ids_are_printed_in_the_form_that_was_asked_for,
           foreign_ids_from_the_future_do_not_lead_the_list, one_id_is_one_row_of_the_status,
           version_and_help_need_nothing)
