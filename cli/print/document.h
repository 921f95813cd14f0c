/* SPDX-License-Identifier: Apache-2.0 */
/* A payload or result as people read it: JSON over several lines, whatever else as text. Pure. */
#pragma once

#include <stdbool.h>

#include "base/span.h"

struct buf;

#define DOCUMENT_MAX_LINES 40
#define DOCUMENT_MAX_COLUMNS 400

/*
 * Appends @bytes under @title, indented, made safe for a terminal. JSON is laid out anew, with its members in their order.
 * @whole: all of it; otherwise at most DOCUMENT_MAX_LINES lines of DOCUMENT_MAX_COLUMNS characters each, and a note about what is left out
 */
void document_append(struct buf *b, const char *title, struct span bytes, bool whole);
