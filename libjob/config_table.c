/* SPDX-License-Identifier: Apache-2.0 */
/* Every option of the configuration file, one row each. */
#include "libjob/config.h"

#include <limits.h>

#include "base/clock.h"
#include "base/log.h"
#include "libjob/names.h"

#define MSEC USEC_PER_MSEC
#define SECOND USEC_PER_SEC
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

/* --- Rules that a range cannot say ---------------------------------------------------------------------------------- */

static const char *check_prefix(const char *text)
{
    return name_is_prefix(span_from_string(text))
               ? NULL
               : "expected a prefix of topics: letters, digits, \".\", \"_\" and \"-\"";
}

static const char *check_queue(const char *text)
{
    return name_is_queue(span_from_string(text))
               ? NULL
               : "expected the name of a queue: [a-z0-9][a-z0-9-]{0,62}, and neither \"later\" nor \"dead\"";
}

static const char *check_type(const char *text)
{
    struct span type = span_from_string(text);
    if (type.size > 2 && strcmp(text + type.size - 2, ".*") == 0)
        type.size -= 2;
    return name_is_type(type)
               ? NULL
               : "expected a job type, [A-Za-z][A-Za-z0-9_.-]{0,127}, or a prefix of types with \".*\" behind it";
}

static const char *check_job_type(const char *text)
{
    return name_is_type(span_from_string(text)) ? NULL : "expected a job type, [A-Za-z][A-Za-z0-9_.-]{0,127}";
}

static const char *check_cron_name(const char *text)
{
    return name_is_cron(span_from_string(text)) ? NULL : "expected a name, [A-Za-z0-9][A-Za-z0-9_.-]{0,127}";
}

static const char *check_url(const char *text)
{
    return strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0
               ? NULL
               : "expected a URL that begins with \"http://\" or \"https://\"";
}

static const char *check_trace_url(const char *text)
{
    return !check_url(text) && strstr(text, CONFIG_TRACE_PLACE)
               ? NULL
               : "expected a URL that begins with \"http://\" or \"https://\" and has \"" CONFIG_TRACE_PLACE
                 "\" in it";
}

#define SECRET_PREFIX "whsec_"
#define SECRET_MIN 32 /* letters of base64: 24 bytes */
#define SECRET_MAX 88 /* 64 bytes */

static bool is_secret(const char *text, size_t size)
{
    const size_t prefix = strlen(SECRET_PREFIX);
    static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if (size < prefix || memcmp(text, SECRET_PREFIX, prefix) != 0)
        return false;
    text += prefix;
    size -= prefix;
    size_t letters = strspn(text, base64), padding = strspn(text + letters, "=");
    return letters + padding == size && padding <= 2 && size % 4 == 0 && size >= SECRET_MIN &&
           size <= SECRET_MAX;
}

static const char *check_secret(const char *text)
{
    static const char rule[] =
        "expected one to four keys \"whsec_<base64 of 24 to 64 bytes>\" with blanks between them";
    int n = 0;
    for (text += strspn(text, CONFIG_BLANKS); *text; text += strspn(text, CONFIG_BLANKS)) {
        size_t size = strcspn(text, CONFIG_BLANKS);
        if (!is_secret(text, size))
            return rule;
        n++;
        text += size;
    }
    return n >= 1 && n <= CONFIG_SECRETS_MAX ? NULL : rule;
}

/* --- The rows ------------------------------------------------------------------------------------------------------- */

static const char *const transports[] = { "kafka", NULL };
static const char *const kinds[] = {
    [CONFIG_KIND_MODULE] = "module", [CONFIG_KIND_COMMAND] = "command", [CONFIG_KIND_HTTP] = "http", NULL
};
static const char *const deliveries[] = {
    [CONFIG_AT_LEAST_ONCE] = "at_least_once", [CONFIG_AT_MOST_ONCE] = "at_most_once", NULL
};
static const char *const records[] = {
    [CONFIG_RECORD_ALL] = "all", [CONFIG_RECORD_FAILURES] = "failures", NULL
};
static const char *const key_orders[] = {
    [CONFIG_KEYS_NONE] = "none", [CONFIG_KEYS_ORDERED] = "key", [CONFIG_KEYS_STRICT] = "key_strict", NULL
};
const char *const config_missed_names[] = {
    [CONFIG_MISSED_SKIP] = "skip", [CONFIG_MISSED_LAST] = "last", [CONFIG_MISSED_ALL] = "all", NULL
};
static const char *const orders[] = {
    [CONFIG_ORDER_WEIGHTED] = "weighted",
    [CONFIG_ORDER_STRICT] = "strict",
    NULL,
};
static const char *const log_levels[] = {
    [LOG_LEVEL_ERROR] = "error",
    [LOG_LEVEL_WARNING] = "warning",
    [LOG_LEVEL_INFO] = "info",
    [LOG_LEVEL_DEBUG] = "debug",
    NULL,
};
static const char *const backoffs[] = {
    [BACKOFF_POLYNOMIAL] = "polynomial",
    [BACKOFF_EXPONENTIAL] = "exponential",
    [BACKOFF_CONSTANT] = "constant",
    NULL,
};

