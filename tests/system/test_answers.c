/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that a handler may answer: each exit status, signal and HTTP status, and results of every kind. */
#define SUITE_TIMEOUT_S 120
#include "tests/support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/harness.h"
#include "tests/support/http_service.h"
#include "tests/support/trace.h"

#define ONE_TRY " queue = \"selftest\"; max_attempts = 1; max_crashes = 1; timeout = \"20s\"; }"
#define COMMAND(type, script)                                                                                \
    "{ type = \"" type "\"; kind = \"command\"; argv = ( \"/bin/sh\", \"-c\", \"" script "\" );" ONE_TRY
#define SELFTEST "{ type = \"selftest.*\"; path = \"${build}/jobs/selftest/selftest.so\";" ONE_TRY

static struct site *start(const char *handlers)
{
    struct site *site = site_new(&(struct site_options){ .queues = "{ name = \"selftest\"; partitions = 2; }",
                                                         .worker = "executors_max = 4;",
                                                         .handlers = handlers });
    trace_start(site);
    site_start_broker(site);
    site_start_worker(site);
    return site;
}

/* One job for each number from @first to @last, which is its payload. */
static void enqueue_each(struct site *site, const char *type, int first, int last)
{
    site_sql(
        site,
        "SELECT job.enqueue('selftest', '%s', to_jsonb(n), tags => ARRAY[n::text]) FROM generate_series(%d, %d) n",
        type, first, last);
}

/* --- What becomes of the job ------------------------------------------------------------------------------------------------- */

START_TEST(each_exit_status_has_its_meaning)
{
    struct site *site = start(COMMAND("exit", "read n; exit $n"));
    enqueue_each(site, "exit", 0, 255);
    site_await(site, 90, "SELECT count(*) = 256 FROM job.result");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.result WHERE state = 'succeeded'"), 1);
    /* What each dead one was told to exit with is its payload. */
    ck_assert_int_eq(
        site_ask(site,
                 "SELECT count(*) FROM job.dead WHERE"
                 " error = 'exited with status ' || convert_from(payload, 'UTF8') AND"
                 " reason = CASE convert_from(payload, 'UTF8') WHEN '65' THEN 'failed' ELSE 'exhausted' END"),
        255);
    ck_assert_int_eq(
        site_ask(site, "SELECT count(*) FROM job.dead WHERE convert_from(payload, 'UTF8') = '0'"), 0);
    site_free(site);
}
END_TEST

/* All that end a process by themselves: neither those that stop or continue it, nor those that are ignored. */
START_TEST(each_signal_is_a_crash)
{
    static const char signals[] =
        "(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 24, 25, 26, 27, 29, 30, 31, 34, 64)";
    struct site *site = start(COMMAND("die", "read n; kill -$n $$; sleep 10"));
    site_sql(site, "SELECT job.enqueue('selftest', 'die', to_jsonb(n)) FROM unnest(ARRAY[%.*s]) n",
             (int)strlen(signals) - 2, signals + 1);
    site_await(site, 60, "SELECT count(*) = 25 FROM job.result");
    ck_assert_int_eq(site_ask(site,
                              "SELECT count(*) FROM job.dead WHERE reason = 'crashed' AND"
                              " error LIKE 'killed by signal ' || convert_from(payload, 'UTF8') || ' (%%'"),
                     25);
    site_free(site);
}
END_TEST

START_TEST(each_http_status_has_its_meaning)
{
    char handlers[512];
    snprintf(
        handlers, sizeof(handlers),
        "{ type = \"http\"; kind = \"http\"; url = \"http://127.0.0.1:%d/as-told\"; allow = ( \"127.0.0.1\" );" ONE_TRY,
        http_service_start());
    struct site *site = start(handlers);
    enqueue_each(site, "http", 200, 599);
    site_await(site, 90, "SELECT count(*) = 400 FROM job.result");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.result WHERE state = 'succeeded'"), 100);
    ck_assert_int_eq(
        site_ask(
            site,
            "SELECT count(*) FROM job.dead d, CAST(convert_from(d.payload, 'UTF8') AS integer) AS status WHERE"
            " status >= 300 AND error LIKE 'status ' || status || '%%' AND"
            " reason = CASE WHEN status >= 500 OR status IN (408, 409, 425, 429) THEN 'exhausted' ELSE 'failed' END"),
        300);
    site_free(site);
}
END_TEST

/* --- What is kept of what it brings ------------------------------------------------------------------------------------------ */

