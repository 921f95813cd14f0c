/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/progress_lines.h"

#include <string.h>

static void append(struct progress_lines *p, const char *data, size_t size)
{
    p->too_long |= size > sizeof(p->line) - p->size;
    if (p->too_long)
        return;
    memcpy(p->line + p->size, data, size);
    p->size += size;
}

static void complain(struct progress_lines *p)
{
    if (!p->complained)
        job_log(p->ctx, "progress: a line of more than %d bytes is dropped", JOB_MAX_PROGRESS_SIZE);
    p->complained = true;
}

static void end_line(struct progress_lines *p)
{
    if (p->size && p->line[p->size - 1] == '\r')
        p->size--;
    if (p->too_long)
        complain(p);
    else if (p->size)
        job_set_progress(p->ctx, p->line, p->size);
    p->size = 0;
    p->too_long = false;
}

void progress_lines_take(struct progress_lines *p, const char *data, size_t size)
{
    for (const char *end = data + size, *newline; data < end; data = newline + 1) {
        newline = memchr(data, '\n', (size_t)(end - data));
        append(p, data, (size_t)((newline ? newline : end) - data));
        if (!newline)
            break;
        end_line(p);
    }
}
