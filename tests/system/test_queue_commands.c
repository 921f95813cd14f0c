/* SPDX-License-Identifier: Apache-2.0 */
/* jobctl queue show, create and set on real servers. */
#define SUITE_TIMEOUT_S 90
#include "tests/support/suite.h"

#include <stdio.h>

#include "tests/support/control.h"
#include "tests/support/harness.h"

#define NOBODY_KAFKA "JOB_KAFKA=127.0.0.1:9"
#define NOBODY_POSTGRES "JOB_DATABASE_URL=postgresql://nobody@127.0.0.1:9/none"

static struct site *site;

static void setup(void)
{
    site = site_new(&(struct site_options){
        .queues = "{ name = \"mail\"; partitions = 2; lanes = true; concurrency = 5; retention = \"30d\"; },"
                  "{ name = \"keyed\"; partitions = 1; }",
        .handlers =
            "{ type = \"keyed.*\"; kind = \"module\"; path = \"keyed.so\"; queue = \"keyed\"; order = \"key\"; }",
    });
    control_use(site);
}

static void teardown(void)
{
    control_use(NULL);
    site = site_free(site);
}

static int count_partitions(const char *queue)
{
    char topic[250];
    struct admin_topic found = { 0 };
    struct err err = { 0 };
    if (admin_find_topic(site_admin(site), site_topic(site, queue, topic), &found, &err))
        return 0;
    free(found.name);
    return found.n_partitions;
}

static int64_t number(const json_t *json, const char *name)
{
    return json_integer_value(json_object_get(json, name));
}

/* --- create --- */

START_TEST(a_declared_queue_gets_the_topics_that_it_declares)
{
    setup();
    control_expect(0, "queue create mail --dry-run -o json");
    control_prints("would be created");
    ck_assert_int_eq(count_partitions("mail"), 0);
    control_expect(0, "queue create mail -o json");
    json_t *json = control_json();
    ck_assert_uint_eq(json_array_size(json), 3);
    ck_assert_str_eq(control_member(json_array_get(json, 0), "action"), "created");
    json_decref(json);
    ck_assert_str_eq(control_remarks(), "");
    ck_assert_int_eq(count_partitions("mail"), 2);
    ck_assert_int_eq(count_partitions("mail.high"), 2);
    control_expect(0, "queue create mail -o json");
    control_prints("\"action\": \"kept\"");
    ck_assert_ptr_null(strstr(control_output(), "created"));
    ck_assert_int_eq(
        site_ask(site, "SELECT count(*) FROM job.audit WHERE action = 'queue create' AND queue = 'mail'"
                       " AND detail = '{\"partitions\": 2}' AND actor LIKE '%%@%%'"),
        1);
    teardown();
}
END_TEST

START_TEST(a_queue_that_is_not_declared_is_made_and_its_declaration_shown)
{
    setup();
    control_expect(0, "queue create reports --partitions 3");
    control_says("declares no queue \"reports\"");
    control_says("add { name = \"reports\"; partitions = 3; } to queues in ");
    ck_assert_int_eq(count_partitions("reports"), 3);
    control_expect(0, "queue create reports"); /* as it is */
    control_prints("kept");
    control_expect(0, "queue create other");
    ck_assert_int_eq(count_partitions("other"), 8);
    control_expect(1, "queue create reports --partitions 4");
    control_prints("it has 3 partitions");
    control_says("jobctl queue set reports partitions=N");
    teardown();
}
END_TEST

START_TEST(creating_without_postgresql_works_and_says_what_is_missing)
{
    setup();
    control_expect_with(NOBODY_POSTGRES, 0, "queue create mail");
    control_says("it is not written down in job.audit");
    ck_assert_int_eq(count_partitions("mail"), 2);
    control_expect_with(NOBODY_KAFKA, 4, "queue create mail");
    control_says("is it running?");
    teardown();
}
END_TEST

