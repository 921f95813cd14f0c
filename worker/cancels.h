/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cancelled jobs that may still come: a set of ids, as job.cancel has them.
 *
 * It is nearly always empty or small, and asking costs nothing then. At most CANCELS_MAX are kept; what comes beyond is told
 * by cancels_add(), and such a job is only stopped if it is running now. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/uuid.h"

#define CANCELS_MAX 100000

struct cancels {
    struct uuid *ids; /* sorted */
    size_t n, room;
};

void cancels_done(struct cancels *c);
void cancels_clear(struct cancels *c);

/* Return: 0; 1 when there are too many; -ENOMEM. */
int cancels_add(struct cancels *c, const struct uuid *id);
void cancels_remove(struct cancels *c, const struct uuid *id);
bool cancels_has(const struct cancels *c, const struct uuid *id);
