/* SPDX-License-Identifier: Apache-2.0 */
/* How many records lie between cursors and the ends of their logs. */
#pragma once

#include "cli/invocation.h"

struct lag_place {
    const char *topic; /* borrowed */
    int32_t partition;
    int64_t next_offset; /* -1: it was never read */
    int64_t end;         /* out: the log's; -1: not known */
    int64_t lag;         /* out: -1: not known */
};

/*
 * @places: those of one topic side by side. What Kafka does not have stays unknown. Return: an enum status; STATUS_AWAY with the
 * reason when Kafka is.
 */
int lag_read(struct invocation *in, struct lag_place *places, size_t n, struct err *reterr);
