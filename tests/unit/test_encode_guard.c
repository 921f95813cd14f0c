/* SPDX-License-Identifier: Apache-2.0 */
#include "guard.h"

#include <arpa/inet.h>
#include <sys/un.h>

#include "tests/support/suite.h"

static bool is_public(const char *text)
{
    struct sockaddr_in v4 = { .sin_family = AF_INET };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        return guard_is_public((struct sockaddr *)&v4);
    ck_assert_int_eq(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
    return guard_is_public((struct sockaddr *)&v6);
}

START_TEST(public_addresses_are_let_through)
{
    static const char *const texts[] = { "1.1.1.1",         "9.255.255.255",   "11.0.0.0",
                                         "100.63.255.255",  "100.128.0.0",     "126.255.255.255",
                                         "128.0.0.0",       "172.15.255.255",  "172.32.0.0",
                                         "192.167.1.1",     "223.255.255.255", "2606:4700::1111",
                                         "2001:4860::8888", "2a00::1" };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        ck_assert_msg(is_public(texts[i]), "%s", texts[i]);
}
END_TEST

START_TEST(others_are_not)
{
    static const char *const texts[] = {
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "127.255.255.255",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:1.1.1.1",
        "::1.1.1.1",
        "64:ff9b::101:101",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:1ff::1",
        "2001:db8::1",
        "2002:101:101::1",
        "2620:4f:8000::1",
        "3fff::1",
        "fc00::1",
        "fd12::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        ck_assert_msg(!is_public(texts[i]), "%s", texts[i]);
    struct sockaddr_un local = { .sun_family = AF_UNIX };
    ck_assert(!guard_is_public((struct sockaddr *)&local));
}
END_TEST

SUITE_MAIN("encode_guard", public_addresses_are_let_through, others_are_not)