#define AT(type, field) .offset = offsetof(struct type, field)
#define LIST_AT(type, field) AT(type, field), .count_offset = offsetof(struct type, n_##field)

static const struct option_row property_rows[] = {
    { .key = "name",
      .type = OPTION_STRING,
      AT(config_property, name),
      .min = 1,
      .max = 255,
      .flags = OPTION_REQUIRED,
      .help = "Name of the property, like \"security.protocol\"" },
    { .key = "value",
      .type = OPTION_STRING,
      AT(config_property, value),
      .flags = OPTION_REQUIRED | OPTION_SECRET,
      .help = "Its value, always a string" },
};
static const struct option_table property_table = OPTION_TABLE(struct config_property, property_rows);

static const struct option_row kafka_rows[] = {
    { .key = "brokers",
      .type = OPTION_STRING,
      AT(config_kafka, brokers),
      .min = 1,
      .preset = "localhost:9092",
      .help =
          "Kafka's bootstrap servers, \"host:port,host:port\"; `JOB_KAFKA` in the environment replaces it" },
    { .key = "properties",
      .type = OPTION_GROUPS,
      LIST_AT(config_kafka, properties),
      .table = &property_table,
      .help = "Properties for librdkafka, for example TLS and SASL" },
    { .key = "replication",
      .type = OPTION_INT,
      AT(config_kafka, replication),
      .min = 0,
      .max = 100,
      .preset = "0",
      .help =
          "On how many Kafka brokers each topic that is made lies, and what `jobctl doctor` expects of those that are there; "
          "3 where there are three; 0 leaves it to Kafka" },
    { .key = "min_insync_replicas",
      .type = OPTION_INT,
      AT(config_kafka, min_insync),
      .min = 0,
      .max = 100,
      .preset = "0",
      .help =
          "How many of them must have a job before it counts as enqueued (`min.insync.replicas` of the topic), less than `replication`; "
          "2 of 3; 0 leaves it to Kafka" },
};
static const struct option_table kafka_table = OPTION_TABLE(struct config_kafka, kafka_rows);

static const struct option_row database_rows[] = {
    { .key = "url",
      .type = OPTION_STRING,
      AT(config_database, url),
      .min = 1,
      .preset = "postgresql:///",
      .flags = OPTION_SECRET,
      .help =
          "PostgreSQL's connection string, a URI or \"key=value\" words; `JOB_DATABASE_URL` in the environment "
          "replaces it" },
};
static const struct option_table database_table = OPTION_TABLE(struct config_database, database_rows);

static const struct option_row worker_queue_rows[] = {
    { .key = "name",
      .type = OPTION_STRING,
      AT(config_worker_queue, name),
      .check = check_queue,
      .flags = OPTION_REQUIRED,
      .help = "A queue that `queues` declares" },
    { .key = "weight",
      .type = OPTION_INT,
      AT(config_worker_queue, weight),
      .min = 1,
      .max = 1000,
      .preset = "1",
      .flags = OPTION_RELOADABLE,
      .help =
          "Share of the starts that this queue gets while others have jobs too; with `order` \"weighted\"" },
};
static const struct option_table worker_queue_table =
    OPTION_TABLE(struct config_worker_queue, worker_queue_rows);

