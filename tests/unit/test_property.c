/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/property.h"

#include <string.h>

#include "tests/support/suite.h"

static void refuses(const char *name, const char *value, const char *with)
{
    struct err err = { 0 };
    ck_assert_msg(property_check(name, value, &err) == 1, "%s = \"%s\" was accepted", name, value);
    ck_assert_msg(strstr(err.text, with) != NULL, "%s: %s", name, err.text);
}

static void accepts(const char *name, const char *value)
{
    struct err err = { 0 };
    ck_assert_msg(property_check(name, value, &err) == 0, "%s: %s", name, err.text);
}

START_TEST(properties_that_librdkafka_takes_are_right)
{
    accepts("security.protocol", "SASL_SSL");
    accepts("sasl.password", "x");
    accepts("session.timeout.ms", "9000");
    accepts("linger.ms", "2.5");
}
END_TEST

START_TEST(unknown_properties_are_refused_with_the_nearest)
{
    refuses("security.protocl", "ssl", "did you mean \"security.protocol\"");
    refuses("no such thing at all", "1", "found \"no such thing at all\"");
}
END_TEST

START_TEST(values_that_cannot_be_are_refused)
{
    refuses("session.timeout.ms", "zzz", "session.timeout.ms");
    refuses("security.protocol", "telnet", "security.protocol");
}
END_TEST

START_TEST(what_a_promise_rests_on_stays)
{
    accepts("acks", "all");
    refuses("acks", "1", "stays \"all\"");
    refuses("enable.auto.commit", "true", "stays \"false\"");
    refuses("auto.offset.reset", "earliest", "stays \"error\"");
    refuses("enable.idempotence", "false", "stays \"true\"");
    refuses("transactional.id", "t", "stays \"\"");
}
END_TEST

START_TEST(what_has_an_option_of_its_own_is_set_there)
{
    refuses("bootstrap.servers", "127.0.0.1:9092", "kafka.brokers");
    refuses("metadata.broker.list", "127.0.0.1:9092", "kafka.brokers");
    refuses("group.id", "mine", "worker.group");
    refuses("message.timeout.ms", "60000", "the relay");
    refuses("delivery.timeout.ms", "60000", "the relay");
}
END_TEST

SUITE_MAIN("property", properties_that_librdkafka_takes_are_right,
           unknown_properties_are_refused_with_the_nearest, values_that_cannot_be_are_refused,
           what_a_promise_rests_on_stays, what_has_an_option_of_its_own_is_set_there)
