/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/dead/letter.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/print/difference.h"
#include "cli/print/layout.h"
#include "tests/support/suite.h"

#define SPAN(literal) ((struct span){ (literal), sizeof(literal) - 1 })

static const struct uuid id = { { 0x01, 0x90, 0xa6, 0xc2, 0x7d, 0x3e, 0x7f, 0, 0x80, 0, 0, 0, 0, 0, 0, 1 } };
static struct letter was, now;
static struct err err;
static char text[65536];

static void make(const char *type, const char *headers, struct span payload)
{
    ck_assert_int_eq(letter_init(&was, &id, "mail", type, SPAN("k1"), headers, payload), 0);
}

static void done(void)
{
    letter_done(&was);
    letter_done(&now);
}

static const char *document(const struct letter *l)
{
    _cleanup_buf_ struct buf b = { 0 };
    letter_append(&b, l);
    ck_assert(!b.failed);
    snprintf(text, sizeof(text), "%s", b.data);
    return text;
}

static int parse(const char *changed)
{
    letter_done(&now);
    err.text[0] = 0;
    return letter_parse(&now, &was, span_from_string(changed), &err);
}

/* The document of `was` with the first @from replaced by @to must be read so. */
static void expect(int outcome, const char *from, const char *to, const char *says)
{
    char before[65536], after[70000];
    snprintf(before, sizeof(before), "%s", document(&was));
    char *at = strstr(before, from);
    ck_assert_msg(at != NULL, "no \"%s\" in\n%s", from, before);
    snprintf(after, sizeof(after), "%.*s%s%s", (int)(at - before), before, to, at + strlen(from));
    int r = parse(after);
    ck_assert_msg(r == outcome, "%d: %s\n%s", r, err.text, after);
    ck_assert_msg(strstr(err.text, says) != NULL, "\"%s\" does not say \"%s\"", err.text, says);
}

#define OPTIONS                                                                                              \
    "{\"ce_source\": \"/x\", \"ce_maxattempts\": \"5\", \"ce_timeoutms\": \"90000\", \"ce_tags\": \"a,b\","  \
    " \"many\": [\"a\", null, {\"base64\": \"/w==\"}]}"

START_TEST(what_is_not_changed_stays_bit_for_bit)
{
    static const struct {
        const char *headers;
        struct span payload;
    } cases[] = {
        { OPTIONS,
          SPAN(
              "{\"to\":\t\"a\", \"n\": 1.0e5, \"big\": 123456789012345678901234567890, \"a\": 1, \"a\": 2}") },
        { "{}", SPAN(" [ ] ") },
        { "{}", SPAN("\"\\u0041 \\\" # x\"") },
        { "{\"content-type\": \"text/plain\"}", SPAN("# no comment\n{\"queue\": 1}") },
        { "{\"content-type\": \"application/octet-stream\"}", SPAN("\0\xff\x01") },
        { "{\"content-type\": \"text/plain\"}", SPAN("") },
        { "{\"content-type\": {\"base64\": \"/w==\"}, \"ce_maxattempts\": [\"1\", \"2\"]}", SPAN("1") },
        { "{\"ce_timeoutms\": \"01\", \"ce_expires\": \"x\"}", { 0 } },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        make("welcome", cases[i].headers, cases[i].payload);
        parse(document(&was)); /* some of them cannot run */
        bool headers_fit = i < 6 ? letter_equal(&was, &now) : true;
        ck_assert_msg(headers_fit, "case %zu: %s\n%s", i, err.text, text);
        ck_assert_uint_eq(was.payload.size, now.payload.size);
        ck_assert(was.has_payload == now.has_payload);
        done();
    }
}
END_TEST

START_TEST(options_are_members_and_headers_again)
{
    make("welcome", OPTIONS, SPAN("{\"to\": 1}"));
    ck_assert_ptr_nonnull(
        strstr(document(&was), "\"max_attempts\": 5,\n  \"timeout\": \"90s\",\n  \"tags\": [\"a\", \"b\"],"));
    expect(0, "\"90s\"", "\"2m\"", "");
    ck_assert_str_eq(json_string_value(json_object_get(now.headers, "ce_timeoutms")), "120000");
    expect(0, "\"max_attempts\": 5", "\"max_attempts\": null", "");
    ck_assert_ptr_null(json_object_get(now.headers, "ce_maxattempts"));
    expect(0, "[\"a\", \"b\"]", "[\"c\"]", "");
    ck_assert_str_eq(json_string_value(json_object_get(now.headers, "ce_tags")), "c");
    expect(0, "\"key\": \"k1\"", "\"key\": {\"base64\": \"/w==\"}", "");
    ck_assert_uint_eq(now.key.size, 1);
    expect(0, "\"key\": \"k1\",", "", "");
    ck_assert(!now.has_key);
    expect(0, "\"to\": 1", "\"to\":   2", "");
    ck_assert_str_eq(now.payload.data, "{\"to\":2}");
    expect(0, "\"payload\"", "# a remark\n\"payload\"", "");
    done();
}
END_TEST

