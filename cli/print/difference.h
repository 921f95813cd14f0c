/* SPDX-License-Identifier: Apache-2.0 */
/* What differs between two texts, line by line, as `diff -u` writes it. Pure. */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "base/span.h"

/*
 * Appends the lines that are gone (-) and new (+) with three unchanged ones around; nothing when the texts are the same. Control characters are not
 * written raw. Where more than some 4,000 lines differ, they are shown as gone and new altogether.
 */
void difference_append(struct buf *b, struct span before, struct span after, bool colours);
