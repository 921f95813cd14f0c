/* SPDX-License-Identifier: Apache-2.0 */
/* jobctl job list: finds what is there, whatever is asked, in steps that stay small. */
#define SUITE_TIMEOUT_S 180
#include "tests/support/suite.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

#include "base/cleanup.h"
#include "store/job_sql.h"
#include "store/listing.h"
#include "tests/support/control.h"
#include "tests/support/harness.h"
#include "tests/support/terminal.h"

#define ID(n) "0190a6c2-7d3e-7f00-8000-0000000000" #n
#define NOBODY_POSTGRES "JOB_DATABASE_URL=postgresql://nobody@127.0.0.1:1/nothing"
#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"

static struct site *site;

static void setup(void)
{
    site = site_new(&(struct site_options){ .queues = "{ name = \"mail\"; partitions = 1; }" });
    control_use(site);
}

static void teardown(void)
{
    control_use(NULL);
    site = site_free(site);
}

/* One job in each state, and what a filter may ask for. */
static void add_one_of_each(void)
{
    site_sql(
        site,
        "INSERT INTO job.result (id, state, queue, type, reason, worker, error, trace_id, parent, result, attempt, delivery, finished_at)"
        " VALUES ('" ID(
            10) "', 'succeeded', 'mail', 'welcome', NULL, 'east/7/00000a', NULL, '" TRACE
                "', NULL, '{\"sent\": 2}', 1, 1, '2024-07-12 10:00+00'),"
                " ('" ID(11) "', 'cancelled', 'mail', 'welcome', NULL, NULL, NULL, NULL, '" ID(
                    10) "', NULL, 1, 1, '2024-07-12 11:00+00'),"
                        " ('" ID(
                            12) "', 'expired', 'mail', 'bye', NULL, NULL, NULL, NULL, NULL, NULL, 1, 1, '2024-07-12 12:00+00'),"
                                " ('" ID(
                                    13) "', 'duplicate', 'reports', 'bye', NULL, NULL, NULL, NULL, NULL, NULL, 1, 1, '2024-07-12 13:00+00'),"
                                        " ('" ID(
                                            14) "', 'dead', 'mail', 'welcome', 'failed', 'west/8/00000b', 'Connection REFUSED by mx_1%%', NULL, NULL, '{\"sent\": 0}', 3, 3, '2024-07-12 14:00+00'),"
                                                " ('" ID(
                                                    15) "', 'dead', 'mail', 'welcome', 'failed', NULL, 'its letter was purged', NULL, NULL, NULL, 3, 3, '2024-07-12 15:00+00')");
    site_sql(
        site,
        "INSERT INTO job.dead (id, died_at, queue, type, reason, error, attempt, delivery, headers, key, payload) VALUES"
        " ('" ID(
            14) "', '2024-07-12 14:00+00', 'mail', 'welcome', 'failed', 'Connection REFUSED by mx_1%%', 3, 3,"
                "  '{\"ce_tags\": \"vip,night\", \"x-tenant\": \"acme\"}', 'customer 7', '{\"to\": \"ada@example.org\", \"n\": 5, \"list\": [1, {\"b\": \"Zürich\"}]}'),"
                " ('" ID(
                    16) "', '2024-07-12 16:00+00', 'mail', NULL, 'malformed', 'no type', 1, 1, '{\"ce_parent\": \"nobody\"}', NULL, '\\xff00')");
    site_sql(
        site,
        "INSERT INTO job.worker (id, host, pid, queues) VALUES ('east/7/00000a', 'east', 7, '{mail}');"
        "INSERT INTO job.lease (id, token, delivery, attempt, max_crashes, queue, type, worker, headers, key, payload) VALUES"
        " ('" ID(20) "', 1, 1, 1, 5, 'mail', 'welcome', 'east/7/00000a',"
                     "  '{\"traceparent\": \"00-" TRACE "-00f067aa0ba902b7-01\", \"ce_parent\": \"" ID(
                         10) "\"}', NULL, '{\"to\": \"bob@example.org\", \"n\": 6, \"m\": null}')");
    site_sql(
        site,
        "INSERT INTO job.pending (id, run_at, delivery, attempt, queue, type, reason, headers, key, payload) VALUES"
        " ('" ID(
            21) "', now() + interval '1 hour', 1, 1, 'mail', 'welcome', 'delay', '{\"ce_tags\": \"vip\"}', NULL, '{\"n\": 10}'),"
                " ('" ID(
                    22) "', now() - interval '1 hour', 1, 1, 'mail', 'welcome', 'outbox', '{}', NULL, '\"text\"'),"
                        " ('" ID(
                            23) "', now() + interval '1 hour', 1, 1, 'mail', 'welcome', 'throttled', '{}', NULL, 'no JSON'),"
                                " ('" ID(
                                    24) "', now() + interval '1 hour', 2, 2, 'mail', 'welcome', 'retry', '{}', NULL, NULL);"
                                        "INSERT INTO job.attempt (id, delivery, attempt, outcome, error, finished_at) VALUES"
                                        " ('" ID(
                                            24) "', 1, 1, 'failed', 'connection refused', '2024-07-12 10:00+00'),"
                                                " ('" ID(
                                                    25) "', 1, 1, 'failed', 'an old one', '2024-07-12 10:00+00'),"
                                                        " ('" ID(
                                                            25) "', 2, 1, 'lost', 'worker gone', '2024-07-12 11:00+00'),"
                                                                " ('" ID(
                                                                    14) "', 3, 3, 'failed', 'Connection REFUSED by mx_1%%', '2024-07-12 14:00+00')");
}

