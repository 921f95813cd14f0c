/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handlers that one process has loaded. In executors only (and in `jobworkerd --run`): the worker itself never runs
 * a line of user code, not even a constructor.
 */
#pragma once

#include <stddef.h>

#include "base/err.h"
#include "base/span.h"
#include "libjob/include/job_handler.h"

struct modules;

int modules_new(struct modules **ret);
/* The libraries stay loaded: what they registered may still be called. */
struct modules *modules_free(struct modules *m);

/*
 * Loads @path, if it is not loaded, and offers those of its types that match @pattern (a type, or "prefix.*").
 * Return: 0; -EINVAL with @reterr naming file and rule: not loadable, no job_module, another ABI, init() failed, nothing matches.
 */
int modules_load(struct modules *m, const char *path, const char *pattern, struct err *reterr);

/* NULL when no module has it. */
const struct job_handler *modules_find(const struct modules *m, const char *type);
