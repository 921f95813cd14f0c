/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A job that is run by a web service: the payload is posted, the status is the verdict, the body is the result.
 *
 * Model: one handle, with its connections, per handler and executor; an executor runs one request at a time. Redirects are not
 * followed, proxies of the environment are not used, and addresses that are not public are refused after resolving (http_guard.h).
 * The request may take as long as the try may. What the service answers is bounded: JOB_MAX_RESULT_SIZE of a result, a line of an error.
 *
 * Crash story: a request that was sent is not taken back when the executor dies. The service sees the same idempotency-key again.
 */
#pragma once

#include <stddef.h>

#include "base/cleanup.h"
#include "base/err.h"

struct http;
struct job_context;

/* @url, @allow: borrowed. Return: 0; -ENOMEM; -EINVAL with @reterr: it is no URL of HTTP. */
int http_new(struct http **ret, const char *url, char *const *allow, size_t n_allow, struct err *reterr);
struct http *http_free(struct http *http);
DEFINE_CLEANUP(struct http *, http_free)

/* What a status of HTTP means: enum job_verdict. */
int http_verdict(long status);

/* Return: enum job_verdict; result, error and retry delay are in @ctx. Blocks for the time-out of the try at most. */
int http_run(struct http *http, struct job_context *ctx);
