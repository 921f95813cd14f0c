/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/print/output.h"

#include <jansson.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "cli/print/printable.h"
#include "tests/support/suite.h"

#define SPAN(literal) ((struct span){ (literal), sizeof(literal) - 1 })

static char text[4096];

static const char *render(void (*append)(struct buf *b, const struct cell *cell), struct cell cell)
{
    _cleanup_buf_ struct buf b = { 0 };
    append(&b, &cell);
    snprintf(text, sizeof(text), "%s", b.data ? b.data : "");
    return text;
}

static const char *print(struct span span)
{
    _cleanup_buf_ struct buf b = { 0 };
    printable_append(&b, span);
    snprintf(text, sizeof(text), "%s", b.data ? b.data : "");
    return text;
}

START_TEST(terminals_get_no_control_characters)
{
    ck_assert_str_eq(print(SPAN("plain größe 日本 \xf0\x9f\x98\x80")), "plain größe 日本 \xf0\x9f\x98\x80");
    ck_assert_str_eq(print(SPAN("\033[2J\a\b\x7f")), "\\x1b[2J\\x07\\x08\\x7f");
    ck_assert_str_eq(print(SPAN("a\nb\tc\rd\0e")), "a\\nb\\tc\\rd\\x00e");
    ck_assert_str_eq(print(SPAN("\xc2\x9b"
                                "31m")),
                     "\\x9b31m"); /* CSI as one character */
    ck_assert_str_eq(print(SPAN("\xff\xfe"
                                "a\xe6\x97")),
                     "\\xff\\xfe"
                     "a\\xe6\\x97");
    ck_assert_str_eq(print(SPAN("x\xe2\x80\xaey")), "x\\u{202e}y"); /* right-to-left override */
}
END_TEST

START_TEST(json_keeps_types)
{
    struct uuid id = { { 0x01, 0x90, 0xa6, 0xc2, 0x7d, 0x3e, 0x7f, 0, 0x80, 0, 0, 0, 0, 0, 0, 1 } };
    ck_assert_str_eq(render(cell_append_json, cell_null()), "null");
    ck_assert_str_eq(render(cell_append_json, cell_int(-7)), "-7");
    ck_assert_str_eq(render(cell_append_json, cell_bool(true)), "true");
    ck_assert_str_eq(render(cell_append_json, cell_text("a\"\\\n")), "\"a\\\"\\\\\\u000a\"");
    ck_assert_str_eq(render(cell_append_json, cell_text(NULL)), "null");
    ck_assert_str_eq(render(cell_append_json, cell_id(&id)), "\"0190a6c2-7d3e-7f00-8000-000000000001\"");
    ck_assert_str_eq(render(cell_append_json, (struct cell){ CELL_TIME, .number = 1500000 }),
                     "\"1970-01-01T00:00:01.500000Z\"");
    ck_assert_str_eq(render(cell_append_json, (struct cell){ CELL_TIME, .number = INT64_MAX }),
                     "\"infinity\"");
}
END_TEST

START_TEST(payloads_are_shown_as_what_they_are)
{
    ck_assert_str_eq(render(cell_append_json, cell_span(CELL_PAYLOAD, SPAN("{ \"a\":\n\t[1.50,\"x y\"] }"))),
                     "{\"a\": [1.50, \"x y\"]}");
    ck_assert_str_eq(render(cell_append_json, cell_span(CELL_PAYLOAD, SPAN("\"a \\\" b:c,d\""))),
                     "\"a \\\" b:c,d\"");
    ck_assert_str_eq(render(cell_append_json, cell_span(CELL_PAYLOAD, SPAN("no json"))), "\"no json\"");
    ck_assert_str_eq(render(cell_append_json, cell_span(CELL_PAYLOAD, SPAN(""))), "\"\"");
    ck_assert_str_eq(render(cell_append_json, cell_span(CELL_PAYLOAD, SPAN("\xff\x00"))),
                     "{\"base64\":\"/wA=\"}");
    ck_assert_str_eq(render(cell_append_json, cell_span(CELL_BYTES, SPAN("42"))), "\"42\"");
    ck_assert_str_eq(render(cell_append_json, cell_span(CELL_PAYLOAD, (struct span){ 0 })), "null");
}
END_TEST

