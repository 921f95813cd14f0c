/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/line/payload.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/json_scan.h"
#include "base/utf8.h"
#include "cli/status.h"
#include "libjob/include/job.h"

static int read_all(int fd, const char *name, struct buf *to, struct err *reterr)
{
    char chunk[16384];
    ssize_t n;
    while ((n = read(fd, chunk, sizeof(chunk))) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(reterr, STATUS_FAILED, "--payload: cannot read %s: %s", name, strerror(errno));
        buf_append(to, chunk, (size_t)n);
        if (to->size > JOB_MAX_MESSAGE_SIZE)
            return err_set(reterr, STATUS_USAGE, "--payload: %s has more than %d bytes", name,
                           JOB_MAX_MESSAGE_SIZE);
    }
    return STATUS_DONE;
}

static int read_file(const char *path, struct buf *to, struct err *reterr)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set(reterr, STATUS_USAGE, "--payload: cannot read %s: %s", path, strerror(errno));
    return read_all(fd, path, to, reterr);
}

/* How many containers are open in front of @at. */
static int depth_at(const struct buf *payload, size_t at)
{
    int depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < at; i++) {
        char c = payload->data[i];
        if (quoted && c == '\\')
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted)
            depth += (c == '{' || c == '[') - (c == '}' || c == ']');
    }
    return depth;
}

static const char *explain(const struct buf *payload, size_t at)
{
    char c = payload->data[at];
    if (utf8_find_bad(payload->data, payload->size) == at)
        return "is no UTF-8";
    if ((c == '{' || c == '[') && depth_at(payload, at) >= JSON_SCAN_MAX_DEPTH)
        return "is nested too deep: 256 levels are the limit";
    return "cannot stand here (a string needs double quotes: '\"text\"')";
}

/* Points at the place with the characters around it. */
static int refuse(const struct buf *payload, size_t at, struct err *reterr)
{
    size_t from = at > 20 ? at - 20 : 0;
    if (at >= payload->size)
        return err_set(reterr, STATUS_USAGE, "--payload: not JSON: it ends too early, after %zu bytes",
                       payload->size);
    return err_set(reterr, STATUS_USAGE, "--payload: not JSON at byte %zu: after \"%.*s\", \"%.20s\" %s",
                   at + 1, (int)(at - from), payload->data + from, payload->data + at, explain(payload, at));
}

int payload_read_raw(const char *argument, struct buf *ret, struct err *reterr)
{
    int r = STATUS_DONE;
    if (strcmp(argument, "-") == 0)
        r = read_all(STDIN_FILENO, "standard input", ret, reterr);
    else if (argument[0] == '@')
        r = read_file(argument + 1, ret, reterr);
    else
        buf_append_string(ret, argument);
    if (r)
        return r;
    if (ret->failed)
        return err_set(reterr, STATUS_FAILED, "out of memory");
    if (ret->size > JOB_MAX_MESSAGE_SIZE)
        return err_set(reterr, STATUS_USAGE, "--payload: more than %d bytes", JOB_MAX_MESSAGE_SIZE);
    return STATUS_DONE;
}

int payload_read(const char *argument, struct buf *ret, struct err *reterr)
{
    size_t at = 0;
    int r = argument ? payload_read_raw(argument, ret, reterr) : STATUS_DONE;
    if (r || !argument)
        return r;
    if (ret->size == 0 || json_scan(ret->data, ret->size, &at) == JSON_INVALID)
        return refuse(ret, at, reterr);
    return STATUS_DONE;
}
