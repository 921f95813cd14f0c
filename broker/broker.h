/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The broker: one thread per duty, started and stopped together.
 *
 * It holds no state: any number may run, none is a leader, and each may be killed at any time. So it takes up a changed
 * configuration by ending its duties and starting them anew, and there is no option that it cannot take up.
 */
#pragma once

#include "libjob/config.h"
#include "libjob/program.h"

enum broker_outcome {
    BROKER_LEFT_BEHIND =
        1, /* a thread hangs in a dead server and still uses the configuration: the process must end at once */
};

/*
 * Runs until SIGTERM or SIGINT; then every duty ends what it is at, which takes a few seconds at most. On SIGHUP @config is read
 * again and replaced, unless it is wrong. Blocks the signals that it takes; call it from the main thread before any other exists.
 *
 * Return: 0; BROKER_LEFT_BEHIND; negative errno (said in the log).
 */
int broker_run(const struct program_common *common, struct job_config **config);
