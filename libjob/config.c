/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a path and an environment to struct job_config.
 *
 * The table has checked each value for itself; here stands what concerns several: defaults that follow from other
 * options, names that must resolve, durations that must fit each other. Whether a module's file exists is not asked
 * here: jobctl reads the same file on machines that have no modules.
 */
#include "libjob/config.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_scan.h"
#include "base/suggest.h"
#include "base/timefmt.h"
#include "base/zone.h"
#include "libjob/cron.h"

#define QUEUE_DEFAULT "default"
#define QUEUE_DEFAULT_PARTITIONS 8
#define KEY_SIZE 64

/* What every step below works on. */
struct load {
    struct job_config *config;
    const struct option_file *file; /* NULL: defaults only */
    const struct config_rules *rules;
    struct err *reterr;
};

DEFINE_CLEANUP(struct option_file *, option_file_free)

struct job_config *config_free(struct job_config *config)
{
    if (!config)
        return NULL;
    free(config->path);
    option_done(&config_table, config);
    free(config);
    return NULL;
}

/* --- Defaults that follow from other options ------------------------------------------------------------------------ */

static int replace_string(char **field, const char *text)
{
    char *copy = strdup(text);
    if (!copy)
        return -ENOMEM;
    free(*field);
    *field = copy;
    return 0;
}

static int apply_environment(const struct load *load)
{
    const char *kafka = getenv("JOB_KAFKA"), *database = getenv("JOB_DATABASE_URL");
    int r = kafka && *kafka ? replace_string(&load->config->kafka.brokers, kafka) : 0;
    if (r == 0 && database && *database)
        r = replace_string(&load->config->database.url, database);
    return r;
}

static int count_cpus(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
}

static int larger(int a, int b)
{
    return a > b ? a : b;
}

static int smaller(int a, int b)
{
    return a < b ? a : b;
}

static int apply_worker_defaults(const struct load *load)
{
    struct config_worker *worker = &load->config->worker;
    if (!worker->executors_max)
        worker->executors_max = larger(larger(2, count_cpus()), worker->executors_min);
    if (!worker->executors_min)
        worker->executors_min = smaller(2, worker->executors_max);
    if (worker->group && *worker->group)
        return 0;
    free(worker->group);
    if (asprintf(&worker->group, "%s.workers", load->config->prefix) >= 0)
        return 0;
    worker->group = NULL;
    return -ENOMEM;
}

static int add_default_queue(const struct load *load)
{
    struct job_config *config = load->config;
    if (config_find_queue(config, span_from_string(QUEUE_DEFAULT)))
        return 0;
    struct config_queue *queues = reallocarray(config->queues, config->n_queues + 1, sizeof(*queues));
    if (!queues)
        return -ENOMEM;
    config->queues = queues;
    queues[config->n_queues] = (struct config_queue){ .partitions = QUEUE_DEFAULT_PARTITIONS };
    config->n_queues++;
    return replace_string(&queues[config->n_queues - 1].name, QUEUE_DEFAULT);
}

static int add_worker_queues(const struct load *load)
{
    struct config_worker *worker = &load->config->worker;
    if (worker->n_queues)
        return 0;
    worker->queues = calloc(load->config->n_queues, sizeof(*worker->queues));
    if (!worker->queues)
        return -ENOMEM;
    worker->n_queues = load->config->n_queues;
    int r = 0;
    for (size_t i = 0; i < worker->n_queues && r == 0; i++) {
        worker->queues[i].weight = 1;
        r = replace_string(&worker->queues[i].name, load->config->queues[i].name);
    }
    return r;
}

static int make_absolute(char **path, const char *directory)
{
    char *absolute;
    if (!*path || **path == '/')
        return 0;
    if (asprintf(&absolute, "%s/%s", strcmp(directory, "/") == 0 ? "" : directory, *path) < 0)
        return -ENOMEM;
    free(*path);
    *path = absolute;
    return 0;
}

/* The files of modules and commands get absolute paths, so that they mean the same in every process. */
static int resolve_paths(const struct load *load)
{
    char directory[PATH_MAX];
    int r = 0;
    if (!load->file || !realpath(option_file_directory(load->file), directory))
        return 0;
    for (size_t i = 0; i < load->config->n_handlers && r == 0; i++) {
        struct config_handler *handler = &load->config->handlers[i];
        r = make_absolute(&handler->path, directory);
        if (r == 0 && handler->n_argv)
            r = make_absolute(&handler->argv[0], directory);
    }
    return r;
}

