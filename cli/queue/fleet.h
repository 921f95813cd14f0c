/* SPDX-License-Identifier: Apache-2.0 */
/* Workers as people name them and as commands print them. */
#pragma once

#include "cli/invocation.h"

/* As workers_list() has them. */
enum fleet_column {
    FLEET_ID,
    FLEET_HOST,
    FLEET_PID,
    FLEET_STATE,
    FLEET_QUEUES,
    FLEET_LEASES,
    FLEET_PARTITIONS,
    FLEET_STARTED_AT,
    FLEET_BEAT_AT,
    FLEET_NARROW,
    FLEET_DRAIN_AT,
    FLEET_DRAIN_BY,
    FLEET_QUIET,
    FLEET_HTTP,
    FLEET_LOST_AT,
    FLEET_N,
};

/*
 * The one worker that @word names: by its id, the beginning of that which no other has, or its host if no other runs there. Connects to
 * PostgreSQL. @ret: its row of workers_list(). Return: an enum status; STATUS_NOT_FOUND with the nearest name; STATUS_USAGE with those that it could be.
 */
int fleet_find(struct invocation *in, const char *word, struct rows **ret, struct err *reterr);
