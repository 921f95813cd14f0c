/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The topics of the declared queues, and the one of what comes later: made when they are missing, never altered.
 *
 * What an existing topic has otherwise than a queue needs it is said once, and again when it has changed; changing it is for people.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "libjob/config.h"
#include "stream/admin.h"

struct topics {
    const struct job_config *config;
    struct admin_topics there; /* while they are made */
    char **
        said; /* of each queue's lanes, and of the topic behind them: the trouble that is in the log; NULL: none is */
};

/* Return: 0; -ENOMEM. */
int topics_init(struct topics *t, const struct job_config *config);
void topics_done(struct topics *t);

/* Makes what is missing. Return: 0 when every queue was looked at, whatever came of it; ADMIN_AWAY; negative errno. */
int topics_apply(struct topics *t, struct admin *admin, struct err *reterr);
/* Says what is not as it should be. Return: the same. */
int topics_inspect(struct topics *t, struct admin *admin, struct err *reterr);
