/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/capture.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "tests/support/suite.h"

struct lines {
    struct buf text; /* each followed by '|' */
    size_t n, n_bytes;
};

static void note(const char *line, size_t size, void *userdata)
{
    struct lines *lines = userdata;
    buf_append(&lines->text, line, size);
    buf_append_char(&lines->text, '|');
    lines->n++;
    lines->n_bytes += size;
}

static void check_lines(struct lines *lines, const char *expected)
{
    buf_append_char(&lines->text, 0);
    ck_assert_str_eq(lines->text.data, expected);
    buf_done(&lines->text);
}

static void check_tail(const struct capture *c, const char *expected)
{
    _cleanup_buf_ struct buf text = { 0 };
    capture_append_tail(c, &text);
    buf_append_char(&text, 0);
    ck_assert_str_eq(text.data, expected);
}

START_TEST(lines_come_whole_however_they_were_written)
{
    static const char text[] = "one\n\ntwo\nthree";
    for (size_t step = 1; step < sizeof(text); step++) {
        struct capture c = { 0 };
        struct lines lines = { 0 };
        for (size_t at = 0; at < sizeof(text) - 1; at += step) {
            size_t left = sizeof(text) - 1 - at;
            capture_take(&c, text + at, left < step ? left : step, note, &lines);
        }
        ck_assert_uint_eq(lines.n, 3);
        check_tail(&c, text);
        capture_end(&c, note, &lines);
        check_lines(&lines, "one||two|three|");
    }
}
END_TEST

START_TEST(long_line_becomes_several)
{
    struct capture c = { 0 };
    struct lines lines = { 0 };
    char text[2 * CAPTURE_LINE_MAX + 3];
    memset(text, 'x', sizeof(text));
    capture_take(&c, text, sizeof(text), note, &lines);
    capture_end(&c, note, &lines);
    ck_assert_uint_eq(lines.n, 3);
    ck_assert_uint_eq(lines.n_bytes, sizeof(text));
    buf_done(&lines.text);
}
END_TEST

START_TEST(what_is_beyond_the_bound_is_counted_and_its_end_is_kept)
{
    struct capture c = { 0 };
    struct lines lines = { 0 };
    char chunk[4096];
    memset(chunk, 'x', sizeof(chunk));
    for (size_t i = 63; i < sizeof(chunk); i += 64)
        chunk[i] = '\n';
    for (int i = 0; i < 1000; i++)
        capture_take(&c, chunk, sizeof(chunk), note, &lines);
    capture_take(&c, "the end\n", 8, note, &lines);
    ck_assert_uint_eq(lines.n_bytes + lines.n, CAPTURE_MAX);
    buf_reset(&lines.text);
    _cleanup_buf_ struct buf tail = { 0 };
    capture_append_tail(&c, &tail);
    ck_assert_int_eq(memcmp(tail.data + tail.size - 8, "\nthe end", 8), 0);
    ck_assert_int_eq(memcmp(tail.data, chunk, 64), 0);
    ck_assert_uint_eq(capture_end(&c, note, &lines), 1000 * sizeof(chunk) + 8 - CAPTURE_MAX);
    ck_assert_uint_eq(lines.text.size, 0);
    ck_assert_uint_eq(capture_end(&c, note, &lines), 0);
    buf_done(&lines.text);
}
END_TEST

START_TEST(next_job_starts_with_nothing)
{
    struct capture c = { 0 };
    struct lines lines = { 0 };
    capture_take(&c, "first", 5, note, &lines);
    capture_end(&c, note, &lines);
    capture_take(&c, "second\n", 7, note, &lines);
    check_tail(&c, "second");
    capture_end(&c, note, &lines);
    capture_end(&c, note, &lines);
    check_lines(&lines, "first|second|");
}
END_TEST

START_TEST(tail_is_clean_text)
{
    struct capture c = { 0 };
    struct lines lines = { 0 };
    capture_take(&c, "a\0b\xff\n", 5, note, &lines);
    check_tail(&c, "a\xef\xbf\xbd"
                   "b\xef\xbf\xbd");
    buf_done(&lines.text);
}
END_TEST

SUITE_MAIN("capture", lines_come_whole_however_they_were_written, long_line_becomes_several,
           what_is_beyond_the_bound_is_counted_and_its_end_is_kept, next_job_starts_with_nothing,
           tail_is_clean_text)
