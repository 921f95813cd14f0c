/* SPDX-License-Identifier: Apache-2.0 */
/* JSON texts laid out for people, and put together again: only the space between tokens changes, so numbers and strings stay as they were written. Pure. */
#pragma once

#include "base/buf.h"
#include "base/span.h"

/* Both append. @json is valid (base/json_scan.h). @indent: of the line on which it stands. */
void layout_spread(struct buf *b, struct span json, int indent);
void layout_compact(struct buf *b, struct span json);

/* The size of the token at @at: one of {}[]:,, or a string, number or word. @at is on one. */
size_t layout_token(struct span json, size_t at);
/* From @at on, the first byte that is no space. */
size_t layout_skip(struct span json, size_t at);
/* The size of the value that begins at @at. */
size_t layout_value(struct span json, size_t at);
