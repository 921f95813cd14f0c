/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker: one event loop that moves jobs from intake to the pool of executors to the recorder.
 *
 *     intake ──ready──▶ pool ──finished──▶ recorder ──▶ PostgreSQL
 *        └──claim──▶ recorder ──claimed──▶ ready
 *
 * Backpressure: when PostgreSQL is slow or away, jobs gather in the recorder up to its bounds; then nothing is dispatched,
 * nothing is claimed, and Kafka is not read any more.
 *
 * Stopping (SIGTERM): intake stops; running jobs have drain_timeout; what is left is stopped (worker/pool_stop.c) and
 * recorded as interrupted; then the cursors are given back, the group is left, and the process ends
 * with 0. A second SIGTERM ends the drain at once.
 *
 * SIGHUP takes a changed configuration up (worker/reload.h).
 *
 * SIGUSR1 writes into the log what the worker holds: executors, jobs, partitions, what waits to be recorded.
 */
#pragma once

#include "libjob/program.h"

/* Jobs that are claimed before their start, beside what the executors can take. A worker that dies costs each of them one of its
 * crashes: so no more than can soon run. */
#define WORKER_MAX_CLAIMS 2000
#define WORKER_RELEASE_US (5 * INT64_C(1000000)) /* for giving the cursors back, when nothing else is left */
#define WORKER_KILL_MARGIN_US (2 * INT64_C(1000000)) /* for an executor to be gone, after the kill grace */
/* From the end of the kill grace to the end of the process, at most: giving the cursors back, leaving the group. */
#define WORKER_END_US (2 * WORKER_KILL_MARGIN_US + WORKER_RELEASE_US + 15 * INT64_C(1000000))

/* Runs until it is stopped. @zygote: of zygote_start(). Return: exit status (libjob/program.h). */
int worker_run(const struct program_common *common, struct job_config *config, int zygote, pid_t zygote_pid);
