/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text on its way to somebody else, without secrets.
 *
 * Two nets, one behind the other: secrets that are known, wherever they occur, also as JSON and URLs write them; and what looks like
 * one: a password in a URL, the value behind a word like "password", "secret" or "token", a PEM block.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/span.h"

struct buf;

#define MASK_TEXT "***"
#define MASK_LENGTH_MIN                                                                                      \
    6 /* of a known secret: a shorter one would be found everywhere, "true" and "null" among it */

struct mask {
    char **known;
    size_t n;
    bool failed; /* out of memory */
};

/* @secret is copied; one that is too short, or NULL, is not remembered. */
void mask_add(struct mask *m, const char *secret);
/* Each word of it, between blanks. */
void mask_add_words(struct mask *m, const char *secrets);
void mask_done(struct mask *m);

/* Does a variable, property or option of this name hold a secret, as far as its name says? */
bool mask_is_secret_name(const char *name);

/* Appends @text without secrets. */
void mask_append(const struct mask *m, struct buf *out, struct span text);