static const struct option_row limit_rows[] = {
    { .key = "memory",
      .type = OPTION_SIZE,
      AT(config_limits, memory_bytes),
      .max = INT64_C(1) << 50,
      .preset_help = "no limit",
      .flags = OPTION_RELOADABLE,
      .help =
          "Memory of one executor with all that it starts, where a control group is delegated to the worker "
          "(memory.max): what uses more is killed. Elsewhere data of each process (RLIMIT_DATA): more makes its "
          "allocations fail" },
    { .key = "processes",
      .type = OPTION_INT,
      AT(config_limits, processes),
      .max = 1000000,
      .preset_help = "as the worker",
      .flags = OPTION_RELOADABLE,
      .help =
          "Processes of one executor with all that it starts, where a control group is delegated (pids.max). Elsewhere "
          "those of the worker's user, all together (RLIMIT_NPROC); not for root" },
    { .key = "cpu_weight",
      .type = OPTION_INT,
      AT(config_limits, cpu_weight),
      .max = 10000,
      .preset_help = "`100`",
      .flags = OPTION_RELOADABLE,
      .help =
          "Share of the CPU that one executor gets beside others and the worker, which has 100, where a control group "
          "is delegated (cpu.weight)" },
    { .key = "files",
      .type = OPTION_INT,
      AT(config_limits, files),
      .max = 1000000,
      .preset_help = "as the worker",
      .flags = OPTION_RELOADABLE,
      .help = "Open files of one executor (RLIMIT_NOFILE)" },
    { .key = "file_size",
      .type = OPTION_SIZE,
      AT(config_limits, file_bytes),
      .max = INT64_C(1) << 50,
      .preset_help = "no limit",
      .flags = OPTION_RELOADABLE,
      .help = "Largest file that an executor writes (RLIMIT_FSIZE)" },
};
static const struct option_table limit_table = OPTION_TABLE(struct config_limits, limit_rows);

