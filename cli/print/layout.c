/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/print/layout.h"

#include <string.h>

#define STEP 2

size_t layout_skip(struct span json, size_t at)
{
    while (at < json.size && strchr(" \t\r\n", json.data[at]) && json.data[at])
        at++;
    return at;
}

size_t layout_token(struct span json, size_t at)
{
    size_t end = at + 1;
    if (json.data[at] == '"') {
        while (end < json.size && json.data[end] != '"')
            end += json.data[end] == '\\' ? 2 : 1;
        return (end < json.size ? end + 1 : json.size) - at;
    }
    if (strchr("{}[]:,", json.data[at]))
        return 1;
    while (end < json.size && !strchr("{}[]:,\" \t\r\n", json.data[end]))
        end++;
    return end - at;
}

size_t layout_value(struct span json, size_t at)
{
    size_t from = at;
    int depth = 0;
    do {
        char c = json.data[at];
        depth += (c == '{' || c == '[') - (c == '}' || c == ']');
        at += layout_token(json, at);
        if (depth == 0)
            break;
        at = layout_skip(json, at);
    } while (at < json.size);
    return at - from;
}

static void begin_line(struct buf *b, int indent)
{
    buf_append_char(b, '\n');
    for (int i = 0; i < indent; i++)
        buf_append_char(b, ' ');
}

static bool is_closed_at(struct span json, size_t at)
{
    return at < json.size && (json.data[at] == '}' || json.data[at] == ']');
}

void layout_spread(struct buf *b, struct span json, int indent)
{
    for (size_t at = layout_skip(json, 0), next; at < json.size; at = next) {
        size_t size = layout_token(json, at);
        char c = json.data[at];
        next = layout_skip(json, at + size);
        if ((c == '}' || c == ']')) {
            indent -= STEP;
            begin_line(b, indent);
        }
        buf_append(b, json.data + at, size);
        if ((c == '{' || c == '[') && is_closed_at(json, next)) {
            buf_append(b, json.data + next, 1); /* an empty one stays on its line */
            next = layout_skip(json, next + 1);
        } else if (c == '{' || c == '[') {
            indent += STEP;
            begin_line(b, indent);
        } else if (c == ',') {
            begin_line(b, indent);
        } else if (c == ':') {
            buf_append_char(b, ' ');
        }
    }
}

void layout_compact(struct buf *b, struct span json)
{
    for (size_t at = layout_skip(json, 0); at < json.size;) {
        size_t size = layout_token(json, at);
        buf_append(b, json.data + at, size);
        at = layout_skip(json, at + size);
    }
}