/* The two last digits of the ids that are listed: "25 24 …". */
static const char *list(const char *arguments)
{
    static char ids[4096];
    char line[1024];
    snprintf(line, sizeof(line), "job list -o csv --no-headers --columns id %s", arguments);
    int r = control_run("", line);
    ck_assert_msg(r == 0, "%s: exit status %d: %s", line, r, control_remarks());
    ids[0] = 0;
    for (const char *at = control_output(); *at; at = strchr(at, '\n') + 1)
        snprintf(ids + strlen(ids), sizeof(ids) - strlen(ids), "%s%.2s", ids[0] ? " " : "", at + 34);
    return ids;
}

static void check_cases(const char *const (*cases)[2], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *ids = list(cases[i][0]);
        ck_assert_msg(strcmp(ids, cases[i][1]) == 0, "job list %s: \"%s\", expected \"%s\"", cases[i][0], ids,
                      cases[i][1]);
    }
}

/* --- What is found --------------------------------------------------------------------------------------------------------- */

START_TEST(every_state_is_found_alone_and_with_others)
{
    static const char *const cases[][2] = {
        { "", "25 24 23 22 21 20 16 15 14 13 12 11 10" },
        { "--state scheduled", "21" },
        { "--state queued", "25 22" },
        { "--state waiting", "23" },
        { "--state running", "20" },
        { "--state retrying", "24" },
        { "--state succeeded", "10" },
        { "--state dead", "16 14" },
        { "--state cancelled", "11" },
        { "--state expired", "12" },
        { "--state duplicate", "13" },
        { "--state dead,succeeded", "16 15 14 10" },
        { "--state running --state queued,expired", "25 22 20 12" },
    };
    setup();
    add_one_of_each();
    check_cases(cases, ARRAY_SIZE(cases));
    ck_assert(site_ask(site, "SELECT count(*) = 13 FROM job.status"));
    teardown();
}
END_TEST

START_TEST(every_filter_finds_its_jobs)
{
    static const char *const cases[][2] = {
        { "--queue reports", "13" },
        { "--type bye", "13 12" },
        { "--type bye -q mail", "12" },
        { "--worker east", "20 10" },
        { "--worker west/8/00000b", "14" },
        { "--worker eas", "" },
        { "--error 'connection refused'", "24 14" },
        { "--error 'mx_1%'", "14" },
        { "--error 'mxX1'", "" },
        { "--error 'worker GONE'", "25" },
        { "--error 'an old one'", "" },
        { "--trace " TRACE, "20 10" },
        { "--trace 4BF92F3577B34DA6A3CE929D0E0E4736", "20 10" },
        { "--trace 00-" TRACE "-00f067aa0ba902b7-01", "20 10" },
        { "--key 'customer 7'", "14" },
        { "--tag vip", "21 14" },
        { "--tag vip --tag night", "14" },
        { "--tag vi", "" },
        { "--parent " ID(10), "20 11" },
        { "--finished-since 2024-07-12T14:00:00Z", "16 15 14" },
        { "--finished-until 2024-07-12T11:00:00Z", "10" },
        { "--finished-since 2024-07-12T11:00:00Z --finished-until 2024-07-12T13:00:00+00:00", "12 11" },
        { "--since 2024-07-12T11:44:43Z", "" },
        { "--since 2024-07-12T11:44:42Z --until 2024-07-12T11:44:43Z --type bye", "13 12" },
        { "--since 2h", "" },
        { "--until 2020-01-01T00:00:00Z", "" },
        { "--after " ID(12), "11 10" },
        { "-n 2", "25 24" },
        { "-n 2 --after " ID(24), "23 22" },
    };
    setup();
    add_one_of_each();
    check_cases(cases, ARRAY_SIZE(cases));
    control_expect(0, "job list --key 'customer 7' --tag vip");
    control_says(
        "only jobs that wait, run or have a dead letter are listed: of others PostgreSQL has no key, tags");
    teardown();
}
END_TEST

