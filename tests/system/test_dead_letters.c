/* SPDX-License-Identifier: Apache-2.0 */
/* Dead letters: their groups, finding, changing, taking out and putting back. No daemon runs. */
#define SUITE_TIMEOUT_S 120
#include "tests/support/suite.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "tests/support/control.h"
#include "tests/support/harness.h"
#include "tests/support/terminal.h"

#define DEAD(n) "0190a6c2-7d3e-7f00-8000-00000000000" #n
#define UNKNOWN_ID "0190a6c2-7d3e-7f00-8000-00000000ffff"

static struct site *site;

static void setup(void)
{
    site = site_new(&(struct site_options){
        .queues = "{ name = \"mail\"; partitions = 1; }",
        .handlers = "{ type = \"welcome\"; kind = \"module\"; path = \"welcome.so\"; queue = \"mail\"; }",
    });
    control_use(site);
}

static void teardown(void)
{
    control_use(NULL);
    site = site_free(site);
}

/* @n letters with ids that grow, one second apart, the last one now; @values: type, reason, error, headers, payload, where i is the number. */
static void bury(int n, const char *values)
{
    site_sql(
        site,
        "INSERT INTO job.dead (id, died_at, delivery, attempt, queue, type, reason, error, headers, payload)"
        " SELECT (left(job.first_id_after(now() - (%d - i) * interval '1 second')::text, 24) || lpad(to_hex(i), 12, '0'))::uuid,"
        " now() - (%d - i) * interval '1 second', 3, 3, 'mail', %s FROM generate_series(1, %d) AS i",
        n, n, values, n);
}

/* What the groups should be, counted anew. */
static void check_counts(void)
{
    ck_assert_int_eq(
        site_ask(
            site,
            "SELECT count(*) FROM (SELECT group_name, count(*) AS n FROM job.dead GROUP BY 1) AS d"
            " FULL JOIN (SELECT group_name, sum(n) AS n FROM job.dead_count GROUP BY 1 HAVING sum(n) <> 0) AS c"
            " USING (group_name) WHERE d.n IS DISTINCT FROM c.n"),
        0);
}

/* --- Groups -------------------------------------------------------------------------------------------------------------- */

/* Errors of one line are the same, and other than those of the other lines. */
START_TEST(errors_that_differ_in_numbers_ids_and_quotes_are_the_same)
{
    static const char *const same[][5] = {
        { "user 17 not found", "user 123456 not found", "user 1.5 not found" },
        { "status 503", "status 503" },
        { "status 404" },
        { "HTTP/1.1 500 from 10.0.0.1:80", "HTTP/1.1 500 from 192.168.1.7:8080" },
        { "killed by signal 9 (Killed)" },
        { "killed by signal 11 (Segmentation fault)" },
        { "SQLSTATE 23505: (id)=(17)", "SQLSTATE 23505: (id)=(4)" },
        { "SQLSTATE 23503: (id)=(17)" },
        { "no job 0190a6c2-7d3e-7f00-8000-000000000001", "no job 0190A6C2-7D3E-7F00-8000-00000000FFFF",
          "no job 17" },
        { "at 0x7ffd12 in foo", "at 0x1 in foo" },
        { "commit 0f3a9c11d2 is gone", "commit 1234567890 is gone" },
        { "bad value \"a \\\" b\" given", "bad value 'c' given", "bad value `d` given" },
        { "it can't be opened: 'x'", "it can't be opened: 'yy'" },
        { "cut off: \"a very long 1 text", "cut off: \"another" },
        { "<ada@example.org> bounced", "<b.c+d@mail.example.com> bounced" },
        { "open /tmp/tmp.Xa8d/a.pdf: gone", "open /var/tmp/yyy: gone" },
        { "open /srv/12/file-7.txt: gone", "open /srv/4/file-99.txt: gone" },
        { "took 90ms", "took 1.5ms" },
        { "two  words\nhere", "two words here ", " two\twords here" },
        { "größe 5", "größe 66" },
        { "deadbeef" },
        { "" },
    };
    setup();
    for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
        for (size_t j = 0; j < 5 && same[i][j]; j++)
            site_sql(site, "INSERT INTO job.setting VALUES ('%zu.%zu', $e$%s$e$)", i, j, same[i][j]);
    }
    ck_assert_int_eq(
        site_ask(site,
                 "SELECT count(DISTINCT job.fingerprint(value)) FROM job.setting WHERE name ~ '^[0-9]'"),
        ARRAY_SIZE(same));
    ck_assert_int_eq(
        site_ask(
            site,
            "SELECT count(*) FROM (SELECT FROM job.setting WHERE name ~ '^[0-9]'"
            " GROUP BY split_part(name, '.', 1) HAVING count(DISTINCT job.fingerprint(value)) > 1) AS x"),
        0);
    /* Names of groups are written down and sent around: they may not change. */
    char *name = site_ask_text(site, "SELECT job.fingerprint('user 17 not found') || job.fingerprint(NULL)"
                                     " || job.group_name('mail', NULL, 'failed', 'status 503')");
    ck_assert_str_eq(name, "26788eb393abe3b0c44298fc03b40cb3f8c3");
    free(name);
    teardown();
}
END_TEST

