/* SPDX-License-Identifier: Apache-2.0 */
/* Enqueueing through PostgreSQL: the job waits in job.pending until the relay takes it to Kafka. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "store/db.h"

/* NULL, 0: not said. */
struct outbox_job {
    const char *queue, *type;
    const char *payload; /* JSON */
    const char *key;
    int64_t run_at_us; /* since 1970; 0: delay_us from now by PostgreSQL's clock */
    int64_t delay_us;
    int max_attempts;
    int64_t timeout_ms;
    int64_t expires_ms;  /* from now, by PostgreSQL's clock */
    const char *tags;    /* comma-separated */
    const char *headers; /* a JSON object of strings */
    const struct uuid *id;
    bool reply;
    const char *priority;   /* "high", "low" */
    const char *unique_key; /* of the jobs of its queue and type that have it only one runs */
    int64_t unique_for_ms;  /* 0: until that has ended */
};

/* Enqueues @n equal jobs in one transaction. Column: id uuid. Return: as db_query(). */
int outbox_enqueue(struct db *db, const struct outbox_job *job, int n, struct rows **ret, struct err *reterr);
