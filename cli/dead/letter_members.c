/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/dead/letter_members.h"

#include <stddef.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/suggest.h"
#include "cli/dead/letter.h"
#include "libjob/attributes.h"
#include "libjob/names.h"

/* In the order of the document. */
static const struct letter_member members[] = {
    { "queue", NULL },
    { "type", NULL },
    { "key", NULL },
    { "max_attempts", HEADER_MAX_ATTEMPTS },
    { "timeout", HEADER_TIMEOUT },
    { "tags", HEADER_TAGS },
    { "content_type", HEADER_CONTENT_TYPE },
    { "headers", NULL },
    { "payload", NULL },
    { "payload_text", NULL },
    { "payload_base64", NULL },
};

const struct letter_member *letter_member_next(const struct letter_member *after)
{
    const struct letter_member *next = after ? after + 1 : members;
    return next < members + ARRAY_SIZE(members) ? next : NULL;
}

const struct letter_member *letter_member_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(members); i++)
        if (strcmp(members[i].name, name) == 0)
            return &members[i];
    return NULL;
}

const struct letter_member *letter_member_of_header(const char *header)
{
    for (size_t i = 0; i < ARRAY_SIZE(members); i++)
        if (members[i].header && strcmp(members[i].header, header) == 0)
            return &members[i];
    return NULL;
}

bool letter_is_relays_header(const char *header)
{
    const struct attribute *a = strncmp(header, "ce_", 3) == 0 ? attribute_find(header + 3) : NULL;
    return a && attribute_has_column(a);
}

int letter_refuse_name(const char *name, struct err *reterr)
{
    struct suggest s = { .word = name };
    for (size_t i = 0; i < ARRAY_SIZE(members); i++)
        suggest_consider(&s, members[i].name);
    if (suggest_is_close(&s))
        return err_set(reterr, LETTER_INVALID, "there is no \"%.60s\" in a letter; did you mean \"%s\"?",
                       name, s.nearest);
    return err_set(
        reterr, LETTER_INVALID,
        "there is no \"%.60s\" in a letter; there are queue, type, key, max_attempts, timeout, tags, content_type, headers and payload",
        name);
}
