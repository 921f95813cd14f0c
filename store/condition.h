/* SPDX-License-Identifier: Apache-2.0 */
/* Conditions on JSON that a row holds, as SQL: every value of them is a parameter. */
#pragma once

#include "store/statement.h"

enum condition_root { CONDITION_PAYLOAD, CONDITION_RESULT, CONDITION_HEADERS };

enum condition_op {
    CONDITION_EQUAL,
    CONDITION_NOT_EQUAL,
    CONDITION_LESS,
    CONDITION_AT_MOST,
    CONDITION_GREATER,
    CONDITION_AT_LEAST,
    CONDITION_LIKE, /* a POSIX extended regular expression matches some part of a string */
    CONDITION_EXISTS,
    CONDITION_MISSING,
};

/* What a literal is; only numbers and strings have an order. */
enum condition_kind { CONDITION_NUMBER, CONDITION_STRING, CONDITION_OTHER };

/* All borrowed. */
struct condition {
    enum condition_root root;
    enum condition_op op;
    const char *const *steps; /* as #> takes them: names, and places in arrays as text */
    size_t n_steps;
    enum condition_kind kind;
    const char *literal; /* JSON text; NULL for EXISTS and MISSING */
};

/*
 * Appends " AND (…)". A path that leads to nothing makes every condition false but MISSING; values of different kinds are different and have no
 * order; strings are ordered by their code points.
 *
 * @root: the jsonb it is about, as SQL, one for each enum condition_root
 */
void condition_append(struct statement *s, const struct condition *c, const char *const root[3]);
