/* SPDX-License-Identifier: Apache-2.0 */
/* The handler of job.dead hears of each death, once, whoever buries; and it never keeps a job from being buried. */
#define SUITE_TIMEOUT_S 180
#include "tests/support/suite.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "stream/message.h"
#include "tests/support/harness.h"
#include "tests/support/harness_site.h"
#include "tests/support/trace.h"

/* --- Tools --------------------------------------------------------------------------------------------------------------- */

#define QUEUES "{ name = \"selftest\"; partitions = 4; }, { name = \"ops\"; partitions = 2; }"
#define SELFTEST                                                                                             \
    "{ type = \"selftest.*\"; path = \"${build}/jobs/selftest/selftest.so\"; queue = \"selftest\"; "         \
    "max_attempts = 2; max_crashes = 1; backoff: { kind = \"constant\"; base = \"0s\"; }; }"
/* Its result is what it got. */
#define HOOK ", { type = \"job.dead\"; kind = \"command\"; argv = ( \"/bin/cat\" ); queue = \"ops\"; }"
#define FAILING_HOOK                                                                                         \
    ", { type = \"job.dead\"; kind = \"command\"; argv = ( \"/bin/sh\", \"-c\", \"exit 65\" ); queue = \"ops\"; }"
#define WORKER                                                                                               \
    "queues = ( { name = \"selftest\"; }, { name = \"ops\"; } ); executors_max = 2; unknown_type_grace = \"200ms\";"

static struct site *site;

static void start_without_broker(const char *hook)
{
    char handlers[1024];
    snprintf(handlers, sizeof(handlers), SELFTEST "%s", hook);
    site = site_new(&(struct site_options){ .queues = QUEUES, .worker = WORKER, .handlers = handlers });
    trace_start(site);
}

static void start(const char *hook)
{
    start_without_broker(hook);
    site_start_broker(site);
}

static void enqueue(const char *type, const char *payload, int n)
{
    site_sql(site, "SELECT job.enqueue('selftest', '%s', '%s') FROM generate_series(1, %d)", type, payload,
             n);
}

static void produce(const char *queue, const char *type, const char *value)
{
    const struct message_header headers[] = { { "ce_type", span_from_string(type) } };
    site_produce(site, queue,
                 &(struct message){
                     .partition = 0, .value = span_from_string(value), .n_headers = 1, .headers = headers });
}

/* A dead letter as whoever buries writes it. @columns, @values: beside those that there must be. */
static void bury(const char *type, const char *columns, const char *values)
{
    site_sql(site,
             "INSERT INTO job.dead (id, died_at, delivery, attempt, queue, reason, type%s)"
             " VALUES (job.new_id(), '2026-03-01T12:00:00.25+01:00', 2, 1, 'selftest', 'failed', %s%s)",
             columns, type, values);
}

/* Each of so many deaths has been told once, to a handler that succeeded, and nothing else has been told. */
static void await_told(int n)
{
    site_await(site, 60, "SELECT count(*) = %d FROM job.dead WHERE type IS DISTINCT FROM 'job.dead'", n);
    site_await(site, 60,
               "SELECT count(*) = %d FROM job.result WHERE type = 'job.dead' AND state = 'succeeded'", n);
    ck_assert_int_eq(
        site_ask(site, "SELECT count(*) FROM job.result r JOIN job.dead d ON d.id = r.parent"
                       " WHERE r.type = 'job.dead' AND r.queue = 'ops' AND r.result ->> 'id' = d.id::text"
                       " AND r.result ->> 'queue' = d.queue AND r.result ->> 'reason' = d.reason"
                       " AND r.result ->> 'type' IS NOT DISTINCT FROM d.type"
                       " AND (r.result ->> 'delivery')::integer = d.delivery"
                       " AND r.result ->> 'error' IS NOT DISTINCT FROM left(d.error, 8192)"
                       " AND (r.result ->> 'offset')::bigint IS NOT DISTINCT FROM d.\"offset\""
                       " AND (r.result ->> 'died_at')::timestamptz = d.died_at"),
        n);
    ck_assert_int_eq(site_ask(site, "SELECT count(DISTINCT parent) FROM job.result WHERE type = 'job.dead'"),
                     n);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.pending WHERE type = 'job.dead'"), 0);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.dead WHERE type = 'job.dead'"), 0);
}

