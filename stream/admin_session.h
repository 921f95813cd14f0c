/* SPDX-License-Identifier: Apache-2.0 */
/* Inside stream/ only: one librdkafka handle for one question of stream/admin.h. */
#pragma once

#include <librdkafka/rdkafka.h>

#include "stream/admin.h"

/* Lives on its user's stack and must not move: librdkafka's callbacks know its address. */
struct admin_session {
    rd_kafka_t *rk;
    int64_t deadline_us;
    char reason[512]; /* what librdkafka said last about connections; "" when nothing */
};

/* The user's own properties, and what else this question needs. Return: 0; -ENOMEM; -EINVAL with @reterr. */
int admin_session_open(struct admin_session *s, const struct admin *a,
                       const struct producer_property *properties, size_t n_properties, int64_t timeout_us,
                       struct err *reterr);
void admin_session_close(struct admin_session *s);
#define _cleanup_admin_session_ _cleanup_(admin_session_close)

/* A topic that cannot exist: asking about it is how to ask about no topic. */
#define ADMIN_PROBE_TOPIC "__libjob_probe"

int64_t admin_timeout_us(const struct admin *a);
int admin_min_insync(const struct admin *a);
/* Until the deadline, at least 1. */
int admin_session_left_ms(const struct admin_session *s);

/* Turns an error code into an admin_outcome with a sentence that starts with @what. @detail: Kafka's words; may be NULL. Return: the outcome. */
int admin_session_judge(struct admin_session *s, rd_kafka_resp_err_t code, const char *detail,
                        const char *what, struct err *reterr);

/*
 * Does @code say that a partition has no leader at the moment, as it is with one that was just made? Then waits a little.
 * Return: true when asking again is worth it.
 */
bool admin_session_may_repeat(struct admin_session *s, rd_kafka_resp_err_t code);

/* The metadata of one topic. Return: 0, then rd_kafka_metadata_destroy() @ret; ADMIN_NO_TOPIC; ADMIN_AWAY; ADMIN_REFUSED. */
int admin_session_topic(struct admin_session *s, const char *topic, const struct rd_kafka_metadata **ret,
                        struct err *reterr);

/*
 * Waits, within the session's time, until Kafka shows all of a topic that was just made or grown: its controller answers
 * before its brokers have heard of the change. Return: 0; an admin_outcome.
 */
int admin_session_await(struct admin_session *s, const char *topic, int32_t n_partitions, struct err *reterr);