static const struct option_row worker_rows[] = {
    { .key = "queues",
      .type = OPTION_GROUPS,
      LIST_AT(config_worker, queues),
      .table = &worker_queue_table,
      .preset_help = "all declared queues, weight 1",
      .help = "The queues that this worker takes jobs from" },
    { .key = "order",
      .type = OPTION_ENUM,
      AT(config_worker, order),
      .names = orders,
      .preset = "weighted",
      .flags = OPTION_RELOADABLE,
      .help =
          "Which queue is next: weighted shares the starts out by weight, strict takes the first of the list that "
          "has a job; then the others may starve" },
    { .key = "executors_min",
      .type = OPTION_INT,
      AT(config_worker, executors_min),
      .min = 1,
      .max = CONFIG_MAX_EXECUTORS,
      .preset_help = "`2`, or `executors_max` if that is less",
      .flags = OPTION_RELOADABLE,
      .help = "Executor processes that are kept ready when there is nothing to do" },
    { .key = "executors_max",
      .type = OPTION_INT,
      AT(config_worker, executors_max),
      .min = 1,
      .max = CONFIG_MAX_EXECUTORS,
      .preset_help = "number of usable CPUs, at least 2 and `executors_min`",
      .flags = OPTION_RELOADABLE,
      .help = "Jobs that run at the same time at most, beside those of kind \"http\"" },
    { .key = "http_max",
      .type = OPTION_INT,
      AT(config_worker, http_max),
      .min = 1,
      .max = 100000,
      .preset = "1000",
      .help = "Requests of handlers of kind \"http\" that are under way at the same time at most" },
    { .key = "executor_idle",
      .type = OPTION_DURATION,
      AT(config_worker, executor_idle_us),
      .min = 10 * MSEC,
      .max = DAY,
      .preset = "60s",
      .flags = OPTION_RELOADABLE,
      .help = "Executors beyond `executors_min` end after so long without a job" },
    { .key = "recycle_jobs",
      .type = OPTION_INT,
      AT(config_worker, recycle_jobs),
      .max = 1000000000,
      .preset_help = "never",
      .flags = OPTION_RELOADABLE,
      .help = "An executor is replaced after so many jobs" },
    { .key = "recycle_memory",
      .type = OPTION_SIZE,
      AT(config_worker, recycle_memory_bytes),
      .max = INT64_C(1) << 50,
      .preset = "512 MiB",
      .flags = OPTION_RELOADABLE,
      .help = "An executor that has once used more memory is replaced after its job; 0 is never" },
    { .key = "limits",
      .type = OPTION_GROUP,
      AT(config_worker, limits),
      .table = &limit_table,
      .help = "What one executor may use" },
    { .key = "drain_timeout",
      .type = OPTION_DURATION,
      AT(config_worker, drain_timeout_us),
      .min = 0,
      .max = DAY,
      .preset = "60s",
      .flags = OPTION_RELOADABLE,
      .help = "How long running jobs may go on after SIGTERM before they are interrupted and given back" },
    { .key = "kill_grace",
      .type = OPTION_DURATION,
      AT(config_worker, kill_grace_us),
      .min = 10 * MSEC,
      .max = HOUR,
      .preset = "10s",
      .flags = OPTION_RELOADABLE,
      .help =
          "How long a job that is asked to stop may take; SIGTERM comes after half of it, SIGKILL after all" },
    { .key = "handover_after",
      .type = OPTION_DURATION,
      AT(config_worker, handover_after_us),
      .min = 10 * MSEC,
      .max = HOUR,
      .preset = "5s",
      .flags = OPTION_RELOADABLE,
      .help =
          "A job that runs longer gets a lease in PostgreSQL, so that its partition does not wait for it" },
    { .key = "window",
      .type = OPTION_INT,
      AT(config_worker, window),
      .min = 100,
      .max = 15000,
      .preset = "15000",
      .help = "Jobs of one partition that may be between its cursor and its end of reading" },
    { .key = "group",
      .type = OPTION_STRING,
      AT(config_worker, group),
      .max = 255,
      .preset_help = "`<prefix>.workers`",
      .help = "Kafka's consumer group, the same on every worker" },
    { .key = "session_timeout",
      .type = OPTION_DURATION,
      AT(config_worker, session_timeout_us),
      .min = 500 * MSEC,
      .max = 30 * MINUTE,
      .preset = "8s",
      .help = "Kafka gives a silent worker's partitions to others after this time" },
    { .key = "heartbeat_interval",
      .type = OPTION_DURATION,
      AT(config_worker, heartbeat_interval_us),
      .min = 50 * MSEC,
      .max = 5 * MINUTE,
      .preset = "2s",
      .help = "How often a worker reports to Kafka; less than `session_timeout`" },
    { .key = "beat",
      .type = OPTION_DURATION,
      AT(config_worker, beat_us),
      .min = 50 * MSEC,
      .max = MINUTE,
      .preset = "2s",
      .help =
          "How often a worker renews its leases in PostgreSQL; at most a third of `broker.lease_timeout`" },
    { .key = "unknown_type_grace",
      .type = OPTION_DURATION,
      AT(config_worker, unknown_type_grace_us),
      .min = 0,
      .max = 30 * DAY,
      .preset = "1h",
      .flags = OPTION_RELOADABLE,
      .help =
          "How long a job whose type has no handler is kept for a worker that has one, before it is dead" },
    { .key = "retry_rate",
      .type = OPTION_INT,
      AT(config_worker, retry_rate),
      .max = 1000000,
      .preset = "1000",
      .flags = OPTION_RELOADABLE,
      .help =
          "Tries of one queue that may fail per second on this worker, 10 s of it at once; if more do, so few of the "
          "queue are started that it holds, see [storms.md](storms.md). 0 is no limit" },
};
static const struct option_table worker_table = OPTION_TABLE(struct config_worker, worker_rows);

static const struct option_row retention_rows[] = {
    { .key = "succeeded",
      .type = OPTION_DURATION,
      AT(config_retention, ended_us[CONFIG_SUCCEEDED]),
      .min = SECOND,
      .max = 36500 * DAY,
      .preset = "7d",
      .help = "How long results of jobs that succeeded are kept" },
    { .key = "dead",
      .type = OPTION_DURATION,
      AT(config_retention, ended_us[CONFIG_DEAD]),
      .min = SECOND,
      .max = 36500 * DAY,
      .preset = "7d",
      .help =
          "How long results of jobs that died are kept, once their dead letter is gone; dead letters are kept until somebody purges or replays them" },
    { .key = "cancelled",
      .type = OPTION_DURATION,
      AT(config_retention, ended_us[CONFIG_CANCELLED]),
      .min = SECOND,
      .max = 36500 * DAY,
      .preset = "7d",
      .help = "How long results of cancelled jobs are kept" },
    { .key = "expired",
      .type = OPTION_DURATION,
      AT(config_retention, ended_us[CONFIG_EXPIRED]),
      .min = SECOND,
      .max = 36500 * DAY,
      .preset = "7d",
      .help = "How long results of jobs that did not start in time are kept" },
    { .key = "duplicate",
      .type = OPTION_DURATION,
      AT(config_retention, ended_us[CONFIG_DUPLICATE]),
      .min = SECOND,
      .max = 36500 * DAY,
      .preset = "7d",
      .help = "How long results of jobs whose unique key another one had are kept" },
    { .key = "attempts",
      .type = OPTION_DURATION,
      AT(config_retention, attempts_us),
      .min = SECOND,
      .max = 36500 * DAY,
      .preset = "30d",
      .help = "How long tries that ended without ending their job are kept" },
};
static const struct option_table retention_table = OPTION_TABLE(struct config_retention, retention_rows);

