/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/report/tar.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"

#define BLOCK 512

/* IEEE 1003.1, pax, "ustar Interchange Format". Numbers are octal digits with a NUL behind them. */
struct header {
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], sum[8], type, link[100], magic[6],
        version[2], user[32], group[32], major[8], minor[8], prefix[155], rest[12];
};
_Static_assert(sizeof(struct header) == BLOCK, "one block");

static void set_sum(struct header *h)
{
    unsigned sum = 0;
    memset(h->sum, ' ', sizeof(h->sum));
    for (size_t i = 0; i < sizeof(*h); i++)
        sum += ((const unsigned char *)h)[i];
    snprintf(h->sum, sizeof(h->sum), "%06o", sum & 0777777);
}

void tar_add(struct buf *out, const char *name, struct span content, int64_t time_s)
{
    static const char zeros[BLOCK];
    struct header h = { .mode = "0000600",
                        .uid = "0000000",
                        .gid = "0000000",
                        .type = '0',
                        .magic = "ustar",
                        .version = { '0', '0' },
                        .user = "root",
                        .group = "root" };
    snprintf(h.name, sizeof(h.name), "%s", name);
    snprintf(h.size, sizeof(h.size), "%011llo", (unsigned long long)content.size & 077777777777);
    snprintf(h.mtime, sizeof(h.mtime), "%011llo", (unsigned long long)time_s & 077777777777);
    set_sum(&h);
    buf_append(out, &h, sizeof(h));
    buf_append(out, content.data, content.size);
    buf_append(out, zeros, (BLOCK - content.size % BLOCK) % BLOCK);
}

void tar_end(struct buf *out)
{
    static const char zeros[2 * BLOCK];
    buf_append(out, zeros, sizeof(zeros));
}
