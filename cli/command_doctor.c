/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jobctl doctor: looks at everything that a job needs on its way, and says what is wrong, what it means, and what mends it.
 *
 * A check that depends on a server that is away is left out: one cause, one finding.
 */
#include "cli/commands.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/timefmt.h"
#include "cli/dialog.h"
#include "cli/finding.h"
#include "cli/logs.h"
#include "cli/present.h"
#include "libjob/names.h"
#include "store/cron.h"
#include "store/dead.h"
#include "store/health.h"
#include "store/migrate.h"
#include "store/queues.h"

struct doctor {
    struct invocation *in;
    struct findings findings;
};

static void __attribute__((format(printf, 3, 4)))
well(struct doctor *d, const char *check, const char *format, ...)
{
    char found[512];
    va_list ap;
    va_start(ap, format);
    vsnprintf(found, sizeof(found), format, ap);
    va_end(ap);
    findings_add(&d->findings, FINDING_OK, check, found, NULL, NULL);
}

static void problem(struct doctor *d, const char *check, const char *found, const char *meaning,
                    const char *cure)
{
    findings_add(&d->findings, FINDING_PROBLEM, check, found, meaning, cure);
}

static void warning(struct doctor *d, const char *check, const char *found, const char *meaning,
                    const char *cure)
{
    findings_add(&d->findings, FINDING_WARNING, check, found, meaning, cure);
}

/* --- Configuration --- */

static void check_configuration(struct doctor *d)
{
    const struct job_config *config = d->in->config;
    if (config->path)
        well(d, "configuration", "%s: %zu queues, %zu handlers", config->path, config->n_queues,
             config->n_handlers);
    else
        warning(d, "configuration", "no file: everything has its default",
                "No handler is configured, so workers started the same way run nothing.",
                "write " CONFIG_PATH_DEFAULT ", or name a file with -c or JOB_CONFIG");
}

/* --- PostgreSQL --- */

static bool check_server(struct doctor *d)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    struct err err = { 0 };
    char cure[512];
    if (db_connect(d->in->db, &err) || health_check_server(d->in->db, &rows, &err)) {
        snprintf(cure, sizeof(cure), "start PostgreSQL, or set JOB_DATABASE_URL or database.url in %.400s",
                 invocation_config_path(d->in));
        problem(d, "postgresql", err.text,
                "Nothing can be recorded: workers and brokers wait until it is back.", cure);
        return false;
    }
    if (rows_int(rows, 0, 0) < HEALTH_SERVER_VERSION_MIN) {
        problem(d, "postgresql", rows_text(rows, 0, 1), "The schema needs PostgreSQL 15 or later.",
                "upgrade PostgreSQL");
        return false;
    }
    well(d, "postgresql", "version %s", rows_text(rows, 0, 1));
    return true;
}

static bool check_schema_version(struct doctor *d)
{
    struct migrate_status status;
    struct err err = { 0 };
    char found[128];
    if (migrate_status(d->in->db, &status, &err)) {
        problem(d, "schema", err.text, "The schema cannot be read.",
                "grant the role of database.url access to the schema job");
        return false;
    }
    snprintf(found, sizeof(found), "version %d, this jobctl has %d", status.version, status.latest);
    if (status.version < status.latest)
        problem(d, "schema", status.version ? found : "there is none",
                "Daemons of this version refuse to start.", "jobctl db migrate");
    else if (status.version > status.latest)
        warning(d, "schema", found, "This jobctl is older than the daemons.", "use the newer jobctl");
    else
        well(d, "schema", "version %d is current", status.version);
    return status.version >= status.latest;
}

static void check_partitions(struct doctor *d, const struct rows *rows)
{
    static const char cure[] = "start jobbrokerd: it makes them every day";
    int days = rows_int(rows, 0, 0);
    if (rows_is_null(rows, 0, 0))
        problem(d, "partitions", "job.result and job.attempt have none for today",
                "Records gather in the default partitions, and look-ups and retention become slow.", cure);
    else if (days == 0)
        warning(d, "partitions", "job.result and job.attempt have none for tomorrow",
                "Records would gather in the default partitions.", cure);
    else
        well(d, "partitions", "made up to %d days ahead", days);
}

static void check_relay(struct doctor *d, const struct rows *rows)
{
    char found[160], oldest[RFC3339_SIZE];
    int64_t overdue = rows_bigint(rows, 0, 1);
    if (overdue == 0) {
        well(d, "relay", "nothing in job.pending is overdue");
        return;
    }
    snprintf(found, sizeof(found),
             "%" PRId64 " jobs in job.pending have been due for more than 30 s, the oldest since %s", overdue,
             rfc3339_format(rows_time_us(rows, 0, 2), 0, oldest));
    problem(d, "relay", found, "Delayed, retried and replayed jobs do not get to Kafka.",
            "start jobbrokerd; if it runs, its log says what it cannot do");
}

