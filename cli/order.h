/* SPDX-License-Identifier: Apache-2.0 */
/* What `jobctl enqueue` was told, checked as a whole; the base of both ways of enqueueing. */
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
    bool later;        /* through PostgreSQL */
    int64_t delay_us;  /* --in */
    int64_t run_at_us; /* --at; 0: --in */
    int count;
    bool wait;
    int64_t wait_timeout_us; /* negative: no limit */
};

/* Return: an enum status; order_done() in every case. */
int order_read(struct order *ret, const struct invocation *in, struct err *reterr);
void order_done(struct order *o);
