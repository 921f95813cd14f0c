/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/property.h"

#include <librdkafka/rdkafka.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/suggest.h"

DEFINE_CLEANUP(rd_kafka_conf_t *, rd_kafka_conf_destroy)

/* Set by producers and consumers themselves; saying the same once more is no harm. */
static const struct {
    const char *name;
    const char *value; /* the only one that can be; NULL: none can */
    const char *why;
} owned[] = {
    { "enable.auto.commit", "false", "positions are in PostgreSQL" },
    { "enable.auto.offset.store", "false", "positions are in PostgreSQL" },
    { "auto.offset.reset", "error", "a lost position must not become another one" },
    { "enable.partition.eof", "true", "gaps at the end of the log are closed by it" },
    { "partition.assignment.strategy", "roundrobin", "every worker must use the same" },
    { "enable.idempotence", "true", "what was acknowledged must not be lost" },
    { "acks", "all", "what was acknowledged must not be lost" },
    { "request.required.acks", "all", "what was acknowledged must not be lost" },
    { "transactional.id", "", "producers use no transactions" },
    { "bootstrap.servers", NULL, "the servers are kafka.brokers" },
    { "metadata.broker.list", NULL, "the servers are kafka.brokers" },
    { "group.id", NULL, "the group is worker.group" },
    { "message.timeout.ms", NULL, "the relay counts on its own" },
    { "delivery.timeout.ms", NULL, "the relay counts on its own" },
};

static int check_owned(const char *name, const char *value, struct err *reterr)
{
    for (size_t i = 0; i < ARRAY_SIZE(owned); i++) {
        if (strcmp(owned[i].name, name) != 0)
            continue;
        if (!owned[i].value)
            return err_set(reterr, 1, "expected that %s is not set here: %s", name, owned[i].why);
        if (strcmp(owned[i].value, value) != 0)
            return err_set(reterr, 1, "expected that %s stays \"%s\": %s", name, owned[i].value,
                           owned[i].why);
    }
    return 0;
}

static int refuse_name(const rd_kafka_conf_t *conf, const char *name, struct err *reterr)
{
    struct suggest near = { .word = name };
    size_t n;
    const char **known = rd_kafka_conf_dump((rd_kafka_conf_t *)(uintptr_t)conf, &n);
    for (size_t i = 0; i + 1 < n; i += 2)
        suggest_consider(&near, known[i]);
    if (suggest_is_close(&near))
        err_set(reterr, 1, "expected a property that librdkafka knows, found \"%s\"; did you mean \"%s\"?",
                name, near.nearest);
    else
        err_set(reterr, 1, "expected a property that librdkafka knows, found \"%s\"", name);
    rd_kafka_conf_dump_free(known, n);
    return 1;
}

int property_check(const char *name, const char *value, struct err *reterr)
{
    char why[256];
    _cleanup_(rd_kafka_conf_destroy_cleanup) rd_kafka_conf_t *conf = rd_kafka_conf_new();
    switch (rd_kafka_conf_set(conf, name, value, why, sizeof(why))) {
    case RD_KAFKA_CONF_OK:
        return check_owned(name, value, reterr);
    case RD_KAFKA_CONF_UNKNOWN:
        return refuse_name(conf, name, reterr);
    default:
        return err_set(reterr, 1, "expected a value that librdkafka takes: %s", why);
    }
}