/* --- What must fit together ----------------------------------------------------------------------------------------- */

static int check_numbers(const struct load *load)
{
    const struct config_worker *worker = &load->config->worker;
    int64_t lease_timeout_us = load->config->broker.lease_timeout_us;
    char a[32], b[32];
    if (worker->executors_min > worker->executors_max)
        return option_refuse(load->file, load->reterr, "worker.executors_min",
                             "expected at most executors_max, %d, found %d", worker->executors_max,
                             worker->executors_min);
    if (worker->heartbeat_interval_us >= worker->session_timeout_us)
        return option_refuse(load->file, load->reterr, "worker.heartbeat_interval",
                             "expected less than session_timeout, %s, found %s",
                             duration_format(worker->session_timeout_us, a),
                             duration_format(worker->heartbeat_interval_us, b));
    if (load->config->kafka.replication && load->config->kafka.min_insync > load->config->kafka.replication)
        return option_refuse(load->file, load->reterr, "kafka.min_insync_replicas",
                             "expected at most replication, %d, found %d", load->config->kafka.replication,
                             load->config->kafka.min_insync);
    if (worker->beat_us > lease_timeout_us / 3)
        return option_refuse(load->file, load->reterr, "worker.beat",
                             "expected at most a third of broker.lease_timeout, %s, found %s",
                             duration_format(lease_timeout_us, a), duration_format(worker->beat_us, b));
    return 0;
}

/* @names: of elements of @stride bytes that start with a char *. Return: index of an earlier equal one, or -1. */
static long find_twin(const void *elements, size_t stride, size_t at)
{
    const char *name = *(char *const *)((const char *)elements + at * stride);
    for (size_t i = 0; i < at; i++)
        if (strcmp(*(char *const *)((const char *)elements + i * stride), name) == 0)
            return (long)i;
    return -1;
}

static int check_twins(const struct load *load, const char *list, const char *member, const void *elements,
                       size_t n, size_t stride)
{
    for (size_t i = 0; i < n; i++) {
        char key[KEY_SIZE];
        long twin = find_twin(elements, stride, i);
        if (twin < 0)
            continue;
        snprintf(key, sizeof(key), "%s[%zu].%s", list, i, member);
        return option_refuse(load->file, load->reterr, key, "\"%s\" is already %s[%ld]",
                             *(char *const *)((const char *)elements + i * stride), list, twin);
    }
    return 0;
}

static int check_all_twins(const struct load *load)
{
    const struct job_config *c = load->config;
    int r = check_twins(load, "queues", "name", c->queues, c->n_queues, sizeof(*c->queues));
    if (r == 0)
        r = check_twins(load, "handlers", "type", c->handlers, c->n_handlers, sizeof(*c->handlers));
    if (r == 0)
        r = check_twins(load, "cron", "name", c->cron, c->n_cron, sizeof(*c->cron));
    if (r == 0)
        r = check_twins(load, "worker.queues", "name", c->worker.queues, c->worker.n_queues,
                        sizeof(*c->worker.queues));
    if (r == 0)
        r = check_twins(load, "kafka.properties", "name", c->kafka.properties, c->kafka.n_properties,
                        sizeof(*c->kafka.properties));
    return r;
}

static int check_queue(const struct load *load, const char *list, size_t i, const char *member,
                       const char *queue)
{
    struct suggest near = { .word = queue };
    char key[KEY_SIZE];
    if (config_find_queue(load->config, span_from_string(queue)))
        return 0;
    for (size_t k = 0; k < load->config->n_queues; k++)
        suggest_consider(&near, load->config->queues[k].name);
    snprintf(key, sizeof(key), "%s[%zu].%s", list, i, member);
    return option_refuse(
        load->file, load->reterr, key,
        "queue \"%s\" is not declared; the nearest declared queue is \"%s\"; to declare it, write "
        "queues = ( { name = \"%s\"; } )",
        queue, near.nearest, queue);
}

