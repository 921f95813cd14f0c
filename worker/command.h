/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A job that is run by a program: started for it, without a shell, and gone after it.
 *
 * Model: the payload is a sealed file in memory on standard input, so a command that never reads it blocks nobody. Standard
 * output is the result; what exceeds JOB_MAX_RESULT_SIZE is read and dropped. Standard error is passed on to the executor's,
 * its last lines are the text of an error. No other descriptor is open, and the environment is made here.
 *
 * A job that is to stop is passed on as SIGTERM. The command is in the executor's process group: who kills that group kills both. SIGTERM is meant for the command while
 * one runs: if it answers all the same (0, 65, 75) the answer counts, otherwise the executor dies of the signal as
 * it would have without a command.
 *
 * Crash story: when the executor dies, the zygote kills its group. When the command ends, everything that it left behind is
 * killed before its answer is given, also what made a session of its own: the executor is its subreaper.
 */
#pragma once

#include "base/err.h"

struct job_context;

/* Return: 0; -EINVAL with @reterr: there is no such program. */
int command_check(const char *path, struct err *reterr);

/*
 * Runs @argv (NULL-terminated) to its end. Return: JOB_DONE after exit status 0, JOB_FAIL after 65 or with a result that is too
 * large, JOB_RETRY after 75 and any other status or when it cannot be started, FRAME_CRASHED when a signal ended it.
 */
int command_run(struct job_context *ctx, char *const *argv);
