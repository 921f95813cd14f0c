/* SPDX-License-Identifier: Apache-2.0 */
/* Inside letter*.c only: the members of the document, and which headers they stand for. */
#pragma once

#include <stdbool.h>

#include "base/err.h"

struct letter_member {
    const char *name;
    const char *header; /* NULL: it is none */
};

/* NULL: there is none. */
const struct letter_member *letter_member_find(const char *name);
const struct letter_member *letter_member_of_header(const char *header);
/* The next one; the first after NULL; NULL when there are no more. */
const struct letter_member *letter_member_next(const struct letter_member *after);
/* ce_id and others, which nobody can set. */
bool letter_is_relays_header(const char *header);
/* Says what there is, and what was probably meant. Return: LETTER_INVALID. */
int letter_refuse_name(const char *name, struct err *reterr);