START_TEST(csv_is_quoted_where_it_must_be)
{
    ck_assert_str_eq(render(cell_append_csv, cell_text("plain")), "plain");
    ck_assert_str_eq(render(cell_append_csv, cell_text("a,b")), "\"a,b\"");
    ck_assert_str_eq(render(cell_append_csv, cell_text("a \"b\"\nc")), "\"a \"\"b\"\"\nc\"");
    ck_assert_str_eq(render(cell_append_csv, cell_text("")), "\"\"");
    ck_assert_str_eq(render(cell_append_csv, cell_null()), "");
    ck_assert_str_eq(render(cell_append_csv, cell_json("{\"a\":1}")), "\"{\"\"a\"\": 1}\"");
}
END_TEST

START_TEST(plain_cells_are_one_line)
{
    ck_assert_str_eq(render(cell_append_plain, cell_null()), "");
    ck_assert_str_eq(render(cell_append_plain, cell_text("a\n\033[31m")), "a\\n\\x1b[31m");
    ck_assert_str_eq(render(cell_append_plain, (struct cell){ CELL_TIME, .number = 1500000 }),
                     "1970-01-01T00:00:01.500Z");
    ck_assert_str_eq(render(cell_append_plain, cell_span(CELL_PAYLOAD, SPAN("[1,\n2]"))), "[1, 2]");
}
END_TEST

/* --- Whole outputs --- */

static const struct output_column columns[] = {
    { "name", CELL_TEXT },
    { "n", CELL_INT },
    { "note", CELL_TEXT, OUTPUT_CUTTABLE },
    { "more", CELL_JSON, OUTPUT_NOT_IN_TABLE },
};
#define N_COLUMNS ARRAY_SIZE(columns)

/* Two rows, or one as an object; the output stays in `text`. */
static const char *output(enum output_format format, size_t n_rows, bool one)
{
    struct output_style style = { .format = format };
    struct cell rows[2][N_COLUMNS] = {
        { cell_text("größe"), cell_int(7), cell_text("x,\033[1m"), cell_json("{}") },
        { cell_text("b"), cell_int(12345), cell_null(), cell_null() },
    };
    char *data;
    size_t size;
    FILE *to = open_memstream(&data, &size);
    output_init_locale();
    if (one) {
        ck_assert_int_eq(output_one(&style, to, columns, N_COLUMNS, rows[0], NULL), 0);
    } else {
        struct output *o;
        ck_assert_int_eq(output_new(&o, &style, to, columns, N_COLUMNS, NULL), 0);
        for (size_t i = 0; i < n_rows; i++)
            output_add(o, rows[i]);
        ck_assert_int_eq(output_end(o, NULL), 0);
        output_free(o);
    }
    fclose(to);
    snprintf(text, sizeof(text), "%s", data);
    free(data);
    return text;
}

START_TEST(tables_elsewhere_than_on_terminals_are_always_the_same)
{
    static const char table[] = "name      n note\n"
                                "größe     7 x,\\x1b[1m\n"
                                "b     12345 \n";
    ck_assert_str_eq(output(OUTPUT_TABLE, 2, false), table);
    setenv("LC_ALL", "C", 1);
    setenv("COLUMNS", "10", 1);
    setenv("TERM", "xterm", 1);
    ck_assert_str_eq(output(OUTPUT_TABLE, 2, false), table);
    ck_assert_str_eq(output(OUTPUT_TABLE, 0, false), "");
}
END_TEST

START_TEST(json_is_one_array)
{
    ck_assert_str_eq(output(OUTPUT_JSON, 2, false),
                     "[{\"name\": \"größe\", \"n\": 7, \"note\": \"x,\\u001b[1m\", \"more\": {}},\n"
                     " {\"name\": \"b\", \"n\": 12345, \"note\": null, \"more\": null}]\n");
    json_t *json = json_loads(text, 0, NULL);
    ck_assert_uint_eq(json_array_size(json), 2);
    json_decref(json);
    ck_assert_str_eq(output(OUTPUT_JSON, 0, false), "[]\n");
}
END_TEST

START_TEST(jsonl_is_a_line_per_row)
{
    ck_assert_str_eq(output(OUTPUT_JSONL, 2, false),
                     "{\"name\": \"größe\", \"n\": 7, \"note\": \"x,\\u001b[1m\", \"more\": {}}\n"
                     "{\"name\": \"b\", \"n\": 12345, \"note\": null, \"more\": null}\n");
    ck_assert_str_eq(output(OUTPUT_JSONL, 0, false), "");
}
END_TEST

START_TEST(csv_begins_with_names)
{
    ck_assert_str_eq(output(OUTPUT_CSV, 2, false), "name,n,note,more\n"
                                                   "größe,7,\"x,\\x1b[1m\",{}\n"
                                                   "b,12345,,\n");
    ck_assert_str_eq(output(OUTPUT_CSV, 0, false), "name,n,note,more\n");
}
END_TEST

