/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An executor process: loads handlers and runs jobs, one after the other.
 *
 * It is forked from the zygote, so it has no thread, no connection and no secret. It blocks only in reading its socket and in
 * handlers. An answer is complete in shared memory before the next job starts (worker/channel.h); it is written to the socket
 * when there is no other job waiting, or after EXECUTOR_HOLD_US.
 *
 * Whatever processes a job leaves behind are its children, also those that tried to get away (it is their subreaper), and end with
 * the job.
 */
#pragma once

#include "base/buf.h"
#include "libjob/config.h"

/* How long finished answers may wait for company. */
#define EXECUTOR_HOLD_US 500

/* Never returns; the SETUP frame may make it the HTTP process (worker/http_process.h). @socket: to the worker; @board: descriptor of the shared page (worker/frame.h); @cancel: eventfd beside it. */
_Noreturn void executor_main(int socket, int board, int cancel);

/* Ends the process: the worker is gone, or what it sends makes no sense. The zygote kills what is left behind. */
_Noreturn void executor_end(void);

/* The SETUP frame for this configuration: modules and commands. @limits: those that the executor sets for itself. */
void executor_put_setup(struct buf *out, const struct job_config *config, const struct config_limits *limits);
/* The same for the HTTP process: handlers of kind http, with their secrets. */
void executor_put_http_setup(struct buf *out, const struct job_config *config, uint32_t n_slots);
