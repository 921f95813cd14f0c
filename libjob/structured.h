/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a CloudEvents message in structured mode: the whole event is one JSON object in the value.
 *
 * The text is walked in place, so that `data` keeps its exact bytes and no tree of it is built.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "base/span.h"
#include "libjob/envelope.h"

bool structured_is_content_type(struct span content_type);

/*
 * Reads attributes, content type and payload of @text into @e; what must be decoded lives in e->owned.
 * Return: 0; ENVELOPE_MALFORMED with @reterr, then @e may hold some of it; negative errno.
 */
int structured_read(struct span text, struct envelope *e, struct err *reterr);
