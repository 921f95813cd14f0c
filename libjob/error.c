/* SPDX-License-Identifier: Apache-2.0 */
#include "libjob/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "libjob/include/job.h"

static _Thread_local char detail[512];

static const char *const sentences[] = {
    [0] = "success",
    [JOB_E_FULL] = "too many jobs wait for Kafka's answer, or are waited for; try again later",
    [JOB_E_TOO_LARGE] = "payload and headers exceed 1 MiB",
    [JOB_E_INVALID_QUEUE] = "not a queue's name: [a-z0-9][a-z0-9-]{0,62}, and neither \"later\" nor \"dead\"",
    [JOB_E_INVALID_TYPE] = "not a job type: [A-Za-z][A-Za-z0-9_.-]{0,127}",
    [JOB_E_INVALID_JSON] = "the payload is not JSON",
    [JOB_E_INVALID_ID] = "not a version 7 UUID, or more than an hour in the future",
    [JOB_E_INVALID_OPTION] = "a member of the job's spec is out of its range",
    [JOB_E_INVALID_HEADER] = "a header's name is empty or reserved, its value no text, or there are too many",
    [JOB_E_TIMED_OUT] = "no answer in time: the job may be there or not; repeat with its id",
    [JOB_E_UNKNOWN_QUEUE] = "Kafka has no topic for this queue",
    [JOB_E_REFUSED] = "Kafka refused the job",
    [JOB_E_INVALID_CONFIG] = "a client option or Kafka property is wrong",
    [JOB_E_CLOSED] = "the client was closed while the job waited",
    [JOB_E_NOT_FOUND] = "PostgreSQL does not know the job: no worker has seen it yet, or it never was",
    [JOB_E_DATABASE_AWAY] = "no connection to PostgreSQL",
    [JOB_E_DATABASE_REFUSED] = "PostgreSQL refused it",
    [JOB_E_CONNECTION_BUSY] = "another command, or a pipeline, is under way on the connection",
    [JOB_E_TRANSACTION_FAILED] = "the transaction has failed already; it can only be rolled back",
    [JOB_E_NOT_ENDED] = "the job has not ended in the time that was given",
};

int error_set(int error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(detail, sizeof(detail), format, args);
    va_end(args);
    return error;
}

const char *job_client_error(const struct job_client *client)
{
    (void)client;
    return detail;
}

const char *job_strerror(int error)
{
    if (error >= 0 && (size_t)error < ARRAY_SIZE(sentences))
        return sentences[error];
    const char *system = error < 0 ? strerrordesc_np(-error) : NULL;
    return system ? system : "unknown error";
}

const char *job_version(void)
{
    return JOB_VERSION;
}
