/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The topics of the declared queues, and the one of what comes later: made when they are missing, never altered.
 *
 * What an existing topic has otherwise than a queue needs it is said once; changing it is for people (jobctl topic apply).
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "libjob/config.h"
#include "stream/admin.h"

struct topics {
    const struct job_config *config;
    bool *said; /* of each queue's lanes, and of the topic behind them: the trouble is in the log */
};

/* Return: 0; -ENOMEM. */
int topics_init(struct topics *t, const struct job_config *config);
void topics_done(struct topics *t);

/* Return: 0 when every queue was looked at, whatever came of it; ADMIN_AWAY; negative errno. */
int topics_apply(struct topics *t, struct admin *admin, struct err *reterr);
