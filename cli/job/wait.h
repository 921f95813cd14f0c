/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting until jobs have ended, and printing their rows of job.result as they do. */
#pragma once

#include "cli/invocation.h"

#define WAIT_MAX_JOBS 10000

/* Connects and listens, so that no end is missed from here on. Return: an enum status. */
int wait_prepare(struct invocation *in, struct err *reterr);

/**
 * wait_for_jobs() - wait until all have ended
 * @ids:        at most WAIT_MAX_JOBS; reordered
 * @timeout_us: negative: no limit
 * @queue:      where they wait, to say so when nobody works on it; NULL: not known
 *
 * Looks when PostgreSQL says that a job has ended, and every second besides.
 *
 * Return: STATUS_DONE when all succeeded; STATUS_FAILED when one ended otherwise; STATUS_TIMED_OUT; another enum status.
 */
int wait_for_jobs(struct invocation *in, struct uuid *ids, size_t n, int64_t timeout_us, const char *queue,
                  struct err *reterr);
