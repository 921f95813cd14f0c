/* SPDX-License-Identifier: Apache-2.0 */
/* The public face of base/uuid.h. */
#include <string.h>

#include "base/uuid.h"
#include "libjob/include/job.h"

_Static_assert(sizeof(struct job_id) == sizeof(struct uuid), "the same 16 bytes");
_Static_assert(JOB_ID_TEXT_SIZE == UUID_TEXT_SIZE, "the same text");

void job_id_new(struct job_id *ret)
{
    struct uuid id;
    uuid_new(&id);
    memcpy(ret, &id, sizeof(*ret));
}

char *job_id_format(const struct job_id *id, char *text)
{
    struct uuid uuid;
    memcpy(&uuid, id, sizeof(uuid));
    return uuid_format(&uuid, text);
}

int job_id_parse(const char *text, struct job_id *ret)
{
    struct uuid id;
    if (!text || uuid_parse(text, strlen(text), &id))
        return JOB_E_INVALID_ID;
    memcpy(ret, &id, sizeof(*ret));
    return 0;
}
