/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/job/where.h"

#include "base/cleanup.h"
#include "tests/support/suite.h"

#define ALL_ROOTS 7u

static const char payload_text[] =
    "{\"to\": \"ada@example.org\", \"n\": 5, \"price\": 0.1, \"big\": 123456789012345678901234567890, \"on\": true, \"none\": null,"
    " \"a\": {\"b\": [1, {\"c\": \"x\"}, 3]}, \"a key\": 1, \"weiß\": \"ü\", \"0\": \"zero\", \"list\": [1.0, \"two\"], \"nul\": \"a\\u0000b\"}";

static bool matches(const char *condition)
{
    struct where w = { 0 };
    struct err err = { 0 };
    json_t *payload = where_read_json(payload_text, sizeof(payload_text) - 1);
    json_t *headers = json_pack("{s:s}", "content-type", "application/json");
    ck_assert_ptr_nonnull(payload);
    ck_assert_msg(where_parse(&w, condition, ALL_ROOTS, &err) == 0, "%s: %s", condition, err.text);
    bool matched = where_matches(&w, (json_t *const[]){ payload, NULL, headers });
    where_done(&w);
    json_decref(payload);
    json_decref(headers);
    return matched;
}

START_TEST(terms_hold)
{
    static const char *const lines[] = {
        "payload.to = \"ada@example.org\"",
        "payload.to=\"ada@example.org\"and payload.n=5",
        "  payload.n > 4 AND payload.n >= 5 and payload.n <= 5.0 and payload.n < 1e1 ",
        "payload.n = 5.0",
        "payload.price = 0.1",
        "payload.big > 1000000000000000000",
        "payload.on = true",
        "payload.on != \"true\"",
        "payload.none = null",
        "payload.none exists",
        "payload.other missing",
        "payload.a.b[1].c = \"x\"",
        "payload.a.b[-1] = 3",
        "payload.a.b = [1, {\"c\": \"x\"}, 3.0]",
        "payload.list = [1, \"two\"]",
        "payload.\"a key\" = 1",
        "payload.\"weiß\" = \"ü\"",
        "payload[0] = \"zero\"",
        "payload.list.1 = \"two\"",
        "payload.to ~ \"^ada@.*[.]org$\"",
        "payload.to > \"aaa\"",
        "payload.nul > \"a\"",
        "headers.content-type = \"application/json\"",
        "payload exists",
        "result missing",
        "payload.a.b[7] missing",
    };
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
        ck_assert_msg(matches(lines[i]), "%s", lines[i]);
}
END_TEST

START_TEST(terms_do_not_hold)
{
    static const char *const lines[] = {
        "payload.to = \"bob@example.org\"",
        "payload.to != \"ada@example.org\"",
        "payload.n = \"5\"",
        "payload.n < \"9\"",
        "payload.other = null",
        "payload.other != 1",
        "payload.none > 0",
        "payload.to exists and payload.to missing",
        "payload.n ~ \"5\"",
        "payload.a.b[3] exists",
        "payload.a.b[-4] exists",
        "payload.to.x exists",
        "payload.list = [1]",
        "payload.a = {\"b\": []}",
        "result.x = 1",
        "result != 1",
    };
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
        ck_assert_msg(!matches(lines[i]), "%s", lines[i]);
}
END_TEST

START_TEST(what_is_wrong_is_said_with_its_place)
{
    static const struct {
        const char *condition, *said;
    } cases[] = {
        { "", "character 1, the end: expected payload or result or headers" },
        { "paylod.x = 1", "character 1: expected payload or result or headers, as in payload.to" },
        { "payload.x", "character 10, the end: expected =, !=, <" },
        { "payload.x == 1", "character 11: expected =, !=" },
        { "payload.x ~= 1", "character 11: expected =, !=" },
        { "payload.x =", "character 12, the end: expected a JSON value" },
        { "payload.x = 'ada'",
          "character 13: expected a JSON value, like 3, true or \"text\" (in double quotes), found \"'ada'\"" },
        { "payload.x = ada", "character 13: expected a JSON value" },
        { "payload.\"ü\" = 'a'", "character 15: expected a JSON value" },
        { "payload. = 1", "character 9: expected a name of letters" },
        { "payload.\"x = 1", "character 9: expected a name as a JSON string" },
        { "payload[x] = 1", "character 9: expected a place in an array" },
        { "payload[1 = 1", "character 9: expected a place in an array" },
        { "payload[1234567890] = 1", "character 9: expected a place in an array" },
        { "payload.x ~ 3", "character 13: expected a regular expression" },
        { "payload.x ~ \"(\"", "character 13: expected a POSIX extended regular expression (" },
        { "payload.x < true", "character 13: expected a number or a string" },
        { "payload.x = 1 or payload.y = 2", "character 15: expected \"and\" or the end, found \"or payload" },
        { "payload.x = 1 and", "character 18, the end: expected payload" },
        { "payload.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a = 1", "expected a path of at most 16 steps" },
        { "payload.x = \"\xff\"", "expected UTF-8" },
        { "payload.x = 1 and payload.x = 1 and payload.x = 1 and payload.x = 1 and payload.x = 1 and payload.x = 1 "
          "and payload.x = 1 and payload.x = 1 and payload.x = 1 and payload.x = 1 and payload.x = 1 and payload.x = 1 "
          "and payload.x = 1 and payload.x = 1 and payload.x = 1 and payload.x = 1 and payload.x = 1",
          "expected at most 16 terms in all" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct where w = { 0 };
        struct err err = { 0 };
        ck_assert_msg(where_parse(&w, cases[i].condition, ALL_ROOTS, &err) == WHERE_INVALID, "accepted: %s",
                      cases[i].condition);
        ck_assert_msg(strstr(err.text, cases[i].said) != NULL, "%s: \"%s\" does not say \"%s\"",
                      cases[i].condition, err.text, cases[i].said);
        where_done(&w);
    }
}
END_TEST

START_TEST(only_what_is_there_can_be_asked)
{
    struct where w = { 0 };
    struct err err = { 0 };
    ck_assert_int_eq(where_parse(&w, "result.x = 1", 1u << WHERE_PAYLOAD, &err), WHERE_INVALID);
    ck_assert_msg(strstr(err.text, "expected payload, as in") != NULL, "%s", err.text);
    where_done(&w);
}
END_TEST

START_TEST(conditions_add_up_and_keep_what_was_written)
{
    struct where w = { 0 };
    ck_assert_int_eq(where_parse(&w, "payload.a[2].\"b c\" = 1.50", ALL_ROOTS, NULL), 0);
    ck_assert_int_eq(where_parse(&w, "headers.x ~ \"y\"", ALL_ROOTS, NULL), 0);
    ck_assert_uint_eq(w.n, 2);
    ck_assert_uint_eq(w.terms[0].n_steps, 3);
    ck_assert_str_eq(w.terms[0].steps[0], "a");
    ck_assert_str_eq(w.terms[0].steps[1], "2");
    ck_assert_str_eq(w.terms[0].steps[2], "b c");
    ck_assert_str_eq(w.terms[0].literal, "1.50");
    ck_assert(where_asks(&w, WHERE_HEADERS) && !where_asks(&w, WHERE_RESULT));
    ck_assert(!where_matches(&w, (json_t *const[]){ NULL, NULL, NULL }));
    where_done(&w);
    ck_assert(where_matches(&w, (json_t *const[]){ NULL, NULL, NULL }));
}
END_TEST

SUITE_MAIN("where", terms_hold, terms_do_not_hold, what_is_wrong_is_said_with_its_place,
           only_what_is_there_can_be_asked, conditions_add_up_and_keep_what_was_written)
