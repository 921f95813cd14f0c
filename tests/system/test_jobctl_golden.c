/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every command prints, in every format, on one prepared set of data: tests/data/jobctl/each/.
 *
 * Everything in it happened in 2024, so that it looks the same whenever the test runs; what happens now is masked.
 */
#define SUITE_TIMEOUT_S 120
#include "tests/support/suite.h"

#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/support/control.h"
#include "tests/support/harness.h"

#define ID(n) "0190a6c2-7d3e-7f00-8000-0000000000" n
#define SUCCEEDED ID("01")
#define DEAD ID("02")
#define CANCELLED ID("03")
#define EXPIRED ID("04")
#define DUPLICATE ID("05")
#define RUNNING ID("06")
#define SCHEDULED ID("07")
#define RETRYING ID("08")
#define MALFORMED ID("09")
#define DEAD_TOO ID("0a")
#define NOBODY ID("ff")
#define T(second) "'2024-07-12 10:00:" second "Z'"

static struct site *site;

/* Names of this test, of which everything that is printed is wide. */
static const char results[] =
    "INSERT INTO job.result (id, queue, type, state, reason, attempt, delivery, result, error, enqueued_at, started_at,"
    " finished_at, worker, cpu_ms, peak_kib, trace_id, topic, partition, \"offset\", parent) VALUES"
    " ('" SUCCEEDED
    "', 'mail', 'welcome', 'succeeded', NULL, 1, 1, '{\"sent\": 2, \"to\": \"ada@example.org\"}', NULL,"
    "  " T("00") ", " T("01") ", " T(
        "02.5") ", 'web-1/77/a1b2c3', 12, 5120, '4bf92f3577b34da6a3ce929d0e0e4736', 't.mail', 0, 17, NULL),"
                " ('" DEAD
                "', 'mail', 'welcome', 'dead', 'exhausted', 3, 3, NULL, 'cannot reach 10.0.0.7: no route',"
                "  " T("00") ", " T("10") ", " T(
                    "11") ", 'web-1/77/a1b2c3', 3, 4096, NULL, 't.mail', 1, 4, '" SUCCEEDED "'),"
                          " ('" DEAD_TOO
                          "', 'mail', 'welcome', 'dead', 'exhausted', 3, 3, NULL, 'cannot reach 10.0.0.8: no route',"
                          "  " T("00") ", " T("20") ", " T(
                              "21") ", 'web-1/77/a1b2c3', 3, 4096, NULL, 't.mail', 1, 5, NULL),"
                                    " ('" MALFORMED
                                    "', 'mail', NULL, 'dead', 'malformed', 1, 1, NULL, 'ce_type is missing', NULL, NULL, " T(
                                        "30") ","
                                              "  'web-1/77/a1b2c3', NULL, NULL, NULL, 't.mail', 1, 6, NULL),"
                                              " ('" CANCELLED
                                              "', 'reports', 'report', 'cancelled', NULL, 1, 1, NULL, NULL, " T("00") ", NULL, " T(
                                                  "40") ", NULL,"
                                                        "  NULL, NULL, NULL, NULL, NULL, NULL, NULL),"
                                                        " ('" EXPIRED
                                                        "', 'reports', 'report', 'expired', NULL, 1, 1, NULL, NULL, " T(
                                                            "00") ", NULL, " T("41") ", NULL,"
                                                                                     "  NULL, NULL, NULL, NULL, NULL, NULL, NULL),"
                                                                                     " ('" DUPLICATE
                                                                                     "', 'reports', 'report', 'duplicate', NULL, 1, 1, '{\"id\": \"" CANCELLED
                                                                                     "\"}', NULL, " T(
                                                                                         "00") ","
                                                                                               "  NULL, " T(
                                                                                                   "42") ", NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)";

static const char attempts[] =
    "INSERT INTO job.attempt (id, delivery, attempt, outcome, error, started_at, finished_at, worker, cpu_ms, peak_kib) VALUES"
    " ('" DEAD "', 1, 1, 'failed', 'cannot reach 10.0.0.7', " T("03") ", " T(
        "04") ", 'web-1/77/a1b2c3', 3, 4096),"
              " ('" DEAD "', 2, 2, 'timeout', NULL, " T("06") ", " T(
                  "08") ", 'web-1/77/a1b2c3', 900, 8192),"
                        " ('" DEAD "', 3, 3, 'failed', 'cannot reach 10.0.0.7: no route', " T("10") ", " T(
                            "11") ", 'web-1/77/a1b2c3', 3, 4096),"
                                  " ('" RETRYING
                                  "', 1, 1, 'crashed', E'signal 11 (SIGSEGV)\\x1b]0;owned\\x07', " T(
                                      "03") ", " T("04") ", 'web-1/77/a1b2c3', 1, 2048)";

