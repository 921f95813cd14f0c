/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/line/again.h"

#include <string.h>

#include "base/buf.h"

static void append_quoted(struct buf *b, const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:,=@%+";
    if (*text && strspn(text, plain) == strlen(text)) {
        buf_append_string(b, text);
        return;
    }
    buf_append_char(b, '\'');
    for (; *text; text++)
        buf_append_string(b, *text == '\'' ? "'\\''" : (char[]){ *text, 0 });
    buf_append_char(b, '\'');
}

void again_append(struct buf *b, const struct arguments *a, const struct uuid *after)
{
    char id[UUID_TEXT_SIZE];
    buf_append_format(b, "jobctl %s", a->command->path);
    for (size_t i = 0; i < a->n_values; i++) {
        const struct argument_value *v = &a->values[i];
        if (strcmp(v->option->name, "after") == 0)
            continue;
        buf_append_format(b, " --%s", v->option->name);
        if (v->text) {
            buf_append_char(b, ' ');
            append_quoted(b, v->text);
        }
    }
    buf_append_format(b, " --after %s", uuid_format(after, id));
}