START_TEST(one_row_is_one_object)
{
    ck_assert_str_eq(output(OUTPUT_TABLE, 1, true), "name größe\nn    7\nnote x,\\x1b[1m\n");
    ck_assert_str_eq(output(OUTPUT_JSON, 1, true),
                     "{\"name\": \"größe\", \"n\": 7, \"note\": \"x,\\u001b[1m\", \"more\": {}}\n");
    ck_assert_str_eq(output(OUTPUT_CSV, 1, true), "name,n,note,more\ngröße,7,\"x,\\x1b[1m\",{}\n");
}
END_TEST

/* C1 controls and turning marks are no control characters for JSON, but terminals obey them. */
START_TEST(json_and_csv_are_safe_on_a_terminal)
{
    struct output_style style = { 0 };
    struct cell row[N_COLUMNS] = { cell_text("\xc2\x9b"
                                             "31m"),
                                   cell_int(1), cell_text("two\nlines\x7f"),
                                   cell_json("{\"a\": \"x\xe2\x80\xaey\"}") };
    static const struct {
        enum output_format format;
        const char *text;
    } cases[] = {
        { OUTPUT_JSONL,
          "{\"name\": \"\\u009b31m\", \"n\": 1, \"note\": \"two\\u000alines\\u007f\", \"more\": {\"a\": \"x\\u202ey\"}}\n" },
        { OUTPUT_CSV,
          "name,n,note,more\n\\x9b31m,1,\"two\nlines\\x7f\",\"{\"\"a\"\": \"\"x\\u{202e}y\"\"}\"\n" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char *data;
        size_t size;
        FILE *to = open_memstream(&data, &size);
        style.format = cases[i].format;
        ck_assert_int_eq(output_one(&style, to, columns, N_COLUMNS, row, NULL), 0);
        fclose(to);
        ck_assert_str_eq(data, cases[i].text);
        free(data);
    }
}
END_TEST

/* --- What the reader chooses --- */

static struct err why;

/* The same two rows and one more, in the style given. Return: an enum status. */
static int print_in(struct output_style style)
{
    struct cell rows[3][N_COLUMNS] = {
        { cell_text("b"), cell_int(7), cell_text("x"), cell_json("{}") },
        { cell_text("a"), cell_int(12345), cell_null(), cell_null() },
        { cell_text("a"), cell_int(7), cell_text("y"), cell_null() },
    };
    char *data;
    size_t size;
    struct output *o = NULL;
    FILE *to = open_memstream(&data, &size);
    why.text[0] = 0;
    int r = output_new(&o, &style, to, columns, N_COLUMNS, &why);
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(rows); i++)
        output_add(o, rows[i]);
    if (r == 0)
        r = output_end(o, &why);
    output_free(o);
    fclose(to);
    snprintf(text, sizeof(text), "%s", data);
    free(data);
    return r;
}

START_TEST(columns_are_those_that_were_asked_for)
{
    ck_assert_int_eq(print_in((struct output_style){ .columns = "n,name" }), 0);
    ck_assert_str_eq(text, "    n name\n    7 b\n12345 a\n    7 a\n");
    ck_assert_int_eq(print_in((struct output_style){ .format = OUTPUT_CSV, .columns = "more" }), 0);
    ck_assert_str_eq(text, "more\n{}\n\n\n");
    ck_assert_int_eq(print_in((struct output_style){ .format = OUTPUT_JSONL, .columns = "n" }), 0);
    ck_assert_str_eq(text, "{\"n\": 7}\n{\"n\": 12345}\n{\"n\": 7}\n");
    ck_assert_int_eq(print_in((struct output_style){ .columns = "more,n" }), 0); /* hidden, but asked for */
    ck_assert_str_eq(text, "more     n\n{}       7\n     12345\n         7\n");
}
END_TEST

START_TEST(names_can_be_left_out)
{
    ck_assert_int_eq(print_in((struct output_style){ .columns = "n,name", .no_headers = true }), 0);
    ck_assert_str_eq(text, "    7 b\n12345 a\n    7 a\n");
    ck_assert_int_eq(
        print_in((struct output_style){ .format = OUTPUT_CSV, .columns = "n", .no_headers = true }), 0);
    ck_assert_str_eq(text, "7\n12345\n7\n");
}
END_TEST

