/* SPDX-License-Identifier: Apache-2.0 */
/* Inside stream/ only: a consumed librdkafka message as a struct message. */
#pragma once

#include <librdkafka/rdkafka.h>
#include <stdbool.h>

#include "stream/message.h"

/*
 * Wraps @rkm, a record and not an event (rkm->err is 0), in one allocation; nothing is copied.
 * @ret: set on success and owns @rkm then: message_free() destroys both. On failure @rkm stays the caller's.
 *
 * @raw: leave the headers alone, as if there were none.
 * Headers that cannot be decoded leave a message without headers, which is no job: it is malformed to whoever judges it.
 *
 * Return: 0; -ENOMEM.
 */
int message_from_kafka(rd_kafka_message_t *rkm, bool raw, struct message **ret);
