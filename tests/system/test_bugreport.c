/* SPDX-License-Identifier: Apache-2.0 */
/* jobctl bugreport with secrets planted wherever an installation may have some: none is in the archive, and the rest is. */
#define SUITE_TIMEOUT_S 60
#include "tests/support/suite.h"

#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/control.h"
#include "tests/support/harness.h"

/* Part of everything that must not be found. */
#define PLANT "pl4nt3d"

static struct site *site;
static char archive[200], folder[200];

static void write_file(const char *name, const char *text, mode_t mode)
{
    char path[600];
    snprintf(path, sizeof(path), "%s/%s", site_folder(site), name);
    FILE *file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
    ck_assert_int_eq(chmod(path, mode), 0);
}

static void setup(void)
{
    site = site_new(&(struct site_options){ .queues = "{ name = \"mail\"; }" });
    control_use(site);
    snprintf(archive, sizeof(archive), "%s/report.tar", site_folder(site));
    snprintf(folder, sizeof(folder), "%s/bugreport", site_folder(site));
}

static void teardown(void)
{
    control_use(NULL);
    site = site_free(site);
}

static void run(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void run(const char *format, ...)
{
    char command[1000];
    va_list ap;
    va_start(ap, format);
    vsnprintf(command, sizeof(command), format, ap);
    va_end(ap);
    ck_assert_msg(system(command) == 0, "%s", command);
}

/* --- Planting --- */

static void plant_in_configuration(void)
{
    char text[4000];
    const char *url = site_database_url(site), *at = strchr(url, '@'), *user = strstr(url, "://");
    ck_assert(at && user);
    snprintf(text, sizeof(text),
             "prefix = \"%s\"; # " PLANT "\n"
             "kafka: { brokers = \"%s\"; properties = ( { name = \"sasl.password\"; value = \"" PLANT
             "-sasl\"; },\n"
             "  { name = \"client.rack\"; value = \"" PLANT
             "-rack\"; }, { name = \"linger.ms\"; value = \"7\"; } ); };\n"
             "database: { url = \"%.*s:" PLANT "-url%s\"; };\n"
             "queues = ( { name = \"mail\"; } );\n"
             "handlers = ( { type = \"hook\"; kind = \"http\"; url = \"https://u:" PLANT "@example.org/" PLANT
             "?t=" PLANT "\"; secret_file = \"secret\"; },\n"
             "  { type = \"cat\"; kind = \"command\"; argv = ( \"/bin/cat\", \"--token\", \"" PLANT
             "-argument\" ); } );\n"
             "cron = ( { name = \"nightly\"; expression = \"@daily\"; type = \"cat\"; payload = \"\\\"" PLANT
             "-cron\\\"\"; key = \"" PLANT "-key\"; } );\n",
             site_prefix(site), site_kafka(site), (int)(at - url), url, at);
    write_file("libjob.conf", text, 0600);
    write_file("secret", "whsec_cGw0bnQzZHBsNG50M2RwbDRudDNkcGw0bnQzZA==\n", 0600);
}

static void plant_in_database(void)
{
    site_sql(site, "SELECT job.enqueue('mail', 'cat', '\"" PLANT "\"', key => '" PLANT
                   "', unique_key => '" PLANT "', unique_for => '1h',"
                   " tags => '{" PLANT "}', headers => '{\"x\": \"" PLANT
                   "\"}', run_at => now() + interval '1 hour')");
    site_sql(
        site,
        "INSERT INTO job.dead (id, died_at, delivery, attempt, queue, type, reason, error, key, headers, payload) VALUES"
        " (job.new_id(), now(), 1, 1, 'mail', 'cat', 'failed', 'login " PLANT " refused', '" PLANT
        "', '{\"x\": \"" PLANT "\"}', '" PLANT "')");
    site_sql(
        site,
        "INSERT INTO job.result (id, finished_at, attempt, delivery, queue, type, state, error, result) VALUES"
        " (job.new_id(), now(), 1, 1, 'mail', 'cat', 'succeeded', '" PLANT "', '{\"x\": \"" PLANT "\"}');"
        "INSERT INTO job.attempt (id, finished_at, delivery, attempt, outcome, error) VALUES"
        " (job.new_id(), now(), 1, 1, 'failed', '" PLANT " says no')");
    site_sql(
        site,
        "INSERT INTO job.incident (kind, topic, partition, detail) VALUES ('lost', 't', 0, '{\"jobs\": 13, \"why\": \"" PLANT
        "\"}');"
        "INSERT INTO job.audit (actor, action, queue, detail) VALUES ('ada@host', 'pause', 'mail', '{\"why\": \"" PLANT
        "\"}');"
        "INSERT INTO job.cron (name, expression, type, payload, key, headers, tags) VALUES"
        " ('hourly', '@hourly', 'cat', '\"" PLANT "\"', '" PLANT "', '{\"x\": \"" PLANT "\"}', '{" PLANT
        "}')");
    site_add_worker(site, "w", 1);
    site_sql(site,
             "UPDATE job.lease SET payload = '" PLANT "', progress = '\"" PLANT "\"', key = '" PLANT "'");
}

/* A journalctl that tells what this one's would. */
static void plant_in_journal(void)
{
    write_file(
        "journalctl",
        "#!/bin/sh\n"
        "echo '2026-01-01T00:00:00+0000 h jobworkerd[7]: run: an executor died'\n"
        "echo '2026-01-01T00:00:00+0000 h jobworkerd[7]: job 0190a6c2-7d3e-7f00-8000-000000000001: " PLANT
        "'\n"
        "echo '2026-01-01T00:00:00+0000 h jobworkerd[7]: executor 12: " PLANT "'\n"
        "echo '2026-01-01T00:00:00+0000 h jobbrokerd[8]: relay: postgresql://u:" PLANT "-other@h/x is away'\n"
        "echo '2026-01-01T00:00:00+0000 h jobbrokerd[8]: relay: it has " PLANT "-environment in it'\n",
        0755);
}

/* --- What came out --- */

static void check_json(const char *name)
{
    char path[600];
    json_error_t error;
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    json_t *json = json_load_file(path, 0, &error);
    ck_assert_msg(json != NULL, "%s: %s", path, error.text);
    ck_assert_msg(json_is_array(json) && json_array_size(json) > 0, "%s is empty", path);
    json_decref(json);
}

static void check_has(const char *name, const char *text)
{
    run("grep -qF -e '%s' '%s/%s' || { cat '%s/%s'; exit 1; }", text, folder, name, folder, name);
}

static void unpack(void)
{
    run("tar -xf '%s' -C '%s'", archive, site_folder(site));
}

START_TEST(planted_secrets_are_not_in_the_archive_and_what_helps_is)
{
    static const char *const json[] = { "doctor.json", "postgresql.json", "sessions.json", "schema.json",
                                        "tables.json", "workers.json",    "waiting.json",  "running.json",
                                        "ended.json",  "dead.json",       "tries.json",    "incidents.json",
                                        "audit.json",  "cron.json" };
    char environment[1000];
    struct stat st;
    setup();
    control_expect(0, "topic apply");
    plant_in_configuration();
    plant_in_database();
    plant_in_journal();
    struct db *idle = NULL;
    const struct db_options options = { .url = site_database_url(site), .name = "application" };
    ck_assert_int_eq(db_new(&idle, &options), 0);
    ck_assert_int_eq(db_execute(idle, "BEGIN; SELECT '" PLANT "'", NULL), 0);
    snprintf(environment, sizeof(environment),
             "PGPASSWORD=" PLANT "-pg APP_TOKEN=" PLANT "-environment JOB_SOMETHING=" PLANT
             " PATH='%s':\"$PATH\"",
             site_folder(site));
    control_expect_with(environment, 0, "bugreport --file '%s' -o json", archive);
    control_prints("{\"file\": \"doctor.json\"");
    control_says("look through it before you send it");
    ck_assert_int_eq(stat(archive, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    run("! grep -a '%s' '%s'", PLANT, archive);
    run("! grep -a cGw0bnQzZ '%s'", archive); /* the plant in base64 */
    unpack();
    for (size_t i = 0; i < sizeof(json) / sizeof(json[0]); i++)
        check_json(json[i]);
    check_has("configuration.txt", "database.url = (hidden)");
    check_has("configuration.txt", "linger.ms = 7");
    check_has("configuration.txt", "hook = https://example.org");
    check_has("configuration.txt", "handlers[1].argv[0] = \"/bin/cat\"");
    check_has("configuration.txt", "handlers[1].argv[2] = (hidden)");
    check_has("environment.txt", "JOB_SOMETHING");
    check_has("topics.txt", ".mail: ");
    check_has("journal.txt", "run: an executor died");
    check_has("journal.txt", "postgresql://u:***@h/x is away");
    check_has("journal.txt", "# 2 lines that jobs have written are left out");
    check_has("incidents.json", "13");
    check_has("sessions.json", "application");
    check_has("system.txt", "librdkafka = ");
    check_has("README.txt", "look through it before you send it");
    db_free(idle);
    teardown();
}
END_TEST

START_TEST(archive_that_is_there_is_kept)
{
    setup();
    write_file("report.tar", "mine", 0644);
    control_expect(1, "bugreport --file '%s'", archive);
    control_says("it exists already");
    run("grep -q mine '%s'", archive);
    control_expect(1, "bugreport --file /nonexistent/folder/file");
    control_says("No such file or directory");
    teardown();
}
END_TEST

START_TEST(without_servers_there_is_what_can_be_known)
{
    setup();
    control_expect_with("JOB_DATABASE_URL=postgresql://nobody:" PLANT
                        "@127.0.0.1:9/none JOB_KAFKA=127.0.0.1:9",
                        0, "bugreport --file '%s'", archive);
    control_says("left out");
    run("! grep -a '%s' '%s'", PLANT, archive);
    unpack();
    check_json("doctor.json");
    check_has("doctor.json", "JOB_DATABASE_URL");
    check_has("README.txt", "(left out: it is not there");
    check_has("configuration.txt", "host = 127.0.0.1");
    teardown();
}
END_TEST

SUITE_MAIN("bugreport", planted_secrets_are_not_in_the_archive_and_what_helps_is,
           archive_that_is_there_is_kept, without_servers_there_is_what_can_be_known)