START_TEST(bad_creations_name_the_rule)
{
    setup();
    control_expect(2, "queue create");
    control_expect(2, "queue create later");
    control_says("\"later\" is no queue name");
    control_expect(2, "queue create x --partitions 0");
    control_says("--partitions: expected a whole number from 1 to 1000");
    control_expect(2, "queue create mail --partitions 7");
    control_says("declares the queue mail with 2");
    teardown();
}
END_TEST

/* --- set --- */

START_TEST(pausing_by_set_is_pausing)
{
    setup();
    control_expect(0, "queue set mail paused=true --dry-run -o json");
    control_prints("\"value\": \"true\", \"was\": \"false\"");
    control_prints("would be set");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.queue"), 0);
    control_expect(0, "queue set mail paused=true -o json");
    control_prints("\"action\": \"set\"");
    ck_assert(site_ask(site, "SELECT paused_at IS NOT NULL FROM job.queue WHERE name = 'mail'"));
    control_expect(0, "queue set mail paused=true -o json");
    control_prints("\"action\": \"kept\"");
    control_expect(0, "queue set mail paused=false -o json");
    control_prints("\"value\": \"false\", \"was\": \"true\"");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.audit WHERE action IN ('pause', 'resume')"), 2);
    control_expect_with(NOBODY_POSTGRES, 4, "queue set mail paused=true");
    control_expect_with(NOBODY_KAFKA, 0, "queue set mail paused=true");
    teardown();
}
END_TEST

START_TEST(partitions_are_added_when_somebody_agrees)
{
    setup();
    control_expect(3, "queue set mail partitions=4 --yes");
    control_says("jobctl queue create mail makes it");
    control_expect(0, "queue create mail");
    control_expect(2, "queue set mail partitions=4");
    control_says("repeat it with --yes");
    ck_assert_int_eq(count_partitions("mail"), 2);
    control_expect(0, "queue set mail partitions=4 --dry-run");
    control_prints("would be grown");
    control_expect(0, "queue set mail partitions=4 --yes -o json");
    json_t *json = control_json();
    ck_assert_uint_eq(json_array_size(json), 3); /* with its lanes */
    ck_assert_str_eq(control_member(json_array_get(json, 0), "action"), "grown");
    ck_assert_str_eq(control_member(json_array_get(json, 0), "was"), "2");
    ck_assert_str_eq(control_member(json_array_get(json, 0), "value"), "4");
    json_decref(json);
    control_says("declares mail with 2 partitions; write 4 there");
    ck_assert_int_eq(count_partitions("mail"), 4);
    ck_assert_int_eq(site_ask(site,
                              "SELECT count(*) FROM job.audit WHERE action = 'queue set' AND queue = 'mail'"
                              " AND detail = '{\"partitions\": 4}'"),
                     1);
    control_expect(0, "queue set mail partitions=4");
    control_prints("kept");
    control_expect(1, "queue set mail partitions=3 --yes");
    control_says("Kafka takes none away: expected 4 or more");
    control_expect(0, "queue set mail paused=true partitions=5 --yes");
    ck_assert_int_eq(count_partitions("mail"), 5);
    teardown();
}
END_TEST

START_TEST(a_queue_in_order_does_not_grow_until_it_is_drained)
{
    setup();
    control_expect(0, "topic apply");
    control_expect(0, "enqueue keyed.job --key k");
    control_expect(1, "queue set keyed partitions=2 --yes");
    control_prints("refused");
    control_prints("1 records are not done");
    ck_assert_int_eq(count_partitions("keyed"), 1);
    teardown();
}
END_TEST

START_TEST(what_cannot_be_set_is_refused_with_the_place_to_set_it)
{
    setup();
    control_expect(2, "queue set mail");
    control_expect(2, "queue set later paused=true");
    control_says("\"later\" is no queue name");
    control_expect(2, "queue set mail paused");
    control_says("expected KEY=VALUE, like paused=true, found \"paused\"");
    control_expect(2, "queue set mail paused=maybe");
    control_says("paused: expected true or false, like paused=true, found \"maybe\"");
    control_expect(2, "queue set mail partitions=many");
    control_says("partitions: expected a whole number from 1 to 1000, like partitions=16, found \"many\"");
    control_expect(2, "queue set mail pause=true");
    control_says("did you mean \"paused\"?");
    control_expect(2, "queue set mail color=red");
    control_says("it is one of paused, partitions");
    control_expect(2, "queue set mail paused=true retention=7d");
    control_says(
        "retention: stands in the configuration and is changed there: queues: ( { name = \"mail\"; retention = ");
    control_says(site_config_path(site));
    control_expect(2, "queue set mail lanes=true");
    control_says("restart workers");
    control_expect(2, "queue set mail concurrency=3");
    control_says("(SIGHUP)");
    control_expect(2, "queue set mail paused=true paused=false");
    control_says("paused is given twice");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.queue"), 0); /* read before anything is done */
    teardown();
}
END_TEST