static int64_t count_hooks(void)
{
    return site_ask(site, "SELECT (SELECT count(*) FROM job.pending WHERE type = 'job.dead')"
                          " + (SELECT count(*) FROM job.result WHERE type = 'job.dead')");
}

/* jobctl dead hook @more, whose output has @said in it. */
static void ask_hook(const char *more, const char *said)
{
    char *output;
    const char *const arguments[] = { "dead", "hook", "-o", "json", more, NULL };
    ck_assert_int_eq(site_jobctl(site, &output, arguments), 0);
    ck_assert_msg(strstr(output, said) != NULL, "%s", output);
    free(output);
}

static void await_queue(const char *queue)
{
    site_await(site, 20, "SELECT coalesce(job.dead_hook(), 'none') = '%s'", queue);
}

/* --- Who buries ---------------------------------------------------------------------------------------------------------- */

START_TEST(each_reason_to_die_is_told_once)
{
    start(HOOK);
    site_start_worker(site);
    enqueue("selftest.fail", "{}", 1);
    enqueue("selftest.fail", "{\"permanent\": true}", 1);
    enqueue("selftest.crash", "{\"signal\": 9}", 1);
    enqueue("unheard.of", "{}", 1);
    produce("selftest", "selftest.echo", "{this is no JSON");
    produce("later", "selftest.echo", "{\"and\": \"this no queue\"}");
    site_sql(site, "INSERT INTO job.pending (id, run_at, delivery, attempt, queue, type, reason, headers)"
                   " VALUES (job.new_id(), now(), 1, 1, 'selftest', 'selftest.echo', 'delay', '[1]')");
    site_add_worker(site, "a-silent-one", 1);
    site_sql(site, "UPDATE job.lease SET max_crashes = 1 WHERE worker = 'a-silent-one'");
    await_told(8);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.dead WHERE reason = 'exhausted'"), 1);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.dead WHERE reason = 'failed'"), 1);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.dead WHERE reason = 'crashed'"), 2);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.dead WHERE reason = 'unknown_type'"), 1);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.dead WHERE reason = 'malformed'"), 3);
    ck_assert_int_eq(
        site_ask(site, "SELECT count(DISTINCT worker) FROM job.result WHERE state = 'dead' AND worker IN"
                       " ('relay', 'later', 'a-silent-one')"),
        3);
    site_free(site);
}
END_TEST

/* Return: false when the worker died first. */
static bool await_burial(struct site_daemon *worker)
{
    int64_t deadline_us = site_deadline(20);
    while (site_is_running(worker)) {
        if (site_ask(site, "SELECT count(*) FROM job.dead"))
            return true;
        ck_assert(site_nap(deadline_us));
    }
    return false;
}

START_TEST(message_that_kills_workers_is_told)
{
    start(HOOK);
    produce("selftest", "selftest.echo", "poison");
    while (!await_burial(site_spawn(site, "tests/jobworkerd_poisoned", NULL)))
        ;
    await_told(1);
    ck_assert(site_ask(site, "SELECT result ->> 'type' IS NULL AND result ->> 'payload' IS NULL"
                             " AND (result ->> 'payload_bytes')::integer = 6 AND result ->> 'headers' = '{}'"
                             " FROM job.result WHERE type = 'job.dead'"));
    site_free(site);
}
END_TEST

START_TEST(each_death_is_told_once_though_workers_are_killed)
{
    enum { N = 400, ROUNDS = 5 };
    start(HOOK);
    enqueue("selftest.fail", "{\"permanent\": true}", N);
    for (int round = 1; round <= ROUNDS; round++) {
        struct site_daemon *worker = site_start_worker(site);
        site_await(site, 40, "SELECT count(*) >= %d FROM job.dead", N * round / (ROUNDS + 1));
        site_destroy(worker);
    }
    site_start_worker(site);
    site_await(site, 60, "SELECT count(*) = %d FROM job.result WHERE type <> 'job.dead' AND state = 'dead'",
               N);
    await_told(N);
    site_free(site);
}
END_TEST

