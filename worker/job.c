/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/job.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "worker/keys.h"
#include "worker/ready.h"

struct job *job_new(struct message *message)
{
    struct job *job = calloc(1, sizeof(*job));
    if (!job) {
        message_free(message);
        return NULL;
    }
    list_init(&job->link);
    list_init(&job->lease_link);
    list_init(&job->progress_link);
    list_init(&job->key_link);
    job->message = message;
    job->cpu_us = job->peak_kib = job->retry_after_ms = job->key_seq = -1;
    return job;
}

struct job *job_free(struct job *job)
{
    if (!job)
        return NULL;
    if (job->alive)
        (*job->alive)--;
    job_set_type(job, NULL);
    ready_uncount(job);
    keys_leave(job);
    list_remove(&job->link);
    list_remove(&job->lease_link);
    list_remove(&job->progress_link);
    envelope_done(&job->envelope);
    message_free(job->message);
    free(job->progress);
    free(job->result);
    free(job->error);
    free(job);
    return NULL;
}

bool job_is_short(const struct job *job)
{
    return job->type->typical_us > 0 && job->type->typical_us < JOB_SHORT_US;
}

bool job_runs_at_most_once(const struct job *job)
{
    return job->type->handler->delivery == CONFIG_AT_MOST_ONCE;
}

bool job_is_strict(const struct job *job)
{
    return !job->type->handler || job->type->handler->order == CONFIG_KEYS_STRICT;
}

bool job_holds_key(const struct job *job)
{
    return job_is_strict(job) || job->outcome == OUTCOME_THROTTLED || job->outcome == OUTCOME_INTERRUPTED;
}

int job_max_attempts(const struct job *job)
{
    if (job_runs_at_most_once(job))
        return 1;
    return job->envelope.max_attempts ? job->envelope.max_attempts : job->type->handler->max_attempts;
}

int job_max_crashes(const struct job *job)
{
    return job_runs_at_most_once(job) ? 1 : job->type->handler->max_crashes;
}

int64_t job_timeout_us(const struct job *job)
{
    return job->envelope.timeout_us ? job->envelope.timeout_us : job->type->handler->timeout_us;
}

size_t job_size_bytes(const struct job *job)
{
    return job->message->key.size + job->message->value.size + job->result_size + 1024;
}

void job_finish(struct job *job, enum job_outcome outcome, const char *format, ...)
{
    job->outcome = outcome;
    if (!format)
        return;
    va_list args;
    va_start(args, format);
    free(job->error);
    if (vasprintf(&job->error, format, args) < 0)
        job->error = NULL;
    va_end(args);
}

/* --- Types ------------------------------------------------------------------------------------------------------------- */

#define TYPES_MAX 1024 /* power of two; half of it is used */

struct job_types {
    const struct job_config *config;
    struct job_config
        *retired;  /* owned: the configuration that they are from, which is over; NULL: it is not */
    size_t n_jobs; /* that have one of them */
    size_t n;
    struct job_type *slots[TYPES_MAX];
    struct job_type other; /* unknown ones beyond the bound */
};

struct job_types *job_types_new(const struct job_config *config)
{
    struct job_types *types = calloc(1, sizeof(*types));
    if (!types)
        return NULL;
    types->config = config;
    types->other.types = types;
    return types;
}

struct job_types *job_types_free(struct job_types *types)
{
    if (!types)
        return NULL;
    for (size_t i = 0; i < TYPES_MAX; i++)
        free(types->slots[i]);
    config_free(types->retired);
    free(types);
    return NULL;
}

void job_types_retire(struct job_types *types, struct job_config *config)
{
    types->retired = config;
    if (types->n_jobs == 0)
        job_types_free(types);
}

static void drop_type(struct job_type *type)
{
    struct job_types *types = type ? type->types : NULL;
    if (types && --types->n_jobs == 0 && types->retired)
        job_types_free(types);
}

void job_set_type(struct job *job, struct job_type *type)
{
    if (type && type->types)
        type->types->n_jobs++;
    drop_type(job->type);
    job->type = type;
}

static struct job_type *add_type(struct job_types *types, struct span name, struct job_type **slot)
{
    const struct config_handler *handler = config_find_handler(types->config, name);
    if (types->n >= TYPES_MAX / 2 || name.size >= sizeof((*slot)->name))
        return &types->other;
    struct job_type *type = calloc(1, sizeof(*type));
    if (!type)
        return &types->other;
    memcpy(type->name, name.data, name.size);
    type->types = types;
    type->handler = handler;
    types->n++;
    *slot = type;
    return type;
}

struct job_type *job_types_get(struct job_types *types, struct span name)
{
    uint64_t hash = hash_mix(hash_fnv1a(HASH_START, name.data, name.size));
    for (size_t i = hash & (TYPES_MAX - 1);; i = (i + 1) & (TYPES_MAX - 1)) {
        if (!types->slots[i])
            return add_type(types, name, &types->slots[i]);
        if (span_equals(name, types->slots[i]->name))
            return types->slots[i];
    }
}

void job_type_learn(struct job_type *type, int64_t duration_us)
{
    if (duration_us < 1)
        duration_us = 1;
    type->typical_us = type->typical_us ? (7 * type->typical_us + duration_us + 4) / 8 : duration_us;
}