/* --- show --- */

static void prepare_queue(void)
{
    char topic[250];
    setup();
    control_expect(0, "topic apply");
    control_expect(0, "enqueue some.type -q mail --key k --count 5");
    site_add_worker(site, "w7", 2);
    site_sql(site, "UPDATE job.worker SET narrow = '{\"mail\": 1000}'");
    site_sql(site,
             "INSERT INTO job.cursor (topic, partition, epoch, next_offset, owner)"
             " SELECT '%s', n, 1, 0, 'w7' FROM generate_series(0, 1) n;"
             "SELECT job.enqueue('mail', 't', run_at => '2199-01-01') FROM generate_series(1, 3);"
             "INSERT INTO job.rollup (hour, n, shard, queue, type, state) VALUES"
             " (date_trunc('hour', clock_timestamp()), 7, 1, 'mail', 't', 'succeeded'),"
             " (date_trunc('hour', clock_timestamp()) - interval '1 hour', 4, 1, 'mail', 't', 'succeeded'),"
             " (date_trunc('hour', clock_timestamp()) - interval '2 days', 100, 1, 'mail', 't', 'succeeded');"
             "INSERT INTO job.dead (id, died_at, delivery, attempt, queue, type, reason, headers)"
             " VALUES (job.new_id(), now(), 1, 1, 'mail', 't', 'failed', '{}')",
             site_topic(site, "mail", topic));
}

START_TEST(show_has_everything_about_a_queue)
{
    prepare_queue();
    control_expect(0, "queue pause mail");
    control_expect(0, "queue show mail -o json");
    json_t *json = control_json();
    ck_assert(json_is_true(json_object_get(json, "declared")));
    ck_assert_int_eq(number(json, "declared_partitions"), 2);
    ck_assert_int_eq(number(json, "concurrency"), 5);
    ck_assert_str_eq(control_member(json, "retention"), "30d");
    ck_assert(json_is_true(json_object_get(json, "paused")));
    ck_assert(strchr(control_member(json, "paused_by"), '@') != NULL);
    ck_assert_int_eq(number(json, "partitions"), 6);
    ck_assert_int_eq(number(json, "lag"), 5);
    ck_assert_int_eq(number(json, "pending"), 3);
    ck_assert_str_eq(control_member(json, "next_run_at"), "2199-01-01T00:00:00.000000Z");
    ck_assert_int_eq(number(json, "leases"), 2);
    ck_assert_int_eq(number(json, "dead"), 1);
    ck_assert_int_eq(number(json, "workers"), 1);
    ck_assert(strncmp(control_member(json, "oldest_waiting_at"), "20", 2) == 0);
    const json_t *places = json_object_get(json, "places");
    int64_t lag = 0;
    ck_assert_uint_eq(json_array_size(places), 6);
    for (size_t i = 0; i < 6; i++) {
        const json_t *place = json_array_get(places, i);
        bool owned = strcmp(control_member(place, "owner"), "w7") == 0;
        lag += number(place, "lag");
        ck_assert_int_eq(owned, i == 2 || i == 3); /* high goes before normal before low */
        ck_assert(number(place, "lag") == 0 || control_member(place, "oldest_at")[0]);
    }
    ck_assert_int_eq(lag, 5);
    const json_t *reason = json_array_get(json_object_get(json, "pending_by_reason"), 0);
    ck_assert_str_eq(control_member(reason, "reason"), "delay");
    ck_assert_int_eq(number(reason, "jobs"), 3);
    const json_t *taker = json_array_get(json_object_get(json, "takers"), 0);
    ck_assert_str_eq(control_member(taker, "worker"), "w7");
    ck_assert_int_eq(number(taker, "leases"), 2);
    ck_assert_str_eq(control_member(taker, "narrow"), "1000");
    const json_t *ended = json_array_get(json_object_get(json, "ended"), 0);
    ck_assert_int_eq(number(ended, "this_hour"), 7);
    ck_assert_int_eq(number(ended, "last_hour"), 4);
    ck_assert_int_eq(number(ended, "day"), 11);
    json_decref(json);
    teardown();
}
END_TEST