static const struct option_row broker_rows[] = {
    { .key = "relay",
      .type = OPTION_BOOL,
      AT(config_broker, relay),
      .preset = "true",
      .help = "Whether this broker moves due jobs from PostgreSQL to Kafka" },
    { .key = "later",
      .type = OPTION_BOOL,
      AT(config_broker, later),
      .preset = "true",
      .help = "Whether this broker takes jobs with a time or a unique key from Kafka to PostgreSQL" },
    { .key = "later_partitions",
      .type = OPTION_INT,
      AT(config_broker, later_partitions),
      .min = 1,
      .max = 1000,
      .preset = "4",
      .help = "Partitions of the topic of these jobs, when it is made: so many brokers can share it" },
    { .key = "cron",
      .type = OPTION_BOOL,
      AT(config_broker, cron),
      .preset = "true",
      .help =
          "Whether this broker enqueues the jobs of cron entries; several may, a tick makes one job all the same" },
    { .key = "rescue",
      .type = OPTION_BOOL,
      AT(config_broker, rescue),
      .preset = "true",
      .help = "Whether this broker takes jobs back from workers that are gone" },
    { .key = "lease_timeout",
      .type = OPTION_DURATION,
      AT(config_broker, lease_timeout_us),
      .min = 500 * MSEC,
      .max = 10 * MINUTE,
      .preset = "10s",
      .help =
          "A worker that has not renewed its leases for so long counts as gone; the same on every worker and broker" },
    { .key = "retention",
      .type = OPTION_GROUP,
      AT(config_broker, retention),
      .table = &retention_table,
      .help =
          "How long what has ended is kept, from its end on. Where all times are long, whole days are dropped" },
    { .key = "partitions_ahead",
      .type = OPTION_INT,
      AT(config_broker, partitions_ahead),
      .min = 1,
      .max = 30,
      .preset = "3",
      .help = "Days for which table partitions are made in advance" },
    { .key = "relay_batch",
      .type = OPTION_INT,
      AT(config_broker, relay_batch),
      .min = 1,
      .max = 10000,
      .preset = "1000",
      .help = "Jobs that the relay moves in one transaction at most" },
    { .key = "relay_backlog",
      .type = OPTION_INT,
      AT(config_broker, relay_backlog),
      .min = 0,
      .max = 1000000000,
      .preset = "100000",
      .help =
          "Jobs of one queue that may wait in Kafka before the relay keeps further ones in PostgreSQL, where they can still be "
          "cancelled and expire; 0: no limit" },
    { .key = "trim",
      .type = OPTION_BOOL,
      AT(config_broker, trim),
      .preset = "true",
      .help = "Whether this broker deletes records from Kafka that nobody needs any more" },
    { .key = "trim_after",
      .type = OPTION_DURATION,
      AT(config_broker, trim_after_us),
      .min = SECOND,
      .max = 365 * DAY,
      .preset = "24h",
      .help =
          "How long a record stays in Kafka after everything up to it is done; longer than what a backup of PostgreSQL that is "
          "restored, or a failover, may lack; the same on every broker" },
};
static const struct option_table broker_table = OPTION_TABLE(struct config_broker, broker_rows);

static const struct option_row jobctl_rows[] = {
    { .key = "trace_url",
      .type = OPTION_STRING,
      AT(config_jobctl, trace_url),
      .check = check_trace_url,
      .help =
          "Where a trace can be looked at, like \"https://jaeger.example.org/trace/{trace_id}\"; `jobctl job show` prints it" },
};
static const struct option_table jobctl_table = OPTION_TABLE(struct config_jobctl, jobctl_rows);

