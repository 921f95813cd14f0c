/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that somebody else owns. data is NULL when there is nothing at all; size 0 with data set is empty. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct span {
    const char *data;
    size_t size;
};

static inline struct span span_from_string(const char *string)
{
    return (struct span){ string, string ? strlen(string) : 0 };
}

static inline bool span_equals(struct span s, const char *string)
{
    return s.data && s.size == strlen(string) && memcmp(s.data, string, s.size) == 0;
}