static const char dead[] =
    "INSERT INTO job.dead (id, died_at, queue, type, reason, attempt, delivery, topic, partition, \"offset\", error, key,"
    " headers, payload, enqueued_at) VALUES"
    " ('" DEAD "', " T(
        "11") ", 'mail', 'welcome', 'exhausted', 3, 3, 't.mail', 1, 4,"
              "  'cannot reach 10.0.0.7: no route', 'customer-7', '{\"ce_type\": \"welcome\", \"ce_tags\": \"vip\"}',"
              "  '{\"to\": \"ada@example.org\"}', " T(
                  "00") "),"
                        " ('" DEAD_TOO "', " T(
                            "21") ", 'mail', 'welcome', 'exhausted', 3, 3, 't.mail', 1, 5,"
                                  "  'cannot reach 10.0.0.8: no route', NULL, '{\"ce_type\": \"welcome\"}', '{\"to\": \"bob@example.org\"}', " T(
                                      "00") "),"
                                            " ('" MALFORMED "', " T(
                                                "30") ", 'mail', NULL, 'malformed', 1, 1, 't.mail', 1, 6, 'ce_type is missing', NULL, '{}',"
                                                      "  '\\xff00', NULL)";

static const char waiting[] =
    "INSERT INTO job.pending (id, run_at, delivery, attempt, queue, type, reason, topic, partition, key, headers, payload)"
    " VALUES ('" SCHEDULED "', '2099-01-01 00:00:00Z', 1, 1, 'reports', 'report', 'delay', NULL, NULL, NULL,"
    "  '{\"ce_type\": \"report\"}', '{\"of\": [\"a\", \"b\"]}'),"
    " ('" RETRYING "', '2099-01-01 00:00:01Z', 2, 1, 'mail', 'welcome', 'retry', 't.mail', 0, 'customer-7',"
    "  '{\"ce_type\": \"welcome\"}', '{\"to\": \"eve@example.org\"}')";

static const char running[] =
    "INSERT INTO job.worker (id, host, pid, queues, beat_at, started_at) VALUES ('web-1/77/a1b2c3', 'web-1', 77, '{mail,reports}',"
    " now() + interval '1 hour', " T(
        "00") ");"
              "INSERT INTO job.lease (id, token, delivery, attempt, max_crashes, queue, type, topic, partition, \"offset\", worker,"
              " headers, payload, started_at, enqueued_at, progress) VALUES ('" RUNNING
              "', 5, 2, 1, 5, 'reports', 'report', 't.reports', 0, 9,"
              " 'web-1/77/a1b2c3', '{\"ce_type\": \"report\"}', '{\"of\": \"yesterday\"}', " T("50") ", " T(
                  "00") ", '{\"percent\": 40}')";

/* Who runs the test, and on which machine. */
static void mask_person(void)
{
    static char expression[200];
    char host[65] = "";
    char strings[1024];
    struct passwd entry, *user = NULL;
    ck_assert_int_eq(getpwuid_r(getuid(), &entry, strings, sizeof(strings), &user), 0);
    ck_assert_ptr_nonnull(user);
    gethostname(host, sizeof(host) - 1);
    snprintf(expression, sizeof(expression), "%s@%s", user->pw_name, host);
    control_mask(expression, "somebody@host");
}

static void setup(void)
{
    site = site_new(&(struct site_options){
        .queues = "{ name = \"mail\"; partitions = 2; }, { name = \"reports\"; partitions = 1; }",
        .handlers = "{ type = \"welcome\"; kind = \"command\"; argv = [\"/bin/true\"]; queue = \"mail\"; },"
                    "{ type = \"report\"; kind = \"command\"; argv = [\"/bin/true\"]; queue = \"reports\"; }",
    });
    control_use(site);
    control_mask("01a[0-9a-f]{5}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", "<an id of now>");
    control_mask("20(2[5-9]|[3-8][0-9])-[0-9]{2}-[0-9]{2}T[0-9:.]{8,15}Z", "<now>");
    mask_person();
    control_mask("for [0-9]+d", "for <days>");
    site_sql(site, "%s", results);
    site_sql(site, "%s", attempts);
    site_sql(site, "%s", dead);
    site_sql(site, "%s", waiting);
    site_sql(site, "%s", running);
    control_expect(0, "topic apply");
    control_expect(
        0, "cron add nightly '30 2 * * *' report --tz Europe/Berlin --payload '{\"of\": \"yesterday\"}'");
    control_expect(0, "cron disable nightly");
    control_expect(0, "queue pause reports");
}

static void teardown(void)
{
    control_use(NULL);
    site = site_free(site);
}

struct golden {
    const char *name, *arguments;
};

static void compare_all(const struct golden *list, size_t n)
{
    setup();
    for (size_t i = 0; i < n; i++)
        control_golden(list[i].name, list[i].arguments);
    teardown();
}

/* --- What only looks --- */