START_TEST(groups_are_counted_whatever_comes_and_goes)
{
    setup();
    bury(20, "'t' || i % 2, 'failed', 'no user ' || i, '{}', NULL");
    control_expect(0, "dead groups -o json");
    json_t *json = control_json();
    ck_assert_uint_eq(json_array_size(json), 2);
    const json_t *first = json_array_get(json, 0);
    ck_assert_int_eq(json_integer_value(json_object_get(first, "count")), 10);
    char group[32], sample[64];
    snprintf(group, sizeof(group), "%s", control_member(first, "group"));
    snprintf(sample, sizeof(sample), "%s", control_member(first, "sample"));
    ck_assert_int_eq(
        site_ask(site,
                 "SELECT count(*) FROM job.dead WHERE id = '%s' AND group_name = '%s'"
                 " AND id = (SELECT d.id FROM job.dead d WHERE d.group_name = '%s' ORDER BY id DESC LIMIT 1)",
                 sample, group, group),
        1);
    json_decref(json);
    check_counts();
    site_sql(site, "BEGIN; DELETE FROM job.dead; ROLLBACK");
    check_counts();
    char *since =
        site_ask_text(site, "SELECT min(first_at) FROM job.dead_count WHERE group_name = '%s'", group);
    control_expect(0, "dead replay %s", sample);
    check_counts();
    control_expect(0, "dead purge --all --group %s -y", group);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.dead WHERE group_name = '%s'", group), 0);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.dead_count WHERE group_name = '%s'", group), 0);
    check_counts();
    control_expect(0, "dead groups --group %s -o json", group);
    control_prints("[]");
    /* First and last stay while the group has letters, whichever these are. */
    site_sql(site, "DELETE FROM job.dead WHERE id IN (SELECT id FROM job.dead ORDER BY id LIMIT 3)");
    ck_assert_int_eq(
        site_ask(
            site,
            "SELECT count(*) FROM job.dead_count WHERE n = 7 AND first_at < (SELECT min(died_at) FROM job.dead)"),
        1);
    site_sql(site, "TRUNCATE job.dead");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.dead_count"), 0);
    bury(5, "'t', 'failed', 'E', '{}', NULL");
    site_sql(site, "DELETE FROM job.dead_count; SELECT job.recount_dead()");
    check_counts();
    free(since);
    teardown();
}
END_TEST

/* Two that bury into one group at once do not wait for each other, and what is counted is right in the end. */
START_TEST(whoever_counts_waits_for_nobody)
{
    setup();
    bury(1, "'t', 'failed', 'E', '{}', NULL");
    struct db_options options = { .url = site_database_url(site), .name = "other" };
    struct db *other = NULL;
    struct err err;
    ck_assert_int_eq(db_new(&other, &options), 0);
    ck_assert_msg(db_execute(other, "SET lock_timeout = '100ms'; SET statement_timeout = '5s'", &err) == 0,
                  "%s", err.text);
#define BURY(n)                                                                                              \
    "INSERT INTO job.dead (id, died_at, delivery, attempt, queue, type, reason, error, headers)"             \
    " SELECT job.new_id(), now(), 1, 1, 'mail', 't', 'failed', 'E', '{}' FROM generate_series(1, " #n ")"
    ck_assert_int_eq(db_begin(other, &err), 0);
    ck_assert_int_eq(db_execute(other, BURY(10), &err), 0);
    site_sql(site, "SET lock_timeout = '100ms'");
    site_sql(site, BURY(3)); /* commits while the other one holds its row */
    site_sql(site, "DELETE FROM job.dead WHERE id IN (SELECT id FROM job.dead LIMIT 2)");
    ck_assert_msg(db_execute(other, BURY(5), &err) == 0, "%s", err.text);
    ck_assert_int_eq(db_commit(other, &err), 0);
    check_counts();
    site_sql(site, "DELETE FROM job.dead");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.dead_count"), 0);
    db_free(other);
    teardown();
}
END_TEST

