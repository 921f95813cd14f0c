/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The broker's look at the logs: deletes the records that nobody needs any more, and finds logs that are not what they were.
 *
 * A record goes when everything up to it has been done for `trim_after`, which is longer than what a backup or a failover of
 * PostgreSQL may lack: should the cursors go back in time, the records are still there. Where the cursors were is kept in
 * job.trim_point, so it does not matter which broker looks, or how many. When PostgreSQL has another history than the one by
 * which was trimmed (job.history()), nothing is deleted until a person has said that it is whole: jobctl topic trim --confirm.
 *
 * A log that is another one than its cursor belongs to (libjob/topic_check.h) is written down, and its worker woken: it finds most
 * of these by itself, but not a new log that has grown past its position in the meantime. Nothing is deleted from one.
 *
 * If we die anywhere: deleting names an offset, so it can be repeated, and be done by several at once.
 *
 * This has a thread of its own, because the clock's rescue must not wait for Kafka.
 */
#pragma once

#include "base/pulse.h"
#include "libjob/config.h"

/* Runs until @stop_fd is readable; the thread's whole life. @pulse shows that it is alive. Return: 0; negative errno when it could not start. */
int trim_run(const struct job_config *config, int stop_fd, struct pulse *pulse);
