/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handlers of one process, of whatever kind.
 *
 * The worker's configuration travels into executors as bytes (handler_set_put, handler_set_load), because they are forked
 * before it is read. A type is run by the handler that names it, else by the one with the longest matching "prefix.*".
 */
#pragma once

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/span.h"
#include "libjob/config.h"

struct handler_set;
struct http;
struct job_context;

void handler_set_put(struct buf *out, const struct config_handler *handler);

/*
 * Loads what several handler_set_put() wrote; zeroes may follow. Return: 0; -ENOMEM; -EBADMSG; -EINVAL with @reterr naming file and
 * rule: a module that cannot be loaded, a command that cannot be run.
 */
int handler_set_load(struct handler_set **ret, struct span bytes, struct err *reterr);
struct handler_set *handler_set_free(struct handler_set *set);
DEFINE_CLEANUP(struct handler_set *, handler_set_free)

size_t handler_set_size(const struct handler_set *set);
/* The handler of kind http that runs @type, and its place among all; NULL: none does. */
struct http *handler_set_find_http(const struct handler_set *set, const char *type, size_t *ret_index);

/* Return: enum job_verdict or enum frame_verdict_extra; result and error are in @ctx. */
int handler_set_run(struct handler_set *set, struct job_context *ctx);
