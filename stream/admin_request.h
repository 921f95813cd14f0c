/* SPDX-License-Identifier: Apache-2.0 */
/* Inside stream/ only: one request of Kafka's admin protocol, and its answer. */
#pragma once

#include "stream/admin_session.h"

struct admin_request {
    struct admin_session session;
    rd_kafka_AdminOptions_t *options;
    rd_kafka_queue_t *queue;
    rd_kafka_event_t *event; /* the answer, from admin_request_wait() on */
};

/*
 * @operation_timeout: for requests that can wait until Kafka's controller has carried them out.
 * Return: 0; as admin_session_open(). admin_request_done() it in every case.
 */
int admin_request_init(struct admin_request *q, struct admin *a, rd_kafka_admin_op_t op,
                       bool operation_timeout, struct err *reterr);
void admin_request_done(struct admin_request *q);
#define _cleanup_admin_request_ _cleanup_(admin_request_done)

/* Waits for the answer. @what: begins the sentence of an error. Return: 0; an admin_outcome when the request as a whole failed. */
int admin_request_wait(struct admin_request *q, const char *what, struct err *reterr);
