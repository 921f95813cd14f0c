/* SPDX-License-Identifier: Apache-2.0 */
/* jobctl job show: all that either server knows about one job, and what cannot be known. */
#define SUITE_TIMEOUT_S 120
#include "tests/support/suite.h"

#include <stdio.h>

#include "base/cleanup.h"
#include "tests/support/control.h"
#include "tests/support/harness.h"
#include "tests/support/terminal.h"

#define ID(n) "0190a6c2-7d3e-7f00-8000-0000000000" #n
#define NOBODY_POSTGRES "JOB_DATABASE_URL=postgresql://nobody@127.0.0.1:1/nothing"
#define NOBODY_KAFKA "JOB_KAFKA=127.0.0.1:1"
#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"

static struct site *site;

static void setup(void)
{
    site = site_new(&(struct site_options){
        .queues = "{ name = \"mail\"; partitions = 2; }",
        .handlers = "{ type = \"welcome\"; kind = \"command\"; argv = ( \"true\" ); queue = \"mail\"; }",
        .extra = "jobctl: { trace_url = \"https://traces.example/{trace_id}/x\"; };",
    });
    control_use(site);
}

static void teardown(void)
{
    control_use(NULL);
    site = site_free(site);
}

static json_t *show(const char *environment, const char *id, const char *options)
{
    char line[200];
    snprintf(line, sizeof(line), "job show %s -o json %s", id, options);
    int r = control_run(environment, line);
    ck_assert_msg(r == 0, "%s: exit status %d: %s", line, r, control_remarks());
    return control_json();
}

static const char *text_at(const json_t *json, const char *list, size_t i, const char *member)
{
    return control_member(json_array_get(json_object_get(json, list), i), member);
}

/* A job in its topic; its id is to be freed. */
static char *enqueue(const char *options)
{
    control_expect(0, "topic apply");
    control_expect(0, "enqueue welcome %s", options);
    return strdup(control_id(0));
}

/* It has ended, and came from where it lies. */
static void end(const char *id)
{
    json_t *json = show("", id, "");
    site_sql(
        site,
        "INSERT INTO job.result (id, state, queue, type, attempt, delivery, enqueued_at, started_at, finished_at, worker, topic, partition, \"offset\")"
        " VALUES ('%s', 'succeeded', 'mail', 'welcome', 1, 1, now(), now(), now(), 'w1', '%s', %d, %d)",
        id, control_member(json, "topic"), (int)json_integer_value(json_object_get(json, "partition")),
        (int)json_integer_value(json_object_get(json, "offset")));
    json_decref(json);
}

/* --- Payload ------------------------------------------------------------------------------------------------------------- */

START_TEST(payload_of_an_ended_job_is_read_from_kafka)
{
    setup();
    _cleanup_free_ char *id = enqueue("-p '{\"to\": \"ada\"}' --key k1 --tag a --tag b");
    end(id);
    site_sql(site, "UPDATE job.result SET trace_id = '" TRACE "'");
    json_t *json = show("", id, "");
    ck_assert_str_eq(control_member(json, "state"), "succeeded");
    ck_assert_str_eq(control_member(json, "place"), "ended");
    ck_assert_str_eq(control_member(json_object_get(json, "payload"), "to"), "ada");
    ck_assert_str_eq(control_member(json, "payload_from"), "kafka");
    ck_assert_str_eq(control_member(json, "key"), "k1");
    ck_assert_uint_eq(json_array_size(json_object_get(json, "tags")), 2);
    ck_assert_str_eq(control_member(json, "trace_id"), TRACE);
    ck_assert_str_eq(control_member(json, "trace_url"), "https://traces.example/" TRACE "/x");
    ck_assert_str_eq(control_remarks(), "");
    json_decref(json);

    json = show("", id, "--no-kafka");
    ck_assert(json_is_null(json_object_get(json, "payload")));
    ck_assert(json_is_null(json_object_get(json, "payload_from")));
    ck_assert_str_eq(control_remarks(), "");
    json_decref(json);

    json = show(NOBODY_KAFKA, id, "");
    ck_assert(json_is_null(json_object_get(json, "payload")));
    control_says("the payload is not known");
    json_decref(json);
    teardown();
}
END_TEST

