/* SPDX-License-Identifier: Apache-2.0 */
/* jobctl cron on a real PostgreSQL, with no broker running unless a test says so. */
#define SUITE_TIMEOUT_S 60
#include "tests/support/suite.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "tests/support/harness.h"

static struct site *site;
static char out[32768], said[8192];

static void start(const char *extra)
{
    site = site_new(&(struct site_options){
        .queues = "{ name = \"mail\"; }, { name = \"reports\"; }",
        .handlers = "{ type = \"report.*\"; path = \"/nowhere/report.so\"; queue = \"reports\"; }",
        .extra = extra });
}

static void read_file(const char *name, char *text, size_t size)
{
    char path[300];
    snprintf(path, sizeof(path), "%s/%s", site_folder(site), name);
    FILE *file = fopen(path, "re");
    ck_assert_ptr_nonnull(file);
    text[fread(text, 1, size - 1, file)] = 0;
    fclose(file);
}

/* A shell's words behind "jobctl"; it must exit with @status. */
static void __attribute__((format(printf, 2, 3))) expect(int status, const char *format, ...)
{
    _cleanup_free_ char *words = NULL, *command = NULL;
    va_list ap;
    va_start(ap, format);
    ck_assert_int_ge(vasprintf(&words, format, ap), 0);
    va_end(ap);
    ck_assert_int_ge(
        asprintf(
            &command,
            "env -u JOB_KAFKA -u JOB_DATABASE_URL '%s/cli/jobctl' -c '%s' %s </dev/null >'%s/out' 2>'%s/said'",
            site_build(site), site_config_path(site), words, site_folder(site), site_folder(site)),
        0);
    int r = system(command);
    read_file("out", out, sizeof(out));
    read_file("said", said, sizeof(said));
    ck_assert_msg(WIFEXITED(r) && WEXITSTATUS(r) == status, "jobctl %s: %d, not %d\n%s%s", words,
                  WEXITSTATUS(r), status, out, said);
}

static void check_has(const char *text, const char *part)
{
    ck_assert_msg(strstr(text, part), "no %s in: %s", part, text);
}

START_TEST(entry_is_added_with_everything)
{
    start(NULL);
    expect(
        0,
        "cron add nightly '30 2 * * *' report.daily --tz Europe/Berlin --payload '{\"of\": \"yesterday\"}' --missed all"
        " --missed-max 7 --jitter 10m --key k --max-attempts 3 --timeout 90s --tag a --tag b --header x=y -o json");
    check_has(out, "\"name\": \"nightly\"");
    check_has(out, "\"queue\": \"reports\"");
    check_has(out, "\"next_at\": \"2");
    ck_assert(site_ask(
        site,
        "SELECT expression = '30 2 * * *' AND zone = 'Europe/Berlin' AND queue = 'reports' AND type = 'report.daily'"
        " AND payload = '{\"of\": \"yesterday\"}' AND missed = 'all' AND missed_max = 7 AND jitter = '10 minutes'"
        " AND key = 'k' AND max_attempts = 3 AND timeout = '90 seconds' AND tags = '{a,b}'"
        " AND headers = '{\"x\": \"y\"}' AND enabled AND source = 'jobctl' FROM job.cron"));
    expect(0, "cron list -o json");
    check_has(out, "\"name\": \"nightly\"");
    check_has(out, "\"missed_max\": 7");
    check_has(out, "\"tags\": [\"a\", \"b\"]");
    check_has(out, "\"error\": null");
    expect(0, "cron list nightly");
    expect(3, "cron list nightli");
    site_free(site);
}
END_TEST

START_TEST(queue_is_as_with_enqueue)
{
    start(NULL);
    expect(0, "cron add a @daily report.x");
    expect(0, "cron add b @daily report.x -q mail");
    expect(0, "cron add c @daily other");
    check_has(said, "has no handler for the type \"other\"");
    ck_assert(
        site_ask(site, "SELECT array_agg(queue ORDER BY name) = '{reports,mail,default}' FROM job.cron"));
    site_free(site);
}
END_TEST

