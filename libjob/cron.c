/* SPDX-License-Identifier: Apache-2.0 */
#include "libjob/cron.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/civil.h"
#include "base/suggest.h"
#include "base/timefmt.h"

#define BLANKS " \t"
#define NAME_SIZE 3

enum field_kind { SECOND, MINUTE, HOUR, DAY, MONTH, WEEKDAY, N_FIELDS };

struct field {
    const char *article, *name;
    int min, max;
    const char *const *names; /* of min and what follows */
};

static const char *const months[] = { "jan", "feb", "mar", "apr", "may", "jun", "jul",
                                      "aug", "sep", "oct", "nov", "dec", NULL };
static const char *const weekdays[] = { "sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL };

static const struct field fields[N_FIELDS] = {
    [SECOND] = { "a", "second", 0, 59 },       [MINUTE] = { "a", "minute", 0, 59 },
    [HOUR] = { "an", "hour", 0, 23 },          [DAY] = { "a", "day of the month", 1, 31 },
    [MONTH] = { "a", "month", 1, 12, months }, [WEEKDAY] = { "a", "day of the week", 0, 7, weekdays },
};

/* Where we are in the text. */
struct reader {
    const char *text, *at;
    const char *end; /* of the field */
    enum field_kind kind;
    struct err *reterr;
};

__attribute__((format(printf, 3, 4))) static int refuse(const struct reader *r, const char *at,
                                                        const char *format, ...)
{
    char what[400];
    va_list ap;
    va_start(ap, format);
    vsnprintf(what, sizeof(what), format, ap);
    va_end(ap);
    return err_set(r->reterr, CRON_INVALID, "character %td: %s", at - r->text + 1, what);
}

/* The rest of an element, for messages; cut between characters. */
static int element_size(const struct reader *r, const char *at)
{
    int size = 0;
    while (at + size < r->end && at[size] != ',' && size < 40)
        size++;
    while (size > 0 && at + size < r->end && ((unsigned char)at[size] & 0xc0) == 0x80)
        size--;
    return size;
}

static int refuse_element(const struct reader *r, const char *at)
{
    const struct field *f = &fields[r->kind];
    int size = element_size(r, at);
    if (size == 0)
        return refuse(r, at, "something is missing here: expected %s %s from %d to %d", f->article, f->name,
                      f->min, f->max);
    return refuse(r, at, "expected %s %s from %d to %d%s%s, found \"%.*s\"", f->article, f->name, f->min,
                  f->max, f->names ? " or a name like " : "", f->names ? f->names[1] : "", size, at);
}

static bool take(struct reader *r, char c)
{
    if (r->at == r->end || *r->at != c)
        return false;
    r->at++;
    return true;
}

static bool take_letter(struct reader *r, char lower)
{
    if (r->at == r->end || (*r->at | 0x20) != lower)
        return false;
    r->at++;
    return true;
}

static bool is_digit(const struct reader *r)
{
    return r->at < r->end && *r->at >= '0' && *r->at <= '9';
}

/* Return: false: no digits. Numbers beyond 9999 stay beyond. */
static bool take_number(struct reader *r, int *ret)
{
    int value = 0;
    if (!is_digit(r))
        return false;
    for (; is_digit(r); r->at++)
        value = value > 9999 ? value : value * 10 + (*r->at - '0');
    *ret = value;
    return true;
}

static bool take_name(struct reader *r, int *ret)
{
    const struct field *f = &fields[r->kind];
    for (int i = 0; f->names && f->names[i]; i++) {
        if (r->end - r->at >= NAME_SIZE && strncasecmp(r->at, f->names[i], NAME_SIZE) == 0) {
            r->at += NAME_SIZE;
            *ret = f->min + i;
            return true;
        }
    }
    return false;
}

/* A number or a name within the field's range. */
static int read_value(struct reader *r, int *ret)
{
    const struct field *f = &fields[r->kind];
    const char *start = r->at;
    if (!take_number(r, ret) && !take_name(r, ret))
        return refuse_element(r, start);
    if (*ret < f->min || *ret > f->max)
        return refuse_element(r, start);
    return 0;
}

/* --- Elements of a field ------------------------------------------------------------------------------------------------- */

struct range {
    int first, last, step;
};

static void add_range(struct cron *c, const struct reader *r, struct range range)
{
    uint64_t bits = 0;
    for (int i = range.first; i <= range.last; i += range.step)
        bits |= UINT64_C(1) << i;
    switch (r->kind) {
    case SECOND:
        c->seconds |= bits;
        return;
    case MINUTE:
        c->minutes |= bits;
        return;
    case HOUR:
        c->hours |= (uint32_t)bits;
        return;
    case DAY:
        c->days |= (uint32_t)bits;
        return;
    case MONTH:
        c->months |= (uint32_t)bits;
        return;
    default:
        c->weekdays |= (uint8_t)((bits | bits >> 7) & 0x7f);
    }
}

/* Evenly from the field's begin to its end, so that the next hour or day goes on in the same rhythm. */
static bool is_rhythm(const struct reader *r, struct range range)
{
    const struct field *f = &fields[r->kind];
    int last = range.last - (range.last - range.first) % range.step;
    return (r->kind == MINUTE || r->kind == HOUR) && range.first < last &&
           range.first - f->min < range.step && last + range.step > f->max;
}

static int read_step(struct reader *r, struct range *range)
{
    const struct field *f = &fields[r->kind];
    const char *start = r->at;
    int most = r->kind == WEEKDAY ? 6 : f->max - f->min;
    if (!take_number(r, &range->step) || range->step < 1)
        return refuse(r, start, "expected a step from 1 to %d behind \"/\"", most);
    if (range->step > most)
        return refuse(
            r, start,
            "a step of %.*s is more than there is room for in the field %s (%d); longer periods: @every",
            (int)(r->at - start), start, f->name, most);
    return 0;
}

static int read_range(struct reader *r, struct range *range)
{
    const char *start = r->at;
    bool has_end = false;
    int result = read_value(r, &range->first);
    if (result)
        return result;
    range->last = range->first;
    if (take(r, '-')) {
        bool by_name = !is_digit(r);
        result = read_value(r, &range->last);
        if (result)
            return result;
        if (r->kind == WEEKDAY && by_name && range->last == 0 && range->first > 0)
            range->last = 7;
        if (range->last < range->first)
            return refuse(r, start, "the range %.*s ends before it begins", (int)(r->at - start), start);
        has_end = true;
    }
    if (!take(r, '/'))
        return 0;
    if (!has_end)
        range->last = r->kind == WEEKDAY ? 6 : fields[r->kind].max;
    return read_step(r, range);
}

/* "#2" or "L" behind a weekday. Return: 0; 1: there is none; -1: refused. */
static int read_weekday_end(struct cron *c, struct reader *r, int weekday)
{
    const char *start = r->at;
    int nth;
    if (take(r, '#')) {
        if (!take_number(r, &nth) || nth < 1 || nth > 5) {
            refuse(r, start, "expected #1 to #5: a month has no more of a weekday");
            return -1;
        }
        c->nth[weekday % 7] |= (uint8_t)(1 << nth);
        return 0;
    }
    if (!take_letter(r, 'l'))
        return 1;
    c->last_weekdays |= (uint8_t)(1 << weekday % 7);
    return 0;
}

/* L or L-n as a day of the month; L is behind us. */
static int read_last_day(struct cron *c, struct reader *r)
{
    const char *start = r->at;
    int before = 0;
    if (take(r, '-') && (!take_number(r, &before) || before < 1 || before > 30))
        return refuse(r, start, "expected L-1 to L-30: so many days before the last of the month");
    c->last_days |= UINT32_C(1) << before;
    return 0;
}

static int read_star(struct cron *c, struct reader *r)
{
    const struct field *f = &fields[r->kind];
    struct range range = { f->min, r->kind == WEEKDAY ? 6 : f->max, 1 };
    int result = take(r, '/') ? read_step(r, &range) : 0;
    if (result)
        return result;
    c->is_rhythm |= is_rhythm(r, range);
    add_range(c, r, range);
    return 0;
}

static int read_element(struct cron *c, struct reader *r)
{
    struct range range = { .step = 1 };
    const char *start = r->at;
    if (take(r, '*'))
        return read_star(c, r);
    if (r->kind == DAY && take_letter(r, 'l'))
        return read_last_day(c, r);
    if (r->kind == WEEKDAY && take_letter(r, 'l'))
        return refuse(r, start, "L needs a weekday in front: 5L is the last Friday of the month");
    int result = read_range(r, &range);
    if (result)
        return result;
    if (r->kind == WEEKDAY && range.first == range.last) {
        int end = read_weekday_end(c, r, range.first);
        if (end <= 0)
            return end ? CRON_INVALID : 0;
    }
    c->is_rhythm |= is_rhythm(r, range);
    add_range(c, r, range);
    return 0;
}

static int read_field(struct cron *c, struct reader *r)
{
    bool is_day = r->kind == DAY || r->kind == WEEKDAY;
    if (is_day && r->end - r->at == 1 && take(r, '?'))
        return read_star(c, &(struct reader){ r->text, r->at, r->end, r->kind, r->reterr });
    for (;;) {
        int result = read_element(c, r);
        if (result)
            return result;
        if (r->at == r->end)
            return 0;
        if (!take(r, ','))
            return refuse(r, r->at, "expected \",\" or the end of the field %s, found \"%.*s\"",
                          fields[r->kind].name, element_size(r, r->at), r->at);
    }
}

/* --- Expressions --------------------------------------------------------------------------------------------------------- */

static int count_fields(const char *text)
{
    int n = 0;
    for (text += strspn(text, BLANKS); *text; n++) {
        text += strcspn(text, BLANKS);
        text += strspn(text, BLANKS);
    }
    return n;
}

static bool has_star(const char *field)
{
    return *field == '*' || *field == '?';
}

/* The Gregorian calendar repeats itself after 400 years, weekdays included. */
static int check_days(const struct cron *c, const struct reader *r, const char *day)
{
    int64_t from = civil_year_start(2000) * CIVIL_DAY_S, until = civil_year_start(2400) * CIVIL_DAY_S;
    if (cron_find_local(c, from, until) == CRON_NEVER)
        return refuse(r, day, "there is no such day in any year: it would never fire");
    return 0;
}

static int read_fields(struct cron *c, struct reader *r)
{
    const char *starts[N_FIELDS] = { NULL };
    int n = count_fields(r->at), result = 0;
    if (n != N_FIELDS && n != N_FIELDS - 1)
        return refuse(r, r->at,
                      "expected 5 fields (minute hour day month weekday) or 6 (second in front), found %d%s",
                      n, n == 1 ? "; times like \"every hour\" are written @hourly or @every 1h" : "");
    if (n == N_FIELDS - 1)
        c->seconds = 1;
    for (int kind = N_FIELDS - n; kind < N_FIELDS && result == 0; kind++) {
        r->at += strspn(r->at, BLANKS);
        r->end = r->at + strcspn(r->at, BLANKS);
        r->kind = (enum field_kind)kind;
        starts[kind] = r->at;
        result = read_field(c, r);
    }
    if (result)
        return result;
    c->either_day = !has_star(starts[DAY]) && !has_star(starts[WEEKDAY]);
    return check_days(c, r, starts[DAY]);
}

static int read_every(struct cron *c, const struct reader *r, const char *at)
{
    char duration[64];
    size_t size = strcspn(at, BLANKS), blanks = strspn(at + size, BLANKS);
    if (size == 0 || size >= sizeof(duration) || at[size + blanks])
        return refuse(r, at, "expected one duration behind @every, like 90s or 2h30m");
    memcpy(duration, at, size);
    duration[size] = 0;
    if (duration_parse(duration, &c->every_us))
        return refuse(r, at, "expected a duration like 90s, 15m or 2h30m (units ms s m h d w), found \"%s\"",
                      duration);
    if (c->every_us < CRON_EVERY_MIN_US || c->every_us > CRON_EVERY_MAX_US)
        return refuse(r, at, "expected a period from 1s to 3660d, found \"%s\"", duration);
    c->is_rhythm = true;
    return 0;
}

static const struct {
    const char *name, *fields;
} shorthands[] = {
    { "@yearly", "0 0 1 1 *" }, { "@annually", "0 0 1 1 *" }, { "@monthly", "0 0 1 * *" },
    { "@weekly", "0 0 * * 0" }, { "@daily", "0 0 * * *" },    { "@midnight", "0 0 * * *" },
    { "@hourly", "0 * * * *" },
};

static int read_shorthand(struct cron *c, struct reader *r)
{
    char word[32];
    const char *start = r->at;
    size_t size = strcspn(start, BLANKS);
    snprintf(word, sizeof(word), "%.*s", (int)size, start);
    struct suggest near = { .word = word };
    const char *rest = start + size + strspn(start + size, BLANKS);
    if (strcasecmp(word, "@every") == 0)
        return read_every(c, r, rest);
    for (size_t i = 0; i < ARRAY_SIZE(shorthands); i++) {
        suggest_consider(&near, shorthands[i].name);
        if (strcasecmp(word, shorthands[i].name) != 0)
            continue;
        if (*rest)
            return refuse(r, rest, "expected nothing behind %s", shorthands[i].name);
        return cron_parse(c, shorthands[i].fields, r->reterr);
    }
    suggest_consider(&near, "@every");
    return refuse(r, start, "\"%s\" is none of @yearly, @monthly, @weekly, @daily, @hourly, @every%s%s%s",
                  word, suggest_is_close(&near) ? "; did you mean \"" : "",
                  suggest_is_close(&near) ? near.nearest : "", suggest_is_close(&near) ? "\"?" : "");
}

int cron_parse(struct cron *ret, const char *text, struct err *reterr)
{
    struct reader r = { .text = text, .at = text + strspn(text, BLANKS), .reterr = reterr };
    struct cron cron = { 0 };
    if (strlen(text) > CRON_TEXT_MAX)
        return refuse(&r, text + CRON_TEXT_MAX, "the expression is longer than %d bytes", CRON_TEXT_MAX);
    if (!*r.at)
        return refuse(&r, r.at, "the expression is empty");
    int result = *r.at == '@' ? read_shorthand(&cron, &r) : read_fields(&cron, &r);
    if (result == 0)
        *ret = cron;
    return result;
}