static const struct option_row backoff_rows[] = {
    { .key = "kind",
      .type = OPTION_ENUM,
      AT(backoff, kind),
      .names = backoffs,
      .preset = "polynomial",
      .help =
          "After the n-th try: polynomial waits base + factor · n⁴ seconds, exponential base · factor^(n − 1), "
          "constant base" },
    { .key = "base",
      .type = OPTION_DURATION,
      AT(backoff, base_us),
      .min = 0,
      .max = 365 * DAY,
      .preset = "2s",
      .help = "The constant part, or the first delay" },
    { .key = "factor",
      .type = OPTION_REAL,
      AT(backoff, factor),
      .min = 0,
      .max = 1000,
      .preset_help = "`1` for polynomial, `2` for exponential",
      .help = "Growth; for exponential at least 1; 0 is the kind's default" },
    { .key = "max",
      .type = OPTION_DURATION,
      AT(backoff, max_us),
      .min = 0,
      .max = 365 * DAY,
      .preset = "6h",
      .help = "Longest delay before jitter" },
    { .key = "jitter",
      .type = OPTION_INT,
      AT(backoff, jitter),
      .min = 0,
      .max = 100,
      .preset = "10",
      .help = "Percent by which a delay is made longer or shorter at random" },
};
static const struct option_table backoff_table = OPTION_TABLE(struct backoff, backoff_rows);

static const struct option_row handler_rows[] = {
    { .key = "type",
      .type = OPTION_STRING,
      AT(config_handler, type),
      .check = check_type,
      .flags = OPTION_REQUIRED,
      .help =
          "Job type; \"mail.*\" stands for every type that starts with \"mail.\" and has no handler of its own" },
    { .key = "kind",
      .type = OPTION_ENUM,
      AT(config_handler, kind),
      .names = kinds,
      .preset = "module",
      .help =
          "What runs the job: a shared object in an executor process, a program started for each job, or a web service that gets it posted" },
    { .key = "path",
      .type = OPTION_STRING,
      AT(config_handler, path),
      .min = 1,
      .preset_help = "none; kind \"module\" needs it",
      .help = "The module's file; a relative path starts at the directory of the configuration file" },
    { .key = "argv",
      .type = OPTION_STRINGS,
      LIST_AT(config_handler, argv),
      .min = 1,
      .max = 256,
      .preset_help = "none; kind \"command\" needs it",
      .help =
          "The command and its arguments, run without a shell; a relative path of the command starts at the "
          "directory of the configuration file" },
    { .key = "url",
      .type = OPTION_STRING,
      AT(config_handler, url),
      .check = check_url,
      .preset_help = "none; kind \"http\" needs it",
      .help = "Where jobs are posted to" },
    { .key = "allow",
      .type = OPTION_STRINGS,
      LIST_AT(config_handler, allow),
      .max = 256,
      .preset_help = "public addresses only",
      .help =
          "With `url`: host names, addresses and networks like \"10.1.0.0/16\" that may be reached although they are "
          "loopback, private or reserved" },
    { .key = "secret",
      .type = OPTION_STRING,
      AT(config_handler, secret),
      .why_offset = offsetof(struct config_handler, secret_unread),
      .check = check_secret,
      .flags = OPTION_SECRET,
      .preset_help = "requests are not signed",
      .help =
          "With `url`: a key to sign requests with, as Standard Webhooks has it: \"whsec_\" and the base64 of 24 to 64 bytes; "
          "several, with blanks between them, sign each request several times" },
    { .key = "queue",
      .type = OPTION_STRING,
      AT(config_handler, queue),
      .check = check_queue,
      .preset = "default",
      .help = "The queue that jobs of this type go to" },
    { .key = "timeout",
      .type = OPTION_DURATION,
      AT(config_handler, timeout_us),
      .min = MSEC,
      .max = 30 * DAY,
      .preset = "15m",
      .help = "How long one try may run before it is stopped" },
    { .key = "delivery",
      .type = OPTION_ENUM,
      AT(config_handler, delivery),
      .names = deliveries,
      .preset = "at_least_once",
      .help =
          "Whether a job may be started again after it was started: at_most_once claims each job before its start, and "
          "one that fails, crashes or is interrupted is dead, whatever `max_attempts` and `max_crashes` say" },
    { .key = "order",
      .type = OPTION_ENUM,
      AT(config_handler, order),
      .names = key_orders,
      .preset = "none",
      .flags = OPTION_RELOADABLE,
      .help =
          "Whether jobs with the same key run one at a time, in the order in which they were enqueued: with key, a job that "
          "has to be tried again is passed by later ones; with key_strict, they wait until it has succeeded or is dead" },
    { .key = "record",
      .type = OPTION_ENUM,
      AT(config_handler, record),
      .names = records,
      .preset = "all",
      .help =
          "Which ended jobs get a row in job.result: failures leaves out those that succeeded at their first delivery, "
          "without a lease and with nobody waiting" },
    { .key = "max_attempts",
      .type = OPTION_INT,
      AT(config_handler, max_attempts),
      .min = 1,
      .max = 10000,
      .preset = "25",
      .help = "Tries after which a failing job is dead" },
    { .key = "max_crashes",
      .type = OPTION_INT,
      AT(config_handler, max_crashes),
      .min = 1,
      .max = 10000,
      .preset = "5",
      .help = "Crashes, also of the worker, after which a job is dead" },
    { .key = "concurrency",
      .type = OPTION_INT,
      AT(config_handler, concurrency),
      .min = 0,
      .max = 1000000,
      .preset = "0",
      .help =
          "Jobs of this handler, all its types together, that one worker runs at once; 0 is no limit; those beyond "
          "it wait and others pass them" },
    { .key = "backoff",
      .type = OPTION_GROUP,
      AT(config_handler, backoff),
      .table = &backoff_table,
      .help = "How long a failed job waits before its next try" },
};
static const struct option_table handler_table = OPTION_TABLE(struct config_handler, handler_rows);

