/* SPDX-License-Identifier: Apache-2.0 */
/* From a job_spec to a message: every limit is checked here, before Kafka sees anything. Allocates nothing. */
#pragma once

#include "base/timefmt.h"
#include "base/uuid.h"
#include "libjob/include/job.h"
#include "libjob/names.h"
#include "stream/message.h"

/* Most headers of the caller's own; leaves room for libjob's and the relay's among MESSAGE_MAX_HEADERS. */
#define ENCODE_MAX_HEADERS 40

/* Lives on the enqueueing thread's stack; the message points into it and into the spec. */
struct encoding {
    struct message message;
    struct uuid id;
    struct message_header headers[MESSAGE_MAX_HEADERS];
    char topic[NAME_TOPIC_MAX + 1];
    char id_text[UUID_TEXT_SIZE], parent_text[UUID_TEXT_SIZE];
    char time_text[RFC3339_SIZE], expires_text[RFC3339_SIZE], run_at_text[RFC3339_SIZE];
    char max_attempts_text[16], timeout_text[24], unique_text[24];
};

/* Of an enum job_priority. */
enum name_lane encode_lane(int priority);

/* @ret is not initialised beyond what the message uses. Return: 0; JOB_E_TOO_LARGE or JOB_E_INVALID_… with its text in job_error_set(). */
int encode_job(const char *prefix, const char *source, const struct job_spec *spec, struct encoding *ret);