/* --- Finding ------------------------------------------------------------------------------------------------------------- */

static int64_t count_listed(const char *arguments)
{
    control_expect(0, "dead list -o json -n 10000 %s", arguments);
    json_t *json = control_json();
    int64_t n = (int64_t)json_array_size(json);
    json_decref(json);
    return n;
}

START_TEST(every_filter_finds_what_it_says)
{
    setup();
    bury(
        9000,
        "'t' || i % 3, CASE WHEN i % 2 = 0 THEN 'failed' ELSE 'exhausted' END, 'step ' || i || CASE i WHEN 4321 THEN ' NeeDle' ELSE '' END,"
        " '{}', NULL");
    site_sql(site, "UPDATE job.dead SET key = 'k7' WHERE error LIKE '%%77';"
                   "INSERT INTO job.result (id, finished_at, attempt, delivery, queue, state, worker)"
                   " SELECT id, now(), 1, 1, 'mail', 'dead', 'w1' FROM job.dead WHERE error LIKE 'step 5_'");
    ck_assert_int_eq(count_listed(""), 9000);
    ck_assert_int_eq(count_listed("--type t1"), 3000);
    ck_assert_int_eq(count_listed("--type t1 --reason failed"), 1500);
    ck_assert_int_eq(count_listed("--queue mail"), 9000);
    ck_assert_int_eq(count_listed("--queue other"), 0);
    ck_assert_int_eq(count_listed("--error needle"), 1);
    ck_assert_int_eq(count_listed("--error needle --type t1"), 1);
    ck_assert_int_eq(count_listed("--error 'step 8'"), 1111);
    ck_assert_int_eq(count_listed("--key k7"), 90);
    ck_assert_int_eq(count_listed("--worker w1"), 10);
    ck_assert_int_eq(count_listed("--worker w2"), 0);
    ck_assert_int_eq(count_listed("--since 2030-01-01T00:00:00Z"), 0);
    ck_assert_int_eq(count_listed("--until 2020-01-01T00:00:00Z"), 0);
    char *moment = site_ask_text(
        site, "SELECT to_char(died_at AT TIME ZONE 'UTC', '\"--until \"YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
              " FROM job.dead WHERE error = 'step 5000'");
    ck_assert_int_eq(count_listed(moment), 4999);
    memcpy(moment, "--since", 7);
    ck_assert_int_eq(count_listed(moment), 4001);
    free(moment);
    teardown();
}
END_TEST

/* Page by page it is the same as at once, also where the pages look at more than they have. */
START_TEST(pages_follow_each_other_without_gap_or_repetition)
{
    static const char *const filters[] = { "", "--type t1", "--error 'step 1'", "--type t1 --error 'step 1'",
                                           "--reason failed --since 1h" };
    setup();
    bury(1000, "'t' || i % 3, 'failed', 'step ' || i, '{}', NULL");
    for (size_t i = 0; i < ARRAY_SIZE(filters); i++) {
        char last[64] = "ffffffff-ffff-ffff-ffff-ffffffffffff";
        int64_t n = 0, all = count_listed(filters[i]);
        for (;;) {
            control_expect(0, "dead list -o json -n 70 %s --after %s", filters[i], last);
            json_t *json = control_json();
            size_t size = json_array_size(json);
            for (size_t j = 0; j < size; j++) {
                const char *id = control_member(json_array_get(json, j), "id");
                ck_assert_int_lt(strcmp(id, last), 0);
                snprintf(last, sizeof(last), "%s", id);
            }
            n += (int64_t)size;
            json_decref(json);
            if (size < 70)
                break;
        }
        ck_assert_msg(n == all, "%s: %d", filters[i], (int)n);
    }
    teardown();
}
END_TEST