static void check_dead(struct doctor *d, const struct rows *rows)
{
    char found[80];
    int64_t dead = rows_bigint(rows, 0, 3), incidents = rows_bigint(rows, 0, 4);
    if (dead > 0) {
        snprintf(found, sizeof(found), "%" PRId64, dead);
        warning(d, "dead letters", found, "These jobs have failed for good and wait for somebody.",
                "jobctl dead list; then jobctl dead replay or purge");
    } else {
        well(d, "dead letters", "none");
    }
    if (incidents > 0) {
        snprintf(found, sizeof(found), "%" PRId64 " rows in job.incident", incidents);
        warning(d, "incidents", found,
                "Something happened to a topic that nobody should have done, or deaths could not be told.",
                "read job.incident: each row names its topic, partition and offsets, or its jobs");
    }
}

/* Does the queue that PostgreSQL tells deaths to agree with the handlers of this configuration? */
static void check_dead_hook(struct doctor *d)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    const char *wanted = config_dead_hook(d->in->config);
    char found[256];
    if (dead_find_hook(d->in->db, &rows, NULL))
        return;
    const char *queue = rows_is_null(rows, 0, 0) ? NULL : rows_text(rows, 0, 0);
    if (queue && wanted && strcmp(queue, wanted) == 0) {
        well(d, "dead hook", "deaths are told to the queue %s", queue);
    } else if (wanted) {
        snprintf(found, sizeof(found),
                 "deaths are told to %.80s, and the handler of job.dead has the queue %.80s",
                 queue ? queue : "nobody", wanted);
        warning(d, "dead hook", found, "The handler does not hear of the jobs that die.",
                "start or reload a worker with this configuration");
    } else if (queue) {
        snprintf(found, sizeof(found),
                 "deaths are told to the queue %.80s, and no handler here is for job.dead", queue);
        warning(
            d, "dead hook", found,
            "Each dead job makes one more, of type job.dead, which dies unless another worker knows the type.",
            "jobctl dead hook --off; or configure a handler with type = \"job.dead\"");
    }
}

static void check_workers(struct doctor *d)
{
    const struct job_config *config = d->in->config;
    char check[80], found[128];
    for (size_t i = 0; i < config->n_queues; i++) {
        _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
        const char *queue = config->queues[i].name;
        if (queues_count_workers(d->in->db, queue, &rows, NULL))
            return;
        snprintf(check, sizeof(check), "workers of %s", queue);
        if (rows_bigint(rows, 0, 0) > 0) {
            well(d, check, "%" PRId64, rows_bigint(rows, 0, 0));
            continue;
        }
        snprintf(found, sizeof(found), "no live worker takes jobs of the queue %s", queue);
        problem(d, check, found, "Its jobs wait.",
                "start jobworkerd; if one runs, look at worker.queues in its configuration");
    }
}

/* Queues of which too many tries fail. */
static void check_storms(struct doctor *d)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    char check[96], found[400];
    if (queues_list_narrow(d->in->db, &rows, NULL))
        return;
    for (size_t i = 0; i < rows_count(rows); i++) {
        snprintf(check, sizeof(check), "tries of %.64s", rows_text(rows, i, 0));
        snprintf(found, sizeof(found),
                 "too many fail on worker %.100s, where they are held to %.20s a second; %" PRId64
                 " jobs wait for another try",
                 rows_text(rows, i, 1), rows_text(rows, i, 2), rows_bigint(rows, i, 3));
        warning(
            d, check, found, "What these jobs need is away, or refuses them: the queue is nearly at a stand.",
            "look at the errors in job.attempt, mend what they name; the queue goes on by itself then (docs/storms.md)");
    }
    if (rows_count(rows) == 0)
        well(d, "tries", "no queue is held back because too many fail");
}

static void check_cron(struct doctor *d)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    char found[400], oldest[RFC3339_SIZE];
    if (cron_check(d->in->db, &rows, NULL))
        return;
    int64_t n = rows_bigint(rows, 0, 0), enabled = rows_bigint(rows, 0, 1), failing = rows_bigint(rows, 0, 2),
            overdue = rows_bigint(rows, 0, 3);
    if (failing > 0) {
        snprintf(found, sizeof(found), "%" PRId64 " of %" PRId64 " entries cannot tick: %.300s", failing,
                 enabled, rows_text(rows, 0, 5));
        problem(d, "cron", found, "Their jobs are not enqueued.",
                "jobctl cron list; then jobctl cron add --replace");
    }
    if (overdue > 0) {
        snprintf(found, sizeof(found),
                 "%" PRId64 " of %" PRId64 " entries have been due for more than 30 s, the first since %s",
                 overdue, enabled,
                 rows_is_null(rows, 0, 4) ? "?" : rfc3339_format(rows_time_us(rows, 0, 4), 0, oldest));
        problem(d, "cron", found, "Nobody makes jobs of the ticks.",
                "start jobbrokerd, with broker.cron = true; if it runs, look at its log");
    }
    if (failing == 0 && overdue == 0 && n > 0)
        well(d, "cron", "%" PRId64 " entries, %" PRId64 " of them enabled", n, enabled);
}

