/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/print/document.h"

#include <jansson.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "cli/print/cell.h"
#include "cli/print/printable.h"

#define INDENT "  "

/* NULL: it is no JSON. To be freed. */
static char *lay_out(struct span bytes)
{
    json_t *json = json_loadb(bytes.data, bytes.size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    char *text = json ? json_dumps(json, JSON_INDENT(2) | JSON_ENCODE_ANY) : NULL;
    json_decref(json);
    return text;
}

/* @size cut so that no character is halved. */
static size_t cut(const char *line, size_t size)
{
    if (size <= DOCUMENT_MAX_COLUMNS)
        return size;
    size = DOCUMENT_MAX_COLUMNS;
    while (size > 0 && ((unsigned char)line[size] & 0xC0) == 0x80)
        size--;
    return size;
}

static void append_line(struct buf *b, const char *line, size_t size, bool whole)
{
    size_t shown = whole ? size : cut(line, size);
    buf_append_string(b, INDENT);
    printable_append(b, (struct span){ line, shown });
    if (shown < size)
        buf_append_format(b, " … (%zu bytes more; --full shows them)", size - shown);
    buf_append_char(b, '\n');
}

static size_t count_lines(const char *text, size_t size)
{
    size_t n = 1;
    for (size_t i = 0; i + 1 < size; i++)
        n += text[i] == '\n';
    return n;
}

static void append_lines(struct buf *b, struct span text, bool whole)
{
    size_t at = 0;
    for (int n = 0; at < text.size; n++) {
        const char *line = text.data + at, *end = memchr(line, '\n', text.size - at);
        size_t size = end ? (size_t)(end - line) : text.size - at;
        if (!whole && n == DOCUMENT_MAX_LINES) {
            buf_append_format(b, INDENT "… (%zu lines more; --full shows them)\n",
                              count_lines(line, text.size - at));
            return;
        }
        append_line(b, line, size, whole);
        at += size + (end != NULL);
    }
}

/* Bytes that are no text are shown as JSON has them. */
static void append_other(struct buf *b, struct span bytes, bool whole)
{
    _cleanup_buf_ struct buf plain = { 0 };
    struct cell cell = cell_span(CELL_PAYLOAD, bytes);
    cell_append_plain(&plain, &cell);
    append_line(b, plain.data ? plain.data : "", plain.size, whole);
}

void document_append(struct buf *b, const char *title, struct span bytes, bool whole)
{
    _cleanup_free_ char *text = bytes.size ? lay_out(bytes) : NULL;
    buf_append_format(b, "%s\n", title);
    if (text)
        append_lines(b, span_from_string(text), whole);
    else if (bytes.size)
        append_other(b, bytes, whole);
    else
        buf_append_string(b, INDENT "(empty)\n");
}