START_TEST(burial_that_has_to_be_done_again_tells_once)
{
    start(HOOK);
    site_sql(
        site,
        "CREATE SEQUENCE job.tries; CREATE FUNCTION job.stumble() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF NEW.type = 'job.dead' AND nextval('job.tries') <= 2 THEN RAISE EXCEPTION 'once more' USING ERRCODE = '40001'; END IF;"
        " RETURN NEW; END $$;"
        "CREATE TRIGGER stumble BEFORE INSERT ON job.pending FOR EACH ROW EXECUTE FUNCTION job.stumble()");
    site_start_worker(site);
    enqueue("selftest.fail", "{\"permanent\": true}", 1);
    await_told(1);
    ck_assert_int_ge(site_ask(site, "SELECT last_value FROM job.tries"), 3);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.incident"), 0);
    site_free(site);
}
END_TEST

START_TEST(thousand_deaths_in_one_batch_are_told_each)
{
    start(HOOK);
    site_start_worker(site);
    await_queue("ops");
    int64_t began_us = clock_mono_us();
    site_sql(
        site,
        "SELECT job.defer('w', interval '0', array_agg(job.new_id()), array_agg(NULL::bigint), array_agg(1), array_agg(1),"
        " array_agg('selftest'::text), array_agg('selftest.echo'::text), array_agg(NULL::text), array_agg(NULL::integer),"
        " array_agg(n), array_agg(now()), array_agg(1), array_agg(NULL::bytea), array_agg('{}'::text),"
        " array_agg('{\"a\": [1]}'::bytea), array_agg('failed'::text), array_agg('failed'::text), array_agg(0::bigint),"
        " array_agg('it cannot be'::text), array_agg(now()), array_agg(now()), array_agg(1), array_agg(1),"
        " array_agg(NULL::text), array_agg(NULL::uuid)) FROM generate_series(1::bigint, 1000) n");
    ck_assert_int_lt(clock_mono_us() - began_us, 5 * USEC_PER_SEC);
    await_told(1000);
    site_free(site);
}
END_TEST

START_TEST(job_that_is_replayed_and_dies_again_is_told_again)
{
    start(HOOK);
    site_start_worker(site);
    enqueue("selftest.fail", "{\"permanent\": true}", 1);
    await_told(1);
    site_sql(site, "SELECT job.replay(array_agg(id)) FROM job.dead");
    site_await(site, 30,
               "SELECT count(*) = 2 FROM job.result WHERE type = 'job.dead' AND state = 'succeeded'");
    ck_assert(site_ask(site,
                       "SELECT count(DISTINCT parent) = 1 AND min(result ->> 'delivery') = '1'"
                       " AND max(result ->> 'delivery') = '2' FROM job.result WHERE type = 'job.dead'"));
    site_sql(site, "DELETE FROM job.dead");
    ck_assert_int_eq(count_hooks(), 2);
    site_free(site);
}
END_TEST

START_TEST(hook_that_dies_itself_is_told_to_nobody)
{
    start(FAILING_HOOK);
    site_start_worker(site);
    enqueue("selftest.fail", "{\"permanent\": true}", 3);
    site_await(site, 30, "SELECT count(*) = 3 FROM job.dead WHERE type = 'job.dead' AND reason = 'failed'");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.dead"), 6);
    ck_assert_int_eq(count_hooks(), 3);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.pending"), 0);
    site_free(site);
}
END_TEST

/* --- What it gets -------------------------------------------------------------------------------------------------------- */

#define TRACE "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

START_TEST(handler_gets_payload_headers_and_trace_of_the_dead_job)
{
    start(HOOK);
    site_start_worker(site);
    site_sql(site, "SELECT job.enqueue('selftest', 'selftest.fail', '{\"permanent\": true, \"of\": [1, {}]}',"
                   " headers => '{\"tenant\": \"a\", \"traceparent\": \"" TRACE "\"}', tags => '{x,y}')");
    await_told(1);
    ck_assert(site_ask(
        site, "SELECT result -> 'payload' = '{\"permanent\": true, \"of\": [1, {}]}'"
              " AND result -> 'headers' @> '{\"tenant\": \"a\", \"ce_tags\": \"x,y\"}'"
              " AND (result ->> 'payload_bytes')::integer > 30 AND result ->> 'topic' LIKE '%%.selftest'"
              " AND jsonb_typeof(result -> 'partition') = 'number' AND result ->> 'error' <> ''"
              " AND trace_id = '0af7651916cd43dd8448eb211c80319c'"
              " FROM job.result WHERE type = 'job.dead'"));
    site_free(site);
}
END_TEST

