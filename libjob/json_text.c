/* SPDX-License-Identifier: Apache-2.0 */
#include "libjob/json_text.h"

#include "base/utf8.h"
#include "libjob/base64.h"

void json_append_string(struct buf *json, const char *text, size_t size)
{
    buf_append_char(json, '"');
    for (size_t i = 0, start = 0; i <= size; i++) {
        unsigned char c = i < size ? (unsigned char)text[i] : 0;
        if (i < size && c >= 0x20 && c != '"' && c != '\\')
            continue;
        buf_append(json, text + start, i - start);
        start = i + 1;
        if (i == size)
            break;
        if (c < 0x20)
            buf_append_format(json, "\\u%04x", c);
        else
            buf_append_format(json, "\\%c", c);
    }
    buf_append_char(json, '"');
}

void json_append_bytes(struct buf *json, struct span bytes)
{
    if (!bytes.data) {
        buf_append_string(json, "null");
    } else if (utf8_is_text(bytes.data, bytes.size)) {
        json_append_string(json, bytes.data, bytes.size);
    } else {
        buf_append_string(json, "{\"base64\":\"");
        base64_append(json, bytes.data, bytes.size);
        buf_append_string(json, "\"}");
    }
}