/* Rows of job.dead that sessions have read so far, which PostgreSQL counts when they end; sequential scans of it. */
#define READ "SELECT idx_tup_fetch + seq_tup_read FROM pg_stat_user_tables WHERE relid = 'job.dead'::regclass"
#define SCANS "SELECT seq_scan FROM pg_stat_user_tables WHERE relid = 'job.dead'::regclass"

START_TEST(a_page_reads_few_letters_of_many)
{
    static const struct {
        const char *arguments;
        int at_most; /* letters read */
    } cases[] = {
        { "dead list", 300 },
        { "dead list -n 5 --after ffffffff-ffff-ffff-ffff-ffffffffffff", 50 },
        { "dead list --type t1", 500 },
        { "dead list --type old", 500 },
        { "dead list --type rare", 50 },
        { "dead list --type nothing", 0 },
        { "dead list --since 2030-01-01T00:00:00Z", 0 },
        { "dead list --error 'step 2'", 8200 + 200 },
        { "dead groups", 200 },
        { "dead export -n 100", 500 },
    };
    setup();
    bury(
        25000,
        "CASE WHEN i = 12000 THEN 'rare' WHEN i < 8000 THEN 'old' ELSE 't' || i % 40 END, 'failed', 'step ' || i, '{}', NULL");
    site_sql(site, "ANALYZE job.dead; SELECT pg_stat_force_next_flush()");
    int64_t scans = site_ask(site, SCANS);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        int64_t before = site_ask(site, READ);
        control_expect(0, "%s", cases[i].arguments);
        /* Its session has ended and counted when it is not there any more. */
        site_await(
            site, 10,
            "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'jobctl' AND datname = current_database())");
        int64_t n_read = site_ask(site, READ) - before;
        ck_assert_msg(n_read <= cases[i].at_most, "%s: %d letters were read", cases[i].arguments,
                      (int)n_read);
    }
    ck_assert_int_eq(site_ask(site, SCANS), scans);
    teardown();
}
END_TEST

START_TEST(wrong_values_name_themselves_and_the_rule)
{
    static const struct {
        const char *arguments, *says;
    } cases[] = {
        { "dead list --group xyz", "--group: expected a group's name, 12 characters" },
        { "dead list --reason dead", "--reason: unknown value \"dead\"" },
        { "dead list --error ''", "--error: expected UTF-8 text" },
        { "dead list --since soon", "--since" },
        { "dead list --since 1h --until 2h", "--since: nothing lies between" },
        { "dead list --after 5", "--after" },
        { "dead list -n 0", "--limit: expected a whole number from 1" },
        { "dead groups --group 3f1c09a7be4", "12 characters" },
        { "dead export -o csv", "JSON lines" },
        { "dead export --columns id", "JSON lines" },
        { "dead import /none", "cannot read /none" },
        { "dead edit 5", "no job id" },
        { "dead edit " DEAD(1) " --file x --payload 1", "" },
    };
    setup();
    site_sql(site, "INSERT INTO job.dead (id, died_at, delivery, attempt, queue, type, reason, headers)"
                   " VALUES ('" DEAD(1) "', now(), 1, 1, 'mail', 'welcome', 'failed', '{}')");
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        control_expect(2, "%s", cases[i].arguments);
        control_says(cases[i].says);
    }
    control_expect(3, "dead edit %s --set key=k", UNKNOWN_ID);
    control_expect(3, "dead show %s", UNKNOWN_ID);
    static const char *const commands[] = { "dead groups", "dead list", "dead export",
                                            "dead edit " DEAD(1) " --set key=k", "dead import /dev/null" };
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        control_expect_with("JOB_DATABASE_URL=postgresql://nobody@127.0.0.1:9/none", 4, "%s", commands[i]);
    teardown();
}
END_TEST

/* --- Changing ------------------------------------------------------------------------------------------------------------ */

static void bury_for_editing(void)
{
    site_sql(
        site,
        "INSERT INTO job.dead (id, died_at, delivery, attempt, queue, type, reason, error, headers, payload, key, topic, partition) VALUES"
        " ('" DEAD(
            1) "', now(), 2, 2, 'mail', 'welcome', 'failed', 'no such user', '{\"ce_source\": \"/x\", \"ce_timeoutms\": \"5000\"}', '{\"to\":  \"a\"}', 'k1', 't.high', 3),"
               " ('" DEAD(
                   2) "', now(), 1, 1, 'later', NULL, 'malformed', 'ce_type: missing', '{}', '{\"to\": 1,}', NULL, NULL, NULL);"
                      "INSERT INTO job.result (id, finished_at, attempt, delivery, queue, type, state, reason)"
                      " SELECT id, died_at, attempt, delivery, queue, type, 'dead', reason FROM job.dead");
}