static void check_store(struct doctor *d)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    struct err err = { 0 };
    if (!check_server(d) || !check_schema_version(d))
        return;
    if (health_check_schema(d->in->db, &rows, &err)) {
        problem(d, "schema", err.text, "The schema cannot be read.",
                "grant the role of database.url access to the schema job");
        return;
    }
    check_partitions(d, rows);
    check_relay(d, rows);
    check_cron(d);
    check_workers(d);
    check_storms(d);
    check_dead(d, rows);
    check_dead_hook(d);
}

/* --- Kafka --- */

static void check_settings(struct doctor *d, const char *check, const char *topic)
{
    static const char meaning[] =
        "With these settings Kafka may drop jobs, or due times cannot be corrected.";
    struct admin_setting settings[ADMIN_N_SETTINGS];
    struct err err = { 0 };
    char found[256], cure[512];
    if (admin_describe_topic(d->in->admin, topic, settings, &err)) {
        warning(d, check, err.text, "Its settings cannot be read.", "allow DESCRIBE_CONFIGS on the topic");
        return;
    }
    for (size_t i = 0; i < ADMIN_N_SETTINGS; i++) {
        const struct admin_setting *s = &settings[i];
        if (s->right)
            continue;
        snprintf(found, sizeof(found), "%s is %s, should be %s", s->name, s->value[0] ? s->value : "unknown",
                 s->wanted);
        snprintf(
            cure, sizeof(cure),
            "kafka-configs.sh --bootstrap-server %.200s --alter --entity-type topics --entity-name %.200s --add-config %s=%s",
            d->in->config->kafka.brokers, topic, s->name, s->wanted);
        problem(d, check, found, meaning, cure);
    }
}

static void check_shape(struct doctor *d, const char *check, const struct config_queue *queue,
                        const struct admin_topic *topic)
{
    char found[160];
    if (topic->n_leaderless > 0) {
        snprintf(found, sizeof(found), "%d of %d partitions have no leader", topic->n_leaderless,
                 topic->n_partitions);
        problem(d, check, found, "Their jobs wait, and enqueueing to them times out.",
                "bring the missing Kafka brokers back");
    }
    if (topic->n_partitions != queue->partitions) {
        snprintf(found, sizeof(found), "it has %d partitions, declared are %d", topic->n_partitions,
                 queue->partitions);
        warning(
            d, check, found, "Configuration and Kafka disagree; jobs are run all the same.",
            "declare what is there, or run: jobctl topic apply --grow; more partitions change which one a key belongs to");
    }
    if (d->in->config->kafka.replication && topic->replication != d->in->config->kafka.replication) {
        snprintf(found, sizeof(found), "it has %d replicas, declared are %d", topic->replication,
                 d->in->config->kafka.replication);
        warning(d, check, found, "It survives the loss of fewer Kafka brokers than you want.",
                "kafka-reassign-partitions.sh, or declare what is there");
    }
}

static void check_topic(struct doctor *d, const struct config_queue *queue, enum name_lane lane)
{
    char topic[NAME_TOPIC_MAX + 1], check[80];
    struct admin_topic found = { 0 };
    struct err err = { 0 };
    name_topic_of_lane(d->in->config->prefix, queue->name, lane, topic);
    snprintf(check, sizeof(check), "topic %.70s", topic);
    size_t before = d->findings.n;
    int r = admin_find_topic(d->in->admin, topic, &found, &err);
    if (r == ADMIN_NO_TOPIC)
        problem(d, check, "missing", "Jobs of this queue cannot be enqueued.", "jobctl topic apply");
    else if (r)
        problem(d, check, err.text, "Kafka does not say what became of the topic.", "look at Kafka's log");
    if (r)
        return;
    check_shape(d, check, queue, &found);
    check_settings(d, check, topic);
    if (d->findings.n == before)
        well(d, check, "%d partitions", found.n_partitions);
    free(found.name);
}

/* Jobs in job.pending go nowhere when their queue has no topic; the relay tries again and again. */
static void check_stray(struct doctor *d, const char *queue, int64_t pending)
{
    char topic[NAME_TOPIC_MAX + 1], check[96], found[128];
    struct admin_topic there = { 0 };
    if (admin_find_topic(d->in->admin, name_topic(d->in->config->prefix, queue, topic), &there, NULL) ==
        ADMIN_NO_TOPIC) {
        snprintf(check, sizeof(check), "queue %.70s", queue);
        snprintf(found, sizeof(found), "%" PRId64 " jobs wait in job.pending for it, and it has no topic",
                 pending);
        problem(d, check, found, "They stay there until there is one.",
                "declare the queue in the configuration (queues), then jobctl topic apply");
    }
    free(there.name);
}