static const struct option_row queue_rows[] = {
    { .key = "name",
      .type = OPTION_STRING,
      AT(config_queue, name),
      .check = check_queue,
      .flags = OPTION_REQUIRED,
      .help =
          "Name of the queue, `[a-z0-9][a-z0-9-]{0,62}` without `later` and `dead`; its topic is `<prefix>.<name>`" },
    { .key = "partitions",
      .type = OPTION_INT,
      AT(config_queue, partitions),
      .min = 1,
      .max = 1000,
      .preset = "8",
      .help = "Partitions of its topic, when the topic is made" },
    { .key = "lanes",
      .type = OPTION_BOOL,
      AT(config_queue, lanes),
      .preset = "false",
      .help =
          "Whether it has lanes for priorities too, the topics `<prefix>.<name>.high` and `.low`: high goes before "
          "normal before low, and each lane that has jobs gets at least every 20th start of the queue" },
    { .key = "concurrency",
      .type = OPTION_INT,
      AT(config_queue, concurrency),
      .min = 0,
      .max = 1000000,
      .preset = "0",
      .flags = OPTION_RELOADABLE,
      .help = "Jobs of this queue that one worker runs at once; 0 is no limit" },
    { .key = "retention",
      .type = OPTION_DURATION,
      AT(config_queue, retention_us),
      .max = 36500 * DAY,
      .preset_help = "as `broker.retention` says",
      .flags = OPTION_RELOADABLE,
      .help =
          "How long results of its jobs are kept, in whatever state they ended; dead letters are kept until somebody purges or "
          "replays them" },
};
static const struct option_table queue_table = OPTION_TABLE(struct config_queue, queue_rows);