START_TEST(a_letter_is_changed_and_what_it_was_is_kept)
{
    setup();
    bury_for_editing();
    control_expect(
        0, "dead edit " DEAD(1) " --payload '{\"to\": \"b\"}' --set timeout=30s --set key=k2 -o json");
    control_prints("\"action\": \"edited\"");
    control_says("-  \"timeout\": \"5s\"");
    control_says("+    \"to\": \"b\"");
    ck_assert_int_eq(
        site_ask(
            site,
            "SELECT count(*) FROM job.dead WHERE id = '" DEAD(
                1) "' AND payload = '{\"to\": \"b\"}' AND key = 'k2'"
                   " AND headers = '{\"ce_source\": \"/x\", \"ce_timeoutms\": \"30000\"}' AND edited_at > died_at"),
        1);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.dead_edit WHERE job = '" DEAD(
                                        1) "' AND payload = '{\"to\":  \"a\"}'"
                                           " AND key = 'k1' AND actor LIKE '%%@%%'"),
                     1);
    ck_assert_int_eq(site_ask(site,
                              "SELECT count(*) FROM job.audit WHERE action = 'edit' AND job = '" DEAD(
                                  1) "'"
                                     " AND detail = '{\"changed\": [\"key\", \"headers\", \"payload\"]}'"),
                     1);
    control_expect(0, "dead edit " DEAD(1) " --set key=k2 -o json");
    control_prints("\"action\": \"unchanged\"");
    control_expect(0, "dead edit " DEAD(1) " --set key=k3 --dry-run");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.dead_edit"), 1);
    control_expect(0, "dead show " DEAD(1) " -o json");
    control_prints("\"edits\": [{\"edited_at\": ");
    control_expect(2, "dead edit " DEAD(1) " --payload '{'");
    control_expect(2, "dead edit " DEAD(1) " --set max_attempts=0");
    control_says("max_attempts: not a number from 1 to 1000");
    control_expect(0, "dead replay " DEAD(1));
    site_sql(site, "INSERT INTO job.dead (id, died_at, delivery, attempt, queue, type, reason, headers)"
                   " VALUES ('" DEAD(1) "', now(), 9, 1, 'mail', 'welcome', 'crashed', '{}')");
    control_expect(0, "dead show " DEAD(1) " -o json");
    control_prints("\"reason\": \"failed\", \"error\": \"no such user\", \"replayed_at\": ");
    site_sql(site, "DELETE FROM job.dead WHERE id = '" DEAD(1) "'");
    /* With another key it goes to that key's partition of its lane. */
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.pending WHERE id = '" DEAD(
                                        1) "' AND topic = '.high' AND key = 'k2'"),
                     1);
    check_counts();
    teardown();
}
END_TEST

START_TEST(a_malformed_letter_can_be_made_right)
{
    setup();
    bury_for_editing();
    control_expect(1, "dead replay " DEAD(2));
    control_says("can make it right");
    control_expect(2, "dead edit " DEAD(2) " --set type=welcome");
    control_expect(2, "dead edit " DEAD(2) " --set type=welcome --payload '{\"to\": 1}'");
    control_says("queue");
    control_expect(0, "dead edit " DEAD(2) " --set type=welcome --set queue=mail --payload '{\"to\": 1}'");
    check_counts();
    control_expect(0, "dead replay " DEAD(2));
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.pending WHERE id = '" DEAD(
                                        2) "' AND type = 'welcome' AND queue = 'mail'"),
                     1);
    check_counts();
    teardown();
}
END_TEST

/* A script that is the editor; it gets the file as $1. */
static void write_editor(const char *script)
{
    char path[300];
    snprintf(path, sizeof(path), "%s/editor", site_folder(site));
    FILE *file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    fprintf(file, "#!/bin/sh\n%s\n", script);
    fclose(file);
    chmod(path, 0700);
}

