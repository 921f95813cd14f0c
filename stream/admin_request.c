/* SPDX-License-Identifier: Apache-2.0 */
/* One request of Kafka's admin protocol, and its answer. */
#include "stream/admin_request.h"

#include <errno.h>

DEFINE_CLEANUP(rd_kafka_event_t *, rd_kafka_event_destroy)
DEFINE_CLEANUP(rd_kafka_queue_t *, rd_kafka_queue_destroy)
DEFINE_CLEANUP(rd_kafka_AdminOptions_t *, rd_kafka_AdminOptions_destroy)

void admin_request_done(struct admin_request *q)
{
    rd_kafka_event_destroy_cleanup(&q->event);
    rd_kafka_queue_destroy_cleanup(&q->queue);
    rd_kafka_AdminOptions_destroy_cleanup(&q->options);
    admin_session_close(&q->session);
}

int admin_request_init(struct admin_request *q, struct admin *a, rd_kafka_admin_op_t op,
                       bool operation_timeout, struct err *reterr)
{
    char text[256];
    int r = admin_session_open(&q->session, a, NULL, 0, admin_timeout_us(a), reterr);
    if (r)
        return r;
    int left_ms = admin_session_left_ms(&q->session);
    q->queue = rd_kafka_queue_new(q->session.rk);
    q->options = rd_kafka_AdminOptions_new(q->session.rk, op);
    if (rd_kafka_AdminOptions_set_request_timeout(q->options, left_ms, text, sizeof(text)) ||
        (operation_timeout &&
         rd_kafka_AdminOptions_set_operation_timeout(q->options, left_ms / 2, text, sizeof(text))))
        return err_set(reterr, -EINVAL, "kafka: %s", text);
    return 0;
}

int admin_request_wait(struct admin_request *q, const char *what, struct err *reterr)
{
    q->event = rd_kafka_queue_poll(q->queue, admin_session_left_ms(&q->session) + 500);
    if (!q->event)
        return admin_session_judge(&q->session, RD_KAFKA_RESP_ERR__TIMED_OUT, NULL, what, reterr);
    return admin_session_judge(&q->session, rd_kafka_event_error(q->event),
                               rd_kafka_event_error_string(q->event), what, reterr);
}