static const struct option_row cron_rows[] = {
    { .key = "name",
      .type = OPTION_STRING,
      AT(config_cron, name),
      .check = check_cron_name,
      .flags = OPTION_REQUIRED,
      .help = "Name of the entry, `[A-Za-z0-9][A-Za-z0-9_.-]{0,127}`" },
    { .key = "expression",
      .type = OPTION_STRING,
      AT(config_cron, expression),
      .min = 1,
      .max = 512,
      .flags = OPTION_REQUIRED,
      .help =
          "When it is enqueued: five or six fields like \"30 2 * * MON-FRI\", \"@daily\", \"@every 90s\"; see "
          "[cron.md](cron.md)" },
    { .key = "zone",
      .type = OPTION_STRING,
      AT(config_cron, zone),
      .min = 1,
      .max = 64,
      .preset = "UTC",
      .help = "The time zone that the fields are in, a name of the zone database like \"Europe/Berlin\"" },
    { .key = "type",
      .type = OPTION_STRING,
      AT(config_cron, type),
      .check = check_job_type,
      .flags = OPTION_REQUIRED,
      .help = "Type of the job" },
    { .key = "queue",
      .type = OPTION_STRING,
      AT(config_cron, queue),
      .check = check_queue,
      .preset_help = "that of the type's handler, else `default`",
      .help = "The queue that the job goes to" },
    { .key = "payload",
      .type = OPTION_STRING,
      AT(config_cron, payload),
      .max = 65536,
      .preset_help = "none",
      .help = "What the handler gets, JSON as text" },
    { .key = "key",
      .type = OPTION_STRING,
      AT(config_cron, key),
      .min = 1,
      .preset_help = "none",
      .help =
          "Ordering key: with a handler whose `order` is \"key\", a job waits for the one of the tick before" },
    { .key = "missed",
      .type = OPTION_ENUM,
      AT(config_cron, missed),
      .names = config_missed_names,
      .preset = "last",
      .help =
          "Which ticks are made up for when no broker was there: skip makes up for none that are more than a minute "
          "late, last for the last one, all for the last `missed_max`" },
    { .key = "missed_max",
      .type = OPTION_INT,
      AT(config_cron, missed_max),
      .min = 1,
      .max = 1000,
      .preset = "100",
      .help = "With `missed` \"all\": how many at most; those before are left out" },
    { .key = "jitter",
      .type = OPTION_DURATION,
      AT(config_cron, jitter_us),
      .min = 0,
      .max = DAY,
      .preset = "0",
      .help =
          "Each job is due so much later at most, at random, so that many entries of one time do not meet" },
    { .key = "max_attempts",
      .type = OPTION_INT,
      AT(config_cron, max_attempts),
      .min = 0,
      .max = 1000,
      .preset_help = "as the handler has it",
      .help = "Tries after which the job is dead" },
    { .key = "timeout",
      .type = OPTION_DURATION,
      AT(config_cron, timeout_us),
      .min = 0,
      .max = 30 * DAY,
      .preset_help = "as the handler has it",
      .help = "How long one try may run" },
};
static const struct option_table cron_table = OPTION_TABLE(struct config_cron, cron_rows);

static const struct option_row rows[] = {
    { .key = "transport",
      .type = OPTION_ENUM,
      AT(job_config, transport),
      .names = transports,
      .preset = "kafka",
      .help = "What carries the jobs" },
    { .key = "prefix",
      .type = OPTION_STRING,
      AT(job_config, prefix),
      .check = check_prefix,
      .preset = "job",
      .help = "First part of the names of all topics; installations on one Kafka differ in it" },
    { .key = "log_level",
      .type = OPTION_ENUM,
      AT(job_config, log_level),
      .names = log_levels,
      .preset = "info",
      .flags = OPTION_RELOADABLE,
      .help = "What the daemons' logs have, and more important things; `--log-level` replaces it" },
    { .key = "kafka",
      .type = OPTION_GROUP,
      AT(job_config, kafka),
      .table = &kafka_table,
      .help = "How to reach Kafka" },
    { .key = "database",
      .type = OPTION_GROUP,
      AT(job_config, database),
      .table = &database_table,
      .help = "How to reach PostgreSQL" },
    { .key = "worker",
      .type = OPTION_GROUP,
      AT(job_config, worker),
      .table = &worker_table,
      .help = "What `jobworkerd` does" },
    { .key = "broker",
      .type = OPTION_GROUP,
      AT(job_config, broker),
      .table = &broker_table,
      .help = "What `jobbrokerd` does" },
    { .key = "handlers",
      .type = OPTION_GROUPS,
      LIST_AT(job_config, handlers),
      .table = &handler_table,
      .flags = OPTION_RELOADABLE,
      .help = "Which handler runs which type of job" },
    { .key = "queues",
      .type = OPTION_GROUPS,
      LIST_AT(job_config, queues),
      .table = &queue_table,
      .preset_help = "one queue, `default`",
      .help = "The queues; one named \"default\" exists also when it is not listed" },
    { .key = "cron",
      .type = OPTION_GROUPS,
      LIST_AT(job_config, cron),
      .table = &cron_table,
      .flags = OPTION_RELOADABLE,
      .help =
          "Jobs that are enqueued by the clock; the brokers keep these entries in job.cron, so all brokers have the same" },
    { .key = "jobctl",
      .type = OPTION_GROUP,
      AT(job_config, jobctl),
      .table = &jobctl_table,
      .help = "What `jobctl` prints" },
};
const struct option_table config_table = OPTION_TABLE(struct job_config, rows);
