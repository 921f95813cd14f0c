/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "tests/support/suite.h"

static bool is_text(const char *s)
{
    return utf8_is_text(s, strlen(s));
}

START_TEST(well_formed_text_is_text)
{
    static const char *const texts[] = { "",
                                         "a",
                                         "abcdefgh",
                                         "abcdefghijklmnop",
                                         "\xc3\xa9",
                                         "\xe2\x82\xac",
                                         "\xf0\x9f\x98\x80",
                                         "abcdefg\xc3\xa9hijklmnop",
                                         "\xf4\x8f\xbf\xbf",
                                         "\xed\x9f\xbf",
                                         "\x7f\x01" };
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        ck_assert_msg(is_text(texts[i]), "%zu", i);
}
END_TEST

START_TEST(malformed_bytes_are_found_at_every_place)
{
    static const char *const bad[] = { "\x80",
                                       "\xff",
                                       "\xc0\xaf",
                                       "\xc3",
                                       "\xe2\x82",
                                       "\xed\xa0\x80",
                                       "\xf4\x90\x80\x80",
                                       "\xf5\x80\x80\x80",
                                       "\xe0\x80\x80",
                                       "\xf0\x80\x80\x80",
                                       "\xc1\xbf" };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        for (size_t at = 0; at <= 24; at++) {
            char text[64];
            size_t n = strlen(bad[i]);
            memset(text, 'x', sizeof(text));
            memcpy(text + at, bad[i], n);
            ck_assert_msg(!utf8_is_text(text, at + n), "%zu at %zu", i, at);
            ck_assert_msg(!utf8_is_text(text, at + n + 20), "%zu at %zu", i, at);
        }
    }
}
END_TEST

START_TEST(nul_is_no_text_at_every_place)
{
    for (size_t at = 0; at < 24; at++) {
        char text[24];
        memset(text, 'x', sizeof(text));
        text[at] = 0;
        ck_assert(!utf8_is_text(text, sizeof(text)));
    }
}
END_TEST

START_TEST(cleaning_replaces_bad_bytes_and_cuts_between_characters)
{
    struct buf b = { 0 };
    utf8_append_clean(&b,
                      "a\xff"
                      "b\0c\xc3\xa9",
                      7, 100);
    ck_assert_str_eq(b.data, "a\xef\xbf\xbd"
                             "b\xef\xbf\xbd"
                             "c\xc3\xa9");
    buf_reset(&b);
    utf8_append_clean(&b, "ab\xe2\x82\xac", 5, 4);
    ck_assert_str_eq(b.data, "ab");
    ck_assert(is_text(b.data));
    buf_done(&b);
}
END_TEST

SUITE_MAIN("utf8", well_formed_text_is_text, malformed_bytes_are_found_at_every_place,
           nul_is_no_text_at_every_place, cleaning_replaces_bad_bytes_and_cuts_between_characters)