START_TEST(a_record_that_is_gone_or_another_jobs_is_said_to_be_gone)
{
    setup();
    _cleanup_free_ char *first = enqueue("-p 1 --key k");
    _cleanup_free_ char *second = enqueue("-p 2 --key k");
    end(first);
    end(second);
    char topic[256];
    struct admin_cut cut = { .partition = (int32_t)site_ask(site, "SELECT partition FROM job.result LIMIT 1"),
                             .before = 1 };
    ck_assert_int_eq(admin_delete_records(site_admin(site), site_topic(site, "mail", topic), &cut, 1, NULL),
                     0);
    json_t *json = show("", first, "");
    ck_assert(json_is_null(json_object_get(json, "payload")));
    control_says("the payload is gone");
    json_decref(json);
    site_sql(site, "UPDATE job.result SET \"offset\" = 1 WHERE id = '%s'", first);
    json_decref(show("", first, ""));
    control_says("the payload is gone");
    json = show("", second, "");
    ck_assert_int_eq(json_integer_value(json_object_get(json, "payload")), 2);
    json_decref(json);
    teardown();
}
END_TEST

/* --- Timeline and relations --------------------------------------------------------------------------------------------------- */

START_TEST(the_timeline_has_tries_and_what_people_did)
{
    setup();
    site_sql(
        site,
        "INSERT INTO job.dead (id, died_at, queue, type, reason, error, attempt, delivery, headers, payload) VALUES"
        " ('" ID(
            10) "', '2024-07-12 13:00+00', 'mail', 'welcome', 'exhausted', 'no', 2, 2, '{\"ce_uniquekey\": \"u7\"}', '[]');"
                "INSERT INTO job.result (id, state, queue, type, reason, error, attempt, delivery, started_at, finished_at) VALUES"
                " ('" ID(
                    10) "', 'dead', 'mail', 'welcome', 'exhausted', 'no', 2, 2, '2024-07-12 12:59+00', '2024-07-12 13:00+00');"
                        "INSERT INTO job.attempt (id, delivery, attempt, outcome, error, started_at, finished_at, worker) VALUES"
                        " ('" ID(
                            10) "', 1, 1, 'timeout', 'took long', '2024-07-12 12:00+00', '2024-07-12 12:15+00', 'w1'),"
                                " ('" ID(
                                    10) "', 2, 2, 'failed', 'no', '2024-07-12 12:59+00', '2024-07-12 13:00+00', 'w2')");
    json_t *json = show("", ID(10), "");
    ck_assert_str_eq(control_member(json, "place"), "dead letter");
    ck_assert_str_eq(control_member(json, "unique_key"), "u7");
    ck_assert_str_eq(control_member(json, "died_at"), "2024-07-12T13:00:00.000000Z");
    static const char *const events[] = { "enqueued", "started", "timeout", "started", "failed", "dead" };
    ck_assert_uint_eq(json_array_size(json_object_get(json, "timeline")), ARRAY_SIZE(events));
    for (size_t i = 0; i < ARRAY_SIZE(events); i++)
        ck_assert_str_eq(text_at(json, "timeline", i, "event"), events[i]);
    ck_assert_str_eq(text_at(json, "timeline", 0, "at"), "2024-07-12T11:44:42.302000Z");
    ck_assert_str_eq(text_at(json, "timeline", 2, "detail"), "took long");
    ck_assert_str_eq(text_at(json, "timeline", 3, "worker"), "w2");
    json_decref(json);

    control_expect(0, "dead replay " ID(10));
    json = show("", ID(10), "");
    ck_assert_str_eq(control_member(json, "place"), "pending, replay");
    ck_assert_str_eq(text_at(json, "timeline", 5, "event"), "dead"); /* its row went, but it is known */
    ck_assert_str_eq(text_at(json, "timeline", 5, "detail"), "no");
    bool replayed = false, due = false;
    for (size_t i = 0; i < json_array_size(json_object_get(json, "timeline")); i++) {
        replayed |= strcmp(text_at(json, "timeline", i, "event"), "replay") == 0 &&
                    strchr(text_at(json, "timeline", i, "actor"), '@');
        due |= strcmp(text_at(json, "timeline", i, "event"), "due") == 0;
    }
    ck_assert(replayed && due);
    json_decref(json);
    control_expect(0, "job cancel " ID(10));
    control_expect(0, "job show " ID(10));
    control_prints("\ntimeline\n");
    control_prints("cancelled");
    control_prints("\nattempts\n");
    teardown();
}
END_TEST

START_TEST(a_purged_letter_is_named)
{
    setup();
    site_sql(site,
             "INSERT INTO job.result (id, state, queue, type, reason, attempt, delivery, finished_at) VALUES"
             " ('" ID(10) "', 'dead', 'mail', 'welcome', 'failed', 1, 1, now())");
    json_t *json = show("", ID(10), "");
    ck_assert_str_eq(control_member(json, "place"), "ended, its dead letter was purged");
    json_decref(json);
    teardown();
}
END_TEST

