/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/http_guard.h"

#include <netdb.h>
#include <stdio.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "tests/support/suite.h"

/* As a resolver reads the host of a URL. Return: false when it is no address. */
static bool resolve(const char *host, struct sockaddr_storage *ret)
{
    const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM };
    struct addrinfo *list;
    if (getaddrinfo(host, "80", &hints, &list) != 0)
        return false;
    memcpy(ret, list->ai_addr, list->ai_addrlen);
    freeaddrinfo(list);
    return true;
}

static bool is_public(const char *host)
{
    struct sockaddr_storage address;
    ck_assert_msg(resolve(host, &address), "%s", host);
    return http_guard_is_public((struct sockaddr *)&address);
}

START_TEST(no_spelling_of_a_closed_address_passes)
{
    static const char *const closed[] = {
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "127.255.255.255",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "0177.1",
        "017700000001",
        "127.0x1",
        "0",
        "0.0.0.0",
        "0x0",
        "0.1.2.3",
        "10.0.0.0",
        "10.255.255.255",
        "10.1",
        "167772161",
        "0xa.1",
        "012.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.0.1",
        "192.168.1",
        "0xc0a80001",
        "3232235521",
        "169.254.169.254",
        "0xa9fea9fe",
        "2852039166",
        "100.64.0.1",
        "100.127.255.255",
        "192.0.0.1",
        "192.0.2.1",
        "192.88.99.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.7",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "0:0:0:0:0:0:0:1",
        "::ffff:127.0.0.1",
        "::ffff:7f00:1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "::127.0.0.1",
        "::7f00:1",
        "fc00::1",
        "fd00:ec2::254",
        "fdff:ffff::1",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
        "2001::1",
        "2001:db8::1",
        "2001:10::1",
        "2002:7f00:1::",
        "2002:a00:1::1",
        "2002:c0a8:101::1",
        "64:ff9b::127.0.0.1",
        "64:ff9b::a00:1",
        "64:ff9b:1::1",
        "100::1",
        "3fff::1",
        "4000::1",
    };
    ck_assert_uint_ge(ARRAY_SIZE(closed), 60);
    for (size_t i = 0; i < ARRAY_SIZE(closed); i++)
        ck_assert_msg(!is_public(closed[i]), "%s", closed[i]);
}
END_TEST

START_TEST(public_addresses_pass)
{
    static const char *const open[] = {
        "1.1.1.1",          "9.255.255.255",   "11.0.0.0",        "100.63.255.255",  "100.128.0.0",
        "126.255.255.255",  "128.0.0.0",       "134744072",       "169.253.255.255", "172.15.255.255",
        "172.32.0.0",       "192.167.255.255", "192.169.0.0",     "198.17.255.255",  "198.20.0.0",
        "223.255.255.255",  "2606:4700::1111", "2001:4860::8888", "2a00::1",         "::ffff:1.1.1.1",
        "64:ff9b::1.1.1.1", "2002:101:101::1",
    };
    for (size_t i = 0; i < ARRAY_SIZE(open); i++)
        ck_assert_msg(is_public(open[i]), "%s", open[i]);
}
END_TEST

START_TEST(other_families_do_not_pass)
{
    const struct sockaddr_un local = { .sun_family = AF_UNIX };
    ck_assert(!http_guard_is_public((const struct sockaddr *)&local));
    ck_assert(!http_guard_is_in((const struct sockaddr *)&local, "0.0.0.0/0"));
}
END_TEST

START_TEST(network_is_an_address_and_bits)
{
    static const struct {
        const char *host, *network;
        bool is_in;
    } cases[] = {
        { "10.1.2.3", "10.1.0.0/16", true },
        { "10.2.2.3", "10.1.0.0/16", false },
        { "10.1.2.3", "10.1.2.3", true },
        { "10.1.2.4", "10.1.2.3", false },
        { "10.1.2.3", "0.0.0.0/0", true },
        { "10.1.2.3", "10.1.2.2/31", true },
        { "10.1.2.4", "10.1.2.2/31", false },
        { "::1", "::1", true },
        { "::1", "::1/128", true },
        { "fd00::5", "fd00::/8", true },
        { "fe80::5", "fd00::/8", false },
        { "::1", "0.0.0.0/0", false },
        { "10.1.2.3", "::/0", false },
        { "10.1.2.3", "10.1.2.3/33", false },
        { "10.1.2.3", "10.1.2.3/", false },
        { "10.1.2.3", "10.1.2.3/-1", false },
        { "10.1.2.3", "10.1.2.3/8x", false },
        { "10.1.2.3", "10.1/16", false },
        { "10.1.2.3", "", false },
        { "10.1.2.3", "/8", false },
        { "10.1.2.3", "localhost", false },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct sockaddr_storage address;
        ck_assert(resolve(cases[i].host, &address));
        ck_assert_msg(http_guard_is_in((struct sockaddr *)&address, cases[i].network) == cases[i].is_in,
                      "%s in %s", cases[i].host, cases[i].network);
    }
}
END_TEST

START_TEST(allowed_hosts_and_networks_may_be_closed)
{
    char *allow[] = { (char *)"hooks.internal", (char *)"10.0.0.0/8" };
    struct sockaddr_storage loopback, private, public;
    ck_assert(resolve("127.0.0.1", &loopback) && resolve("10.0.0.1", &private) &&
              resolve("1.1.1.1", &public));
    ck_assert(http_guard_allows((struct sockaddr *)&loopback, "Hooks.INTERNAL", allow, 2));
    ck_assert(!http_guard_allows((struct sockaddr *)&loopback, "hooks.internal.evil", allow, 2));
    ck_assert(http_guard_allows((struct sockaddr *)&private, "evil", allow, 2));
    ck_assert(!http_guard_allows((struct sockaddr *)&private, "evil", NULL, 0));
    ck_assert(http_guard_allows((struct sockaddr *)&public, "evil", NULL, 0));
}
END_TEST

SUITE_MAIN("http_guard", no_spelling_of_a_closed_address_passes, public_addresses_pass,
           other_families_do_not_pass, network_is_an_address_and_bits,
           allowed_hosts_and_networks_may_be_closed)