static void __attribute__((format(printf, 2, 3))) edit(int status, const char *format, ...)
{
    char arguments[500], environment[700];
    va_list ap;
    va_start(ap, format);
    vsnprintf(arguments, sizeof(arguments), format, ap);
    va_end(ap);
    snprintf(environment, sizeof(environment), "TMPDIR=%s VISUAL= EDITOR=%s/editor", site_folder(site),
             site_folder(site));
    control_expect_with(environment, status, "dead edit %s", arguments);
}

static bool has_leftover(void)
{
    char command[400];
    snprintf(command, sizeof(command), "ls %s/jobctl-dead-* >/dev/null 2>&1", site_folder(site));
    return system(command) == 0;
}

START_TEST(an_editor_gets_the_letter_and_no_text_is_lost)
{
    setup();
    bury_for_editing();
    write_editor("[ $(stat -c %a \"$1\") = 600 ] || exit 9; exit 0");
    edit(0, DEAD(1));
    control_prints("unchanged");
    ck_assert(!has_leftover());
    write_editor(": >\"$1\"");
    edit(0, DEAD(1));
    control_prints("unchanged");
    write_editor("exit 3");
    edit(1, DEAD(1));
    control_says("ended with status 3");
    char clear[300];
    snprintf(clear, sizeof(clear), "rm -f %s/jobctl-dead-*", site_folder(site));
    ck_assert_int_eq(system(clear), 0);
    write_editor("sed -i 's/\"to\": \"a\"/\"to\": \"b\",/' \"$1\"");
    edit(2, DEAD(1));
    control_says("not JSON");
    control_says("your text is in ");
    ck_assert(has_leftover());
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.dead_edit"), 0);
    /* The kept file, mended, goes on from there. */
    char mend[600];
    snprintf(mend, sizeof(mend), "sed -i 's/\"b\",/\"b\"/' %s/jobctl-dead-*", site_folder(site));
    ck_assert_int_eq(system(mend), 0);
    edit(0, DEAD(1) " --file $(ls %s/jobctl-dead-*)", site_folder(site));
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.dead WHERE payload = '{\"to\":\"b\"}'"), 1);
    ck_assert_int_eq(system(clear), 0);
    write_editor("sed -i 's/\"to\": \"b\"/\"to\": \"c\"/' \"$1\"");
    edit(0, DEAD(1));
    control_says("+    \"to\": \"c\"");
    ck_assert(!has_leftover());
    teardown();
}
END_TEST

START_TEST(whoever_changes_or_replays_it_meanwhile_wins)
{
    char script[600];
    setup();
    bury_for_editing();
    snprintf(script, sizeof(script),
             "sed -i 's/\"k1\"/\"k9\"/' \"$1\"; %s/cli/jobctl -c %s dead edit " DEAD(1) " --set key=other",
             site_build(site), site_config_path(site));
    write_editor(script);
    edit(1, DEAD(1));
    control_says("somebody has changed " DEAD(1) " meanwhile");
    control_says("your text is in ");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.dead WHERE key = 'other'"), 1);
    snprintf(script, sizeof(script),
             "sed -i 's/\"other\"/\"k9\"/' \"$1\"; %s/cli/jobctl -c %s dead replay " DEAD(1),
             site_build(site), site_config_path(site));
    write_editor(script);
    edit(3, DEAD(1));
    control_says("is no dead letter any more");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.pending WHERE key = 'other'"), 1);
    teardown();
}
END_TEST

static struct terminal *start_edit(const char *environment, const char *arguments)
{
    char command[1500];
    snprintf(command, sizeof(command),
             "exec env -u NO_COLOR TMPDIR='%s' VISUAL='%s/editor' %s '%s/cli/jobctl' -c '%s' dead edit %s",
             site_folder(site), site_folder(site), environment, site_build(site), site_config_path(site),
             arguments);
    return terminal_start((const char *const[]){ "sh", "-c", command, NULL }, 40, 120);
}

