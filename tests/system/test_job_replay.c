/* SPDX-License-Identifier: Apache-2.0 */
/* jobctl job replay: jobs that have ended run once more, from what Kafka still has of them. */
#define SUITE_TIMEOUT_S 120
#include "tests/support/suite.h"

#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "tests/support/control.h"
#include "tests/support/harness.h"

#define NOBODY_KAFKA "JOB_KAFKA=127.0.0.1:9"
#define NOBODY_POSTGRES "JOB_DATABASE_URL=postgresql://nobody@127.0.0.1:9/none"
#define EVER "--finished-between 2020-01-01T00:00:00Z 2100-01-01T00:00:00Z"
#define LATELY "--finished-between 1h 0s"

static struct site *site;

static void start(void)
{
    site = site_new(&(struct site_options){
        .queues =
            "{ name = \"selftest\"; partitions = 4; lanes = true; }, { name = \"other\"; partitions = 1; }",
        .worker = "queues = ( { name = \"selftest\"; }, { name = \"other\"; } ); executors_max = 2;",
        .handlers =
            "{ type = \"selftest.*\"; path = \"${build}/jobs/selftest/selftest.so\"; queue = \"selftest\"; }",
    });
    control_use(site);
    control_expect(0, "topic apply");
}

static void stop(void)
{
    control_use(NULL);
    site = site_free(site);
}

static void await_successes(int n)
{
    site_await(site, 30, "SELECT count(*) = %d FROM job.result WHERE state = 'succeeded'", n);
}

/* Lets a broker and a worker do what there is. */
static void work_until(int n_successes)
{
    struct site_daemon *broker = site_start_broker(site), *worker = site_start_worker(site);
    await_successes(n_successes);
    site_stop(worker);
    site_stop(broker);
}

/* --- What a new job has --------------------------------------------------------------------------------------------------------- */

START_TEST(ended_jobs_run_again_as_new_ones)
{
    start();
    control_expect(0, "enqueue selftest.echo --count 150 --payload '{\"to\": \"ada\"}'");
    control_expect(0, "enqueue selftest.echo --count 50 --payload '{\"to\": \"bob\"}'");
    control_expect(0, "enqueue selftest.echo --in 1s --payload '{\"to\": \"later\"}'");
    control_expect(0, "enqueue selftest.echo -q other");
    work_until(202);
    control_expect(0, "job replay -t selftest.echo -q selftest " LATELY " --yes -o jsonl");
    ck_assert_int_eq(
        site_ask(site,
                 "SELECT count(*) FROM job.pending WHERE reason = 'replay' AND delivery = 1 AND attempt = 1"),
        201);
    ck_assert_int_eq(site_ask(site, "SELECT count(DISTINCT headers ->> 'ce_parent') FROM job.pending"), 201);
    control_says("run again: 201");
    json_t *first = json_loads(control_output(), JSON_DISABLE_EOF_CHECK, NULL);
    ck_assert_str_eq(control_member(first, "action"), "runs again");
    ck_assert_int_eq(
        site_ask(site, "SELECT count(*) FROM job.pending WHERE id = '%s' AND headers ->> 'ce_parent' = '%s'",
                 control_member(first, "new_id"), control_member(first, "id")),
        1);
    json_decref(first);
    ck_assert_int_eq(
        site_ask(site, "SELECT count(*) FROM job.audit WHERE action = 'job replay' AND queue = 'selftest'"),
        1);
    ck_assert_int_eq(
        site_ask(
            site,
            "SELECT sum((detail ->> 'jobs')::bigint) FROM job.audit WHERE action = 'rerun' AND detail ? 'run'"),
        201);
    work_until(403);
    ck_assert_int_eq(
        site_ask(site,
                 "SELECT count(*) FROM job.result n JOIN job.result o ON o.id = n.parent"
                 " WHERE n.result = o.result AND n.queue = o.queue AND n.type = o.type AND n.id > o.id"),
        201);
    stop();
}
END_TEST

