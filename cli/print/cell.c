/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/print/cell.h"

#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json_scan.h"
#include "base/timefmt.h"
#include "base/utf8.h"
#include "cli/print/printable.h"
#include "libjob/json_text.h"

struct cell cell_span(enum cell_kind kind, struct span bytes)
{
    return bytes.data ? (struct cell){ .kind = kind, .bytes = bytes } : cell_null();
}

struct cell cell_text(const char *text)
{
    return cell_span(CELL_TEXT, span_from_string(text));
}

struct cell cell_json(const char *json)
{
    return cell_span(CELL_JSON, span_from_string(json));
}

/* A whole JSON text on one line: white space between its tokens is left out, except one space after ':' and ','. */
static void append_one_line(struct buf *b, struct span json)
{
    bool in_string = false;
    for (size_t i = 0; i < json.size; i++) {
        char c = json.data[i];
        if (!in_string && strchr(" \t\r\n", c))
            continue;
        buf_append_char(b, c);
        if (in_string && c == '\\' && i + 1 < json.size)
            buf_append_char(b, json.data[++i]);
        else if (c == '"')
            in_string = !in_string;
        else if (!in_string && (c == ':' || c == ','))
            buf_append_char(b, ' ');
    }
}

static bool is_json(struct span bytes)
{
    return json_scan(bytes.data, bytes.size, NULL) != JSON_INVALID;
}

static void append_time(struct buf *b, int64_t us, int digits)
{
    char text[RFC3339_SIZE];
    if (us == INT64_MAX || us == INT64_MIN)
        buf_append_string(b, us > 0 ? "infinity" : "-infinity");
    else
        buf_append_string(b, rfc3339_format(us, digits, text));
}

/* What needs neither quotes nor escapes; false when @cell is of another kind. */
static bool append_simple(struct buf *b, const struct cell *cell, int digits)
{
    char text[UUID_TEXT_SIZE];
    switch (cell->kind) {
    case CELL_INT:
        buf_append_format(b, "%" PRId64, cell->number);
        return true;
    case CELL_BOOL:
        buf_append_string(b, cell->number ? "true" : "false");
        return true;
    case CELL_TIME:
        append_time(b, cell->number, digits);
        return true;
    case CELL_ID:
        buf_append_string(b, uuid_format(&cell->id, text));
        return true;
    default:
        return false;
    }
}

void cell_append_json(struct buf *b, const struct cell *cell)
{
    bool quoted = cell->kind == CELL_TIME || cell->kind == CELL_ID;
    if (quoted)
        buf_append_char(b, '"');
    if (append_simple(b, cell, 6)) {
        if (quoted)
            buf_append_char(b, '"');
        return;
    }
    if (cell->kind == CELL_NULL)
        buf_append_string(b, "null");
    else if (cell->kind == CELL_JSON || (cell->kind == CELL_PAYLOAD && is_json(cell->bytes)))
        append_one_line(b, cell->bytes);
    else
        json_append_bytes(b, cell->bytes);
}

/* The value as text, before any quoting: a string without its quotes, everything else as JSON has it. */
static void append_text(struct buf *b, const struct cell *cell, int digits)
{
    if (cell->kind == CELL_NULL || append_simple(b, cell, digits))
        return;
    if (cell->kind == CELL_JSON || !utf8_is_text(cell->bytes.data, cell->bytes.size) ||
        (cell->kind == CELL_PAYLOAD && is_json(cell->bytes)))
        cell_append_json(b, cell);
    else
        buf_append(b, cell->bytes.data, cell->bytes.size);
}

void cell_append_csv(struct buf *b, const struct cell *cell)
{
    _cleanup_buf_ struct buf raw = { 0 }, text = { 0 };
    append_text(&raw, cell, 6);
    printable_append_multiline(&text, (struct span){ raw.data, raw.size });
    if (cell->kind == CELL_NULL)
        return;
    if (text.size > 0 && !memchr(text.data, '"', text.size) && !strpbrk(text.data, ",\r\n")) {
        buf_append(b, text.data, text.size);
        return;
    }
    buf_append_char(b, '"');
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '"')
            buf_append_char(b, '"');
        buf_append_char(b, text.data[i]);
    }
    buf_append_char(b, '"');
}

void cell_append_plain(struct buf *b, const struct cell *cell)
{
    _cleanup_buf_ struct buf text = { 0 };
    append_text(&text, cell, 3);
    printable_append(b, (struct span){ text.data, text.size });
}
