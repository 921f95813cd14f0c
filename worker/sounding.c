/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/sounding.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define RANGE_TEXT_MAX 48 /* "-9223372036854775807," twice */

/* The record that had been read before, if this is it. Return: false when it is another one. */
static bool is_known_record(struct partition *p, const struct sounding *s, struct err *reterr)
{
    if (!p->unverified || s->is_end || s->offset < p->checked_offset)
        return true;
    p->unverified = false;
    if (s->offset > p->checked_offset || s->timestamp_ms == p->checked_ms)
        return true;
    err_set(reterr, 0, "the record at offset %" PRId64 " has the time stamp %" PRId64 ", and it had %" PRId64,
            s->offset, s->timestamp_ms, p->checked_ms);
    return false;
}

static bool ends_too_early(const struct partition *p, const struct sounding *s, struct err *reterr)
{
    int64_t end = s->is_end ? s->offset : s->log_end;
    if (end < 0 || end >= p->read_to)
        return false;
    err_set(reterr, 0, "the log ends at offset %" PRId64 ", and everything up to %" PRId64 " had been read",
            end, p->read_to);
    return true;
}

static bool starts_too_early(const struct partition *p, const struct sounding *s, struct err *reterr)
{
    if (p->log_start < 0 || s->offset >= p->log_start)
        return false;
    err_set(reterr, 0, "the log begins at offset %" PRId64 ", and it had begun at %" PRId64, s->offset,
            p->log_start);
    return true;
}

enum sounding_verdict sounding_judge(struct partition *p, const struct sounding *s, struct err *reterr)
{
    if (!is_known_record(p, s, reterr))
        return SOUNDING_RECREATED;
    if ((s->is_end || p->sounding) && ends_too_early(p, s, reterr))
        return SOUNDING_RECREATED;
    if (!p->sounding)
        return SOUNDING_FITS;
    if (starts_too_early(p, s, reterr))
        return SOUNDING_RECREATED;
    p->sounding = false;
    return p->log_start >= 0 && s->offset > p->read_to ? SOUNDING_LOST : SOUNDING_FITS;
}

/* --- What is lost --- */

/* The next range of undone offsets from @from on. Return: false when there is none before @end. */
static bool next_range(const struct partition *p, int64_t from, int64_t end, int64_t *ret_first,
                       int64_t *ret_last)
{
    int64_t high = p->window.high < end ? p->window.high : end;
    while (from < high && window_is_done(&p->window, from))
        from++;
    if (from >= end)
        return false;
    int64_t last = from;
    while (last + 1 < high && !window_is_done(&p->window, last + 1))
        last++;
    *ret_first = from;
    *ret_last = last + 1 >= high ? end - 1 : last; /* nothing is done beyond */
    return true;
}

static void append_range(char *text, size_t size, int64_t first, int64_t last)
{
    size_t used = strlen(text);
    if (strstr(text, "…"))
        return;
    if (size - used < RANGE_TEXT_MAX)
        snprintf(text + used, size - used, ",…");
    else if (first == last)
        snprintf(text + used, size - used, "%s%" PRId64, used ? "," : "", first);
    else
        snprintf(text + used, size - used, "%s%" PRId64 "-%" PRId64, used ? "," : "", first, last);
}

void sounding_list_lost(const struct partition *p, int64_t log_start, struct partition_note *ret)
{
    int64_t first, last;
    *ret = (struct partition_note){ .from = p->read_to, .to = log_start - 1 };
    for (int64_t at = p->read_to; next_range(p, at, log_start, &first, &last); at = last + 1) {
        append_range(ret->text, sizeof(ret->text), first, last);
        ret->jobs += last - first + 1;
    }
}

int64_t sounding_pass_lost(struct partition *p, int64_t log_start)
{
    int64_t n = 0, end = log_start < p->window.high ? log_start : p->window.high;
    for (int64_t offset = p->read_to; offset < end; offset++) {
        if (window_is_done(&p->window, offset))
            continue;
        window_mark(&p->window, offset);
        n++;
    }
    p->read_to = log_start;
    if (log_start > p->gap_to)
        p->gap_to = log_start;
    return n;
}
