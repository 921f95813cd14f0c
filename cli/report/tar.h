/* SPDX-License-Identifier: Apache-2.0 */
/* A tar archive of small texts, as POSIX has it (ustar). Nothing is read here. */
#pragma once

#include <stdint.h>

#include "base/span.h"

struct buf;

/* Appends a file of mode 0600 to @out. @name: relative, shorter than 100 bytes. @time_s: since 1970. */
void tar_add(struct buf *out, const char *name, struct span content, int64_t time_s);
/* Appends the end. */
void tar_end(struct buf *out);