START_TEST(what_is_wrong_is_refused_with_place_and_reason)
{
    static const struct {
        const char *words, *reason;
    } cases[] = {
        { "'a b' @daily t", "NAME: \"a b\" is no name" },
        { "a '61 * * * *' t", "EXPRESSION: character 1: expected a minute from 0 to 59, found \"61\"" },
        { "a '0 0 31 2 *' t", "EXPRESSION: character 5: there is no such day in any year" },
        { "a '* * * *' t", "found 4" },
        { "a '' t", "empty" },
        { "a @dayly t", "did you mean \"@daily\"" },
        { "a @daily 9t", "TYPE" },
        { "a @daily t --tz Europe/Berln", "did you mean \"Europe/Berlin\"" },
        { "a @daily t --tz CET-1CEST", "there is no time zone" },
        { "a @daily t --missed never", "skip, last, all" },
        { "a @daily t --missed-max 0", "1 to 1000" },
        { "a @daily t --jitter 25h", "at most 24h" },
        { "a @daily t --queue Bad", "[a-z0-9]" },
        { "a @daily t --payload '{'", "not JSON" },
        { "a @daily t --payload '\"\\u0000\"'", "u0000" },
        { "a @daily t --header ce_id=x", "ce_" },
        { "a @daily t --header cron-tick=x", "cron-" },
        { "a @daily t --timeout 31d", "cron_timeout" },
        { "a @daily t --tag a,b", "comma" },
        { "a @daily", "TYPE" },
    };
    start(NULL);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        expect(2, "cron add %s", cases[i].words);
        check_has(said, cases[i].reason);
        ck_assert_str_eq(out, "");
    }
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.cron"), 0);
    site_free(site);
}
END_TEST

START_TEST(entry_that_is_there_is_changed_only_on_demand)
{
    start(NULL);
    expect(0, "cron add a @daily t");
    expect(1, "cron add a @hourly t");
    check_has(said, "--replace");
    site_sql(site, "UPDATE job.cron SET since = '2020-01-01', anchor = '2020-01-01'");
    expect(0, "cron add a @daily t --replace --payload 1");
    ck_assert(site_ask(site, "SELECT payload = '1' AND since = '2020-01-01' FROM job.cron"));
    expect(0, "cron add a @daily t --replace --payload 1");
    expect(0, "cron add a @hourly t --replace");
    ck_assert(site_ask(
        site,
        "SELECT payload IS NULL AND expression = '@hourly' AND since > clock_timestamp() - interval '1 minute'"
        " FROM job.cron"));
    site_sql(site, "UPDATE job.cron SET source = 'config'");
    expect(1, "cron add a @daily t --replace");
    check_has(said, "configuration");
    site_free(site);
}
END_TEST

START_TEST(entries_are_switched_off_and_on)
{
    start(NULL);
    expect(0, "cron add a @daily t");
    expect(0, "cron add b @daily t");
    expect(0, "cron disable a b");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.cron WHERE enabled"), 0);
    expect(3, "cron enable b c");
    check_has(out, "b    enabled");
    check_has(said, "no cron entry \"c\"");
    ck_assert(site_ask(site, "SELECT enabled = (name = 'b') FROM job.cron WHERE name = 'a'"));
    expect(0, "cron next a");
    check_has(said, "disabled");
    site_free(site);
}
END_TEST

START_TEST(removing_asks_and_leaves_what_the_configuration_has)
{
    start("cron = ( { name = \"kept\"; expression = \"@daily\"; type = \"t\"; } );");
    expect(0, "cron add a @daily t");
    expect(2, "cron remove a");
    check_has(said, "--yes");
    expect(3, "cron remove a b --yes");
    check_has(out, "a    removed");
    site_sql(site,
             "INSERT INTO job.cron (name, expression, type, source) VALUES ('kept', '@daily', 't', 'config'),"
             " ('gone', '@daily', 't', 'config')");
    expect(1, "cron remove kept --yes");
    check_has(said, "disable");
    expect(0, "cron remove gone -y");
    ck_assert(site_ask(site, "SELECT array_agg(name) = '{kept}' FROM job.cron"));
    site_free(site);
}
END_TEST

START_TEST(job_is_run_by_hand)
{
    start(NULL);
    expect(0, "cron add a @yearly t -q mail --payload '[1]'");
    expect(0, "cron disable a");
    expect(0, "cron run a");
    check_has(out, "{\"id\": \"");
    out[7 + 1 + 36] = 0;
    ck_assert(site_ask(
        site,
        "SELECT reason = 'cron' AND queue = 'mail' AND type = 't' AND convert_from(payload, 'UTF8') = '[1]'"
        " AND headers ->> 'cron-name' = 'a' AND NOT headers ? 'cron-tick' AND run_at <= clock_timestamp()"
        " FROM job.pending WHERE id = '%s'",
        out + 8));
    expect(0, "cron run a -o csv");
    check_has(out, "id\n");
    expect(3, "cron run b");
    site_free(site);
}
END_TEST