/* Each kind of handler has one key that says what runs, and none of the other kinds'. */
static int check_kind(const struct load *load, size_t i)
{
    const struct config_handler *handler = &load->config->handlers[i];
    const struct {
        enum config_kind kind;
        const char *name, *key;
        bool is_set;
    } rules[] = {
        { CONFIG_KIND_MODULE, "module", "path", handler->path != NULL },
        { CONFIG_KIND_COMMAND, "command", "argv", handler->n_argv > 0 },
        { CONFIG_KIND_HTTP, "http", "url", handler->url != NULL },
    };
    for (size_t k = 0; k < ARRAY_SIZE(rules); k++) {
        char key[KEY_SIZE];
        bool is_own = (int)rules[k].kind == handler->kind;
        if (rules[k].is_set == is_own)
            continue;
        snprintf(key, sizeof(key), "handlers[%zu].%s", i, rules[k].key);
        return option_refuse(load->file, load->reterr, key,
                             is_own ? "is missing; a handler of kind \"%s\" needs it"
                                    : "is only for handlers of kind \"%s\"",
                             rules[k].name);
    }
    return 0;
}

/* What goes with url. */
static int check_http(const struct load *load, size_t i)
{
    const struct config_handler *handler = &load->config->handlers[i];
    const char *extra = handler->n_allow                            ? "allow"
                        : handler->secret || handler->secret_unread ? "secret"
                                                                    : NULL;
    char key[KEY_SIZE];
    if (extra && handler->kind != CONFIG_KIND_HTTP) {
        snprintf(key, sizeof(key), "handlers[%zu].%s", i, extra);
        return option_refuse(load->file, load->reterr, key, "is only for handlers of kind \"http\"");
    }
    if (handler->secret_unread && load->rules->runs_handlers) {
        snprintf(key, sizeof(key), "handlers[%zu].secret_file", i);
        return option_refuse(load->file, load->reterr, key, "%s", handler->secret_unread);
    }
    return 0;
}

static int check_handler(const struct load *load, size_t i)
{
    const struct config_handler *handler = &load->config->handlers[i];
    char key[KEY_SIZE];
    int r = check_kind(load, i);
    if (r == 0)
        r = check_http(load, i);
    if (r != 0)
        return r;
    if (handler->backoff.kind == BACKOFF_EXPONENTIAL && handler->backoff.factor > 0 &&
        handler->backoff.factor < 1) {
        snprintf(key, sizeof(key), "handlers[%zu].backoff.factor", i);
        return option_refuse(load->file, load->reterr, key,
                             "expected at least 1 for exponential backoff, found %g",
                             handler->backoff.factor);
    }
    return check_queue(load, "handlers", i, "queue", handler->queue);
}

/* Hosts without a zone database read this file too; only the broker needs one, and then says so. */
static int check_zone(const struct load *load, const char *key, const char *name)
{
    _cleanup_(zone_free_cleanup) struct zone *zone = NULL;
    struct err why = { 0 };
    int r = zone_load(&zone, name, &why);
    if (r == ZONE_UNKNOWN)
        return option_refuse(load->file, load->reterr, key, "%s", why.text);
    return r < 0 ? r : 0;
}

static int check_cron(const struct load *load, size_t i)
{
    const struct config_cron *entry = &load->config->cron[i];
    struct err why = { 0 };
    struct cron cron;
    char key[KEY_SIZE];
    snprintf(key, sizeof(key), "cron[%zu].expression", i);
    if (cron_parse(&cron, entry->expression, &why))
        return option_refuse(load->file, load->reterr, key, "%s", why.text);
    snprintf(key, sizeof(key), "cron[%zu].payload", i);
    if (entry->payload && json_scan(entry->payload, strlen(entry->payload), NULL) != JSON_STORABLE)
        return option_refuse(load->file, load->reterr, key,
                             "expected JSON, without \\u0000 and half surrogate pairs");
    snprintf(key, sizeof(key), "cron[%zu].zone", i);
    int r = check_zone(load, key, entry->zone);
    return r == 0 && entry->queue ? check_queue(load, "cron", i, "queue", entry->queue) : r;
}

static int check_lists(const struct load *load)
{
    const struct config_worker *worker = &load->config->worker;
    int r = check_all_twins(load);
    for (size_t i = 0; i < worker->n_queues && r == 0; i++)
        r = check_queue(load, "worker.queues", i, "name", worker->queues[i].name);
    for (size_t i = 0; i < load->config->n_handlers && r == 0; i++)
        r = check_handler(load, i);
    for (size_t i = 0; i < load->config->n_cron && r == 0; i++)
        r = check_cron(load, i);
    return r;
}

