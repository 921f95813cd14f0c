/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sending one batch of due rows to Kafka, with a verdict on each row.
 *
 * Invariant: between two calls nothing is under way. Whatever has no report at the deadline is purged and its report
 * awaited, so a row whose verdict is UNKNOWN may be in Kafka or not, but cannot get there later.
 *
 * What Kafka refuses (no topic, no permission, a limit of the topic) is the topic's fault, which people mend: the row
 * waits a while and its neighbours go on. What can never be a message is the row's fault.
 *
 * Not here: PostgreSQL.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "libjob/config.h"
#include "libjob/names.h"
#include "store/relay.h"
#include "stream/admin.h"

enum sender_fate {
    SENDER_UNKNOWN,   /* no acknowledgement */
    SENDER_DELIVERED, /* acknowledged by all replicas that have to */
    SENDER_REFUSED,   /* not in Kafka; to be tried again later */
    SENDER_HOPELESS,  /* not in Kafka, and never will be; sender_error() says why */
};

enum sender_outcome {
    SENDER_INCOMPLETE = 1, /* at least one row is UNKNOWN; @reterr says why */
};

struct sender;

/* @config, @admin: stay the caller's, and live longer. Does not connect. Return: 0; negative errno with @reterr. */
int sender_new(struct sender **ret, const struct job_config *config, struct admin *admin, struct err *reterr);
struct sender *sender_free(struct sender *s);
DEFINE_CLEANUP(struct sender *, sender_free)

/* Forgets which topics there are: Kafka was away. */
void sender_forget_topics(struct sender *s);

/* Sends all rows and waits for their reports, at most @timeout_us. Return: 0; SENDER_INCOMPLETE; negative errno (nothing is known then). */
int sender_send(struct sender *s, const struct relay_batch *batch, int64_t timeout_us, struct err *reterr);

/* Of the last call's rows. */
enum sender_fate sender_get_fate(const struct sender *s, size_t row);
/* Of one that was DELIVERED: where it lies. */
struct sender_place {
    enum name_lane lane;
    int32_t partition;
    int64_t offset;
};
struct sender_place sender_get_place(const struct sender *s, size_t row);
const char *sender_get_error(const struct sender *s, size_t row);
