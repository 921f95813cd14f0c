/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a message on the topic <prefix>.later asks for: where it goes, when, and with which unique key; or why it is malformed.
 *
 * A time is a difference: how far ce_runat lies behind ce_time, counted from the moment at which Kafka took the record. So the clock of whoever enqueued it
 * does not matter. Without ce_time it counts as it is.
 *
 * Pure: no I/O, no clock.
 */
#pragma once

#include "base/buf.h"
#include "libjob/envelope.h"
#include "store/later.h"

/* A message that has been read. Valid as long as the message; the row points into both. */
struct admission {
    struct envelope envelope;
    struct buf headers;
    struct err fault;
    char topic[NAME_TOPIC_MAX + 1];
    struct later_row row;
};

/* Reads @m. Call admission_done() also when it is malformed. Return: 0; -ENOMEM. */
int admission_read(struct admission *a, const char *prefix, const struct message *m);
/* PostgreSQL does not store it: it is malformed for this reason, and its headers are left out. */
void admission_refuse(struct admission *a, const char *why);
void admission_done(struct admission *a);
