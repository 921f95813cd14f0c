/* SPDX-License-Identifier: Apache-2.0 */
#include "libjob/config.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/support/suite.h"

static char directory[] = "/tmp/test_config.XXXXXX";
static char path[64];

static void make_directory(void)
{
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/job.conf", directory);
    unsetenv("JOB_CONFIG");
    unsetenv("JOB_KAFKA");
    unsetenv("JOB_DATABASE_URL");
    unsetenv("CREDENTIALS_DIRECTORY");
}

static void remove_directory(void)
{
    unlink(path);
    ck_assert_int_eq(rmdir(directory), 0);
}

static void write_config(const char *text)
{
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_ge(fputs(text, f), 0);
    ck_assert_int_eq(fclose(f), 0);
}

static struct job_config *load(const char *text)
{
    struct job_config *config = NULL;
    struct err err = { "" };
    write_config(text);
    ck_assert_msg(config_load(&config, path, NULL, &err) == 0, "%s", err.text);
    return config;
}

START_TEST(empty_file_is_all_defaults)
{
    make_directory();
    _cleanup_config_ struct job_config *c = load("");
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    ck_assert_str_eq(c->path, path);
    ck_assert_int_eq(c->transport, CONFIG_TRANSPORT_KAFKA);
    ck_assert_str_eq(c->prefix, "job");
    ck_assert_str_eq(c->kafka.brokers, "localhost:9092");
    ck_assert_uint_eq(c->kafka.n_properties, 0);
    ck_assert_str_eq(c->database.url, "postgresql:///");
    ck_assert_int_eq(c->worker.executors_min, 2);
    ck_assert_int_ge(c->worker.executors_max, 2);
    ck_assert_int_le(c->worker.executors_max, cpus > 2 ? cpus : 2);
    ck_assert_int_eq(c->worker.drain_timeout_us, 60 * USEC_PER_SEC);
    ck_assert_int_eq(c->worker.handover_after_us, 5 * USEC_PER_SEC);
    ck_assert_int_eq(c->worker.window, 15000);
    ck_assert_str_eq(c->worker.group, "job.workers");
    ck_assert_int_eq(c->worker.session_timeout_us, 8 * USEC_PER_SEC);
    ck_assert_int_eq(c->worker.heartbeat_interval_us, 2 * USEC_PER_SEC);
    ck_assert_int_eq(c->worker.beat_us, 2 * USEC_PER_SEC);
    ck_assert_int_eq(c->worker.unknown_type_grace_us, 3600 * USEC_PER_SEC);
    ck_assert(c->broker.relay && c->broker.rescue);
    ck_assert_int_eq(c->broker.lease_timeout_us, 10 * USEC_PER_SEC);
    ck_assert_int_eq(config_lease_stop_us(c), 7 * USEC_PER_SEC);
    ck_assert_int_eq(c->broker.partitions_ahead, 3);
    ck_assert_int_eq(c->broker.relay_batch, 1000);
    ck_assert(c->broker.trim);
    ck_assert_int_eq(c->broker.trim_after_us, 24 * 3600 * USEC_PER_SEC);
    ck_assert_int_eq(c->kafka.replication, 0);
    ck_assert_int_eq(c->kafka.min_insync, 0);
    ck_assert_uint_eq(c->n_handlers, 0);
    ck_assert_uint_eq(c->n_queues, 1);
    ck_assert_str_eq(c->queues[0].name, "default");
    ck_assert_int_eq(c->queues[0].partitions, 8);
    ck_assert_uint_eq(c->worker.n_queues, 1);
    ck_assert_str_eq(c->worker.queues[0].name, "default");
    ck_assert_int_eq(c->worker.queues[0].weight, 1);
    remove_directory();
}
END_TEST

START_TEST(handler_defaults_are_the_documented_ones)
{
    make_directory();
    _cleanup_config_ struct job_config *c = load("handlers = ( { type = \"a\"; path = \"/a.so\"; } );");
    const struct config_handler *h = &c->handlers[0];
    ck_assert_int_eq(h->kind, CONFIG_KIND_MODULE);
    ck_assert_str_eq(h->path, "/a.so");
    ck_assert_str_eq(h->queue, "default");
    ck_assert_int_eq(h->timeout_us, 900 * USEC_PER_SEC);
    ck_assert_int_eq(h->max_attempts, 25);
    ck_assert_int_eq(h->max_crashes, 5);
    for (int n = 1; n < 30; n++)
        for (uint64_t random = 0; random < UINT64_MAX / 2; random += UINT64_MAX / 7)
            ck_assert_int_eq(backoff_delay_us(&h->backoff, n, random),
                             backoff_delay_us(&backoff_default, n, random));
    remove_directory();
}
END_TEST

