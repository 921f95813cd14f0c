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
