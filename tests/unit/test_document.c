/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/print/document.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "tests/support/suite.h"

static void check(const char *bytes, size_t size, bool whole, const char *expected)
{
    _cleanup_buf_ struct buf b = { 0 };
    document_append(&b, "payload", (struct span){ bytes, size }, whole);
    ck_assert_str_eq(b.data, expected);
}

START_TEST(json_is_laid_out_with_its_members_in_order)
{
    static const char json[] = "{\"b\":1,\"a\":[true,null]}";
    check(json, strlen(json), false,
          "payload\n  {\n    \"b\": 1,\n    \"a\": [\n      true,\n      null\n    ]\n  }\n");
    check("7", 1, false, "payload\n  7\n");
}
END_TEST

START_TEST(what_is_no_json_is_text_on_one_line)
{
    check("two\nlines", 9, false, "payload\n  two\\nlines\n");
    check("\033[2J", 4, false, "payload\n  \\x1b[2J\n");
    check("\377\000", 2, false, "payload\n  {\"base64\":\"/wA=\"}\n");
    check("", 0, false, "payload\n  (empty)\n");
}
END_TEST

START_TEST(long_documents_are_cut_with_a_note)
{
    _cleanup_buf_ struct buf json = { 0 }, b = { 0 };
    buf_append_string(&json, "[0");
    for (int i = 1; i < 60; i++)
        buf_append_format(&json, ",%d", i);
    buf_append_string(&json, "]");
    document_append(&b, "result", (struct span){ json.data, json.size }, false);
    ck_assert_ptr_nonnull(strstr(b.data, "\n    38,\n  … (22 lines more; --full shows them)\n"));
    buf_reset(&b);
    document_append(&b, "result", (struct span){ json.data, json.size }, true);
    ck_assert_ptr_nonnull(strstr(b.data, "\n    59\n  ]\n"));
}
END_TEST

/* "é" has two bytes: none is left alone. */
START_TEST(long_lines_are_cut_between_characters)
{
    _cleanup_buf_ struct buf text = { 0 }, b = { 0 };
    buf_append_string(&text, "x");
    for (int i = 0; i < DOCUMENT_MAX_COLUMNS; i++)
        buf_append_string(&text, "é");
    document_append(&b, "payload", (struct span){ text.data, text.size }, false);
    ck_assert_ptr_nonnull(strstr(b.data, "é … (402 bytes more; --full shows them)\n"));
    ck_assert_ptr_null(strstr(b.data, "\\x"));
}
END_TEST

SUITE_MAIN("document", json_is_laid_out_with_its_members_in_order, what_is_no_json_is_text_on_one_line,
           long_documents_are_cut_with_a_note, long_lines_are_cut_between_characters)
