/* SPDX-License-Identifier: Apache-2.0 */
/* What a finished job becomes in PostgreSQL: the one place that decides between success, another try and death. */
#pragma once

#include "base/buf.h"
#include "store/record.h"
#include "worker/job.h"

/* Memory of one row's texts; lives until the row has been added to the batch. */
struct outcome_texts {
    struct buf headers, result, error, unknown;
};
void outcome_texts_done(struct outcome_texts *texts);

struct outcome_context {
    const struct job_config *config;
    int64_t clock_offset_us; /* PostgreSQL's clock less our monotonic one */
    int64_t now_us;          /* monotonic */
    uint64_t random;         /* for jitter */
};

/* A row that PostgreSQL has refused (job->refused) is filled with what is certain to be taken: no result, headers, trace, time. */

/* The lease row of a job. */
void outcome_fill_claim(const struct job *job, const struct outcome_context *context,
                        struct outcome_texts *texts, struct record_row *ret);

/* The row of a finished job. Return: true when it belongs to the deferrals, false when it is a success. */
bool outcome_fill(const struct job *job, const struct outcome_context *context, struct outcome_texts *texts,
                  struct record_row *ret);

/* What the batch has to say of its key. Return: false when there is nothing. */
bool outcome_fill_key(const struct job *job, struct record_key *ret);

/* Return: false for a success that leaves no row (record = "failures"): that its offset is done is all that is kept of it. */
bool outcome_leaves_row(const struct job *job);

/* Appends any bytes as JSON that jsonb takes: JSON as it is, other text as a string, other bytes as {"base64": …}. */
void outcome_put_result(struct buf *json, const char *data, size_t size);
