/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of single attributes: which names a job has, and what each value must look like.
 *
 * The same rows judge headers (binary mode, "ce_attempt") and JSON members (structured mode, "attempt").
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "base/span.h"
#include "libjob/envelope.h"

struct attribute;

/* @name without "ce_". NULL: an extension that is not libjob's. */
const struct attribute *attribute_find(const char *name);

/* A bit of its own for each attribute, so that a second occurrence is noticed. */
unsigned attribute_bit(const struct attribute *a);

/* True for what a job.pending row has in columns of its own, and the relay therefore writes anew. */
bool attribute_has_column(const struct attribute *a);
/* It is as its producer wrote it, in every delivery: it counts in the size of the message. */
bool attribute_is_lasting(const struct attribute *a);

/*
 * Takes the value over into @e; spans of @e then point into @value.
 * Return: 0; ENVELOPE_MALFORMED with the header and the rule in @reterr, @e untouched.
 */
int attribute_read(const struct attribute *a, struct span value, struct envelope *e, struct err *reterr);
