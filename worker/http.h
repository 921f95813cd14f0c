/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A job that is run by a web service: the payload is posted, the status is the verdict, the body is the result.
 *
 * Model: struct http is a handler, the place that its jobs are posted to; struct http_request is one try. Whoever drives the
 * request's handle (worker/http_process.c many at once, http_run() one) says how the transfer ended and gets the answer. Redirects are
 * not followed, proxies of the environment are not used, and addresses that are not public are refused (worker/http_guard.h): after
 * resolving when a connection is opened, and once more before a request goes out on it, because another handler may have opened it.
 *
 * The request may take as long as the try may. What the service answers is bounded: JOB_MAX_RESULT_SIZE of a result, a line of an
 * error, HTTP_HEADERS_MAX of headers.
 *
 * Crash story: a request that was sent is not taken back when its process dies. The service sees the same idempotency-key again.
 */
#pragma once

#include <curl/curl.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/err.h"

#define HTTP_HEADERS_MAX (64 * 1024) /* bytes, of all headers of an answer */

struct http;
struct http_request;
struct job_context;

/* Borrowed strings. */
struct http_settings {
    const char *url;
    const char *secrets; /* worker/http_sign.h; "": requests are not signed */
    char *const *allow;
    size_t n_allow;
};

/* Return: 0; -ENOMEM; -EINVAL with @reterr: it is no URL of HTTP, or the secret is none. */
int http_new(struct http **ret, const struct http_settings *settings, struct err *reterr);
struct http *http_free(struct http *http);
DEFINE_CLEANUP(struct http *, http_free)

/* The name that has to be resolved, and the port behind it; NULL when the URL has an address. */
const char *http_host_name(const struct http *http, int *ret_port);
/* The request for the job in @ctx, which is copied as far as it is needed. NULL without memory. */
struct http_request *http_request_new(struct http *http, const struct job_context *ctx);
struct http_request *http_request_free(struct http_request *request);
DEFINE_CLEANUP(struct http_request *, http_request_free)
/* What the host's name stands for, an entry of CURLOPT_RESOLVE; without it curl asks. Before the transfer. Return: 0; -ENOMEM. */
int http_request_set_addresses(struct http_request *request, const char *entry);
CURL *http_request_handle(struct http_request *request);
/* @code: how the transfer ended. Return: enum job_verdict or FRAME_TIMEOUT; result, error and retry delay are in @ctx. */
int http_request_answer(struct http_request *request, CURLcode code, struct job_context *ctx);

/* What a status of HTTP means: enum job_verdict. */
int http_verdict(long status);

/* One request, blocking. Return: as http_request_answer(). */
int http_run(struct http *http, struct job_context *ctx);