START_TEST(show_has_tables_for_people)
{
    prepare_queue();
    control_expect(0, "queue show mail");
    control_prints("queue               mail\n");
    control_prints("\ntopic ");
    control_prints("\nreason ");
    control_prints("\nworker ");
    control_prints("\nstate ");
    ck_assert_ptr_null(strstr(control_output(), "places"));
    control_expect(0, "queue show mail -o jsonl --columns queue,lag");
    ck_assert_str_eq(control_output(), "{\"queue\": \"mail\", \"lag\": 5}\n");
    control_expect(0, "queue show mail --columns lag,dead");
    control_expect(0, "queue show mail -o csv");
    control_prints("queue,declared,");
    teardown();
}
END_TEST

START_TEST(show_says_what_it_cannot_know)
{
    prepare_queue();
    control_expect_with(NOBODY_POSTGRES, 0, "queue show mail -o json");
    control_says("what waits there, runs and died, and who takes it, is not known");
    control_prints("\"partitions\": 6, \"lag\": null");
    control_prints("\"takers\": null");
    control_expect_with(NOBODY_KAFKA, 0, "queue show mail -o json");
    control_says("what lies in Kafka is not known");
    control_prints("\"partitions\": null, \"lag\": null");
    control_prints("\"next_offset\": 0");
    control_expect_with(NOBODY_POSTGRES " " NOBODY_KAFKA, 4, "queue show mail");
    teardown();
}
END_TEST

START_TEST(unknown_queues_are_not_found)
{
    setup();
    control_expect(3, "queue show mial");
    control_says("did you mean \"mail\"?");
    control_says("there is no trace of a queue mial; jobctl queue create mial makes it");
    control_expect(0, "queue show mail"); /* declared, and nothing of it is there yet */
    control_expect(2, "queue show Mail");
    control_says("is no queue name");
    control_expect(2, "queue show");
    site_sql(site, "SELECT job.enqueue('stray', 't')");
    control_expect(0, "queue show stray -o json");
    control_prints("\"declared\": false");
    control_prints("\"pending\": 1");
    teardown();
}
END_TEST

#define TIME "20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z"

START_TEST(their_output_is_as_it_was_read)
{
    prepare_queue();
    site_sql(site, "UPDATE job.worker SET pid = 4711");
    control_mask(TIME, "TIME");
    control_golden("queue_show", "queue show mail");
    control_golden("queue_set", "queue set mail paused=true partitions=4 --dry-run");
    control_golden("queue_create", "queue create mail --dry-run");
    control_golden_once("queue_create_undeclared", "queue create reports --partitions 3 --dry-run");
    control_golden_once("queue_set_refused", "queue set mail retention=7d");
    teardown();
}
END_TEST

SUITE_MAIN("queue_commands", their_output_is_as_it_was_read,
           a_declared_queue_gets_the_topics_that_it_declares,
           a_queue_that_is_not_declared_is_made_and_its_declaration_shown,
           creating_without_postgresql_works_and_says_what_is_missing, bad_creations_name_the_rule,
           pausing_by_set_is_pausing, partitions_are_added_when_somebody_agrees,
           a_queue_in_order_does_not_grow_until_it_is_drained,
           what_cannot_be_set_is_refused_with_the_place_to_set_it, show_has_everything_about_a_queue,
           show_has_tables_for_people, show_says_what_it_cannot_know, unknown_queues_are_not_found)
