/* SPDX-License-Identifier: Apache-2.0 */
/* What a job had died of before it was replayed, and who did that: a list beside the dead letter that it is again. */
#pragma once

#include "base/buf.h"
#include "cli/invocation.h"

/* Rows of job.replayed, the oldest first. Return: an enum status. */
int replays_find(struct invocation *in, const struct uuid *id, struct rows **ret, struct err *reterr);
/* The same as a JSON array. */
void replays_append(struct buf *json, const struct rows *replays);
/* Below a letter that is shown as a table; else, or when there are none, nothing. Return: an enum status. */
int replays_print(struct invocation *in, const struct rows *replays, struct err *reterr);
