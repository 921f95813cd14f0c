/* SPDX-License-Identifier: Apache-2.0 */
/* How jobs stand, asked over a session (store/session.h) by somebody who waits for their ends. */
#pragma once

#include "store/session.h"

/* Jobs that are told on this channel when they have ended, if they were enqueued with "reply"; the payload is the id. */
#define RESULTS_CHANNEL "job_result"

/* For session_new(). */
extern const struct session_statement results_statements[];
extern const int results_n_statements;

/* One row of an answer; strings are NULL when there are none, and valid as long as the rows. Times are µs since 1970; 0: none. */
struct results_row {
    struct uuid id;
    const char *state;
    const char *queue, *type, *reason, *worker, *error;
    const char *result, *progress; /* JSON */
    int attempt, delivery;
    int64_t run_at_us, enqueued_us, started_us, finished_us;
};

/* Add a question to a request: those of the jobs that have ended; those that PostgreSQL knows, as they stand. */
void results_add_ended(struct session *s, const struct uuid *ids, size_t n);
void results_add_states(struct session *s, const struct uuid *ids, size_t n);

void results_get(const struct rows *rows, size_t row, struct results_row *ret);
