/* SPDX-License-Identifier: Apache-2.0 */
#include "libjob/result.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

static const char *const state_names[] = {
    [JOB_STATE_UNKNOWN] = "unknown",     [JOB_STATE_SCHEDULED] = "scheduled",
    [JOB_STATE_QUEUED] = "queued",       [JOB_STATE_WAITING] = "waiting",
    [JOB_STATE_RUNNING] = "running",     [JOB_STATE_RETRYING] = "retrying",
    [JOB_STATE_SUCCEEDED] = "succeeded", [JOB_STATE_DEAD] = "dead",
    [JOB_STATE_CANCELLED] = "cancelled", [JOB_STATE_EXPIRED] = "expired",
    [JOB_STATE_DUPLICATE] = "duplicate",
};

const char *job_state_name(enum job_state state)
{
    return (size_t)state < ARRAY_SIZE(state_names) ? state_names[state] : "unknown";
}

/* A later version's schema may have states that this library has no name for. */
static enum job_state find_state(const char *name)
{
    for (size_t i = 0; name && i < ARRAY_SIZE(state_names); i++)
        if (strcmp(state_names[i], name) == 0)
            return (enum job_state)i;
    return JOB_STATE_UNKNOWN;
}

struct copier {
    char *at; /* where the next string goes */
};

static size_t size_of(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

static const char *copy(struct copier *c, const char *text)
{
    size_t size = size_of(text);
    char *copied = c->at;
    if (!text)
        return NULL;
    memcpy(copied, text, size);
    c->at += size;
    return copied;
}

int result_new(struct job_result **ret, const struct results_row *row)
{
    size_t size = size_of(row->queue) + size_of(row->type) + size_of(row->reason) + size_of(row->worker) +
                  size_of(row->error) + size_of(row->result) + size_of(row->progress);
    struct job_result *r = calloc(1, sizeof(*r) + size);
    if (!r)
        return -ENOMEM;
    struct copier c = { (char *)(r + 1) };
    memcpy(&r->id, &row->id, sizeof(r->id));
    r->state = find_state(row->state);
    r->queue = copy(&c, row->queue);
    r->type = copy(&c, row->type);
    r->reason = copy(&c, row->reason);
    r->worker = copy(&c, row->worker);
    r->error = copy(&c, row->error);
    r->result = copy(&c, row->result);
    r->result_size = r->result ? strlen(r->result) : 0;
    r->progress = copy(&c, row->progress);
    r->attempt = row->attempt;
    r->delivery = row->delivery;
    r->run_at_us = row->run_at_us;
    r->enqueued_us = row->enqueued_us;
    r->started_us = row->started_us;
    r->finished_us = row->finished_us;
    *ret = r;
    return 0;
}

void job_result_free(struct job_result *result)
{
    free(result);
}
