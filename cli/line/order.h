/* SPDX-License-Identifier: Apache-2.0 */
/* What a job is to be like, as `jobctl enqueue` or `jobctl cron add` was told, checked as a whole. */
#pragma once

#include "base/buf.h"
#include "cli/invocation.h"
#include "libjob/include/job.h"

struct order {
    const char *type, *queue, *key;
    struct buf payload;
    bool has_payload;
    struct buf tags; /* comma-separated; "" when none */
    struct job_header *headers;
    size_t n_headers;
    char **header_names; /* owned copies */
    struct job_id id;
    bool has_id;
    int max_attempts;
    int priority; /* enum job_priority */
    int64_t timeout_ms, expires_ms;
    const char *unique_key;
    int64_t unique_for_ms;
    bool later;        /* through PostgreSQL */
    int64_t delay_us;  /* --in */
    int64_t run_at_us; /* --at; 0: --in */
    int count;
    bool wait;
    int64_t wait_timeout_us; /* negative: no limit */
};

/* Return: an enum status; order_done() in every case. */
int order_read(struct order *ret, const struct invocation *in, const char *type, struct err *reterr);
/* As a JSON object. */
void order_append_headers(const struct order *o, struct buf *json);
void order_done(struct order *o);