START_TEST(everything_can_be_set)
{
    make_directory();
    _cleanup_config_ struct job_config *c = load(
        "transport = \"kafka\"; prefix = \"prod.job\";\n"
        "kafka: { brokers = \"k1:9092,k2:9092\"; properties = ( { name = \"acks\"; value = \"all\"; } );\n"
        " replication = 3; min_insync_replicas = 2; };\n"
        "database: { url = \"host=db\"; };\n"
        "worker: { queues = ( { name = \"mail\"; weight = 1000; }, { name = \"default\"; } ); executors_min = 1;\n"
        " executors_max = 1; drain_timeout = \"0\"; handover_after = \"300ms\"; window = 100; group = \"g\";\n"
        " session_timeout = \"2s\"; heartbeat_interval = \"500ms\"; beat = \"600ms\"; unknown_type_grace = \"0\"; };\n"
        "broker: { relay = false; rescue = false; lease_timeout = \"2s\"; partitions_ahead = 30; relay_batch = 1;\n"
        " trim = false; trim_after = \"72h\"; };\n"
        "handlers = ( { type = \"welcome_email\"; kind = \"module\"; path = \"x/y.so\"; queue = \"mail\";\n"
        " timeout = \"1s\"; max_attempts = 1; max_crashes = 1;\n"
        " backoff: { kind = \"exponential\"; base = \"1s\"; factor = 1.5; max = \"10s\"; jitter = 0; }; } );\n"
        "queues = ( { name = \"mail\"; partitions = 1000; } );\n");
    char expected[128];
    ck_assert_str_eq(c->prefix, "prod.job");
    ck_assert_str_eq(c->kafka.properties[0].name, "acks");
    ck_assert_str_eq(c->kafka.properties[0].value, "all");
    ck_assert_str_eq(c->database.url, "host=db");
    ck_assert_uint_eq(c->worker.n_queues, 2);
    ck_assert_int_eq(c->worker.queues[0].weight, 1000);
    ck_assert_int_eq(c->worker.executors_max, 1);
    ck_assert_str_eq(c->worker.group, "g");
    ck_assert_int_eq(config_lease_stop_us(c), 1400 * USEC_PER_MSEC);
    ck_assert(!c->broker.relay && !c->broker.trim);
    ck_assert_int_eq(c->broker.trim_after_us, 72 * 3600 * USEC_PER_SEC);
    ck_assert_int_eq(c->kafka.replication, 3);
    ck_assert_int_eq(c->kafka.min_insync, 2);
    ck_assert_uint_eq(c->n_queues, 2);
    ck_assert_int_eq(config_find_queue(c, span_from_string("mail"))->partitions, 1000);
    ck_assert_int_eq(config_find_queue(c, span_from_string("default"))->partitions, 8);
    ck_assert_ptr_null(config_find_queue(c, span_from_string("mai")));
    snprintf(expected, sizeof(expected), "%s/x/y.so", directory);
    ck_assert_str_eq(c->handlers[0].path, expected);
    ck_assert_int_eq(c->handlers[0].backoff.kind, BACKOFF_EXPONENTIAL);
    ck_assert_int_eq(backoff_delay_us(&c->handlers[0].backoff, 2, 0), 1500 * USEC_PER_MSEC);
    remove_directory();
}
END_TEST

START_TEST(defaults_follow_other_options)
{
    make_directory();
    struct job_config *c = load("prefix = \"t7\"; worker: { executors_max = 1; group = \"\"; };");
    ck_assert_int_eq(c->worker.executors_min, 1);
    ck_assert_str_eq(c->worker.group, "t7.workers");
    config_free(c);
    c = load("worker: { executors_min = 100; };");
    ck_assert_int_ge(c->worker.executors_max, 100);
    config_free(c);
    c = load("queues = ( { name = \"default\"; partitions = 2; }, { name = \"mail\"; } );");
    ck_assert_uint_eq(c->n_queues, 2);
    ck_assert_uint_eq(c->worker.n_queues, 2);
    ck_assert_str_eq(c->worker.queues[1].name, "mail");
    config_free(c);
    remove_directory();
}
END_TEST