/* A dead letter with this payload tells it as this JSON; NULL: as null. */
static void check_payload(const char *headers, const char *payload, const char *told)
{
    char values[512];
    snprintf(values, sizeof(values), ", %s, %s", headers, payload);
    bury("'selftest.echo'", ", headers, payload", values);
    char *found = site_ask_text(
        site,
        "SELECT coalesce(left(job ->> 'payload', 200), 'null') || ' ' || (job ->> 'id') FROM (SELECT convert_from(payload, 'UTF8')::json AS job"
        " FROM job.pending) p WHERE job ->> 'payload' IS DISTINCT FROM %s"
        " AND job ->> 'id' = (SELECT max(id::text) FROM job.dead)",
        told);
    ck_assert_msg(!found, "%s", found);
    ck_assert_int_eq(
        site_ask(site, "SELECT (SELECT count(*) FROM job.dead) - (SELECT count(*) FROM job.pending)"), 0);
}

START_TEST(nothing_that_a_dead_job_holds_breaks_its_hook)
{
    start_without_broker(HOOK);
    site_sql(site, "SELECT job.set_dead_hook('ops')");
    check_payload("'{}'", "'[1]'", "'[1]'");
    check_payload("'{}'", "'{\"n\": 1.50, \"n\": 2}'", "'{\"n\": 1.50, \"n\": 2}'");
    check_payload("'{}'", "NULL", "NULL");
    check_payload("'{}'", "''", "NULL");
    check_payload("'{}'", "'\\xff00'", "NULL");
    check_payload("'{}'", "'\"\\\\ud800\"'::bytea", "NULL");
    check_payload("'{}'", "'\"\\\\u0000\"'::bytea", "NULL");
    check_payload("'{}'", "convert_to(repeat('[', 249) || repeat(']', 249), 'UTF8')",
                  "repeat('[', 249) || repeat(']', 249)");
    check_payload("'{}'", "convert_to(repeat('[', 252) || repeat(']', 252), 'UTF8')", "NULL");
    check_payload("'{}'", "convert_to(repeat('[', 65536), 'UTF8')", "NULL");
    check_payload("'{}'", "convert_to(repeat('[', 32768) || repeat(']', 32768), 'UTF8')", "NULL");
    check_payload("'{}'", "convert_to('\"' || repeat('x', 65534) || '\"', 'UTF8')", "repeat('x', 65534)");
    check_payload("'{}'", "convert_to('\"' || repeat('x', 65535) || '\"', 'UTF8')", "NULL");
    check_payload("'{\"content-type\": \"text/plain\"}'", "'1'", "NULL");
    check_payload("'{\"content-type\": \"application/vnd.x+json; charset=utf-8\"}'", "'1'", "'1'");
    check_payload("'{\"content-type\": [\"application/json\", \"a\"], \"traceparent\": [1]}'", "'1'", "NULL");
    check_payload("'[1]'", "'1'", "'1'");
    check_payload("'7'", "'1'", "'1'");
    check_payload("jsonb_build_object('x', repeat('x', 70000), 'traceparent', '00-zz')", "'1'", "'1'");
    check_payload("(repeat('[', 1000) || repeat(']', 1000))::jsonb", "'1'", "'1'");
    bury("NULL", ", headers, error, payload", ", '{}', repeat('\u00fc', 100000), '[1]'");
    bury("'selftest.echo'", ", headers, error", ", '{\"traceparent\": \"" TRACE "\"}', 'a\"\\\\b'");
    site_start_broker(site);
    site_start_worker(site);
    await_told(22);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.incident"), 0);
    site_free(site);
}
END_TEST

/* --- Who hears of it ------------------------------------------------------------------------------------------------------- */

START_TEST(without_a_handler_nobody_is_told)
{
    start("");
    site_start_worker(site);
    enqueue("selftest.fail", "{\"permanent\": true}", 3);
    site_await(site, 30, "SELECT count(*) = 3 FROM job.dead");
    ck_assert_int_eq(count_hooks(), 0);
    ask_hook(NULL, "\"queue\": null");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.audit"), 0);
    site_free(site);
}
END_TEST