START_TEST(all_is_carried_over_but_what_was_about_the_old_one)
{
    start();
    control_expect(
        0,
        "enqueue selftest.echo --key k1 --tag red --tag blue --header x=y --expires 1h --priority high --max-attempts 7"
        " --timeout 30s --unique u1 --unique-for 1h --payload '{\"n\": 1}'");
    work_until(1);
    control_expect(0, "job replay -t selftest.echo " LATELY " --yes");
    control_prints("run again");
    ck_assert_int_eq(
        site_ask(
            site,
            "SELECT count(*) FROM job.pending p JOIN job.result r ON r.id::text = p.headers ->> 'ce_parent'"
            " WHERE p.key = 'k1' AND p.topic = '.high' AND p.payload = '{\"n\": 1}' AND p.queue = 'selftest'"
            " AND p.headers @> '{\"x\": \"y\", \"ce_tags\": \"red,blue\", \"ce_maxattempts\": \"7\", \"ce_timeoutms\": \"30000\"}'"
            " AND NOT p.headers ?| '{ce_expires,ce_uniquekey,ce_uniquettlms,ce_id,ce_delivery}'"
            " AND (p.headers ->> 'ce_time')::timestamptz > r.enqueued_at"),
        1);
    work_until(2);
    stop();
}
END_TEST

/* What a producer in any language may send: all attributes are in the value. */
START_TEST(structured_messages_run_again_too)
{
    static const char value[] =
        "{\"specversion\": \"1.0\", \"id\": \"0190a6c2-7d3e-7f00-8000-000000000001\", \"source\": \"/x\", \"type\": \"selftest.echo\","
        " \"expires\": \"%s\", \"data\": {\"n\": 5}}";
    char text[512];
    start();
    char *soon = site_ask_text(
        site,
        "SELECT to_char((now() + interval '20 s') AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')");
    snprintf(text, sizeof(text), value, soon);
    free(soon);
    const struct message_header headers[] = { { "content-type",
                                                span_from_string("application/cloudevents+json") } };
    site_produce(site, "selftest",
                 &(struct message){
                     .value = span_from_string(text), .partition = -1, .headers = headers, .n_headers = 1 });
    work_until(1);
    control_expect(0, "job replay -t selftest.echo " LATELY " --where 'payload.n = 5' --yes");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.pending WHERE headers ->> 'ce_expires' > '9'"),
                     1);
    work_until(2);
    ck_assert_int_eq(
        site_ask(
            site,
            "SELECT count(*) FROM job.result WHERE parent = '0190a6c2-7d3e-7f00-8000-000000000001' AND result = '{\"n\": 5}'"),
        1);
    stop();
}
END_TEST

/* --- Which ------------------------------------------------------------------------------------------------------------------------ */

static void would_run(int n, const char *filters)
{
    control_expect(0, "job replay %s --dry-run -o json", filters);
    json_t *json = control_json();
    ck_assert_msg(json_array_size(json) == (size_t)n, "%s: %zu", filters, json_array_size(json));
    json_decref(json);
}

START_TEST(filters_say_which)
{
    start();
    control_expect(
        0, "enqueue selftest.echo --count 5 --payload '{\"to\": \"ada\", \"list\": [1, 2]}' --tag red");
    control_expect(0, "enqueue selftest.echo --count 3 --payload '{\"to\": \"bob\", \"n\": 7}'");
    control_expect(0, "enqueue selftest.echo -q other");
    control_expect(0, "enqueue selftest.echo -q other --in 1h");
    char *cancelled = site_ask_text(site, "SELECT id FROM job.pending");
    work_until(9);
    would_run(9, "-t selftest.echo " LATELY);
    would_run(8, "-q selftest " LATELY);
    would_run(0, "-t selftest.sleep " LATELY);
    would_run(5, "-q selftest " LATELY " --where 'payload.to = \"ada\"'");
    would_run(3, "-q selftest " LATELY " --where 'payload.n > 5 and payload.to ~ \"^b\"'");
    would_run(5, "-q selftest " LATELY " --where 'result.list[1] = 2'");
    would_run(5, "-q selftest " LATELY " --where 'headers.ce_tags = \"red\"'");
    would_run(0, "-q selftest " LATELY " --where 'payload.to = \"ada\"' --where 'payload.n exists'");
    would_run(4, "-q selftest " LATELY " --limit 4");
    would_run(0, "-q selftest --finished-between 3h 1h");
    would_run(0, "-q selftest " LATELY " --state cancelled --state expired");
    site_sql(
        site,
        "UPDATE job.result SET finished_at = finished_at - interval '2 hours' WHERE result ->> 'to' = 'bob'");
    would_run(3, "-q selftest --finished-between 3h 1h");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.bulk"), 0);
    control_expect(0, "job replay -q selftest --finished-between 3h 1h --limit 2 --yes");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.pending WHERE reason = 'replay'"), 2);
    ck_assert_int_eq(
        site_ask(site, "SELECT count(*) FROM job.bulk WHERE state = 'done' AND done = 2 AND total = 2"), 1);
    free(cancelled);
    stop();
}
END_TEST