#define HOOK "handlers = ( { type = \"a\"; kind = \"http\"; url = \"http://a\"; "
#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define SECRET_RULE "expected one to four keys \"whsec_<base64 of 24 to 64 bytes>\" with blanks between them"
#define HANDLER "handlers = ( { type = \"a\"; path = \"/a.so\"; "
#define CRON "cron = ( { name = \"c\"; type = \"t\"; "
#define BACKOFF HANDLER "backoff: { "

START_TEST(broken_configurations_say_why)
{
    static const struct {
        const char *text, *message; /* message behind "<path>:" */
    } cases[] = {
        { "trnsport = \"kafka\";", "1: trnsport: unknown key; the nearest known key is \"transport\"" },
        { "transport = \"postgres\";", "1: transport: expected \"kafka\", found \"postgres\"" },
        { "transport = kafka;", "1: syntax error" },
        { "\nprefix = \"a b\";",
          "2: prefix: expected a prefix of topics: letters, digits, \".\", \"_\" and \"-\", found \"a b\"" },
        { "prefix = \"\";",
          "1: prefix: expected a prefix of topics: letters, digits, \".\", \"_\" and \"-\", found \"\"" },
        { "prefix = 5;", "1: prefix: expected a string of at most 4096 bytes, found 5" },
        { "kafka = \"localhost:9092\";", "1: kafka: expected a group: { … }, found \"localhost:9092\"" },
        { "kafka: { broker = \"x\"; };",
          "1: kafka.broker: unknown key; the nearest known key is \"brokers\"" },
        { "kafka: { brokers = \"\"; };",
          "1: kafka.brokers: expected a string of 1 to 4096 bytes, found \"\"" },
        { "kafka: { properties: { acks = \"all\"; }; };",
          "1: kafka.properties: expected a list of groups: ( { … }, { … } ), found a group" },
        { "kafka: { properties = (\n{ name = \"acks\"; value = 1; } ); };",
          "2: kafka.properties[0].value: expected a string of at most 4096 bytes" },
        { "kafka: { properties = (\n{ name = \"acks\"; } ); };", "2: kafka.properties[0].value: is missing" },
        { "kafka: { properties = (\n{ name = \"acks\"; value = \"1\"; },\n{ name = \"acks\"; value = \"2\"; } ); };",
          "3: kafka.properties[1].name: \"acks\" is already kafka.properties[0]" },
        { "database: {\n url = 5; };", "2: database.url: expected a string of 1 to 4096 bytes" },
        { "database: { url = \"\"; };", "1: database.url: expected a string of 1 to 4096 bytes" },
        { "database: { uri = \"x\"; };", "1: database.uri: unknown key; the nearest known key is \"url\"" },
        { "database: { url_file = \"/nonexistent\"; };",
          "1: database.url_file: /nonexistent cannot be opened: No such file or directory" },
        { "database: { url = \"secret\"; url_file = \"x\"; };",
          "1: database.url_file: is set beside \"url\"; expected one of the two" },
        { "worker: { executor_max = 5; };",
          "1: worker.executor_max: unknown key; the nearest known key is \"executors_max\"" },
        { "worker: { executors_max = 0; };",
          "1: worker.executors_max: expected an integer from 1 to 4096, found 0" },
        { "worker: { executors_max = 4294967298; };", "1: the number 4294967298 is too large" },
        { "worker: {\n executors_max = 3;\n executors_min = 4; };",
          "3: worker.executors_min: expected at most executors_max, 3, found 4" },
        { "worker: { drain_timeout = 60; };",
          "1: worker.drain_timeout: expected a duration like \"1m30s\", from 0 to 1d, found 60" },
        { "worker: { drain_timeout = \"60 s\"; };",
          "1: worker.drain_timeout: expected a duration like \"1m30s\", from 0 to 1d, found \"60 s\"" },
        { "worker: { handover_after = \"2h\"; };",
          "1: worker.handover_after: expected a duration like \"1m30s\", from 10ms to 1h, found \"2h\"" },
        { "worker: { window = 99; };", "1: worker.window: expected an integer from 100 to 15000, found 99" },
        { "worker: { window = 15001; };",
          "1: worker.window: expected an integer from 100 to 15000, found 15001" },
        { "worker: {\n session_timeout = \"2s\"; };",
          "1: worker.heartbeat_interval: expected less than session_timeout, 2s, found 2s" },
        { "worker: {\n beat = \"4s\"; };",
          "2: worker.beat: expected at most a third of broker.lease_timeout, 10s, found 4s" },
        { "broker: { lease_timeout = \"2s\"; };",
          "1: worker.beat: expected at most a third of broker.lease_timeout, 2s, found 2s" },
        { "worker: { queues = ( \"mail\" ); };",
          "1: worker.queues[0]: expected a group: { … }, found \"mail\"" },
        { "worker: { queues = ( { name = \"default\"; weight = 0; } ); };",
          "1: worker.queues[0].weight: expected an integer from 1 to 1000, found 0" },
        { "worker: { queues = (\n { weight = 5; } ); };", "2: worker.queues[0].name: is missing" },
        { "worker: { queues = ( { name = \"defualt\"; } ); };",
          "1: worker.queues[0].name: queue \"defualt\" is not declared; the nearest declared queue is \"default\"; to "
          "declare it, write queues = ( { name = \"defualt\"; } )" },
        { "worker: { queues = ( { name = \"default\"; },\n{ name = \"default\"; } ); };",
          "2: worker.queues[1].name: \"default\" is already worker.queues[0]" },
        { "broker: { relay = \"yes\"; };", "1: broker.relay: expected true or false, found \"yes\"" },
        { "broker: { partitions_ahead = 31; };",
          "1: broker.partitions_ahead: expected an integer from 1 to 30, found 31" },
        { "broker: { relay_batch = 0; };",
          "1: broker.relay_batch: expected an integer from 1 to 10000, found 0" },
        { "broker: { trim_after = \"500ms\"; };",
          "1: broker.trim_after: expected a duration like \"1m30s\", from 1s to 365d, found \"500ms\"" },
        { "kafka: { replication = 2; min_insync_replicas = 3; };",
          "1: kafka.min_insync_replicas: expected at most replication, 2, found 3" },
        { "queues = ( { name = \"Mail\"; } );",
          "1: queues[0].name: expected the name of a queue: [a-z0-9][a-z0-9-]{0,62}, and neither \"later\" nor "
          "\"dead\", found \"Mail\"" },
        { "queues = ( { name = \"dead\"; } );",
          "1: queues[0].name: expected the name of a queue: [a-z0-9][a-z0-9-]{0,62}, and neither \"later\" nor "
          "\"dead\", found \"dead\"" },
        { "queues = ( { name = \"a\"; partitions = 1001; } );",
          "1: queues[0].partitions: expected an integer from 1 to 1000, found 1001" },
        { "queues = ( { name = \"a\"; },\n{ name = \"b\"; },\n{ name = \"a\"; } );",
          "3: queues[2].name: \"a\" is already queues[0]" },
        { "queues = ( { name = \"a\"; rate = 5; } );",
          "1: queues[0].rate: unknown key; the nearest known key is \"name\"" },
        { "handlers = (\n{ path = \"/a.so\"; } );", "2: handlers[0].type: is missing" },
        { "handlers = (\n{ type = \"a\"; } );",
          "2: handlers[0].path: is missing; a handler of kind \"module\" needs it" },
        { "handlers = ( { type = \"a\"; path = \"\"; } );",
          "1: handlers[0].path: expected a string of 1 to 4096 bytes, found \"\"" },
        { "handlers = ( { type = \"*\"; path = \"/a.so\"; } );",
          "1: handlers[0].type: expected a job type, [A-Za-z][A-Za-z0-9_.-]{0,127}, or a prefix of types with \".*\" "
          "behind it, found \"*\"" },
        { "handlers = ( { type = \"a*\"; path = \"/a.so\"; } );",
          "1: handlers[0].type: expected a job type, [A-Za-z][A-Za-z0-9_.-]{0,127}, or a prefix of types with \".*\" "
          "behind it, found \"a*\"" },
        { HANDLER "\nargv = ( \"/bin/true\" ); } );",
          "2: handlers[0].argv: is only for handlers of kind \"command\"" },
        { "handlers = (\n{ type = \"a\"; kind = \"http\"; } );",
          "2: handlers[0].url: is missing; a handler of kind \"http\" needs it" },
        { "handlers = ( { type = \"a\"; kind = \"http\"; url = \"ftp://a\"; } );",
          "1: handlers[0].url: expected a URL that begins with \"http://\" or \"https://\", found \"ftp://a\"" },
        { HANDLER "allow = ( \"::1\" ); } );",
          "1: handlers[0].allow: is only for handlers of kind \"http\"" },
        { HANDLER "secret = \"" SECRET "\"; } );",
          "1: handlers[0].secret: is only for handlers of kind \"http\"" },
        { HOOK "secret = \"whsec_abcd\"; } );", "1: handlers[0].secret: " SECRET_RULE },
        { HOOK "secret = \"\"; } );", "1: handlers[0].secret: " SECRET_RULE },
        { HOOK "secret = \"" SECRET "," SECRET "\"; } );", "1: handlers[0].secret: " SECRET_RULE },
        { HOOK "secret = \"" SECRET "A\"; } );", "1: handlers[0].secret: " SECRET_RULE },
        { HOOK "secret = \"" SECRET " " SECRET " " SECRET " " SECRET " " SECRET "\"; } );",
          "1: handlers[0].secret: " SECRET_RULE },
        { HANDLER "kind = \"command\"; } );",
          "1: handlers[0].path: is only for handlers of kind \"module\"" },
        { "handlers = (\n{ type = \"a\"; kind = \"command\"; } );",
          "2: handlers[0].argv: is missing; a handler of kind \"command\" needs it" },
        { "handlers = (\n{ type = \"a\"; kind = \"command\"; argv = ( ); } );",
          "2: handlers[0].argv: expected 1 to 256 elements, found 0" },
        { HANDLER "kind = \"modul\"; } );",
          "1: handlers[0].kind: expected \"module\", \"command\" or \"http\", found \"modul\"" },
        { HANDLER "\nqueue = \"mail\"; } );",
          "2: handlers[0].queue: queue \"mail\" is not declared; the nearest declared queue is \"default\"; to "
          "declare it, write queues = ( { name = \"mail\"; } )" },
        { HANDLER "timeout = \"0\"; } );",
          "1: handlers[0].timeout: expected a duration like \"1m30s\", from 1ms to 30d, found \"0\"" },
        { HANDLER "timeout = \"15min\"; } );",
          "1: handlers[0].timeout: expected a duration like \"1m30s\", from 1ms to 30d, found \"15min\"" },
        { HANDLER "max_attempts = 0; } );",
          "1: handlers[0].max_attempts: expected an integer from 1 to 10000, found 0" },
        { HANDLER "max_crashes = -1; } );",
          "1: handlers[0].max_crashes: expected an integer from 1 to 10000, found -1" },
        { HANDLER "attempts = 3; } );",
          "1: handlers[0].attempts: unknown key; the nearest known key is \"max_attempts\"" },
        { HANDLER "},\n{ type = \"a\"; path = \"/b.so\"; } );",
          "2: handlers[1].type: \"a\" is already handlers[0]" },
        { HANDLER "backoff = \"constant\"; } );",
          "1: handlers[0].backoff: expected a group: { … }, found \"constant\"" },
        { BACKOFF "kind = \"linear\"; }; } );",
          "1: handlers[0].backoff.kind: expected \"polynomial\", \"exponential\" or \"constant\", found \"linear\"" },
        { BACKOFF "jitter = 101; }; } );",
          "1: handlers[0].backoff.jitter: expected an integer from 0 to 100, found 101" },
        { BACKOFF "factor = -1; }; } );",
          "1: handlers[0].backoff.factor: expected a number from 0 to 1000, found -1" },
        { BACKOFF "kind = \"exponential\";\nfactor = 0.5; }; } );",
          "2: handlers[0].backoff.factor: expected at least 1 for exponential backoff, found 0.5" },
        { BACKOFF "min = \"1s\"; }; } );",
          "1: handlers[0].backoff.min: unknown key; the nearest known key is \"kind\"" },
        { CRON "expression = \"* * * *\"; } );",
          "1: cron[0].expression: character 1: expected 5 fields (minute hour day month weekday) or 6 (second in "
          "front), found 4" },
        { CRON "\nexpression = \"0 61 * * *\"; } );",
          "2: cron[0].expression: character 3: expected an hour from 0 to 23, found \"61\"" },
        { CRON "expression = \"0 0 30 2 *\"; } );",
          "1: cron[0].expression: character 5: there is no such day in any year: it would never fire" },
        { CRON "} );", "1: cron[0].expression: is missing" },
        { CRON "expression = \"@daily\";\nzone = \"Europe/Berln\"; } );",
          "2: cron[0].zone: there is no time zone \"Europe/Berln\"; did you mean \"Europe/Berlin\"?" },
        { CRON "expression = \"@daily\"; payload = \"{\"; } );",
          "1: cron[0].payload: expected JSON, without \\u0000 and half surrogate pairs" },
        { CRON "expression = \"@daily\"; payload = \"\"; } );",
          "1: cron[0].payload: expected JSON, without \\u0000 and half surrogate pairs" },
        { CRON "expression = \"@daily\"; queue = \"mail\"; } );",
          "1: cron[0].queue: queue \"mail\" is not declared; the nearest declared queue is \"default\"; to "
          "declare it, write queues = ( { name = \"mail\"; } )" },
        { CRON "expression = \"@daily\"; missed = \"never\"; } );",
          "1: cron[0].missed: expected \"skip\", \"last\" or \"all\", found \"never\"" },
        { CRON "expression = \"@daily\"; jitter = \"25h\"; } );",
          "1: cron[0].jitter: expected a duration like \"1m30s\", from 0 to 1d, found \"25h\"" },
        { CRON "expression = \"@daily\"; missed_max = 1001; } );",
          "1: cron[0].missed_max: expected an integer from 1 to 1000, found 1001" },
        { CRON "expression = \"@daily\"; },\n{ name = \"c\"; type = \"t\"; expression = \"@daily\"; } );",
          "2: cron[1].name: \"c\" is already cron[0]" },
        { "cron = ( { name = \"a b\"; } );",
          "1: cron[0].name: expected a name, [A-Za-z0-9][A-Za-z0-9_.-]{0,127}, found \"a b\"" },
        { "cron = ( { name = \"a\"; expression = \"@daily\"; type = \"t.*\"; } );",
          "1: cron[0].type: expected a job type, [A-Za-z][A-Za-z0-9_.-]{0,127}, found \"t.*\"" },
        { "broker: { cron = \"yes\"; };", "1: broker.cron: expected true or false, found \"yes\"" },
        { "handlers: { };", "1: handlers: expected a list of groups: ( { … }, { … } ), found a group" },
        { "kafka: { brokers = \"a\";\nbrokers = \"b\"; };", "2: brokers: is set twice" },
        { "kafka: { brokers = \"a; };", "1: the string that starts here never ends" },
        { "queues = ( { name = \"a\"; };", "1: syntax error" },
    };
    make_directory();
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct job_config *config = NULL;
        struct err err = { "" };
        char expected[sizeof(err.text) + 64];
        write_config(cases[i].text);
        ck_assert_msg(config_load(&config, path, NULL, &err) == CONFIG_INVALID, "accepted: %s",
                      cases[i].text);
        ck_assert_ptr_null(config);
        snprintf(expected, sizeof(expected), "%s:%s", path, cases[i].message);
        ck_assert_str_eq(err.text, expected);
    }
    remove_directory();
}
END_TEST