START_TEST(conditions_look_into_payload_result_and_headers)
{
    static const char *const cases[][2] = {
        { "--where 'payload.to = \"ada@example.org\"'", "14" },
        { "--where 'payload.to != \"ada@example.org\"'", "20" },
        { "--where 'payload.n > 5'", "21 20" },
        { "--where 'payload.n >= 5 and payload.n < 10'", "20 14" },
        { "--where 'payload.n <= 5.0'", "14" },
        { "--where 'payload.n = 5.0'", "14" },
        { "--where 'payload.n > \"4\"'", "" },
        { "--where 'payload.to < \"b\"'", "14" },
        { "--where 'payload.to >= \"B\"'", "20 14" },
        { "--where 'payload.list[1].b = \"Zürich\"'", "14" },
        { "--where 'payload.list[-1].b ~ \"^Z.*h$\"'", "14" },
        { "--where 'payload.to ~ \"(ada|bob)@\"'", "20 14" },
        { "--where 'payload.n ~ \"5\"'", "" },
        { "--where 'payload.m = null'", "20" },
        { "--where 'payload.m exists'", "20" },
        { "--where 'payload.m missing and payload.n exists'", "21 14" },
        { "--where 'payload = \"text\"'", "22" },
        { "--where 'payload.list = [1, {\"b\": \"Zürich\"}]'", "14" },
        { "--where 'headers.x-tenant = \"acme\"'", "14" },
        { "--where 'result.sent > 0'", "10" },
        { "--where 'result.sent = 0'", "14" },
        { "--where 'payload.n = 5' --where 'result.sent = 0' --where 'headers.\"x-tenant\" exists'", "14" },
        { "--where 'payload.n exists' --state retrying", "" },
        /* Nothing of it becomes part of a statement. */
        { "--where 'payload.\"to} or true\" = \"1\"'", "" },
        { "--where 'payload.\"a'\\'') OR (true\" exists'", "" },
        { "--error \"') OR true --\"", "" },
    };
    setup();
    add_one_of_each();
    check_cases(cases, ARRAY_SIZE(cases));
    control_expect(0, "job list --where 'payload exists'");
    control_says("PostgreSQL has no payload");
    control_expect(0, "job list --where 'result exists'");
    ck_assert_str_eq(control_remarks(), "");
    teardown();
}
END_TEST

START_TEST(columns_that_are_not_shown_can_be_asked_for)
{
    setup();
    add_one_of_each();
    control_expect(0, "job list --columns id,error,key,tags,trace_id,parent --state dead,running -o jsonl");
    control_prints("{\"id\": \"" ID(
        14) "\", \"error\": \"Connection REFUSED by mx_1%\", \"key\": \"customer 7\", \"tags\": [\"vip\", \"night\"], "
            "\"trace_id\": null, \"parent\": null}");
    control_prints("\"trace_id\": \"" TRACE "\", \"parent\": \"" ID(10) "\"");
    control_expect(0, "job list");
    ck_assert_ptr_null(strstr(control_output(), "customer"));
    teardown();
}
END_TEST

