/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cron: makes jobs of the ticks of job.cron's entries.
 *
 * Any number of brokers do this at once. A tick belongs to who locks its entry's row when it is due: in one transaction the jobs go to
 * job.pending and `since` moves on, so there is one job for a tick, or, if we die before the COMMIT, none yet and another
 * broker does the same. What has been dealt with stands in the row alone; here is only for how long to sleep.
 *
 * Sleeping costs nothing: until the next tick that we know of nothing is asked, and NOTIFY job_cron tells of an earlier one. With
 * entries, we look once a minute all the same, for PostgreSQL's clock may have been set, or our machine have slept.
 *
 * An entry that cannot tick (an expression that was written past jobctl, a zone that is not known here) has `error` say why and
 * is tried again every minute; others are not held up.
 */
#pragma once

#include "base/pulse.h"
#include "libjob/config.h"

/* Runs until @stop_fd is readable; the thread's whole life. @pulse shows that it is alive. Return: 0; negative errno when it could not start. */
int cron_run(const struct job_config *config, int stop_fd, struct pulse *pulse);