static int refuse_property(const char *name, const char *value, struct err *reterr)
{
    return strcmp(name, "bad") == 0 ? err_set(reterr, 1, "expected better than \"%s\"", value) : 0;
}

static int refuse_url(const char *url, struct err *reterr)
{
    return strcmp(url, "bad") == 0 ? err_set(reterr, 1, "expected a good one") : 0;
}

START_TEST(rules_of_the_servers_name_the_place)
{
    static const struct config_rules rules = { .property = refuse_property, .database_url = refuse_url };
    struct job_config *config = NULL;
    struct err err = { "" };
    char expected[256];
    make_directory();
    write_config(
        "kafka: { properties = (\n { name = \"good\"; value = \"1\"; },\n { name = \"bad\"; value = \"2\"; } ); };");
    ck_assert_int_eq(config_load(&config, path, &rules, &err), CONFIG_INVALID);
    snprintf(expected, sizeof(expected), "%s:3: kafka.properties[1]: expected better than \"2\"", path);
    ck_assert_str_eq(err.text, expected);
    write_config("database:\n{ url = \"bad\"; };");
    ck_assert_int_eq(config_load(&config, path, &rules, &err), CONFIG_INVALID);
    snprintf(expected, sizeof(expected), "%s:2: database.url: expected a good one", path);
    ck_assert_str_eq(err.text, expected);
    setenv("JOB_DATABASE_URL", "bad", 1);
    ck_assert_int_eq(config_load(&config, path, &rules, &err), CONFIG_INVALID);
    ck_assert_str_eq(err.text, "JOB_DATABASE_URL: expected a good one");
    unsetenv("JOB_DATABASE_URL");
    ck_assert_ptr_null(config);
    remove_directory();
}
END_TEST

