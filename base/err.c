/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int err_set(struct err *reterr, int code, const char *format, ...)
{
    if (!reterr)
        return code;
    va_list args;
    va_start(args, format);
    vsnprintf(reterr->text, sizeof(reterr->text), format, args);
    va_end(args);
    return code;
}

int err_prefix(struct err *reterr, int code, const char *format, ...)
{
    if (!reterr)
        return code;
    struct err inner = *reterr;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(reterr->text, sizeof(reterr->text), format, args);
    va_end(args);
    size_t used = n < 0 ? 0 : (size_t)n;
    if (used < sizeof(reterr->text))
        snprintf(reterr->text + used, sizeof(reterr->text) - used, ": %.*s",
                 (int)(sizeof(reterr->text) - used), inner.text);
    return code;
}
