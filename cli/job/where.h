/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conditions on what a job holds: payload.to = "ada@example.org" and payload.items[0].n > 3.
 *
 *     condition = term { "and" term }
 *     term      = path operator literal | path "exists" | path "missing"
 *     path      = ("payload" | "result" | "headers") { "." name | "[" number "]" }
 *     name      = letters, digits, "_", "-"; anything else as a JSON string, payload."a key"
 *     operator  = "=" | "!=" | "<" | "<=" | ">" | ">=" | "~"
 *     literal   = a JSON text
 *
 * What a term means, here as in PostgreSQL's operators on jsonb:
 *     A path leads as #> does: a number is a place in an array ([-1] is the last one) or a member of that name in an object.
 *     Where it leads to nothing, every term is false but "missing".
 *     = and != compare whole values; values of different kinds are different.
 *     < <= > >= compare numbers with numbers and strings with strings, these by their code points; else they are false.
 *     ~ needs a string: a POSIX extended regular expression that matches some part of a string.
 *
 * Several conditions are joined by "and", too.
 */
#pragma once

#include <jansson.h>
#include <regex.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define WHERE_MAX_SIZE 4096
#define WHERE_MAX_TERMS 16
#define WHERE_MAX_STEPS 16

enum where_root { WHERE_PAYLOAD, WHERE_RESULT, WHERE_HEADERS };

enum where_op {
    WHERE_EQUAL,
    WHERE_NOT_EQUAL,
    WHERE_LESS,
    WHERE_AT_MOST,
    WHERE_GREATER,
    WHERE_AT_LEAST,
    WHERE_LIKE,
    WHERE_EXISTS,
    WHERE_MISSING,
};

struct where_term {
    enum where_root root;
    size_t n_steps;
    char *steps[WHERE_MAX_STEPS]; /* names, and numbers as text: as #> takes them */
    enum where_op op;
    char *literal; /* as it was written; NULL for EXISTS and MISSING */
    json_t *value; /* the same, read */
    regex_t regex; /* LIKE; compiled */
};

struct where {
    size_t n;
    struct where_term terms[WHERE_MAX_TERMS];
};

enum where_outcome { WHERE_INVALID = 1 };

/**
 * where_parse() - read one condition
 * @w:     zeroed, or with the terms of conditions before; all hold together. where_done() in every case
 * @text:  at most WHERE_MAX_SIZE bytes
 * @roots: bits 1 << enum where_root of what there is to be asked
 *
 * Return: 0; WHERE_INVALID with the place and the rule in @reterr; -ENOMEM.
 */
int where_parse(struct where *w, const char *text, unsigned roots, struct err *reterr);
void where_done(struct where *w);

/* Is anything said about @root? */
bool where_asks(const struct where *w, enum where_root root);

/* @values: by enum where_root; NULL: there is none. Does every term hold? True without terms. */
bool where_matches(const struct where *w, json_t *const values[3]);

/* Bytes as a JSON value; numbers that are too large for an integer become real ones. NULL: they are no JSON. */
json_t *where_read_json(const char *data, size_t size);
