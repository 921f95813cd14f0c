/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/dead/exported.h"

#include <stdio.h>
#include <string.h>

#include "tests/support/suite.h"

#define LINE                                                                                                                   \
    "{\"id\": \"0190a6c2-7d3e-7f00-8000-000000000001\", \"queue\": \"mail\", \"type\": \"welcome\", \"reason\": \"failed\","   \
    " \"delivery\": 3, \"attempt\": 2, \"error\": \"E\", \"enqueued_at\": null, \"died_at\": \"2026-01-31T18:00:00.000001Z\"," \
    " \"topic\": \"t\", \"partition\": 0, \"offset\": 7, \"edited_at\": null, \"headers\": {\"h\": [\"v\", null]},"            \
    " \"result\": null, \"attempts\": [], \"edits\": [], \"key\": null, \"payload\": {\"base64\": \"AP8B\"}}"

static const char whole[] = LINE;
static struct exported e;
static struct err err;

static int read_line(const char *line)
{
    exported_done(&e);
    err.text[0] = 0;
    return exported_read(&e, span_from_string(line), &err);
}

START_TEST(a_line_is_read_with_all_its_bytes)
{
    ck_assert_msg(read_line(LINE) == 0, "%s", err.text);
    ck_assert_int_eq(e.record.died_us % 1000000, 1);
    ck_assert_uint_eq(e.record.payload.size, 3);
    ck_assert_int_eq(memcmp(e.record.payload.data, "\0\xff\1", 3), 0);
    ck_assert_ptr_null(e.record.key.data);
    ck_assert(e.record.has_offset && e.record.offset == 7);
    ck_assert_str_eq(e.record.headers, "{\"h\":[\"v\",null]}");
    exported_done(&e);
}
END_TEST

START_TEST(what_is_wrong_names_its_member)
{
    static const struct {
        const char *from, *to, *says;
    } cases[] = {
        { "\"0190a6c2", "\"", "id: expected a UUID" },
        { "\"0190a6c2-7d3e-7f00-8000-000000000001\"", "\"00000000-0000-0000-0000-000000000000\"",
          "id: expected a UUID" },
        { "\"mail\"", "\"\"", "queue: expected" },
        { "\"welcome\"", "\"9\"", "type: expected a job type" },
        { "\"welcome\"", "null", "only a malformed letter can be without one" },
        { "\"failed\"", "\"dead\"", "reason: expected exhausted, failed" },
        { "\"delivery\": 3", "\"delivery\": -1", "delivery: expected a whole number" },
        { "\"delivery\": 3,", "", "delivery: is missing" },
        { "\"attempt\": 2", "\"attempt\": 2.5", "attempt: expected a whole number" },
        { "\"E\"", "\"\\u0000\"", "error: expected a string" },
        { "\"enqueued_at\": null", "\"enqueued_at\": \"now\"", "enqueued_at: expected a time" },
        { "\"2026-01-31T18:00:00.000001Z\"", "null", "died_at: expected a time" },
        { "\"partition\": 0", "\"partition\": \"0\"", "partition: expected a whole number" },
        { "{\"h\": [\"v\", null]}", "[]", "headers: expected an object" },
        { "[\"v\", null]", "5", "headers: \"h\": expected a string" },
        { "\"v\"", "\"\\u0000\"", "headers: expected text without \\u0000" },
        { "\"result\": null", "\"result\": 5", "result: expected an object" },
        { "\"attempts\": []", "\"attempts\": [5]", "attempts: expected a list of objects" },
        { "\"AP8B\"", "\"AP8\"", "payload: expected base64" },
        { "{\"base64\": \"AP8B\"}", "5", "payload: expected a string" },
        { ", \"payload\": {\"base64\": \"AP8B\"}", "", "payload: is missing" },
        { "\"edits\"", "\"edit\"", "there is no member \"edit\"; did you mean \"edits\"?" },
        { "\"topic\": \"t\"", "\"topic\": \"t\", \"topic\": \"u\"", "not JSON" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char line[2000];
        const char *at = strstr(whole, cases[i].from);
        ck_assert_ptr_nonnull(at);
        snprintf(line, sizeof(line), "%.*s%s%s", (int)(at - whole), whole, cases[i].to,
                 at + strlen(cases[i].from));
        ck_assert_msg(read_line(line) == EXPORTED_INVALID, "case %zu", i);
        ck_assert_msg(strstr(err.text, cases[i].says) != NULL, "%s instead of %s", err.text, cases[i].says);
    }
    ck_assert_int_eq(read_line("5"), EXPORTED_INVALID);
    ck_assert_int_eq(read_line("[]"), EXPORTED_INVALID);
    exported_done(&e);
}
END_TEST

SUITE_MAIN("exported", a_line_is_read_with_all_its_bytes, what_is_wrong_names_its_member)
