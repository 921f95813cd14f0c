/* SPDX-License-Identifier: Apache-2.0 */
#include "address.h"

#include <stdio.h>

#include "tests/support/suite.h"

static struct address address;

START_TEST(addresses_are_one_plain_addr_spec)
{
    static const char *const good[] = { "a@b", "ada@example.org", "a.b+tag@x-1.example.co.uk",
                                        "o'hara_{}|~@x.y", "-a@b" };
    static const char *const bad[] = {
        "",
        "ada",
        "@b",
        "a@",
        "a@@b",
        "a@b@c",
        "<a@b.c>",
        "Ada <a@b.c>",
        "a b@c.d",
        "a@b c.d",
        " a@b.c",
        "a@b.c ",
        "\"a b\"@c.d",
        "a@b.c,d@e.f",
        "a@b.c;",
        "a@b.c>",
        "(x)a@b.c",
        "a@[127.0.0.1]",
        ".a@b.c",
        "a.@b.c",
        "a..b@c.d",
        "a@.b",
        "a@b.",
        "a@b..c",
        "a@-b.c",
        "a@b-.c",
        "a@b.c-",
        "a@b_c",
        "a@b.c> SIZE=1",
        "a\\@b.c",
        "a@b\xe3\x80\x82",
        "a@℀.c",
        "a@xn--\xc3\xa4.c",
        "a@\u200bb c.d",
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        const char *wrong = address_parse(good[i], &address);
        ck_assert_msg(!wrong, "%s %s", good[i], wrong ? wrong : "");
        ck_assert_str_eq(address.text, good[i]);
        ck_assert(!address.international);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(address_parse(bad[i], &address) != NULL, "%s", bad[i]);
}
END_TEST

START_TEST(domains_become_ascii_and_the_part_before_stays)
{
    static const struct {
        const char *text, *expected;
        bool international;
    } rows[] = {
        { "ada@bücher.example", "ada@xn--bcher-kva.example", false },
        { "ada@BÜCHER.example", "ada@xn--bcher-kva.example", false },
        { "ada@straße.example", "ada@xn--strae-oqa.example", false },
        { "ada@例え。テスト", "ada@xn--r8jz45g.xn--zckzah", false },
        { "ada@xn--bcher-kva.example", "ada@xn--bcher-kva.example", false },
        { "zoë@example.org", "zoë@example.org", true },
        { "用户@例子.example", "用户@xn--fsqu00a.example", true },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *wrong = address_parse(rows[i].text, &address);
        ck_assert_msg(!wrong, "%s %s", rows[i].text, wrong ? wrong : "");
        ck_assert_str_eq(address.text, rows[i].expected);
        ck_assert_int_eq(address.international, rows[i].international);
        ck_assert_str_eq(address_domain(&address), strchr(rows[i].expected, '@') + 1);
    }
}
END_TEST

START_TEST(addresses_have_a_longest)
{
    char local[70], text[300];
    memset(local, 'a', sizeof(local));
    snprintf(text, sizeof(text), "%.64s@b.c", local);
    ck_assert_ptr_null(address_parse(text, &address));
    snprintf(text, sizeof(text), "%.65s@b.c", local);
    ck_assert_str_eq(address_parse(text, &address), "has a bad part before the @");
    snprintf(text, sizeof(text), "a@%.63s.c", local);
    ck_assert_ptr_null(address_parse(text, &address));
    snprintf(text, sizeof(text), "a@%.64s.c", local);
    ck_assert_str_eq(address_parse(text, &address), "has a bad domain");
    snprintf(text, sizeof(text), "a@%.63s.%.63s.%.63s.%.60s", local, local, local, local);
    ck_assert_uint_eq(strlen(text), 254);
    ck_assert_ptr_null(address_parse(text, &address));
    strcat(text, "a");
    ck_assert_str_eq(address_parse(text, &address), "is longer than 254 bytes");
}
END_TEST

SUITE_MAIN("address", addresses_are_one_plain_addr_spec, domains_become_ascii_and_the_part_before_stays,
           addresses_have_a_longest)
