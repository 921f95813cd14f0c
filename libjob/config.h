/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The project's configuration: one struct, filled once, passed as const.
 *
 * The rows are in config_table.c, what concerns several of them in config.c. After config_load() every value is in its
 * range and every name resolves: a handler's queue is declared, the files of
 * modules and commands have absolute paths, worker.queues is not empty.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/option.h"
#include "base/span.h"
#include "libjob/backoff.h"
#include "libjob/names.h"

#define CONFIG_PATH_DEFAULT "/etc/libjob/libjob.conf"

#define CONFIG_MAX_EXECUTORS 4096 /* of executors_max */
#define CONFIG_SECRETS_MAX 4      /* keys in one handler's secret */
#define CONFIG_BLANKS " \t\r\n"   /* between them */

enum config_outcome {
    CONFIG_INVALID = 1, /* the text is ready to be printed; the program ends with exit status 2 */
};

enum config_transport { CONFIG_TRANSPORT_KAFKA };
enum config_delivery { CONFIG_AT_LEAST_ONCE, CONFIG_AT_MOST_ONCE };
enum config_record { CONFIG_RECORD_ALL, CONFIG_RECORD_FAILURES };
enum config_keys { CONFIG_KEYS_NONE, CONFIG_KEYS_ORDERED, CONFIG_KEYS_STRICT };
enum config_missed { CONFIG_MISSED_SKIP, CONFIG_MISSED_LAST, CONFIG_MISSED_ALL };
extern const char *const config_missed_names[]; /* by enum config_missed; NULL-terminated */
enum config_kind { CONFIG_KIND_MODULE, CONFIG_KIND_COMMAND, CONFIG_KIND_HTTP };

struct config_property {
    char *name;
    char *value;
};

struct config_queue {
    char *name;
    int partitions;       /* of each of its topics, when that is made */
    bool lanes;           /* has topics for high and low priority, too */
    int concurrency;      /* jobs that run at once in one worker; 0: no limit */
    int64_t retention_us; /* of its results; 0: as broker.retention says */
};

/* States of ended jobs, as far as they have a time for which they are kept. */
enum config_ended {
    CONFIG_SUCCEEDED,
    CONFIG_DEAD,
    CONFIG_CANCELLED,
    CONFIG_EXPIRED,
    CONFIG_DUPLICATE,
    CONFIG_N_ENDED
};

struct config_retention {
    int64_t ended_us[CONFIG_N_ENDED];
    int64_t attempts_us;
};

enum config_order { CONFIG_ORDER_WEIGHTED, CONFIG_ORDER_STRICT };

struct config_worker_queue {
    char *name;
    int weight;
};

struct config_handler {
    char *type;    /* a type, or "prefix.*" */
    int kind;      /* enum config_kind */
    char *path;    /* module: absolute; else NULL */
    char **argv;   /* command: the first is absolute */
    size_t n_argv; /* command: at least 1; else 0 */
    char *url;     /* http; else NULL */
    char **allow;  /* http: hosts and networks that it may reach although they are not public */
    size_t n_allow;
    char *secret;        /* http: "whsec_<base64> …", to sign requests with; NULL: none */
    char *secret_unread; /* why it could not be read; NULL for those who run handlers */
    char *queue;
    int64_t timeout_us;
    int delivery;     /* enum config_delivery */
    int record;       /* enum config_record */
    int order;        /* enum config_keys */
    int max_attempts; /* of at-least-once types, as max_crashes; see worker/job.h */
    int max_crashes;
    int concurrency; /* jobs that run at once in one worker; 0: no limit */
    struct backoff backoff;
};

struct config_kafka {
    char *brokers;
    struct config_property *properties;
    size_t n_properties;
    int replication,
        min_insync; /* of topics that are made, and of what they should have; 0: the Kafka brokers' default */
};

struct config_database {
    char *url; /* what PQconnectdb() takes */
};

/* Of each executor; 0: as the worker has it. */
struct config_limits {
    int64_t memory_bytes, file_bytes;
    int processes, files, cpu_weight;
};

struct config_worker {
    struct config_worker_queue *queues; /* at least one */
    size_t n_queues;
    int order; /* enum config_order: which of the queues is next */
    int executors_min, executors_max;
    int http_max; /* requests of handlers of kind http at once */
    int64_t executor_idle_us;
    int recycle_jobs;             /* 0: never */
    int64_t recycle_memory_bytes; /* 0: never */
    struct config_limits limits;
    int64_t drain_timeout_us;
    int64_t kill_grace_us;
    int64_t handover_after_us;
    int window;  /* jobs in flight per partition */
    char *group; /* Kafka's consumer group */
    int64_t session_timeout_us;
    int64_t heartbeat_interval_us;
    int64_t beat_us;
    int64_t unknown_type_grace_us;
    int retry_rate; /* failed tries per second and queue, beyond which nothing new of it starts; 0: any */
};