/* The result of the only job of @type, as SQL that is true. */
static void check_result(struct site *site, const char *type, const char *sql)
{
    site_await(site, 30, "SELECT count(*) = 1 FROM job.result WHERE type = '%s'", type);
    ck_assert_msg(site_ask(site, "SELECT coalesce((%s), false) FROM job.result WHERE type = '%s'", sql, type),
                  "%s: %s", type, sql);
}

#define DONE "state = 'succeeded' AND error IS NULL AND "

START_TEST(odd_results_of_commands_are_kept)
{
    static const struct {
        const char *type, *result;
    } cases[] = {
        { "nul", DONE "result = '{\"base64\": \"YQBi\"}'" },
        { "latin", DONE "result = '{\"base64\": \"/+n+\"}'" },
        { "utf8", DONE "result = to_jsonb('grün'::text)" },
        { "escape", DONE "result = to_jsonb(E'\"\\\\u0000\"'::text)" },
        { "number", DONE "result = to_jsonb(('1' || repeat('0', 400))::numeric)" },
        { "digits", DONE "result = to_jsonb(repeat('7', 5000)::numeric)" },
        { "huge", "state = 'succeeded' AND result IS NULL AND error = 'result refused: 22003'" },
        { "largest", DONE "octet_length(result #>> '{}') = 262144" },
        { "larger", "state = 'dead' AND reason = 'failed' AND error = 'the result is larger than 256 KiB'" },
        { "deep", DONE "jsonb_typeof(result) = 'string'" },
    };
    struct site *site = start(
        COMMAND("nul", "printf 'a\\\\000b'") ", " COMMAND("latin", "printf '\\\\377\\\\351\\\\376'") ", " COMMAND("utf8", "printf 'grün'") ", " COMMAND("escape", "printf '%s' '\\\"\\\\u0000\\\"'") ", " COMMAND(
            "number",
            "printf 1e400") ", " COMMAND("digits",
                                         "head -c 5000 /dev/zero | tr '\\\\000' 7") ", " COMMAND("huge",
                                                                                                 "printf 1e999999") ", " COMMAND("largest",
                                                                                                                                 "head -c 262144 /dev/zero | tr '\\\\000' x") ", " COMMAND("larger",
                                                                                                                                                                                           "head -c 307200 /dev/zero | tr '\\\\000' x") ", " COMMAND("deep",
                                                                                                                                                                                                                                                     "head -c 100000 /dev/zero | tr '\\\\000' ["));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        site_sql(site, "SELECT job.enqueue('selftest', '%s', '{}')", cases[i].type);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        check_result(site, cases[i].type, cases[i].result);
    site_free(site);
}
END_TEST

/* The one that ended with @payload. */
static void check_selftest(struct site *site, const char *payload, const char *sql)
{
    site_sql(site, "DELETE FROM job.result");
    site_sql(site, "SELECT job.enqueue('selftest', 'selftest.result', '%s')", payload);
    check_result(site, "selftest.result", sql);
}

START_TEST(odd_results_of_modules_are_kept)
{
    struct site *site = start(SELFTEST);
    check_selftest(site, "{\"bytes\": 3, \"nul\": true}", DONE "result = '{\"base64\": \"eAB4\"}'");
    check_selftest(site, "{\"bytes\": 3, \"binary\": true}", DONE "result = '{\"base64\": \"//79\"}'");
    check_selftest(site, "{\"bytes\": 262144}", DONE "result = to_jsonb(repeat('x', 262144))");
    check_selftest(site, "{\"bytes\": 262144, \"binary\": true}",
                   DONE "length(result ->> 'base64') = 349528");
    check_selftest(site, "{\"bytes\": 262144, \"nul\": true}", DONE "length(result ->> 'base64') = 349528");
    check_selftest(
        site, "{\"bytes\": 307200}",
        "state = 'dead' AND reason = 'failed' AND error = 'a result of 307200 bytes is too large'");
    check_selftest(site, "{\"bytes\": 0}", DONE "result = to_jsonb(''::text)");
    trace_enqueue(site, "selftest.echo", 1, "{\"n\": 1e999999, \"m\": -0.1e-400}");
    check_result(site, "selftest.echo",
                 "state = 'succeeded' AND result IS NULL AND error = 'result refused: 22003'");
    site_free(site);
}
END_TEST

SUITE_MAIN("answers", each_exit_status_has_its_meaning, each_signal_is_a_crash,
           each_http_status_has_its_meaning, odd_results_of_commands_are_kept,
           odd_results_of_modules_are_kept)