START_TEST(passwords_are_never_printed)
{
    static const char *const texts[] = {
        "database: { url = [ \"hunter2\" ]; };",
        "database: { url = ( \"hunter2\" ); };",
        "database: { urls = \"hunter2\"; };",
        "database: { url = \"hunter2\" url = \"hunter2\"; };",
        "database: { url = \"hunter2; };",
        "database: { url = \"hunter2\" };;;",
        "kafka: { properties = ( { name = \"sasl.password\"; valeu = \"hunter2\"; } ); };",
    };
    make_directory();
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct job_config *config = NULL;
        struct err err = { "" };
        write_config(texts[i]);
        if (config_load(&config, path, NULL, &err) == 0)
            config_free(config);
        ck_assert_ptr_null(strstr(err.text, "hunter2"));
    }
    remove_directory();
}
END_TEST

START_TEST(environment_names_the_file_and_the_two_addresses)
{
    struct job_config *config = NULL;
    struct err err = { "" };
    make_directory();
    write_config("prefix = \"env\"; kafka: { brokers = \"file:9092\"; }; database: { url = \"file\"; };");
    setenv("JOB_CONFIG", path, 1);
    setenv("JOB_KAFKA", "", 1);
    ck_assert_int_eq(config_load(&config, NULL, NULL, &err), 0);
    ck_assert_str_eq(config->prefix, "env");
    ck_assert_str_eq(config->kafka.brokers, "file:9092");
    config_free(config);
    setenv("JOB_KAFKA", "env:9092", 1);
    setenv("JOB_DATABASE_URL", "env", 1);
    ck_assert_int_eq(config_load(&config, NULL, NULL, &err), 0);
    ck_assert_str_eq(config->kafka.brokers, "env:9092");
    ck_assert_str_eq(config->database.url, "env");
    config_free(config);
    setenv("JOB_CONFIG", "/nonexistent/job.conf", 1);
    ck_assert_int_eq(config_load(&config, NULL, NULL, &err), CONFIG_INVALID);
    ck_assert_str_eq(err.text, "/nonexistent/job.conf: cannot be opened: No such file or directory");
    ck_assert_int_eq(config_load(&config, path, NULL, &err), 0);
    config_free(config);
    remove_directory();
}
END_TEST

