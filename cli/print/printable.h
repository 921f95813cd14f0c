/* SPDX-License-Identifier: Apache-2.0 */
/* Text from jobs, made safe for a terminal: whoever enqueues must not be able to move somebody's cursor. */
#pragma once

#include "base/span.h"

struct buf;

/*
 * Appends @text; control characters, line ends, marks that turn the writing direction, and bytes that are no UTF-8
 * come out as \n, \x1b, \u{202e}.
 */
void printable_append(struct buf *b, struct span text);

/* The same, but ends of lines and tabs stay: for CSV, whose fields may have several lines. */
void printable_append_multiline(struct buf *b, struct span text);

/* A JSON text, which has such characters in its strings only: there they come out as \u001b, \u202e, and mean the same. */
void printable_append_json(struct buf *b, struct span json);