/* Of a prefix that the type happens to have: "job.*" may be for something else. */
START_TEST(only_a_handler_that_names_the_type_is_told)
{
    start(", { type = \"job.*\"; kind = \"command\"; argv = ( \"/bin/cat\" ); queue = \"ops\"; }");
    site_start_worker(site);
    enqueue("selftest.fail", "{\"permanent\": true}", 1);
    site_await(site, 30, "SELECT count(*) = 1 FROM job.dead");
    ck_assert_int_eq(count_hooks(), 0);
    site_sql(site, "SELECT job.enqueue('ops', 'job.dead', '\"by hand\"')"); /* but may run it */
    site_await(site, 30, "SELECT result = '\"by hand\"' FROM job.result WHERE type = 'job.dead'");
    site_free(site);
}
END_TEST

START_TEST(deaths_are_told_that_come_while_no_worker_runs)
{
    start(HOOK);
    site_stop(site_start_worker(site));
    ask_hook(NULL, "\"workers\": 0");
    produce("later", "selftest.echo", "{\"without\": \"queue\"}");
    site_await(site, 30, "SELECT count(*) = 1 FROM job.dead");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.result WHERE type = 'job.dead'"), 0);
    site_start_worker(site);
    await_told(1);
    ask_hook(NULL, "\"queue\": \"ops\"");
    site_free(site);
}
END_TEST

/* The first @from in the configuration file becomes @to. */
static void change_config(const char *from, const char *to)
{
    char command[512];
    snprintf(command, sizeof(command), "sed -i 's#%s#%s#' %s", from, to, site_config_path(site));
    ck_assert_int_eq(system(command), 0);
}

static void reload(struct site_daemon *worker, size_t nth)
{
    site_kill(worker, SIGHUP);
    for (int64_t deadline_us = site_deadline(20); site_count_log(worker, "reload: done") < nth;)
        ck_assert(site_nap(deadline_us));
}

START_TEST(reload_brings_the_hook_and_another_queue)
{
    start(", { type = \"job.later\"; kind = \"command\"; argv = ( \"/bin/cat\" ); queue = \"ops\"; }");
    struct site_daemon *worker = site_start_worker(site);
    await_queue("none");
    change_config("job.later", "job.dead");
    reload(worker, 1);
    await_queue("ops");
    enqueue("selftest.fail", "{\"permanent\": true}", 1);
    await_told(1);
    change_config("queue = \"ops\"; }", "queue = \"selftest\"; }");
    reload(worker, 2);
    await_queue("selftest");
    enqueue("selftest.fail", "{\"permanent\": true}", 1);
    site_await(site, 30,
               "SELECT count(*) = 1 FROM job.result WHERE type = 'job.dead' AND queue = 'selftest'");
    site_await_log(worker, 5, "are told to the queue selftest from now on; before: ops");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.audit a JOIN job.worker w ON w.id = a.actor"
                                    " WHERE action = 'dead hook' AND a.queue IN ('ops', 'selftest')"),
                     2);
    site_free(site);
}
END_TEST

START_TEST(person_takes_the_hook_away_and_it_is_known_who)
{
    start(HOOK);
    struct site_daemon *worker = site_start_worker(site);
    await_queue("ops");
    ask_hook(NULL, "\"queue\": \"ops\"");
    ask_hook("--off", "\"queue\": null");
    ask_hook("--off", "\"queue\": null");
    ck_assert_int_eq(
        site_ask(site, "SELECT count(*) FROM job.audit WHERE action = 'dead hook' AND actor LIKE '%%@%%'"
                       " AND detail = '{\"from\": \"ops\", \"to\": null}'"),
        1);
    enqueue("selftest.fail", "{\"permanent\": true}", 1);
    site_await(site, 30, "SELECT count(*) = 1 FROM job.dead");
    ck_assert_int_eq(count_hooks(), 0);
    site_stop(worker);
    site_start_worker(site);
    await_queue("ops");
    site_free(site);
}
END_TEST

/* --- What goes wrong --------------------------------------------------------------------------------------------------------- */

START_TEST(wrong_setting_keeps_nobody_from_being_buried)
{
    char *output;
    start(HOOK);
    site_start_worker(site);
    await_queue("ops");
    site_sql(site, "UPDATE job.setting SET value = 'No Queue!' WHERE name = 'dead_hook'");
    enqueue("selftest.fail", "{\"permanent\": true}", 2);
    site_await(site, 30, "SELECT count(*) = 2 FROM job.dead");
    ck_assert_int_eq(count_hooks(), 0);
    ck_assert(site_ask(site, "SELECT sum((detail ->> 'jobs')::integer) = 2 AND min(kind) = 'dead_hook'"
                             " AND min(detail ->> 'why') LIKE '%%No Queue!%%' FROM job.incident"));
    site_jobctl(site, &output, (const char *const[]){ "doctor", "-o", "json", NULL });
    ck_assert_ptr_nonnull(strstr(output, "deaths are told to No Queue!"));
    ck_assert_ptr_nonnull(strstr(output, "deaths could not be told"));
    free(output);
    site_free(site);
}
END_TEST

