/* SPDX-License-Identifier: Apache-2.0 */
/* jobctl bugreport. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/report/bugreport.h"
#include "cli/commands.h"
#include "cli/dialog.h"
#include "cli/print/present.h"

static int write_all(int fd, const char *data, size_t size)
{
    for (ssize_t n; size > 0; data += n, size -= (size_t)n) {
        n = write(fd, data, size);
        if (n < 0 && errno != EINTR)
            return -errno;
        n = n < 0 ? 0 : n;
    }
    return 0;
}

/* A file that is there already is somebody's. */
static int write_file(const char *path, const struct buf *archive, struct err *reterr)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 && errno == EEXIST)
        return err_set(reterr, STATUS_FAILED, "%s: it exists already; name another file with --file", path);
    if (fd < 0)
        return err_set(reterr, STATUS_FAILED, "%s: %s", path, strerror(errno));
    int r = write_all(fd, archive->data, archive->size);
    if (close(fd) != 0 && r == 0)
        r = -errno;
    if (r) {
        unlink(path);
        return err_set(reterr, STATUS_FAILED, "%s: %s", path, strerror(-r));
    }
    return STATUS_DONE;
}

static int print_items(const struct bugreport *b, struct err *reterr)
{
    static const struct output_column columns[] = {
        { "file", CELL_TEXT },
        { "bytes", CELL_INT },
        { "what", CELL_TEXT, OUTPUT_CUTTABLE },
    };
    _cleanup_(output_free_cleanup) struct output *o = NULL;
    int r = present_begin(b->in, columns, ARRAY_SIZE(columns), &o, reterr);
    if (r)
        return r;
    for (size_t i = 0; i < b->n_items; i++) {
        const struct bugreport_item *item = &b->items[i];
        const struct cell cells[] = { cell_text(item->name),
                                      item->bytes < 0 ? cell_null() : cell_int(item->bytes),
                                      cell_text(item->what) };
        output_add(o, cells);
    }
    return output_end(o, reterr);
}

static void say_left_out(const struct bugreport *b)
{
    size_t n = 0;
    for (size_t i = 0; i < b->n_items; i++)
        n += b->items[i].bytes < 0;
    if (n)
        dialog_say("left out, because they are not there or could not be read: %zu of %zu parts", n,
                   b->n_items);
}

int command_bugreport(struct invocation *in, struct err *reterr)
{
    char preset[64];
    struct bugreport b;
    const char *path = arguments_get(&in->arguments, "file");
    time_t now = time(NULL);
    struct tm tm;
    if (!path) {
        strftime(preset, sizeof(preset), "jobctl-bugreport-%Y%m%dT%H%M%SZ.tar", gmtime_r(&now, &tm));
        path = preset;
    }
    int r = bugreport_make(&b, in, reterr);
    if (r == STATUS_DONE)
        r = write_file(path, &b.archive, reterr);
    if (r == STATUS_DONE)
        r = print_items(&b, reterr);
    if (r == STATUS_DONE) {
        say_left_out(&b);
        dialog_say("%s is written; look through it before you send it to anybody: tar -xOf %s | less", path,
                   path);
    }
    bugreport_done(&b);
    return r;
}