static const struct golden looks[] = {
    { "each/job_show", "job show " DEAD },
    { "each/job_show_retrying", "job show " RETRYING },
    { "each/job_show_running", "job show " RUNNING },
    { "each/job_list", "job list" },
    { "each/job_list_columns", "job list --state dead --columns state,id --sort id --no-headers" },
    { "each/job_why", "job why " DEAD },
    { "each/job_wait", "job wait " SUCCEEDED },
    { "each/dead_list", "dead list" },
    { "each/dead_groups", "dead groups" },
    { "each/dead_show", "dead show " DEAD },
    { "each/dead_hook", "dead hook" },
    { "each/queue_list", "queue list" },
    { "each/queue_show", "queue show mail" },
    { "each/queue_keys", "queue keys mail" },
    { "each/worker_list", "worker list" },
    { "each/worker_show", "worker show web-1/77/a1b2c3" },
    { "each/cron_list", "cron list" },
    { "each/cron_next", "cron next '30 2 * * *' --tz Europe/Berlin --from 2024-03-29T00:00:00Z" },
    { "each/topic_list", "topic list" },
    { "each/topic_trim", "topic trim" },
    { "each/db_status", "db status --columns current" },
    { "each/version", "version" },
};

START_TEST(what_looks_prints_what_it_did)
{
    compare_all(looks, ARRAY_SIZE(looks));
}
END_TEST

/* --- What changes something: four times in each format, and each must be right for what the ones before left --- */

static const struct golden changes[] = {
    { "each/topic_apply", "topic apply" },
    { "each/topic_reset", "topic reset mail --yes" },
    { "each/queue_create", "queue create mail" },
    { "each/queue_set", "queue set mail paused=true" },
    { "each/queue_pause", "queue pause mail" },
    { "each/queue_resume", "queue resume mail" },
    { "each/queue_drain", "queue drain mail --timeout 5s" },
    { "each/cron_add", "cron add hourly '0 * * * *' report --replace" },
    { "each/cron_run", "cron run nightly" },
    { "each/cron_enable", "cron enable nightly" },
    { "each/cron_disable", "cron disable nightly" },
    { "each/cron_remove", "cron remove nightly --yes" },
    { "each/enqueue", "enqueue welcome --in 1h --payload '{}'" },
    { "each/job_run_now", "job run-now " RETRYING " " SUCCEEDED " " RUNNING " " NOBODY },
    { "each/job_replay_dry",
      "job replay -t welcome --finished-between 2024-07-12T00:00:00Z 2024-07-13T00:00:00Z --dry-run" },
    { "each/job_cancel", "job cancel " SCHEDULED " " SUCCEEDED },
    { "each/dead_replay_dry", "dead replay --all --dry-run" },
    { "each/dead_edit", "dead edit " DEAD " --set timeout=30s" },
    { "each/dead_export", "dead export --limit 1" },
    { "each/dead_replay", "dead replay " DEAD },
    { "each/dead_purge_dry", "dead purge --all --dry-run" },
    { "each/dead_purge", "dead purge " DEAD_TOO " --yes" },
    { "each/dead_purge_all", "dead purge --all --reason malformed --yes" },
    { "each/worker_drain", "worker drain web-1/77/a1b2c3 --no-wait" },
    { "each/db_grant", "db grant pg_monitor wait" },
    { "each/db_revoke", "db revoke pg_monitor wait" },
    { "each/db_migrate", "db migrate --columns current" },
};

START_TEST(what_changes_something_prints_what_it_did)
{
    compare_all(changes, ARRAY_SIZE(changes));
}
END_TEST

/* --- Help and refusals --- */

START_TEST(help_and_refusals_are_as_they_were)
{
    static const struct golden once[] = {
        { "each/help", "--help" },
        { "each/help_job", "job --help" },
        { "each/help_enqueue", "enqueue --help" },
        { "each/refused_command", "job lsit" },
        { "each/refused_option", "job list --sate dead" },
        { "each/refused_value", "job list --state daed" },
        { "each/refused_column", "job list --columns staet" },
        { "each/refused_id", "job show 17" },
        { "each/refused_queue", "job list --queue Mail" },
        { "each/near_queue", "job list --queue maill" },
        { "each/near_type", "job list --type welcom" },
        { "each/unknown_job", "job show " NOBODY },
        { "each/unknown_dead", "dead show " NOBODY },
        { "each/unknown_cron", "cron run nobody" },
        { "each/completion_bash", "completion bash" },
        { "each/dead_import", "dead import /dev/null" },
        { "each/refused_where", "job list --where 'payload.to == 1'" },
        { "each/refused_time", "job list --since yesterday" },
        { "each/refused_rate", "dead replay --all --rate fast" },
        { "each/purge_asks", "dead purge --all" },
    };
    setup();
    for (size_t i = 0; i < ARRAY_SIZE(once); i++)
        control_golden_once(once[i].name, once[i].arguments);
    teardown();
}
END_TEST

SUITE_MAIN("jobctl_golden", what_looks_prints_what_it_did, what_changes_something_prints_what_it_did,
           help_and_refusals_are_as_they_were)