START_TEST(wrong_values_name_themselves_and_the_rule)
{
    static const char *const cases[][2] = {
        { "--state ded", "did you mean \"dead\"?" },
        { "--state dead,,", "--state: unknown value \"\"" },
        { "--since yesterday",
          "--since: expected a time like \"2030-01-31T18:00:00Z\", or how long ago like \"2h\", found \"yesterday\"" },
        { "--until 3", "--until: expected" },
        { "--since 1h --until 2h", "--since is not before --until" },
        { "--finished-since 1h --finished-until 1h", "--finished-since is not before --finished-until" },
        { "--trace 12", "--trace: expected 32 hexadecimal digits" },
        { "--trace xbf92f3577b34da6a3ce929d0e0e4736", "--trace: expected 32" },
        { "--tag a,b", "--tag: a tag is not empty and has no comma" },
        { "--worker ''", "--worker: it is empty" },
        { "--error ''", "--error: it is empty" },
        { "--parent 12", "--parent: \"12\" is no job id" },
        { "--after 12", "--after: \"12\" is no job id" },
        { "--limit 0", "--limit: expected a whole number from 1 to 100000" },
        { "--limit 3 --all", "--all and --limit exclude each other" },
        { "--where 'payload.a'", "--where: character 10" },
        { "--where 'body.a = 1'", "--where: character 1" },
        { "--where 'payload.a = x'", "--where: character 13" },
        { "--where 'payload.a ~ \"(\"'", "--where: character 13" },
    };
    setup();
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        control_expect(2, "job list %s", cases[i][0]);
        control_says(cases[i][1]);
        ck_assert_str_eq(control_output(), "");
    }
    teardown();
}
END_TEST

START_TEST(without_postgresql_it_says_what_can_be_asked_instead)
{
    setup();
    ck_assert_int_eq(control_run(NOBODY_POSTGRES, "job list"), 4);
    control_says("JOB_DATABASE_URL");
    control_says("`jobctl job show ID`");
    teardown();
}
END_TEST

/* --- Pages ------------------------------------------------------------------------------------------------------------------- */

/* Jobs of the last two hours in every relation, some of them in several, and some with ids that are no times. */
static void add_many(int n)
{
    site_sql(
        site,
        "CREATE FUNCTION pg_temp.id_of(n integer) RETURNS uuid LANGUAGE sql AS $$ SELECT (left(job.first_id_after(now() - n * interval '7 ms')::text, 14)"
        " || '7' || substr(md5(n::text)::uuid::text, 16))::uuid $$;"
        "INSERT INTO job.result (id, queue, type, state, attempt, delivery, finished_at, error)"
        " SELECT pg_temp.id_of(n), 'mail', 'welcome', CASE WHEN n %% 10 = 0 THEN 'dead' ELSE 'succeeded' END, 1, 1, now(), CASE WHEN n %% 10 = 0 THEN 'no' END"
        " FROM generate_series(1, %d) n WHERE n %% 4 <> 0;"
        "INSERT INTO job.dead (id, queue, type, reason, attempt, delivery, died_at, headers)"
        " SELECT pg_temp.id_of(n), 'mail', 'welcome', 'failed', 1, 1, now(), '{}' FROM generate_series(1, %d) n WHERE n %% 10 = 0 AND n %% 8 <> 4;"
        "INSERT INTO job.pending (id, queue, type, reason, attempt, delivery, run_at, headers, payload)"
        " SELECT pg_temp.id_of(n), 'mail', 'welcome', 'retry', 2, 2, now() + interval '1 hour', '{}', '{\"n\": 1}' FROM generate_series(1, %d) n WHERE n %% 8 = 4;"
        "INSERT INTO job.attempt (id, attempt, delivery, outcome, finished_at)"
        " SELECT pg_temp.id_of(n), 1, d, 'failed', now() FROM generate_series(1, %d) n, generate_series(1, 3) d WHERE n %% 4 <= 1;"
        "INSERT INTO job.result (id, queue, type, state, attempt, delivery, finished_at)"
        " SELECT (chr(97 + n %% 6) || 'fffffff-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'mail', 'foreign', 'succeeded', 1, 1, now() FROM generate_series(1, 20) n",
        n, n, n, n);
}

/* All ids on standard output, one per line; to be freed. */
static char *list_ids(const char *arguments)
{
    control_expect(0, "job list -o csv --no-headers --columns id %s", arguments);
    return strdup(control_output());
}

/* Where two lists begin to differ. */
static void check_same(const char *what, const char *a, const char *b)
{
    size_t at = 0;
    while (a[at] && a[at] == b[at])
        at++;
    while (at > 0 && a[at - 1] != '\n')
        at--;
    ck_assert_msg(strcmp(a, b) == 0, "%s: from byte %zu on \"%.*s\" and \"%.*s\"", what, at,
                  (int)strcspn(a + at, "\n"), a + at, (int)strcspn(b + at, "\n"), b + at);
}