START_TEST(what_is_shown_before_is_how_many_and_a_few_of_them)
{
    start();
    control_expect(0, "enqueue selftest.echo --count 7");
    work_until(7);
    control_expect(2, "job replay -t selftest.echo " LATELY);
    control_says("7 jobs that ended between 20");
    control_says("selftest/selftest.echo succeeded 20");
    control_says("Run 7 jobs again, as new ones?");
    control_says("--yes");
    control_expect(
        0,
        "job replay -t selftest.echo --finished-between 2020-01-01T00:00:00Z 2100-01-01T00:00:00Z --where 'payload exists' --dry-run");
    control_says("at most 7 jobs");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.pending"), 0);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.bulk"), 0);
    stop();
}
END_TEST

/* --- Gone ------------------------------------------------------------------------------------------------------------------------- */

START_TEST(job_whose_message_is_gone_is_listed_and_others_go_on)
{
    char topic[250];
    struct err err = { 0 };
    start();
    control_expect(0, "enqueue selftest.echo -q other --count 6");
    work_until(6);
    struct admin_cut cut = { .partition = 0, .before = 2 };
    ck_assert_msg(admin_delete_records(site_admin(site), site_topic(site, "other", topic), &cut, 1, &err) ==
                      0,
                  "%s", err.text);
    site_sql(
        site,
        "UPDATE job.result SET \"offset\" = 4 WHERE \"offset\" = 3; UPDATE job.result SET partition = 3 WHERE \"offset\" = 5");
    site_sql(
        site,
        "INSERT INTO job.result (id, queue, type, state, attempt, delivery, finished_at, topic, partition, \"offset\")"
        " VALUES (job.new_id(), 'other', 'selftest.echo', 'succeeded', 1, 1, clock_timestamp(), 'none.other', 0, 0),"
        " (job.new_id(), 'other', 'selftest.echo', 'succeeded', 1, 1, clock_timestamp(), NULL, NULL, NULL)");
    control_expect(1, "job replay -q other " LATELY " --yes -o csv");
    control_prints(",gone,,its message was deleted from Kafka");
    control_prints(",gone,,another message lies at its place: the topic was made anew");
    control_prints(",gone,,the log does not reach its place");
    control_prints(",gone,,Kafka has no topic none.other");
    control_prints(",gone,,it ended before its message lay in Kafka");
    control_says("gone, because Kafka has their messages no more: 6");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.pending"), 2);
    ck_assert_int_eq(
        site_ask(
            site,
            "SELECT count(*) FROM job.bulk WHERE done = 2 AND gone = 6 AND total = 8 AND state = 'done'"),
        1);
    control_expect(1, "job replay -q other " EVER " --yes");
    control_says(" is gone: Kafka has no topic none.other");
    control_expect(2, "job replay -q other " EVER);
    control_says("run 2 was the same and is done: it has run 2 jobs again");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.pending"), 4);
    stop();
}
END_TEST

START_TEST(large_messages_go_in_small_parts)
{
    start();
    site_sql(
        site,
        "SELECT job.enqueue('selftest', 'selftest.sleep', jsonb_build_object('ms', 0, 'pad', repeat('x', 900000))) FROM generate_series(1, 12)");
    struct site_daemon *broker = site_start_broker(site), *worker = site_start_worker(site);
    site_await(site, 60,
               "SELECT count(*) = 12 FROM job.result WHERE type = 'selftest.sleep' AND state = 'succeeded'");
    site_stop(worker);
    site_stop(broker);
    control_expect(0, "job replay -t selftest.sleep " LATELY " --yes");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.pending WHERE octet_length(payload) > 900000"),
                     12);
    ck_assert_int_le(
        site_ask(site, "SELECT max((detail ->> 'jobs')::integer) FROM job.audit WHERE action = 'rerun'"), 4);
    stop();
}
END_TEST

