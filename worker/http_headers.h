/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a web service is told beside the payload: the job as a CloudEvent in binary mode (CloudEvents 1.0, HTTP protocol binding), the
 * try, the trace context, and a signature if the handler has a secret.
 */
#pragma once

#include <curl/curl.h>
#include <stdint.h>

#include "worker/http_sign.h"

struct job_context;

/* @keys: n may be 0. @now_us: since 1970. Return: curl_slist_free_all() it; NULL without memory. */
struct curl_slist *http_headers_make(const struct job_context *ctx, const struct http_keys *keys,
                                     int64_t now_us);