START_TEST(on_a_terminal_the_difference_is_coloured_and_asked_about)
{
    setup();
    bury_for_editing();
    /* The first time a mistake, the second time it is mended. */
    write_editor(
        "if grep -q '\"a\"' \"$1\"; then sed -i 's/\"a\"/\"b\",/' \"$1\"; else sed -i 's/\"b\",/\"b\"/' \"$1\"; fi");
    struct terminal *t = start_edit("A=1", DEAD(1));
    terminal_await(t, 10, "Edit it again? [Y/n]");
    ck_assert_ptr_nonnull(strstr(terminal_screen(t), "line "));
    terminal_type(t, "y\r");
    terminal_await(t, 10, "Change the dead letter so? [y/N]");
    ck_assert(terminal_is_coloured(t, "\"to\": \"b\""));
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.dead_edit"), 0);
    terminal_type(t, "n\r");
    ck_assert_int_eq(terminal_await_exit(t, 10), 1);
    ck_assert_ptr_nonnull(strstr(terminal_bytes(t), "your text is in"));
    terminal_free(t);
    t = start_edit("NO_COLOR=1", DEAD(1));
    terminal_await(t, 10, "Edit it again? [Y/n]");
    terminal_type(t, "\r");
    terminal_await(t, 10, "Change the dead letter so? [y/N]");
    ck_assert_ptr_null(strstr(terminal_bytes(t), "\033[3"));
    terminal_type(t, "y\r");
    ck_assert_int_eq(terminal_await_exit(t, 10), 0);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.dead WHERE payload = '{\"to\":\"b\"}'"), 1);
    terminal_free(t);
    teardown();
}
END_TEST

/* --- Out and in ---------------------------------------------------------------------------------------------------------- */

static int64_t count_imported(void)
{
    json_t *json = control_json();
    int64_t n = json_integer_value(json_object_get(json, "imported"));
    json_decref(json);
    return n;
}

/* Into <folder>/letters. */
static void export_letters(void)
{
    char path[300];
    control_expect(0, "dead export");
    snprintf(path, sizeof(path), "%s/letters", site_folder(site));
    FILE *file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(control_output(), file), 0);
    fclose(file);
}

#define DUMP                                                                                                                       \
    "SELECT md5(string_agg(d::text || coalesce(r.started_at::text || r.worker || r.parent::text, '') || a.all, '' ORDER BY d.id))" \
    " FROM job.dead d LEFT JOIN job.result r USING (id) CROSS JOIN LATERAL"                                                        \
    " (SELECT coalesce(string_agg(t::text, '' ORDER BY delivery), '') AS all FROM job.attempt t WHERE t.id = d.id) AS a"

START_TEST(what_was_exported_comes_back_bit_for_bit)
{
    setup();
    bury_for_editing();
    bury(
        1200,
        "'t', 'failed', E'error \\n \"' || i, '{\"a\": [\"x\", null, {\"base64\": \"/w==\"}]}',"
        " CASE i % 4 WHEN 0 THEN NULL WHEN 1 THEN '\\x00ff'::bytea || i::text::bytea WHEN 2 THEN '' ELSE E'{\"n\":\\t1.00}' END");
    site_sql(
        site,
        "UPDATE job.dead SET payload = convert_to('\"' || repeat('x', 1000000) || '\"', 'UTF8') WHERE error LIKE '%%7' AND id > '" DEAD(
            9) "'"
               "  AND error NOT LIKE '%%_7_'  AND error NOT LIKE '%%__7';"
               "UPDATE job.result SET started_at = now(), worker = 'w1', parent = job.new_id();"
               "INSERT INTO job.attempt (id, delivery, attempt, outcome, finished_at, error) SELECT id, 1, 1, 'failed', now(), 'first' FROM job.dead LIMIT 100");
    control_expect(0, "dead edit " DEAD(1) " --set key=new");
    char *before = site_ask_text(site, DUMP);
    export_letters();
    control_says("exported: 1202");
    control_expect(0, "dead export -n 3");
    control_expect(0, "dead import %s/letters -o json", site_folder(site));
    ck_assert_int_eq(count_imported(), 0);
    control_says("is a dead letter here already");
    site_sql(site, "TRUNCATE job.dead, job.result, job.attempt");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.dead_edit"), 0);
    control_expect(0, "dead import %s/letters -o json --dry-run", site_folder(site));
    ck_assert_int_eq(count_imported(), 1202);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.dead"), 0);
    control_expect(0, "dead import - -o json <%s/letters", site_folder(site));
    ck_assert_int_eq(count_imported(), 1202);
    char *after = site_ask_text(site, DUMP);
    ck_assert_str_eq(before, after);
    ck_assert_int_eq(
        site_ask(site, "SELECT count(*) FROM job.dead_edit WHERE job = '" DEAD(1) "' AND key = 'k1'"), 1);
    ck_assert_int_ge(
        site_ask(site, "SELECT sum((detail ->> 'jobs')::integer) FROM job.audit WHERE action = 'import'"),
        1202);
    check_counts();
    free(before);
    free(after);
    teardown();
}
END_TEST

