/* SPDX-License-Identifier: Apache-2.0 */
/* One line of `jobctl dead export`, read and checked: every member, its kind and its rule. Pure. */
#pragma once

#include <jansson.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "store/dead_import.h"

struct exported {
    struct dead_record record; /* borrows from the rest */
    json_t *line;
    char *headers, *result, *attempts, *edits;
    struct buf key, payload;
};

enum exported_outcome { EXPORTED_INVALID = 1 };

/* Return: 0; EXPORTED_INVALID with the member and its rule; -ENOMEM. exported_done() @ret in each case. */
int exported_read(struct exported *ret, struct span line, struct err *reterr);
void exported_done(struct exported *e);