/* --- Broken off ----------------------------------------------------------------------------------------------------------------- */

static struct site_daemon *spawn(const char *const *arguments, int until)
{
    struct site_daemon *run = site_spawn(site, "cli/jobctl", arguments);
    site_await(site, 30,
               "SELECT coalesce((SELECT b.done >= %d FROM job.bulk b ORDER BY b.id DESC LIMIT 1), false)",
               until);
    return run;
}

START_TEST(run_that_is_killed_and_interrupted_runs_each_job_again_once)
{
    char run[24];
    start();
    control_expect(0, "enqueue selftest.echo --count 400");
    work_until(400);
    const char *const begin[] = { "job",
                                  "replay",
                                  "-t",
                                  "selftest.echo",
                                  "--finished-between",
                                  "2020-01-01T00:00:00Z",
                                  "2100-01-01T00:00:00Z",
                                  "--yes",
                                  "--rate",
                                  "200/s",
                                  NULL },
                      *const resume[] = { "job", "replay", "--resume", run, "--rate", "200/s", NULL };
    site_destroy(spawn(begin, 40));
    snprintf(run, sizeof(run), "%" PRId64, site_ask(site, "SELECT max(id) FROM job.bulk"));
    ck_assert_int_eq(site_ask(site, "SELECT count(*) = (SELECT done FROM job.bulk) FROM job.pending"), 1);
    struct site_daemon *second = spawn(resume, 150);
    site_kill(second, SIGINT);
    ck_assert_int_eq(site_await_exit(second, 20), 130);
    ck_assert_uint_eq(site_count_log(second, "of 400: `jobctl job replay --resume"), 1);
    ck_assert_int_lt(site_ask(site, "SELECT count(*) FROM job.pending"), 400);
    control_expect(0, "job replay --resume %s", run);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.pending"), 400);
    ck_assert_int_eq(site_ask(site, "SELECT count(DISTINCT headers ->> 'ce_parent') FROM job.pending"), 400);
    control_expect(1, "job replay --resume %s", run);
    control_says("is done: 400");
    work_until(800);
    stop();
}
END_TEST

/* --- Bad input -------------------------------------------------------------------------------------------------------------------- */

START_TEST(what_is_wrong_names_itself_and_the_rule)
{
    static const struct {
        const char *arguments, *rule;
    } cases[] = {
        { "job replay", "which? --type TYPE or --queue QUEUE" },
        { "job replay -t t", "when had they ended? --finished-between FROM TO" },
        { "job replay -t t --finished-between 1h 3h", "nothing lies between 1h and 3h" },
        { "job replay -t t --finished-between 2h", "needs two arguments: FROM TO" },
        { "job replay -t t --finished-between 2h yesterday", "expected a time like" },
        { "job replay -t t --finished-between 2100-01-01T00:00:00Z 2101-01-01T00:00:00Z",
          "is still to come" },
        { "job replay -t t " LATELY " --where 'payload.x == 1'", "--where: character 11: expected =" },
        { "job replay -t t " LATELY " --state dead", "succeeded, cancelled, expired" },
        { "job replay -t t " LATELY " --rate fast", "expected so many per second" },
        { "job replay --resume 1 --type t", "--type does not go with it" },
    };
    start();
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        control_expect(2, "%s", cases[i].arguments);
        control_says(cases[i].rule);
        ck_assert_str_eq(control_output(), "");
    }
    control_expect(3, "job replay --resume 4711");
    control_expect(0, "job replay -t nothing " LATELY " --yes");
    control_says("run again: 0");
    control_expect_with(NOBODY_KAFKA, 4, "job replay -t t " LATELY " --yes");
    control_says("JOB_KAFKA");
    control_expect_with(NOBODY_POSTGRES, 4, "job replay -t t " LATELY " --yes");
    control_says("JOB_DATABASE_URL");
    stop();
}
END_TEST

SUITE_MAIN("job_replay", ended_jobs_run_again_as_new_ones, all_is_carried_over_but_what_was_about_the_old_one,
           structured_messages_run_again_too, filters_say_which,
           what_is_shown_before_is_how_many_and_a_few_of_them,
           job_whose_message_is_gone_is_listed_and_others_go_on, large_messages_go_in_small_parts,
           run_that_is_killed_and_interrupted_runs_each_job_again_once,
           what_is_wrong_names_itself_and_the_rule)