START_TEST(mistakes_are_named_with_line_and_rule)
{
    make("welcome", OPTIONS, SPAN("{\"to\": 1}"));
    expect(LETTER_INVALID, "\"mail\"", "\"Mail\"", "line 2: queue: \"Mail\" is no queue name");
    expect(LETTER_INVALID, "\"welcome\"", "\"9\"", "line 3: type: \"9\" is no job type");
    expect(LETTER_INVALID, "\"welcome\"", "null", "line 3: type: expected a string");
    expect(LETTER_INVALID, "\"type\": \"welcome\",", "", "type is missing");
    expect(LETTER_INVALID, "\"k1\"", "5", "line 4: key: expected a string");
    expect(LETTER_INVALID, "\"k1\"", "{\"base64\": \"=\"}", "line 4: key: expected");
    expect(LETTER_INVALID, "5", "0", "line 5: max_attempts: not a number from 1 to 1000");
    expect(LETTER_INVALID, "\"90s\"", "90", "line 6: timeout: expected a string");
    expect(LETTER_INVALID, "\"90s\"", "\"31d\"", "line 6: timeout: expected a duration from 1ms to 30d");
    expect(LETTER_INVALID, "\"b\"", "\"b,c\"",
           "line 7: tags: expected strings that are not empty and have no comma");
    expect(LETTER_INVALID, "\"content_type\": null", "\"content_type\": \"\"",
           "line 8: content_type: expected null");
    expect(LETTER_INVALID, "\"content_type\"", "\"contenttype\"",
           "line 8: there is no \"contenttype\" in a letter; did you mean \"content_type\"?");
    expect(LETTER_INVALID, "\"ce_source\"", "\"ce_id\"",
           "\"ce_id\" is written by whoever enqueues or relays");
    expect(LETTER_INVALID, "\"ce_source\"", "\"ce_tags\"", "\"ce_tags\" has a member of its own: tags");
    expect(LETTER_INVALID, "\"ce_source\": \"/x\"", "\"ce_expires\": \"soon\"",
           "ce_expires: not an RFC 3339 time");
    expect(LETTER_INVALID, "\"/x\"", "5", "\"ce_source\" is neither string, null nor base64");
    expect(LETTER_INVALID, "\"/x\"", "\"\\u0000\"", "headers: PostgreSQL cannot keep");
    expect(LETTER_INVALID, "\"to\": 1", "\"to\": 1,", "not JSON: \"}\" cannot stand here");
    expect(LETTER_INVALID, "\"queue\"", "\"payload_text\": \"\", \"queue\"",
           "there is another payload already");
    expect(LETTER_INVALID, "\"queue\"", "\"queue\": \"a\", \"queue\"", "line 2: queue: is there twice");
    ck_assert_int_eq(parse("[]"), LETTER_INVALID);
    ck_assert_int_eq(parse("{"), LETTER_INVALID);
    ck_assert_int_eq(parse("\xff"), LETTER_INVALID);
    ck_assert_int_eq(parse(""), LETTER_EMPTY);
    ck_assert_int_eq(parse("# nothing\n\n  # at all"), LETTER_EMPTY);
    done();
}
END_TEST

START_TEST(a_broken_payload_is_mended_where_it_stands)
{
    make(NULL, "{}", SPAN("{\"to\": 1,}"));
    int r = parse(document(&was));
    ck_assert_int_eq(r, LETTER_INVALID);
    ck_assert_msg(strstr(err.text, "line 10: not JSON: \"}\"") != NULL, "%s\n%s", err.text, text);
    ck_assert_int_eq(letter_check(&was, NULL, &err), LETTER_INVALID);
    ck_assert_int_eq(parse("{\"queue\": \"mail\", \"type\": \"welcome\", \"payload\": {\"to\": 1}}"), 0);
    ck_assert_str_eq(now.payload.data, "{\"to\":1}");
    ck_assert_int_eq(parse("{\"queue\": \"mail\", \"type\": \"welcome\",\n\"payload_text\": \"{\"}"),
                     LETTER_INVALID);
    ck_assert_msg(strstr(err.text, "line 2: payload: not JSON at byte") != NULL, "%s", err.text);
    ck_assert_int_eq(
        parse(
            "{\"queue\": \"mail\", \"type\": \"welcome\", \"content_type\": \"text/plain\", \"payload_text\": \"{\"}"),
        0);
    ck_assert_int_eq(
        parse(
            "{\"queue\": \"mail\", \"type\": \"welcome\", \"content_type\": \"x/y\", \"payload_base64\": \"AP8B\"}"),
        0);
    ck_assert_uint_eq(now.payload.size, 3);
    done();
}
END_TEST

