/* SPDX-License-Identifier: Apache-2.0 */
/* `jobworkerd --run TYPE --payload JSON`: one handler, in a child process, without servers. */
#pragma once

#include "libjob/config.h"

struct run_once {
    const char *type;
    const char *payload; /* NULL: none */
};

/* A handler that crashes is told like one that fails. Prints the result on standard output, an error on standard error. Return: exit status: 0 done, 1 otherwise, 2 unusable. */
int run_once(const struct job_config *config, const struct run_once *once);