START_TEST(only_the_default_file_may_be_absent)
{
    struct job_config *config = NULL;
    struct err err = { "" };
    make_directory();
    ck_assert_int_eq(config_load(&config, path, NULL, &err), CONFIG_INVALID);
    ck_assert_ptr_nonnull(strstr(err.text, "/job.conf: cannot be opened: No such file or directory"));
    if (access(CONFIG_PATH_DEFAULT, F_OK) != 0) {
        ck_assert_int_eq(config_load(&config, NULL, NULL, &err), 0);
        ck_assert_ptr_null(config->path);
        ck_assert_str_eq(config->queues[0].name, "default");
        config_free(config);
    }
    ck_assert_int_eq(rmdir(directory), 0);
}
END_TEST

static const char *find(const struct job_config *config, const char *type)
{
    const struct config_handler *handler = config_find_handler(config, span_from_string(type));
    return handler ? handler->path : "none";
}

START_TEST(handler_is_found_exactly_then_by_the_longest_prefix)
{
    make_directory();
    _cleanup_config_ struct job_config *c = load(
        "handlers = ( { type = \"mail.*\"; path = \"/short\"; }, { type = \"mail.big.*\"; path = \"/long\"; },\n"
        "{ type = \"mail.big.one\"; path = \"/exact\"; }, { type = \"mail\"; path = \"/alone\"; } );");
    ck_assert_str_eq(find(c, "mail"), "/alone");
    ck_assert_str_eq(find(c, "mail."), "none");
    ck_assert_str_eq(find(c, "mail.x"), "/short");
    ck_assert_str_eq(find(c, "mail.big"), "/short");
    ck_assert_str_eq(find(c, "mail.big.one"), "/exact");
    ck_assert_str_eq(find(c, "mail.big.one.more"), "/long");
    ck_assert_str_eq(find(c, "mailx.big"), "none");
    ck_assert_str_eq(find(c, "mail.*"), "/short");
    ck_assert_str_eq(find(c, ""), "none");
    ck_assert_ptr_null(config_find_handler(c, (struct span){ NULL, 0 }));
    remove_directory();
}
END_TEST

