/* SPDX-License-Identifier: Apache-2.0 */
/* Adding partitions to a topic, which changes where the jobs of a key go. */
#pragma once

#include "base/buf.h"
#include "cli/invocation.h"

/* Does some handler run jobs of @queue in the order of their keys? */
bool grow_is_ordered(const struct invocation *in, const char *queue);

/*
 * What of @topic, which has @n_partitions, is not drained: appended to @left, nothing when it is. Jobs that are enqueued meanwhile are not
 * seen. Connects to PostgreSQL. Return: an enum status.
 */
int grow_list_undrained(struct invocation *in, const char *queue, const char *topic, int32_t n_partitions,
                        struct buf *left, struct err *reterr);