START_TEST(queue_without_topic_keeps_nobody_from_being_buried)
{
    char *output;
    start("");
    site_start_worker(site);
    site_sql(site, "SELECT job.set_dead_hook('nowhere')");
    enqueue("selftest.fail", "{\"permanent\": true}", 2);
    site_await(site, 30, "SELECT count(*) = 2 FROM job.dead");
    enqueue("selftest.echo", "{}", 1);
    site_await(site, 30, "SELECT count(*) = 1 FROM job.result WHERE state = 'succeeded'");
    ask_hook(NULL, "\"waiting\": 2");
    site_jobctl(site, &output, (const char *const[]){ "doctor", "-o", "json", NULL });
    ck_assert_ptr_nonnull(strstr(output, "no handler here is for job.dead"));
    free(output);
    ask_hook("--off", "\"queue\": null");
    site_free(site);
}
END_TEST

START_TEST(one_death_that_cannot_be_told_is_named_and_the_others_are_told)
{
    start(HOOK);
    site_start_worker(site);
    await_queue("ops");
    site_sql(
        site,
        "CREATE FUNCTION job.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF NEW.type = 'job.dead' AND convert_from(NEW.payload, 'UTF8') LIKE '%%secret%%' THEN RAISE EXCEPTION 'never'; END IF;"
        " RETURN NEW; END $$;"
        "CREATE TRIGGER refuse BEFORE INSERT ON job.pending FOR EACH ROW EXECUTE FUNCTION job.refuse()");
    site_sql(site,
             "INSERT INTO job.dead (id, died_at, delivery, attempt, queue, reason, type, headers, payload)"
             " SELECT job.new_id(), now(), 1, 1, 'selftest', 'failed', 'selftest.echo', '{}',"
             " CASE WHEN n = 3 THEN '\"secret\"' ELSE '1' END::bytea FROM generate_series(1, 5) n");
    ck_assert(site_ask(
        site, "SELECT detail -> 'jobs' = '1' AND detail ->> 'why' = 'never' AND detail -> 'ids' ->> 0 ="
              " (SELECT id::text FROM job.dead WHERE payload = '\"secret\"') FROM job.incident"));
    site_await(site, 30,
               "SELECT count(*) = 4 FROM job.result WHERE type = 'job.dead' AND state = 'succeeded'");
    site_free(site);
}
END_TEST

START_TEST(name_that_is_no_queue_is_refused)
{
    start("");
    static const char *const names[] = { "''", "'Ops'", "'dead'", "'later'", "'a b'", "repeat('x', 64)" };
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        site_sql(site,
                 "DO $$ BEGIN PERFORM job.set_dead_hook(%s); RAISE 'taken'; EXCEPTION WHEN"
                 " invalid_parameter_value THEN NULL; END $$",
                 names[i]);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.setting WHERE name = 'dead_hook'"), 0);
    site_free(site);
}
END_TEST

SUITE_MAIN("dead_hook", each_reason_to_die_is_told_once, message_that_kills_workers_is_told,
           each_death_is_told_once_though_workers_are_killed, burial_that_has_to_be_done_again_tells_once,
           thousand_deaths_in_one_batch_are_told_each, job_that_is_replayed_and_dies_again_is_told_again,
           hook_that_dies_itself_is_told_to_nobody, handler_gets_payload_headers_and_trace_of_the_dead_job,
           nothing_that_a_dead_job_holds_breaks_its_hook, without_a_handler_nobody_is_told,
           only_a_handler_that_names_the_type_is_told, deaths_are_told_that_come_while_no_worker_runs,
           reload_brings_the_hook_and_another_queue, person_takes_the_hook_away_and_it_is_known_who,
           wrong_setting_keeps_nobody_from_being_buried, queue_without_topic_keeps_nobody_from_being_buried,
           one_death_that_cannot_be_told_is_named_and_the_others_are_told, name_that_is_no_queue_is_refused)