START_TEST(cron_entry_follows_its_handler)
{
    make_directory();
    _cleanup_config_ struct job_config *c = load(
        "queues = ( { name = \"mail\"; }, { name = \"own\"; } );\n"
        "handlers = ( { type = \"m.*\"; path = \"/a.so\"; queue = \"mail\"; } );\n"
        "cron = ( { name = \"a\"; type = \"m.x\"; expression = \"@daily\"; },\n"
        "{ name = \"b\"; type = \"other\"; expression = \"*/5 * * * *\"; zone = \"Europe/Berlin\"; missed = \"skip\";"
        " jitter = \"30s\"; },\n"
        "{ name = \"c\"; type = \"m.x\"; queue = \"own\"; expression = \"@every 90s\"; payload = \"{}\"; } );");
    ck_assert_uint_eq(c->n_cron, 3);
    ck_assert_str_eq(config_cron_queue(c, &c->cron[0]), "mail");
    ck_assert_str_eq(config_cron_queue(c, &c->cron[1]), "default");
    ck_assert_str_eq(config_cron_queue(c, &c->cron[2]), "own");
    ck_assert_str_eq(c->cron[0].zone, "UTC");
    ck_assert_int_eq(c->cron[0].missed, CONFIG_MISSED_LAST);
    ck_assert_int_eq(c->cron[0].missed_max, 100);
    ck_assert_ptr_null(c->cron[0].payload);
    ck_assert_int_eq(c->cron[1].missed, CONFIG_MISSED_SKIP);
    ck_assert_int_eq(c->cron[1].jitter_us, 30 * USEC_PER_SEC);
    ck_assert(c->broker.cron);
    remove_directory();
}
END_TEST

