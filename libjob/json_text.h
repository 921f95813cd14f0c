/* SPDX-License-Identifier: Apache-2.0 */
/* Writing JSON straight into a buffer, where a tree would only be built to be dumped. */
#pragma once

#include "base/buf.h"
#include "base/span.h"

/* @text is valid UTF-8 without NUL. */
void json_append_string(struct buf *json, const char *text, size_t size);

/* Text as a string, other bytes as {"base64": …}, no data as null: jsonb takes all of these. */
void json_append_bytes(struct buf *json, struct span bytes);