START_TEST(pages_follow_each_other_without_gap_or_double)
{
    static const char *const filters[] = { "", "--state dead,retrying,queued", "--type foreign",
                                           "--state succeeded,retrying --since 1h" };
    setup();
    add_many(300);
    for (size_t i = 0; i < ARRAY_SIZE(filters); i++) {
        char arguments[256], after[37] = "";
        _cleanup_buf_ struct buf pages = { 0 };
        snprintf(arguments, sizeof(arguments), "%s --all", filters[i]);
        _cleanup_free_ char *all = list_ids(arguments);
        for (size_t size = 1; size > 0;) {
            snprintf(arguments, sizeof(arguments), "%s -n 7 %s %s", filters[i], *after ? "--after" : "",
                     after);
            _cleanup_free_ char *page = list_ids(arguments);
            size = strlen(page);
            ck_assert_uint_le(size, 7 * 37);
            buf_append_string(&pages, page);
            if (size > 0)
                snprintf(after, sizeof(after), "%s", page + size - 37);
        }
        check_same(filters[i], pages.data, all);
    }
    teardown();
}
END_TEST

/* The view has the same jobs in the same states; those without a time in their id come last. */
START_TEST(the_list_has_what_the_view_has)
{
    setup();
    add_many(300);
    char *expected = site_ask_text(
        site,
        "SELECT string_agg(id || ',' || state || E'\\n', '' ORDER BY id >= job.first_id_after(now() + interval '1 hour'), id DESC) FROM job.status");
    control_expect(0, "job list --all -o csv --no-headers --columns id,state");
    check_same("list and view", control_output(), expected);
    free(expected);
    teardown();
}
END_TEST

/* --- Cost -------------------------------------------------------------------------------------------------------------------- */

#define N_READ 500

static double number(const json_t *node, const char *name)
{
    return json_number_value(json_object_get(node, name));
}

/* Every relation of the schema is read by an index, and never more of it at once than a step may read. */
static void check_node(const json_t *node, const char *what)
{
    const char *type = control_member(node, "Node Type"), *relation = control_member(node, "Relation Name");
    ck_assert_msg(!*relation || !strstr(type, "Seq Scan"), "%s: %s on %s", what, type, relation);
    ck_assert_msg(!strstr(type, "Bitmap"), "%s: %s", what, type);
    ck_assert_msg(number(node, "Actual Rows") <= 5 * N_READ + 5, "%s: %s has %.0f rows", what, type,
                  number(node, "Actual Rows"));
    ck_assert_msg(number(node, "Rows Removed by Filter") <= N_READ, "%s: %s throws %.0f rows away", what,
                  type, number(node, "Rows Removed by Filter"));
    ck_assert_msg(number(node, "Actual Loops") <= 5 * N_READ, "%s: %s loops %.0f times", what, type,
                  number(node, "Actual Loops"));
    for (size_t i = 0; i < json_array_size(json_object_get(node, "Plans")); i++)
        check_node(json_array_get(json_object_get(node, "Plans"), i), what);
}

static void check_plan(const char *what, const struct listing_filter *filter)
{
    _cleanup_statement_ struct statement s = { 0 };
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    struct listing_place place;
    struct err err = { 0 };
    ck_assert_int_eq(listing_begin(site_db(site), NULL, &place, &err), 0);
    buf_append_string(&s.sql, "EXPLAIN (ANALYZE, FORMAT JSON) ");
    ck_assert(listing_build(&s, filter, &place, (struct listing_step){ .n_read = N_READ, .n_wanted = 50 }));
    ck_assert_int_eq(db_begin(site_db(site), &err), 0);
    ck_assert_int_eq(db_execute(site_db(site), JOB_SQL_BY_INDEX, &err), 0);
    int r = statement_query(&s, site_db(site), &rows, &err);
    ck_assert_msg(r == 0, "%s: %s", what, err.text);
    db_rollback(site_db(site));
    json_t *plan = json_loads(rows_text(rows, 0, 0), 0, NULL);
    ck_assert_ptr_nonnull(plan);
    check_node(json_object_get(json_array_get(plan, 0), "Plan"), what);
    json_decref(plan);
}