static int check_servers(const struct load *load)
{
    const struct config_kafka *kafka = &load->config->kafka;
    struct err why = { 0 };
    char key[KEY_SIZE];
    const char *from_environment = getenv("JOB_DATABASE_URL");
    if (load->rules->database_url && load->rules->database_url(load->config->database.url, &why))
        return from_environment && *from_environment
                   ? option_refuse(NULL, load->reterr, "JOB_DATABASE_URL", "%s", why.text)
                   : option_refuse(load->file, load->reterr, "database.url", "%s", why.text);
    for (size_t i = 0; load->rules->property && i < kafka->n_properties; i++) {
        if (load->rules->property(kafka->properties[i].name, kafka->properties[i].value, &why) == 0)
            continue;
        snprintf(key, sizeof(key), "kafka.properties[%zu]", i);
        return option_refuse(load->file, load->reterr, key, "%s", why.text);
    }
    return 0;
}

/* --- Loading -------------------------------------------------------------------------------------------------------- */

/* Reads the first of @path, $JOB_CONFIG and the default path; @ret stays NULL when only the last is missing. */
static int read_file(struct option_file **ret, const char **path, struct err *reterr)
{
    const char *environment = getenv("JOB_CONFIG");
    bool optional = false;
    if (!*path && environment && *environment)
        *path = environment;
    if (!*path) {
        *path = CONFIG_PATH_DEFAULT;
        optional = true;
    }
    int r = option_file_read(ret, *path, reterr);
    if (r == OPTION_MISSING && optional) {
        *path = NULL;
        return err_set(reterr, 0, "%s", "");
    }
    return r > 0 ? CONFIG_INVALID : r;
}

static int complete(const struct load *load)
{
    static int (*const steps[])(const struct load *) = {
        apply_environment, apply_worker_defaults, add_default_queue, add_worker_queues,
        check_numbers,     check_lists,           check_servers,     resolve_paths,
    };
    int r = option_fill(load->file, &config_table, load->config, load->reterr);
    for (size_t i = 0; i < ARRAY_SIZE(steps) && r == 0; i++)
        r = steps[i](load);
    return r > 0 ? CONFIG_INVALID : r;
}

int config_load(struct job_config **ret, const char *path, const struct config_rules *rules,
                struct err *reterr)
{
    static const struct config_rules no_rules;
    _cleanup_config_ struct job_config *config = calloc(1, sizeof(*config));
    _cleanup_(option_file_free_cleanup) struct option_file *file = NULL;
    if (!config)
        return -ENOMEM;
    int r = read_file(&file, &path, reterr);
    if (r == 0)
        r = complete(&(struct load){ config, file, rules ? rules : &no_rules, reterr });
    if (r == 0 && path)
        r = replace_string(&config->path, path);
    if (r != 0)
        return r;
    *ret = steal(config);
    return 0;
}

size_t config_reload(struct job_config *live, struct job_config *fresh, struct buf *fixed)
{
    size_t n = option_list_fixed_changes(&config_table, live, fresh, fixed);
    option_swap_reloadable(&config_table, live, fresh);
    return n;
}

/* --- Looking things up ---------------------------------------------------------------------------------------------- */

const struct config_handler *config_find_handler(const struct job_config *config, struct span type)
{
    const struct config_handler *best = NULL;
    size_t best_size = 0;
    for (size_t i = 0; i < config->n_handlers; i++) {
        const struct config_handler *handler = &config->handlers[i];
        size_t size = strlen(handler->type);
        if (span_equals(type, handler->type))
            return handler;
        if (handler->type[size - 1] == '*' && type.size >= size && size > best_size &&
            memcmp(type.data, handler->type, size - 1) == 0) {
            best = handler;
            best_size = size;
        }
    }
    return best;
}

const struct config_queue *config_find_queue(const struct job_config *config, struct span name)
{
    for (size_t i = 0; i < config->n_queues; i++)
        if (span_equals(name, config->queues[i].name))
            return &config->queues[i];
    return NULL;
}

const char *config_cron_queue(const struct job_config *config, const struct config_cron *entry)
{
    const struct config_handler *handler = config_find_handler(config, span_from_string(entry->type));
    return entry->queue ? entry->queue : handler ? handler->queue : QUEUE_DEFAULT;
}

const char *config_dead_hook(const struct job_config *config)
{
    for (size_t i = 0; i < config->n_handlers; i++)
        if (strcmp(config->handlers[i].type, NAME_TYPE_DEATH) == 0)
            return config->handlers[i].queue;
    return NULL;
}

bool config_has_lane(const struct config_queue *queue, enum name_lane lane)
{
    return queue->lanes || lane == LANE_NORMAL;
}

int64_t config_lease_stop_us(const struct job_config *config)
{
    return config->broker.lease_timeout_us / 10 * 7;
}
