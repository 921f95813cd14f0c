/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/job/absent.h"

#include "cli/job/lookup.h"

int absent_say(const struct uuid *id, const char *why, struct err *reterr)
{
    char text[UUID_TEXT_SIZE];
    return err_set(reterr, STATUS_NOT_FOUND, "job %s: %s", uuid_format(id, text), why);
}

int absent_say_passed(const struct uuid *id, struct err *reterr)
{
    return absent_say(id, "it has ended, and there is no record of it (any more)", reterr);
}

int absent_judge(const struct uuid *id, int r, struct err *reterr)
{
    if (r == LOOKUP_NOT_FOUND)
        return absent_say(id, "not seen by any worker yet, or never enqueued", reterr);
    if (r == LOOKUP_TIMED_OUT)
        return absent_say(
            id,
            "not seen by any worker yet, or never enqueued (the queues hold more than could be searched in 2 s)",
            reterr);
    return r;
}