/* Some days of results, as many as fit into an ordinary test; `./dev bench pages` has ten million. */
static void add_days(int n)
{
    site_sql(
        site,
        "SELECT job.create_partition(p, current_date - n) FROM unnest('{result,attempt}'::text[]) p, generate_series(2, 5) n;"
        "INSERT INTO job.result (id, queue, type, state, attempt, delivery, finished_at, error, result)"
        " SELECT (left(job.first_id_after(now() - n * interval '1500 ms')::text, 14) || '7' || substr(gen_random_uuid()::text, 16))::uuid,"
        " 'mail', 'welcome', 'succeeded', 1, 1, now() - n * interval '1500 ms', NULL, '{\"n\": 1}' FROM generate_series(1, %d) n;"
        "INSERT INTO job.attempt (id, attempt, delivery, outcome, finished_at) SELECT id, 1, 1, 'failed', finished_at FROM job.result LIMIT 20000;"
        "INSERT INTO job.pending (id, queue, type, reason, attempt, delivery, run_at, headers, payload)"
        " SELECT (left(job.first_id_after(now() - n * interval '1500 ms')::text, 14) || '7' || substr(gen_random_uuid()::text, 16))::uuid,"
        " 'mail', 'welcome', 'delay', 1, 1, now() + interval '1 hour', '{}', '{\"n\": 1}' FROM generate_series(1, 20000) n;"
        "INSERT INTO job.dead (id, queue, type, reason, attempt, delivery, died_at, headers, payload)"
        " SELECT (left(job.first_id_after(now() - n * interval '1500 ms')::text, 14) || '7' || substr(gen_random_uuid()::text, 16))::uuid,"
        " 'mail', 'welcome', 'failed', 1, 1, now(), '{}', '{\"n\": 1}' FROM generate_series(1, 20000) n",
        n);
}

START_TEST(no_step_reads_more_than_its_rows)
{
    const char *const steps[] = { "n" }, *const tags[] = { "vip" };
    const struct condition conditions[] = {
        { .root = CONDITION_PAYLOAD, .op = CONDITION_EQUAL, .steps = steps, .n_steps = 1, .literal = "2" },
        { .root = CONDITION_RESULT, .op = CONDITION_EQUAL, .steps = steps, .n_steps = 1, .literal = "2" },
    };
    const struct uuid parent = { { 1 } };
    const struct {
        const char *what;
        struct listing_filter filter;
    } cases[] = {
        { "all", { 0 } },
        { "dead", { .states = LISTING_DEAD } },
        { "dead or succeeded", { .states = LISTING_DEAD | LISTING_SUCCEEDED } },
        { "waiting", { .states = LISTING_QUEUED | LISTING_RETRYING } },
        { "expired", { .states = LISTING_EXPIRED } },
        { "queue", { .queue = "reports" } },
        { "worker", { .worker = "w" } },
        { "error", { .error = "nothing" } },
        { "trace", { .trace = TRACE } },
        { "key", { .key = "k" } },
        { "tag", { .tags = tags, .n_tags = 1 } },
        { "parent", { .parent = &parent } },
        { "ended long ago", { .finished_until_us = 1 } },
        { "ended now", { .finished_since_us = INT64_C(4000000000000000) } },
        { "payload", { .conditions = conditions, .n_conditions = 1 } },
        { "result", { .conditions = conditions + 1, .n_conditions = 1 } },
    };
    setup();
    add_days(250000);
    for (int analyzed = 0; analyzed < 2; analyzed++) {
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
            if (!cases[i].filter.finished_until_us)
                check_plan(cases[i].what, &cases[i].filter);
        site_sql(site, "ANALYZE");
    }
    teardown();
}
END_TEST

/* 120,000 rows of JSON would be fifty megabytes. */
START_TEST(all_jobs_are_written_as_they_are_read)
{
    struct rusage usage;
    setup();
    add_days(80000);
    control_expect(0, "job list --all -o jsonl | wc -l");
    ck_assert_int_eq(atoi(control_output()), 120000);
    getrusage(RUSAGE_CHILDREN, &usage);
#ifndef __SANITIZE_ADDRESS__
    ck_assert_int_lt(usage.ru_maxrss, 40000);
#endif
    teardown();
}
END_TEST

/* --- On a terminal ------------------------------------------------------------------------------------------------------------- */