START_TEST(children_are_found_wherever_they_are)
{
    setup();
    site_sql(
        site,
        "INSERT INTO job.result (id, state, queue, type, attempt, delivery, finished_at, parent) VALUES"
        " ('" ID(
            10) "', 'succeeded', 'mail', 'welcome', 1, 1, now(), NULL),"
                " ('" ID(11) "', 'succeeded', 'mail', 'bye', 1, 1, now(), '" ID(
                    10) "'),"
                        " ('" ID(12) "', 'succeeded', 'mail', 'bye', 1, 1, now(), '" ID(
                            11) "');"
                                "INSERT INTO job.pending (id, run_at, delivery, attempt, queue, type, reason, headers) VALUES"
                                " ('" ID(13) "', now() + interval '1 hour', 1, 1, 'mail', 'bye', 'delay', '{\"ce_parent\": \"" ID(
                                    10) "\"}');"
                                        "INSERT INTO job.dead (id, died_at, queue, type, reason, attempt, delivery, headers) VALUES"
                                        " ('" ID(14) "', now(), 'mail', 'bye', 'failed', 1, 1, '{\"ce_parent\": \"" ID(
                                            10) "\"}')");
    json_t *json = show("", ID(10), "");
    ck_assert_uint_eq(json_array_size(json_object_get(json, "children")), 3);
    ck_assert_str_eq(text_at(json, "children", 0, "id"), ID(11));
    ck_assert_str_eq(text_at(json, "children", 1, "state"), "scheduled");
    ck_assert_str_eq(text_at(json, "children", 2, "state"), "dead");
    ck_assert(json_is_null(json_object_get(json, "children_until")));
    json_decref(json);
    json = show("", ID(13), "");
    ck_assert_str_eq(control_member(json, "parent"), ID(10));
    ck_assert_uint_eq(json_array_size(json_object_get(json, "children")), 0);
    json_decref(json);
    site_sql(
        site,
        "INSERT INTO job.result (id, state, queue, type, attempt, delivery, finished_at)"
        " SELECT ('0190a6c2-7d3f-7f00-8000-' || lpad(n::text, 12, '0'))::uuid, 'succeeded', 'mail', 't', 1, 1, now() FROM generate_series(1, 12000) n");
    json = show("", ID(10), "");
    ck_assert_str_eq(control_member(json, "children_until"), "2024-07-12T11:44:42.303000Z");
    ck_assert_uint_eq(json_array_size(json_object_get(json, "children")), 3);
    json_decref(json);
    teardown();
}
END_TEST

/* --- With one server ------------------------------------------------------------------------------------------------------------ */

START_TEST(with_kafka_alone_a_job_is_found_and_its_state_is_not_known)
{
    setup();
    _cleanup_free_ char *id = enqueue("-p '{\"to\": \"ada\"}'");
    json_t *json = show(NOBODY_POSTGRES, id, "");
    ck_assert(json_is_null(json_object_get(json, "state")));
    ck_assert(json_is_null(json_object_get(json, "ahead")));
    ck_assert_str_eq(control_member(json_object_get(json, "payload"), "to"), "ada");
    ck_assert(json_is_integer(json_object_get(json, "offset")));
    control_says("only PostgreSQL knows whether it still waits there");
    json_decref(json);
    control_expect_with(NOBODY_POSTGRES, 4, "job show %s --no-kafka", id);
    control_expect_with(NOBODY_POSTGRES, 4, "job show " ID(10));
    control_expect_with(NOBODY_POSTGRES " " NOBODY_KAFKA, 4, "job show %s", id);
    teardown();
}
END_TEST

START_TEST(without_kafka_what_postgresql_knows_is_shown)
{
    setup();
    site_sql(
        site,
        "INSERT INTO job.pending (id, run_at, delivery, attempt, queue, type, reason, headers, payload) VALUES"
        " ('" ID(10) "', now(), 1, 1, 'mail', 'welcome', 'outbox', '{}', '[1]')");
    json_t *json = show(NOBODY_KAFKA, ID(10), "");
    ck_assert_str_eq(control_member(json, "payload_from"), "postgresql");
    ck_assert_str_eq(control_member(json, "place"), "pending, outbox");
    json_decref(json);
    control_expect(3, "job show " ID(11) " --no-kafka");
    control_says("PostgreSQL does not know it");
    teardown();
}
END_TEST

