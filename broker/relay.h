/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The relay: moves due rows of job.pending into their queues' topics.
 *
 * A batch is one transaction: lock due rows (SKIP LOCKED), send them, wait for every report, delete those that were
 * acknowledged, commit. Dead before the commit: the rows are still there and are sent again with the same delivery number;
 * workers claim relayed jobs before they run them, so the second copy does nothing. A connection that is lost on the way
 * is the same. Nothing is under way to Kafka when rows are taken, so a late copy cannot appear behind a newer one.
 *
 * Looking: every queue that has rows gets its share of a batch (broker/shares.h), and none while Kafka has enough of it or
 * refuses it. Rows are gone once they were moved, but until vacuum comes by their traces stay in the index, in front. So a look begins
 * a little before the last due time that was moved, queue by queue, and a sweep over everything follows when the relay
 * is woken, and every 10 s. A sweep that takes long is made less often.
 *
 * Sleeping: before it sleeps, a relay sets a flag in job.relay, for all relays and good for 10 s (30 s when all is quiet), and looks once more 3, 15 and
 * 65 ms later, because a transaction that commits at the same time may not have seen it. Whoever commits a due row
 * then sends NOTIFY. The flag is taken down only when there is steady work. When a relay dies awake, others find out
 * after at most 10 s, by setting it anew. Setting the flag also tells when the next row of any queue is due: an idle relay asks nothing else.
 */
#pragma once

#include <stddef.h>

#include "base/pulse.h"
#include "libjob/config.h"

/* Runs until @stop_fd is readable; the thread's whole life. @pulse shows that it is alive. Return: 0; negative errno when it could not start. */
int relay_run(const struct job_config *config, int stop_fd, struct pulse *pulse);
