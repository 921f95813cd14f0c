/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/print/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/timefmt.h"

#define DRAW_EVERY_US (100 * USEC_PER_MSEC)
#define BAR_WIDTH 20
#define LINE_AWAY "\r\033[K"

char *progress_count(int64_t n, char *text)
{
    char plain[24];
    size_t to = 0;
    int size = snprintf(plain, sizeof(plain), "%" PRId64, n);
    for (int i = 0; i < size; i++) {
        if (i > 0 && (size - i) % 3 == 0 && plain[i - 1] != '-')
            text[to++] = ',';
        text[to++] = plain[i];
    }
    text[to] = 0;
    return text;
}

void progress_begin(struct progress *p, int64_t total, int64_t done)
{
    *p = (struct progress){
        .shown = isatty(STDERR_FILENO), .total = total, .begun_at = done, .begun_us = clock_mono_us()
    };
    progress_move(p, done);
}

/* Eighths of a cell, from U+2588 (full) to U+258F (an eighth). */
static void append_bar(struct buf *b, int64_t eighths)
{
    for (int64_t i = 0; i < BAR_WIDTH; i++, eighths -= 8) {
        const char block[] = { (char)0xe2, (char)0x96, (char)(0x90 - (eighths >= 8 ? 8 : eighths)), 0 };
        buf_append_string(b, eighths > 0 ? block : " ");
    }
}

/* The mean since we began: a rate that is asked for is kept evenly, and one that is not hardly changes. */
static void append_speed(struct buf *b, const struct progress *p, int64_t done, int64_t now_us)
{
    char count[PROGRESS_COUNT_SIZE], left[32];
    int64_t us = now_us - p->begun_us, n = done - p->begun_at;
    if (n <= 0 || us < DRAW_EVERY_US)
        return;
    double per_second = (double)n / (double)us * USEC_PER_SEC;
    if (per_second >= 10)
        buf_append_format(b, ", %s/s", progress_count((int64_t)per_second, count));
    else
        buf_append_format(b, ", %.1f/s", per_second);
    int64_t left_s = done < p->total ? (int64_t)((double)(p->total - done) / per_second) + 1 : 0;
    if (left_s > 0)
        buf_append_format(b, ", %s left", duration_format(left_s * USEC_PER_SEC, left));
}

void progress_move(struct progress *p, int64_t done)
{
    _cleanup_buf_ struct buf line = { 0 };
    char done_text[PROGRESS_COUNT_SIZE], total_text[PROGRESS_COUNT_SIZE];
    int64_t now_us = clock_mono_us();
    if (!p->shown || (p->drawn_us && now_us - p->drawn_us < DRAW_EVERY_US))
        return;
    p->drawn_us = now_us;
    int64_t part = done < p->total ? done : p->total;
    buf_append_format(&line, LINE_AWAY "%s of %s ", progress_count(done, done_text),
                      progress_count(p->total, total_text));
    append_bar(&line, p->total > 0 ? part * BAR_WIDTH * 8 / p->total : 0);
    buf_append_format(&line, " %d %%", p->total > 0 ? (int)(part * 100 / p->total) : 100);
    append_speed(&line, p, done, now_us);
    if (!line.failed)
        fputs(line.data, stderr);
    fflush(stderr);
}

void progress_end(struct progress *p)
{
    if (p->shown)
        fputs(LINE_AWAY, stderr);
    p->shown = false;
}