START_TEST(next_ticks_are_told_without_a_server)
{
    start(NULL);
    expect(0, "cron next '30 2 * * *' --tz Europe/Berlin --from 2026-03-28T00:00:00Z -n 3 -o csv");
    ck_assert_str_eq(out, "tick,local\n"
                          "2026-03-28T01:30:00.000000Z,2026-03-28 02:30:00 +01:00 Sat\n"
                          "2026-03-29T01:00:00.000000Z,2026-03-29 03:00:00 +02:00 Sun\n"
                          "2026-03-30T00:30:00.000000Z,2026-03-30 02:30:00 +02:00 Mon\n");
    expect(0, "cron next '0 9 * * MON#2' --tz America/St_Johns --from 2026-01-12T12:30:00Z -n 1 -o jsonl");
    check_has(out,
              "\"tick\": \"2026-01-12T12:30:00.000000Z\", \"local\": \"2026-01-12 09:00:00 -03:30 Mon\"");
    expect(0, "cron next '@every 90s'");
    expect(2, "cron next '61 * * * *'");
    check_has(said, "EXPRESSION: character 1");
    expect(2, "cron next @daily --tz Mars/Olympus");
    expect(2, "cron next @daily -n 0");
    expect(3, "cron next daily");
    check_has(said, "one argument");
    expect(2, "cron next");
    site_free(site);
}
END_TEST

START_TEST(next_ticks_of_an_entry_count_from_its_anchor)
{
    start(NULL);
    expect(0, "cron add a '@every 1h' t");
    site_sql(site, "UPDATE job.cron SET anchor = '2026-01-01T00:00:30Z'");
    expect(0, "cron next a --from 2026-01-01T02:00:00Z -n 2 -o csv");
    check_has(out, "2026-01-01T02:00:30.000000Z");
    check_has(out, "2026-01-01T03:00:30.000000Z");
    expect(2, "cron next a --tz UTC");
    site_free(site);
}
END_TEST

START_TEST(doctor_finds_what_keeps_entries_from_ticking)
{
    start(NULL);
    expect(0, "cron add a @yearly t");
    expect(1, "doctor");
    check_has(out, "1 entries, 1 of them enabled");
    site_sql(site, "UPDATE job.cron SET since = clock_timestamp() - interval '2 minutes'");
    expect(1, "doctor");
    check_has(out, "1 of 1 entries have been due for more than 30 s");
    site_sql(
        site,
        "UPDATE job.cron SET error = 'character 1: bad', next_at = clock_timestamp() + interval '1 minute'");
    expect(1, "doctor");
    check_has(out, "1 of 1 entries cannot tick: a: character 1: bad");
    site_free(site);
}
END_TEST

#define NOTED(action)                                                                                                         \
    "SELECT actor LIKE '%%@%%' AND detail ->> 'name' = 'a' AND queue = 'default' FROM job.audit WHERE action = 'cron " action \
    "'"

START_TEST(who_did_what_is_written_down)
{
    start(NULL);
    expect(0, "cron add a @daily t --payload 1");
    ck_assert(site_ask(
        site, NOTED("add") " AND detail -> 'to' ->> 'expression' = '@daily' AND NOT detail ? 'from'"));
    expect(0, "cron add a @daily t --payload 1 --replace");
    expect(0, "cron add a @hourly t --payload 1 --replace");
    ck_assert(site_ask(site, NOTED("change") " AND detail -> 'from' = '{\"expression\": \"@daily\"}'"));
    expect(0, "cron disable a");
    expect(0, "cron disable a");
    ck_assert(site_ask(site, NOTED("disable")));
    expect(0, "cron enable a");
    ck_assert(site_ask(site, NOTED("enable")));
    expect(0, "cron run a");
    ck_assert(site_ask(site, NOTED("run") " AND job = (SELECT id FROM job.pending)"));
    expect(0, "cron remove a --yes");
    ck_assert(site_ask(site, NOTED("remove") " AND detail -> 'from' ->> 'expression' = '@hourly'"));
    site_start_broker(site);
    site_await(
        site, 20,
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name = 'cron' AND datname = current_database()");
    site_sql(
        site,
        "INSERT INTO job.cron (name, expression, type, queue) VALUES ('ticks', '* * * * * *', 't', 'mail')");
    site_await(site, 20, "SELECT last_at > anchor + interval '1 second' FROM job.cron");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.audit"), 7);
    site_free(site);
}
END_TEST

START_TEST(old_schema_is_named)
{
    start(NULL);
    site_sql(site, "DROP TABLE job.cron CASCADE");
    expect(1, "cron list");
    check_has(said, "jobctl db migrate");
    site_free(site);
}
END_TEST

SUITE_MAIN("jobctl_cron", entry_is_added_with_everything, queue_is_as_with_enqueue,
           what_is_wrong_is_refused_with_place_and_reason, entry_that_is_there_is_changed_only_on_demand,
           entries_are_switched_off_and_on, removing_asks_and_leaves_what_the_configuration_has,
           job_is_run_by_hand, next_ticks_are_told_without_a_server,
           next_ticks_of_an_entry_count_from_its_anchor, doctor_finds_what_keeps_entries_from_ticking,
           who_did_what_is_written_down, old_schema_is_named)