/* Workers and jobctl read the same file where no zone database is. */
START_TEST(deaths_are_told_to_the_handler_that_names_their_type)
{
    make_directory();
    _cleanup_config_ struct job_config *c =
        load("queues = ( { name = \"ops\"; } ); handlers = ( { type = \"job.*\"; path = \"/a.so\"; },"
             " { type = \"job.dead\"; path = \"/a.so\"; queue = \"ops\"; } );");
    ck_assert_str_eq(config_dead_hook(c), "ops");
    _cleanup_config_ struct job_config *others = load(
        "handlers = ( { type = \"job.*\"; path = \"/a.so\"; }, { type = \"job.deadly\"; path = \"/a.so\"; } );");
    ck_assert_ptr_null(config_dead_hook(others));
    remove_directory();
}
END_TEST

START_TEST(zone_is_believed_where_no_database_is)
{
    make_directory();
    setenv("TZDIR", "/nowhere", 1);
    _cleanup_config_ struct job_config *c = load(
        "cron = ( { name = \"a\"; type = \"t\"; expression = \"@daily\"; zone = \"Europe/Berlin\"; } );");
    ck_assert_str_eq(c->cron[0].zone, "Europe/Berlin");
    remove_directory();
}
END_TEST

START_TEST(example_configuration_loads)
{
    struct job_config *config = NULL;
    struct err err = { "" };
    make_directory();
    ck_assert_msg(config_load(&config, EXAMPLE_CONFIG, NULL, &err) == 0, "%s", err.text);
    ck_assert_str_eq(config_find_handler(config, span_from_string("report"))->queue, "reports");
    config_free(config);
    ck_assert_int_eq(rmdir(directory), 0);
}
END_TEST

START_TEST(command_starts_at_the_directory_of_the_configuration)
{
    make_directory();
    _cleanup_config_ struct job_config *c =
        load("handlers = ( { type = \"a\"; kind = \"command\"; argv = ( \"bin/a.sh\", \"b/c\" ); },\n"
             "{ type = \"b\"; kind = \"command\"; argv = ( \"/bin/true\" ); } );");
    char expected[128];
    snprintf(expected, sizeof(expected), "%s/bin/a.sh", directory);
    ck_assert_int_eq(c->handlers[0].kind, CONFIG_KIND_COMMAND);
    ck_assert_uint_eq(c->handlers[0].n_argv, 2);
    ck_assert_str_eq(c->handlers[0].argv[0], expected);
    ck_assert_str_eq(c->handlers[0].argv[1], "b/c");
    ck_assert_str_eq(c->handlers[1].argv[0], "/bin/true");
    ck_assert_ptr_null(c->handlers[1].path);
    remove_directory();
}
END_TEST

SUITE_MAIN("config", command_starts_at_the_directory_of_the_configuration, empty_file_is_all_defaults,
           handler_defaults_are_the_documented_ones, everything_can_be_set, defaults_follow_other_options,
           broken_configurations_say_why, rules_of_the_servers_name_the_place, passwords_are_never_printed,
           environment_names_the_file_and_the_two_addresses, only_the_default_file_may_be_absent,
           cron_entry_follows_its_handler, deaths_are_told_to_the_handler_that_names_their_type,
           zone_is_believed_where_no_database_is, handler_is_found_exactly_then_by_the_longest_prefix,
           example_configuration_loads)