START_TEST(rows_are_sorted_by_what_was_asked_for)
{
    ck_assert_int_eq(
        print_in((struct output_style){ .format = OUTPUT_CSV, .columns = "name,n", .sort = "name" }), 0);
    ck_assert_str_eq(text, "name,n\na,12345\na,7\nb,7\n"); /* equal ones stay as they came */
    ck_assert_int_eq(print_in((struct output_style){
                         .format = OUTPUT_CSV, .columns = "name,n", .sort = "name:desc,n:asc" }),
                     0);
    ck_assert_str_eq(text, "name,n\nb,7\na,7\na,12345\n");
    ck_assert_int_eq(
        print_in((struct output_style){ .format = OUTPUT_CSV, .columns = "note", .sort = "note:desc" }), 0);
    ck_assert_str_eq(text, "note\ny\nx\n\n"); /* nulls last, whichever way */
    ck_assert_int_eq(
        print_in((struct output_style){ .format = OUTPUT_JSON, .columns = "n", .sort = "n:desc" }), 0);
    ck_assert_str_eq(text, "[{\"n\": 12345},\n {\"n\": 7},\n {\"n\": 7}]\n");
}
END_TEST

START_TEST(wrong_columns_name_the_right_ones)
{
    ck_assert_int_eq(print_in((struct output_style){ .columns = "name,nots" }), 2);
    ck_assert_str_eq(why.text, "--columns: there is no column \"nots\"; did you mean \"note\"?");
    ck_assert_int_eq(print_in((struct output_style){ .sort = "age:desc" }), 2);
    ck_assert_str_eq(why.text, "--sort: there is no column \"age\"; there are name, n, note, more");
    ck_assert_int_eq(print_in((struct output_style){ .columns = "" }), 2);
    ck_assert_str_eq(why.text, "--columns: there is no column \"\"; there are name, n, note, more");
}
END_TEST

static const char *show_moment(int64_t ahead_s, enum moment_form form)
{
    _cleanup_buf_ struct buf b = { 0 };
    int64_t now_us = INT64_C(1769882400) * 1000000; /* 2026-01-31T18:00:00Z */
    moment_append(&b, now_us + ahead_s * 1000000, form, now_us);
    snprintf(text, sizeof(text), "%s", b.data);
    return text;
}

START_TEST(times_are_relative_where_that_says_more)
{
    static const struct {
        int64_t ahead_s;
        const char *text;
    } cases[] = {
        { 0, "now" },
        { -1, "1s ago" },
        { 59, "in 59s" },
        { -200, "3m20s ago" },
        { 600, "in 10m" },
        { -3599, "59m ago" },
        { 3 * 3600 + 1200, "in 3h20m" },
        { -30 * 3600, "30h ago" },
        { 48 * 3600, "in 2d" },
        { -364 * 86400, "364d ago" },
        { 365 * 86400, "2027-01-31 18:00:00Z" },
        { -400 * 86400, "2024-12-27 18:00:00Z" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        ck_assert_str_eq(show_moment(cases[i].ahead_s, MOMENT_RELATIVE), cases[i].text);
}
END_TEST

START_TEST(times_are_absolute_on_demand)
{
    setenv("TZ", "Asia/Kolkata", 1);
    tzset();
    ck_assert_str_eq(show_moment(1, MOMENT_LOCAL), "2026-01-31 23:30:01+05:30");
    ck_assert_str_eq(show_moment(1, MOMENT_UTC), "2026-01-31 18:00:01Z");
    ck_assert_str_eq(show_moment(1, MOMENT_EXACT), "2026-01-31T18:00:01.000Z");
    _cleanup_buf_ struct buf b = { 0 };
    moment_append(&b, INT64_MAX, MOMENT_RELATIVE, 0);
    moment_append(&b, INT64_MIN, MOMENT_LOCAL, 0);
    ck_assert_str_eq(b.data, "infinity-infinity");
}
END_TEST

SUITE_MAIN("cli_output", terminals_get_no_control_characters, json_keeps_types,
           payloads_are_shown_as_what_they_are, csv_is_quoted_where_it_must_be, plain_cells_are_one_line,
           tables_elsewhere_than_on_terminals_are_always_the_same, json_is_one_array, jsonl_is_a_line_per_row,
           csv_begins_with_names, one_row_is_one_object, json_and_csv_are_safe_on_a_terminal,
           columns_are_those_that_were_asked_for, names_can_be_left_out,
           rows_are_sorted_by_what_was_asked_for, wrong_columns_name_the_right_ones,
           times_are_relative_where_that_says_more, times_are_absolute_on_demand)