static struct terminal *start(const char *environment, const char *arguments)
{
    char command[1200];
    snprintf(command, sizeof(command), "exec env NO_COLOR=1 %s '%s/cli/jobctl' -c '%s' %s", environment,
             site_build(site), site_config_path(site), arguments);
    return terminal_start((const char *const[]){ "sh", "-c", command, NULL }, 24, 150);
}

START_TEST(a_person_is_told_how_to_go_on)
{
    setup();
    add_one_of_each();
    struct terminal *t = start("", "job list --type 'welcome' --error \"it's\" -n 2");
    ck_assert_int_eq(terminal_await_exit(t, 10), 0);
    ck_assert_ptr_null(strstr(terminal_bytes(t), "--after"));
    terminal_free(t);
    t = start("", "job list --error e -n 2");
    ck_assert_int_eq(terminal_await_exit(t, 10), 0);
    ck_assert_ptr_nonnull(strstr(terminal_bytes(t), "--error e --limit 2 --after " ID(24) "`"));
    terminal_free(t);
    control_expect(0, "job list -n 2");
    ck_assert_str_eq(control_remarks(), "");
    teardown();
}
END_TEST

START_TEST(long_tables_go_through_the_pager_and_short_ones_do_not)
{
    setup();
    add_many(300);
    struct terminal *t = start("PAGER='sed s/welcome/through/'", "job list -n 40");
    ck_assert_int_eq(terminal_await_exit(t, 10), 0);
    ck_assert_ptr_nonnull(strstr(terminal_bytes(t), "through"));
    ck_assert_ptr_null(strstr(terminal_bytes(t), "welcome"));
    ck_assert_ptr_nonnull(strstr(terminal_screen(t), "there are more"));
    terminal_free(t);
    t = start("PAGER='echo $LESS; cat >/dev/null; true'", "job list -n 40");
    ck_assert_int_eq(terminal_await_exit(t, 10), 0);
    ck_assert_ptr_nonnull(strstr(terminal_bytes(t), "FRX"));
    terminal_free(t);
    static const char *const without[] = { "job list -n 10", "job list -n 40 --no-pager",
                                           "job list -n 40 -o jsonl" };
    for (size_t i = 0; i < ARRAY_SIZE(without); i++) {
        t = start("PAGER='sed s/welcome/through/'", without[i]);
        ck_assert_int_eq(terminal_await_exit(t, 10), 0);
        ck_assert_ptr_null(strstr(terminal_bytes(t), "through"));
        terminal_free(t);
    }
    static const char *const none[] = { "PAGER=", "PAGER=cat", "PAGER=/nonexistent/pager" };
    for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
        t = start(none[i], "job list -n 40");
        ck_assert_int_eq(terminal_await_exit(t, 10), 0);
        ck_assert_ptr_nonnull(strstr(terminal_bytes(t), "welcome"));
        terminal_free(t);
    }
    teardown();
}
END_TEST

START_TEST(an_interrupted_search_prints_what_it_has_found_and_how_far_it_got)
{
    setup();
    add_days(150000);
    site_sql(
        site,
        "UPDATE job.result SET error = 'rare' WHERE id = (SELECT id FROM job.result ORDER BY id DESC LIMIT 1)");
    struct terminal *t = start("", "job list --error RARE");
    terminal_await(t, 20, "looked back to");
    terminal_type(t, "\003");
    ck_assert_int_eq(terminal_await_exit(t, 10), 130);
    ck_assert_ptr_nonnull(strstr(terminal_screen(t), "succeeded"));
    ck_assert_ptr_nonnull(strstr(terminal_bytes(t), "interrupted: looked back to"));
    ck_assert_ptr_nonnull(strstr(terminal_bytes(t), " --error RARE --after "));
    terminal_free(t);
    teardown();
}
END_TEST

SUITE_MAIN("job_list", every_state_is_found_alone_and_with_others, every_filter_finds_its_jobs,
           conditions_look_into_payload_result_and_headers, columns_that_are_not_shown_can_be_asked_for,
           wrong_values_name_themselves_and_the_rule, without_postgresql_it_says_what_can_be_asked_instead,
           pages_follow_each_other_without_gap_or_double, the_list_has_what_the_view_has,
           no_step_reads_more_than_its_rows, all_jobs_are_written_as_they_are_read,
           a_person_is_told_how_to_go_on, long_tables_go_through_the_pager_and_short_ones_do_not,
           an_interrupted_search_prints_what_it_has_found_and_how_far_it_got)