START_TEST(an_import_names_the_line_and_leaves_its_batch_out)
{
    setup();
    bury(700, "'t', 'failed', 'E' || i, '{}', NULL");
    export_letters();
    site_sql(site, "TRUNCATE job.dead");
    control_expect(
        2, "dead import - -o json < $(sed '601s/\"failed\"/\"filed\"/' %s/letters >%s/wrong; echo %s/wrong)",
        site_folder(site), site_folder(site), site_folder(site));
    control_says("line 601: reason: expected exhausted, failed");
    control_says("500 letters have been imported");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.dead"), 500);
    control_expect(
        2,
        "dead import - -o json < $(sed '650s/\"edits\" : \\[\\]/\"edits\" : [{\"at\": \"x\"}]/' %s/letters >%s/wrong; echo %s/wrong)",
        site_folder(site), site_folder(site), site_folder(site));
    control_says("line 650: ");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.dead"), 500);
    control_expect(2, "dead import %s/letters -o json --columns nothing", site_folder(site));
    control_expect(0, "dead import %s/letters -o json", site_folder(site));
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.dead"), 700);
    teardown();
}
END_TEST

START_TEST(an_import_touches_no_job_that_lives_and_tells_nobody)
{
    setup();
    bury(4, "'t', 'failed', 'E' || i, '{\"ce_reply\": \"1\"}', NULL");
    site_sql(
        site,
        "SELECT job.set_dead_hook('mail');"
        "INSERT INTO job.result (id, finished_at, attempt, delivery, queue, type, state, reason)"
        " SELECT id, died_at, attempt, delivery, queue, type, 'dead', reason FROM job.dead;"
        "INSERT INTO job.attempt (id, delivery, attempt, outcome, finished_at) SELECT id, 3, 3, 'failed', now() FROM job.dead");
    export_letters();
    /* One waits, one is on its way through Kafka, one has succeeded, one was purged. */
    control_expect(0, "dead replay --all -y");
    site_sql(
        site,
        "DELETE FROM job.pending p WHERE id > (SELECT id FROM job.pending ORDER BY id LIMIT 1);"
        "INSERT INTO job.result (id, finished_at, attempt, delivery, queue, type, state)"
        " SELECT id, now(), 1, 4, 'mail', 't', 'succeeded' FROM (SELECT DISTINCT id FROM job.attempt ORDER BY id OFFSET 2 LIMIT 1) AS a;"
        "INSERT INTO job.result (id, finished_at, attempt, delivery, queue, type, state)"
        " SELECT id, now(), 1, 4, 'mail', 't', 'dead' FROM (SELECT DISTINCT id FROM job.attempt ORDER BY id OFFSET 3 LIMIT 1) AS a");
    control_expect(1, "dead import %s/letters -o json", site_folder(site));
    ck_assert_int_eq(count_imported(), 1);
    control_says("jobs that live are left as they are: 3");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.dead"), 1);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.pending WHERE type = 'job.dead'"), 0);
    teardown();
}
END_TEST

SUITE_MAIN("dead_letters", errors_that_differ_in_numbers_ids_and_quotes_are_the_same,
           groups_are_counted_whatever_comes_and_goes, whoever_counts_waits_for_nobody,
           every_filter_finds_what_it_says, pages_follow_each_other_without_gap_or_repetition,
           a_page_reads_few_letters_of_many, wrong_values_name_themselves_and_the_rule,
           a_letter_is_changed_and_what_it_was_is_kept, a_malformed_letter_can_be_made_right,
           an_editor_gets_the_letter_and_no_text_is_lost, whoever_changes_or_replays_it_meanwhile_wins,
           on_a_terminal_the_difference_is_coloured_and_asked_about, what_was_exported_comes_back_bit_for_bit,
           an_import_names_the_line_and_leaves_its_batch_out,
           an_import_touches_no_job_that_lives_and_tells_nobody)
