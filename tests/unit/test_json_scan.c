/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_scan.h"

#include <jansson.h>

#include "tests/support/suite.h"

static enum json_verdict scan(const char *text)
{
    return json_scan(text, strlen(text), NULL);
}

START_TEST(valid_documents_are_storable)
{
    static const char *const valid[] = {
        "null",
        "true",
        "false",
        "0",
        "-0",
        "-1.5e+10",
        "12E3",
        "\"\"",
        "[]",
        "{}",
        " [ 1 , 2 ] ",
        "{\"a\":{\"b\":[{},[],\"\\u00e9\\n\"]}}",
        "\"\\ud83d\\ude00\"",
        "\"\xc3\xa9\"",
        "\t\r\n1 ",
    };
    for (size_t i = 0; i < sizeof(valid) / sizeof(valid[0]); i++)
        ck_assert_msg(scan(valid[i]) == JSON_STORABLE, "%s", valid[i]);
}
END_TEST

START_TEST(broken_documents_are_named_by_offset)
{
    static const struct {
        const char *text;
        size_t at;
    } broken[] = {
        { "", 0 },          { "{", 1 },   { "[1,]", 3 },  { "{\"a\"}", 4 }, { "{\"a\":1,}", 7 },
        { "[1 2]", 3 },     { "01", 1 },  { "1.", 2 },    { "-", 1 },       { "1e", 2 },
        { "nul", 3 },       { "\"a", 2 }, { "'a'", 0 },   { "[1}", 2 },     { "\"\\x\"", 3 },
        { "\"\\u12\"", 5 }, { "1 1", 2 }, { "{1:2}", 1 }, { "\"\t\"", 1 },  { "[\"\xff\"]", 2 },
    };
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        size_t at = 999;
        ck_assert_msg(json_scan(broken[i].text, strlen(broken[i].text), &at) == JSON_INVALID, "%s",
                      broken[i].text);
        ck_assert_msg(at == broken[i].at, "%s: %zu", broken[i].text, at);
    }
}
END_TEST

START_TEST(what_jsonb_refuses_is_valid_but_not_storable)
{
    ck_assert_int_eq(scan("\"a\\u0000b\""), JSON_VALID);
    ck_assert_int_eq(scan("\"\\ud800\""), JSON_VALID);
    ck_assert_int_eq(scan("\"\\ud800\\u0041\""), JSON_VALID);
    ck_assert_int_eq(scan("\"\\udc00\""), JSON_VALID);
}
END_TEST

START_TEST(bytes_that_are_no_utf8_are_invalid)
{
    ck_assert_int_eq(scan("\"\xff\""), JSON_INVALID);
    ck_assert_int_eq(scan("\"\xc3\""), JSON_INVALID);
    ck_assert_int_eq(scan("\"\xed\xa0\x80\""), JSON_INVALID);
    ck_assert_int_eq(json_scan("\"a\0b\"", 5, NULL), JSON_INVALID);
}
END_TEST

START_TEST(depth_is_bounded)
{
    char text[2 * (JSON_SCAN_MAX_DEPTH + 1)];
    size_t n = JSON_SCAN_MAX_DEPTH;
    memset(text, '[', n);
    memset(text + n, ']', n);
    ck_assert_int_eq(json_scan(text, 2 * n, NULL), JSON_STORABLE);
    n++;
    memset(text, '[', n);
    memset(text + n, ']', n);
    ck_assert_int_eq(json_scan(text, 2 * n, NULL), JSON_INVALID);
}
END_TEST

/* Every string of up to 5 characters of JSON's own alphabet: the scanner and a full parser agree. */
START_TEST(agrees_with_a_full_parser)
{
    static const char alphabet[] = "{}[]\",:1-0.eu\\ ";
    const size_t base = sizeof(alphabet) - 1;
    for (int length = 1; length <= 5; length++) {
        size_t count = 1;
        for (int i = 0; i < length; i++)
            count *= base;
        for (size_t code = 0; code < count; code++) {
            char text[6] = { 0 };
            size_t rest = code;
            for (int i = 0; i < length; i++, rest /= base)
                text[i] = alphabet[rest % base];
            json_t *tree = json_loadb(text, (size_t)length, JSON_DECODE_ANY, NULL);
            ck_assert_msg((tree != NULL) == (scan(text) != JSON_INVALID), "%s", text);
            json_decref(tree);
        }
    }
}
END_TEST

SUITE_MAIN("json_scan", valid_documents_are_storable, broken_documents_are_named_by_offset,
           what_jsonb_refuses_is_valid_but_not_storable, bytes_that_are_no_utf8_are_invalid, depth_is_bounded,
           agrees_with_a_full_parser)
