/* SPDX-License-Identifier: Apache-2.0 */
/* One PUT to storage that speaks S3, signed by libcurl (SigV4, with the body's checksum in the signature). */
#pragma once

#include <job_handler.h>

#include "output.h"
#include "settings.h"

#define UPLOAD_MAX (INT64_C(5) * 1024 * 1024 * 1024) /* bytes that S3 takes in one PUT */
#define UPLOAD_LOCATION_MAX 8192                     /* bytes of an address */

/**
 * upload_put() - store a sealed file
 * @key:          path, checked; percent-encoded here
 * @ret_location: set on JOB_DONE: the object's address
 *
 * Blocks while bytes go, until 60 s pass with less than a byte per second, or the job is asked to stop.
 * What S3 has under the key changes with the answer 200, or not at all.
 * Return: JOB_DONE after 200; JOB_FAIL when the file is larger than S3 takes; JOB_RETRY, error set, without any secret.
 */
int upload_put(struct job_context *ctx, const struct settings *settings, const char *key,
               const char *content_type, const struct output *file,
               char ret_location[static UPLOAD_LOCATION_MAX]);