static void check_strays(struct doctor *d)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    if (!db_is_connected(d->in->db) || queues_list(d->in->db, &rows, NULL))
        return;
    for (size_t i = 0; i < rows_count(rows); i++)
        if (rows_bigint(rows, i, 1) > 0 && !config_find_queue(d->in->config, rows_span(rows, i, 0)))
            check_stray(d, rows_text(rows, i, 0), rows_bigint(rows, i, 1));
}

/* --- Both: logs and their cursors --- */

static void check_log(struct doctor *d, const struct log_row *row)
{
    char check[80], found[512], cure[200];
    const struct trim_place *p = &row->place;
    snprintf(check, sizeof(check), "log %.60s[%" PRId32 "]", p->topic, p->partition);
    if (log_row_stands(row)) {
        snprintf(found, sizeof(found), "it is not the one that was read up to offset %" PRId64 "%s%s",
                 p->next_offset, row->log.why[0] ? ": " : "", row->log.why);
        snprintf(cure, sizeof(cure), "jobctl topic reset %.150s", p->topic);
        problem(d, check, found,
                "The topic was deleted and made again, or its log was cut: the partition stands.", cure);
    } else if (row->is_there && row->log.verdict == TOPIC_LOST) {
        snprintf(found, sizeof(found), "Kafka has dropped offsets %" PRId64 " to %" PRId64, p->next_offset,
                 row->log.start - 1);
        problem(
            d, check, found, "Jobs that no worker has read by now are lost.",
            "set the topic's retention.ms and retention.bytes to -1; the next worker names what is lost in job.incident");
    }
}

/* What workers and brokers have found in the logs, and what they would find now. */
static void check_logs(struct doctor *d)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    _cleanup_(logs_done) struct logs logs = { 0 };
    char found[80];
    if (!db_is_connected(d->in->db) || trim_sum_up(d->in->db, &rows, NULL) ||
        logs_read(d->in, NULL, 0, &logs, NULL))
        return;
    size_t before = d->findings.n;
    for (size_t i = 0; i < logs.n; i++)
        check_log(d, &logs.list[i]);
    if (d->findings.n == before)
        well(d, "logs", "%zu partitions are those that were read", logs.n);
    snprintf(found, sizeof(found), "%" PRId64, rows_bigint(rows, 0, 0));
    if (rows_bigint(rows, 0, 0) > 0)
        warning(d, "lost jobs", found, "Kafka has dropped them before they ran.",
                "read the rows of job.incident with kind lost: each names topic, partition and offsets");
    if (!rows_bool(rows, 0, 2))
        warning(d, "trimming", "stopped: PostgreSQL has another history than before",
                "After a failover or a restored backup nothing is deleted from Kafka, whose disks fill.",
                "find the database whole, then: jobctl topic trim --confirm");
}

static void check_kafka(struct doctor *d)
{
    const struct job_config *config = d->in->config;
    struct err err = { 0 };
    char cure[512];
    if (admin_probe(d->in->admin, &err)) {
        snprintf(cure, sizeof(cure), "start Kafka, or set JOB_KAFKA or kafka.brokers in %.400s",
                 invocation_config_path(d->in));
        problem(d, "kafka", err.text, "No job can be enqueued or started; those that run are recorded.",
                cure);
        return;
    }
    well(d, "kafka", "%s answers", config->kafka.brokers);
    for (size_t i = 0; i < config->n_queues; i++)
        for (enum name_lane lane = 0; lane < LANE_COUNT; lane++)
            if (config_has_lane(&config->queues[i], lane))
                check_topic(d, &config->queues[i], lane);
    check_strays(d);
    check_logs(d);
}

int command_doctor(struct invocation *in, struct err *reterr)
{
    struct doctor d = { .in = in };
    struct err said_later = { 0 };
    invocation_connect(in, &said_later);
    if (!in->db)
        return err_set(reterr, STATUS_FAILED, "out of memory");
    int r = invocation_prepare_kafka(in, reterr);
    if (r)
        return r;
    check_configuration(&d);
    check_store(&d);
    check_kafka(&d);
    r = findings_print(&d.findings, &in->style, in->to, reterr);
    size_t n_problems = d.findings.n_problems, n_warnings = d.findings.n_warnings;
    findings_done(&d.findings);
    if (r == STATUS_DONE && n_problems)
        return err_set(reterr, STATUS_FAILED, "problems: %zu, warnings: %zu", n_problems, n_warnings);
    return r;
}
