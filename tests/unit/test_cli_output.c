/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/output.h"

#include <jansson.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "cli/printable.h"
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
        ck_assert_int_eq(output_one(&style, to, columns, N_COLUMNS, rows[0]), 0);
    } else {
        struct output *o = output_new(&style, to, columns, N_COLUMNS);
        for (size_t i = 0; i < n_rows; i++)
            output_add(o, rows[i]);
        ck_assert_int_eq(output_end(o), 0);
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
                                                   "größe,7,\"x,\033[1m\",{}\n"
                                                   "b,12345,,\n");
    ck_assert_str_eq(output(OUTPUT_CSV, 0, false), "name,n,note,more\n");
}
END_TEST

START_TEST(one_row_is_one_object)
{
    ck_assert_str_eq(output(OUTPUT_TABLE, 1, true), "name größe\nn    7\nnote x,\\x1b[1m\n");
    ck_assert_str_eq(output(OUTPUT_JSON, 1, true),
                     "{\"name\": \"größe\", \"n\": 7, \"note\": \"x,\\u001b[1m\", \"more\": {}}\n");
    ck_assert_str_eq(output(OUTPUT_CSV, 1, true), "name,n,note,more\ngröße,7,\"x,\033[1m\",{}\n");
}
END_TEST

SUITE_MAIN("cli_output", terminals_get_no_control_characters, json_keeps_types,
           payloads_are_shown_as_what_they_are, csv_is_quoted_where_it_must_be, plain_cells_are_one_line,
           tables_elsewhere_than_on_terminals_are_always_the_same, json_is_one_array, jsonl_is_a_line_per_row,
           csv_begins_with_names, one_row_is_one_object)
