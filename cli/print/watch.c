/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/print/watch.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/timefmt.h"
#include "cli/print/printable.h"

#define INTERVAL_DEFAULT_US (2 * USEC_PER_SEC)
#define INTERVAL_MIN_US (100 * USEC_PER_MSEC)

#define TO_TOP "\033[H"
#define REST_OF_LINE_AWAY "\033[K"
#define BELOW_AWAY "\033[J"
#define ALL_AWAY "\033[2J"

static int count_lines(void)
{
    struct winsize size;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 2 ? size.ws_row : 24;
}

static void append_line(struct buf *b, const char *text, size_t size)
{
    buf_append(b, text, size);
    buf_append_string(b, REST_OF_LINE_AWAY "\n");
}

static void append_head(struct buf *b, const struct invocation *in, int64_t interval_us)
{
    char duration[32], clock[16], line[256];
    time_t now = time(NULL);
    struct tm broken;
    strftime(clock, sizeof(clock), "%T", localtime_r(&now, &broken));
    int n = snprintf(line, sizeof(line), "jobctl %s, every %s; %s", in->arguments.command->path,
                     duration_format(interval_us, duration), clock);
    append_line(b, line, (size_t)n);
}

/* As many lines of @picture as there is room for. */
static void show(const struct invocation *in, const char *picture, int64_t interval_us)
{
    _cleanup_buf_ struct buf b = { 0 };
    int room = count_lines() - 2, left = 0;
    buf_append_string(&b, TO_TOP);
    append_head(&b, in, interval_us);
    for (const char *line = picture; *line; room--) {
        size_t size = strcspn(line, "\n");
        if (room > 0)
            append_line(&b, line, size);
        else
            left++;
        line += size + (line[size] == '\n');
    }
    buf_append_string(&b, BELOW_AWAY);
    if (left)
        buf_append_format(&b, "(and %d lines more)", left);
    if (!b.failed)
        fputs(b.data, stdout);
    fflush(stdout);
}

/* Lets the command print into memory, with what it says when it fails. Return: what it returns. */
static int take_picture(struct invocation *in, char **ret, struct err *reterr)
{
    _cleanup_buf_ struct buf why = { 0 };
    size_t size = 0;
    *ret = NULL;
    in->to = open_memstream(ret, &size);
    if (!in->to)
        return err_set(reterr, STATUS_FAILED, "out of memory");
    int r = in->arguments.command->run(in, reterr);
    if (r == STATUS_AWAY) {
        printable_append(&why, span_from_string(reterr->text));
        fprintf(in->to, "%s\n", why.size ? why.data : "");
        reterr->text[0] = 0;
    }
    fclose(in->to);
    in->to = stdout;
    return r == STATUS_AWAY ? STATUS_DONE : r;
}

static int check(const struct invocation *in, int64_t interval_us, struct err *reterr)
{
    if (interval_us < INTERVAL_MIN_US)
        return err_set(reterr, STATUS_USAGE, "--interval: at least 100ms, like 2s");
    if (!in->style.terminal && in->style.format == OUTPUT_TABLE)
        return err_set(reterr, STATUS_USAGE,
                       "--watch needs a terminal to draw on; with -o jsonl rows follow rows");
    return STATUS_DONE;
}

int watch_run(struct invocation *in, struct err *reterr)
{
    int64_t given_us = arguments_get_duration(&in->arguments, "interval");
    int64_t interval_us = given_us < 0 ? INTERVAL_DEFAULT_US : given_us;
    int r = check(in, interval_us, reterr);
    if (r == STATUS_DONE && in->style.terminal)
        fputs(ALL_AWAY, stdout);
    while (r == STATUS_DONE) {
        char *picture = NULL;
        r = take_picture(in, &picture, reterr);
        if (r == STATUS_DONE && in->style.terminal)
            show(in, picture, interval_us);
        else if (r == STATUS_DONE && (fputs(picture, stdout) < 0 || fflush(stdout) != 0))
            r = err_set(reterr, STATUS_FAILED, "the output could not be written");
        free(picture);
        if (r == STATUS_DONE)
            poll(NULL, 0, (int)(interval_us / USEC_PER_MSEC));
    }
    return r;
}
