/* SPDX-License-Identifier: Apache-2.0 */
/* From a producer_config to librdkafka's own configuration. */
#pragma once

#include <librdkafka/rdkafka.h>

#include "base/err.h"
#include "stream/producer.h"

/* @opaque: what rd_kafka_opaque() gives. Return: 0; -EINVAL with the property in @reterr; other negative errno. */
int producer_conf_new(rd_kafka_conf_t **ret, const struct producer_config *config, void *opaque,
                      struct err *reterr);