START_TEST(options_are_set_one_by_one)
{
    make("welcome", OPTIONS, SPAN("1"));
    static const struct {
        const char *name, *value, *says;
    } wrong[] = {
        { "quue", "a", "did you mean \"queue\"" },
        { "queue", "later", "is no queue name" },
        { "type", "", "is no job type" },
        { "timeout", "5", "expected a duration" },
        { "headers.ce_delivery", "5", "written by whoever" },
        { "headers.", "5", "a name is missing" },
        { "payload", "5", "there is no \"payload\"" },
        { "tags", "\xff", "not UTF-8" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        ck_assert_int_eq(letter_set(&was, wrong[i].name, wrong[i].value, &err), LETTER_INVALID);
        ck_assert_msg(strstr(err.text, wrong[i].says) != NULL, "%s: %s", wrong[i].name, err.text);
    }
    ck_assert_int_eq(letter_set(&was, "timeout", "", &err), 0);
    ck_assert_ptr_null(json_object_get(was.headers, "ce_timeoutms"));
    ck_assert_int_eq(letter_set(&was, "max_attempts", "2000", &err), 0);
    ck_assert_int_eq(letter_check(&was, NULL, &err), LETTER_INVALID);
    ck_assert_str_eq(err.text, "max_attempts: not a number from 1 to 1000");
    ck_assert_int_eq(letter_set(&was, "max_attempts", "7", &err), 0);
    ck_assert_int_eq(letter_set(&was, "headers.x", "y", &err), 0);
    ck_assert_int_eq(letter_check(&was, NULL, &err), 0);
    done();
}
END_TEST

/* --- cli/print/layout.c, cli/print/difference.c --- */

START_TEST(json_is_laid_out_and_put_together_again)
{
    _cleanup_buf_ struct buf b = { 0 }, c = { 0 };
    layout_spread(&b, SPAN(" {\"a\" :[1,2.50, {} ,[ ]],\"b\\\"\":\"x y\"} "), 0);
    ck_assert_str_eq(b.data,
                     "{\n  \"a\": [\n    1,\n    2.50,\n    {},\n    []\n  ],\n  \"b\\\"\": \"x y\"\n}");
    layout_compact(&c, (struct span){ b.data, b.size });
    ck_assert_str_eq(c.data, "{\"a\":[1,2.50,{},[]],\"b\\\"\":\"x y\"}");
}
END_TEST

static const char *differ(const char *before, const char *after)
{
    static struct buf b;
    buf_reset(&b);
    buf_append_string(&b, "");
    difference_append(&b, span_from_string(before), span_from_string(after), false);
    ck_assert(!b.failed);
    return b.data;
}

START_TEST(differences_are_unified)
{
    ck_assert_str_eq(differ("a\nb\n", "a\nb\n"), "");
    ck_assert_str_eq(differ("a\nb\nc\n", "a\nx\nc\n"), "@@ -1,3 +1,3 @@\n a\n-b\n+x\n c\n");
    ck_assert_str_eq(differ("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n"),
                     "@@ -7,3 +7,4 @@\n 7\n 8\n 9\n+10\n");
    ck_assert_str_eq(differ("a\n1\n2\n3\n4\n5\n6\n7\nb\n", "A\n1\n2\n3\n4\n5\n6\n7\nB\n"),
                     "@@ -1,4 +1,4 @@\n-a\n+A\n 1\n 2\n 3\n@@ -6,4 +6,4 @@\n 5\n 6\n 7\n-b\n+B\n");
    ck_assert_str_eq(differ("", "\033[2J\n"), "@@ -1,0 +1,1 @@\n+\\x1b[2J\n");
}
END_TEST

SUITE_MAIN("letter", what_is_not_changed_stays_bit_for_bit, options_are_members_and_headers_again,
           mistakes_are_named_with_line_and_rule, a_broken_payload_is_mended_where_it_stands,
           options_are_set_one_by_one, json_is_laid_out_and_put_together_again, differences_are_unified)
