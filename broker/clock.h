/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The broker's clock: what is done because time has passed. Rescue of lost workers' jobs, and tables made ahead.
 *
 * Whether a worker is lost is judged by broker/observe.h. job.declare_lost() checks the beat once more under lock: from then on that
 * worker can neither beat nor take leases. job.rescue() takes its jobs from it, a part per transaction and look, and then its row. If we
 * die before it is declared dead, the next broker observes afresh; if we die after that, any broker sees it at its next look and goes
 * on at once. One that stood still in between finds less to do, or nothing.
 *
 * While no worker holds a lease and none is silent, beats are looked at once a minute. job.lookout says that brokers rest; who
 * takes a lease then sends NOTIFY job_lease. Who was woken watches for half a minute at least, or leases that come and go
 * would notify with every commit.
 */
#pragma once

#include "base/pulse.h"
#include "libjob/config.h"

/* Runs until @stop_fd is readable; the thread's whole life. @pulse shows that it is alive. Return: 0; negative errno when it could not start. */
int clock_run(const struct job_config *config, int stop_fd, struct pulse *pulse);