struct config_broker {
    bool relay;
    bool later;
    int later_partitions;
    bool cron;
    bool rescue;
    int64_t lease_timeout_us;
    struct config_retention retention;
    int partitions_ahead; /* days */
    int relay_batch;
    int relay_backlog; /* of a queue; 0: without limit */
    bool trim;
    int64_t trim_after_us;
};

/* One entry of job.cron that the brokers keep there. */
struct config_cron {
    char *name, *expression, *zone;
    char *type;
    char *queue;   /* NULL: see config_cron_queue() */
    char *payload; /* JSON; NULL: none */
    char *key;     /* NULL: none */
    int missed;    /* enum config_missed */
    int missed_max;
    int64_t jitter_us;
    int max_attempts;   /* 0: as the handler has it */
    int64_t timeout_us; /* 0: as the handler has it */
};

struct config_jobctl {
    char *trace_url; /* with CONFIG_TRACE_PLACE in it; NULL: none */
};
#define CONFIG_TRACE_PLACE "{trace_id}"

struct job_config {
    char *path;    /* the file that was read; NULL: none, all defaults */
    int transport; /* enum config_transport */
    char *prefix;
    int log_level; /* enum log_level */
    struct config_kafka kafka;
    struct config_database database;
    struct config_worker worker;
    struct config_broker broker;
    struct config_handler *handlers;
    size_t n_handlers;
    struct config_queue *queues; /* "default" is always among them */
    size_t n_queues;
    struct config_cron *cron;
    size_t n_cron;
    struct config_jobctl jobctl;
};

/* The rows, for the reference and for comparing. */
extern const struct option_table config_table;

/* Rules that other folders know. Each returns 0, or 1 with "expected …" in @reterr. NULL: anything goes. */
struct config_rules {
    int (*property)(const char *name, const char *value, struct err *reterr); /* of kafka.properties */
    int (*database_url)(const char *url, struct err *reterr);
    bool runs_handlers; /* secrets of handlers must be readable */
};

/**
 * config_load() - read the configuration
 * @ret:    set on success, config_free() it
 * @path:   NULL: $JOB_CONFIG, else CONFIG_PATH_DEFAULT, which alone may be absent
 * @rules:  what is checked beside what the table and config.c say; NULL: nothing
 * @reterr: with CONFIG_INVALID "<file>:<line>: <key>: …"
 *
 * $JOB_KAFKA and $JOB_DATABASE_URL, when set and not empty, replace kafka.brokers and database.url. Blocks as long as
 * reading the file does. Two calls share nothing: a reload loads anew and swaps the pointers.
 *
 * Return: 0; CONFIG_INVALID; negative errno.
 */
int config_load(struct job_config **ret, const char *path, const struct config_rules *rules,
                struct err *reterr);
struct job_config *config_free(struct job_config *config);

/*
 * A running program takes up what may change while it runs: exchanges those values of @live and @fresh, which has the old ones
 * afterwards and must live for as long as somebody uses those. Appends the options that differ and need a restart to
 * @fixed, ", "-separated; they stay as they are. Return: how many.
 */
size_t config_reload(struct job_config *live, struct job_config *fresh, struct buf *fixed);

DEFINE_CLEANUP(struct job_config *, config_free)
#define _cleanup_config_ _cleanup_(config_free_cleanup)

/* The handler that names @type, else the one with the longest matching "prefix.*"; NULL when there is none. */
const struct config_handler *config_find_handler(const struct job_config *config, struct span type);
const struct config_queue *config_find_queue(const struct job_config *config, struct span name);
/* Where an entry's jobs go: its own queue, else that of its type's handler, else "default". Borrowed. */
const char *config_cron_queue(const struct job_config *config, const struct config_cron *entry);
/* Where jobs go that tell of a death: the queue of the handler that names their type, as no prefix does; NULL: there is none. Borrowed. */
const char *config_dead_hook(const struct job_config *config);
bool config_has_lane(const struct config_queue *queue, enum name_lane lane);

/* After so long without a beat a worker stops itself, well before lease_timeout gives its jobs to others. */
int64_t config_lease_stop_us(const struct job_config *config);