START_TEST(a_job_between_two_deliveries_is_found_in_its_topic)
{
    setup();
    control_expect(0, "topic apply");
    site_sql(site, "INSERT INTO job.attempt (id, delivery, attempt, outcome, started_at, finished_at) VALUES"
                   " ('" ID(10) "', 1, 1, 'failed', now(), now())");
    static const struct message_header headers[] = {
        { "ce_id", { ID(10), 36 } },
        { "ce_type", { "welcome", 7 } },
        { "ce_attempt", { "2", 1 } },
        { "ce_delivery", { "2", 1 } },
    };
    json_t *json = show("", ID(10), "");
    ck_assert_str_eq(control_member(json, "place"), "on its way through Kafka");
    json_decref(json);
    site_produce(
        site, "mail",
        &(struct message){
            .partition = 1, .value = { "[7]", 3 }, .headers = headers, .n_headers = ARRAY_SIZE(headers) });
    json = show("", ID(10), "");
    ck_assert_str_eq(control_member(json, "state"), "queued");
    ck_assert_str_eq(control_member(json, "type"), "welcome");
    ck_assert_int_eq(json_integer_value(json_object_get(json, "delivery")), 2);
    ck_assert_int_eq(json_integer_value(json_object_get(json, "partition")), 1);
    ck_assert_int_eq(json_integer_value(json_object_get(json, "ahead")), 0);
    ck_assert_ptr_nonnull(strstr(control_member(json, "place"), ".mail, partition 1, offset 0"));
    json_decref(json);
    teardown();
}
END_TEST

/* --- On a terminal ------------------------------------------------------------------------------------------------------------ */

static struct terminal *start(const char *arguments)
{
    char command[1200];
    snprintf(command, sizeof(command), "exec env NO_COLOR=1 '%s/cli/jobctl' -c '%s' %s", site_build(site),
             site_config_path(site), arguments);
    return terminal_start((const char *const[]){ "sh", "-c", command, NULL }, 60, 150);
}

START_TEST(payloads_are_laid_out_for_people_and_cut_unless_all_is_wanted)
{
    setup();
    site_sql(
        site,
        "INSERT INTO job.pending (id, run_at, delivery, attempt, queue, type, reason, headers, payload) VALUES"
        " ('" ID(
            10) "', now(), 1, 1, 'mail', 'welcome', 'outbox', '{}', '{\"to\": \"a\\\\u001b[2Jb\", \"n\": [1]}'),"
                " ('" ID(
                    11) "', now(), 1, 1, 'mail', 'welcome', 'outbox', '{}', (SELECT convert_to(jsonb_agg(n)::text, 'UTF8') FROM generate_series(1, 100) n))");
    struct terminal *t = start("job show " ID(10));
    ck_assert_int_eq(terminal_await_exit(t, 10), 0);
    ck_assert_ptr_nonnull(
        strstr(terminal_screen(t), "\npayload\n  {\n    \"to\": \"a\\u001B[2Jb\",\n    \"n\": ["));
    terminal_free(t);
    t = start("job show " ID(11) " --no-pager");
    ck_assert_int_eq(terminal_await_exit(t, 10), 0);
    ck_assert_ptr_nonnull(strstr(terminal_bytes(t), " 39,"));
    ck_assert_ptr_null(strstr(terminal_bytes(t), " 40,"));
    ck_assert_ptr_nonnull(strstr(terminal_bytes(t), "(62 lines more; --full shows them)"));
    terminal_free(t);
    t = start("job show " ID(11) " --no-pager --full");
    ck_assert_int_eq(terminal_await_exit(t, 10), 0);
    ck_assert_ptr_nonnull(strstr(terminal_bytes(t), " 100\r\n"));
    terminal_free(t);
    control_expect(0, "job show " ID(11)); /* in a pipe it is one line, and whole */
    control_prints("98, 99, 100]");
    control_expect(0, "job show " ID(11) " --columns id,state");
    ck_assert_ptr_null(strstr(control_output(), "timeline"));
    teardown();
}
END_TEST

SUITE_MAIN("job_show", payload_of_an_ended_job_is_read_from_kafka,
           a_record_that_is_gone_or_another_jobs_is_said_to_be_gone,
           the_timeline_has_tries_and_what_people_did, a_purged_letter_is_named,
           children_are_found_wherever_they_are, with_kafka_alone_a_job_is_found_and_its_state_is_not_known,
           without_kafka_what_postgresql_knows_is_shown, a_job_between_two_deliveries_is_found_in_its_topic,
           payloads_are_laid_out_for_people_and_cut_unless_all_is_wanted)
