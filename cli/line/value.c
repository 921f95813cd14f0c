/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/line/value.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/suggest.h"
#include "base/timefmt.h"
#include "base/uuid.h"
#include "cli/line/pace.h"
#include "libjob/names.h"

static int refuse_word(const char *what, const char *word, const char *const *words, struct err *reterr)
{
    struct suggest s = { .word = word };
    char list[256] = "";
    for (size_t i = 0; words[i]; i++) {
        suggest_consider(&s, words[i]);
        snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s", i ? ", " : "", words[i]);
    }
    if (suggest_is_close(&s))
        return err_set(reterr, VALUE_INVALID, "%s: unknown value \"%s\"; did you mean \"%s\"?", what, word,
                       s.nearest);
    return err_set(reterr, VALUE_INVALID, "%s: unknown value \"%s\"; it is one of %s", what, word, list);
}

static int check_count(const struct command_option *option, const char *what, const char *text,
                       struct err *reterr)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno || end == text || *end || value < option->min || value > option->max)
        return err_set(reterr, VALUE_INVALID, "%s: expected a whole number from %ld to %ld, found \"%s\"",
                       what, option->min, option->max, text);
    return 0;
}

static int check_pair(const char *what, const char *text, struct err *reterr)
{
    if (strchr(text, '=') && text[0] != '=')
        return 0;
    return err_set(reterr, VALUE_INVALID, "%s: expected NAME=VALUE, found \"%s\"", what, text);
}

static int check_name(enum value_kind kind, const char *what, const char *text, struct err *reterr)
{
    if (kind == VALUE_QUEUE && !name_is_queue(span_from_string(text)))
        return err_set(reterr, VALUE_INVALID,
                       "%s: \"%s\" is no queue name: [a-z0-9][a-z0-9-]{0,62}, and not \"later\" or \"dead\"",
                       what, text);
    if (kind == VALUE_TYPE && !name_is_type(span_from_string(text)))
        return err_set(reterr, VALUE_INVALID, "%s: \"%s\" is no job type: [A-Za-z][A-Za-z0-9_.-]{0,127}",
                       what, text);
    return 0;
}

static int check_moment(enum value_kind kind, const char *what, const char *text, struct err *reterr)
{
    int64_t us;
    if (kind == VALUE_DURATION && (duration_parse(text, &us) || us < 0))
        return err_set(
            reterr, VALUE_INVALID,
            "%s: expected a duration like \"90s\", \"10m\" or \"2h30m\" (units us ms s m h d w), found \"%s\"",
            what, text);
    if (kind == VALUE_MOMENT && rfc3339_parse(text, strlen(text), &us) &&
        (duration_parse(text, &us) || us < 0))
        return err_set(
            reterr, VALUE_INVALID,
            "%s: expected a time like \"2030-01-31T18:00:00Z\", or how long ago like \"2h\", found \"%s\"",
            what, text);
    if (kind == VALUE_TIME && rfc3339_parse(text, strlen(text), &us))
        return err_set(reterr, VALUE_INVALID,
                       "%s: expected a time as RFC 3339 has it, like \"2030-01-31T18:00:00Z\", found \"%s\"",
                       what, text);
    return 0;
}

/* An option that may be repeated takes several words at once, too: "dead,expired". */
static int check_words(const struct command_option *option, const char *what, const char *text,
                       struct err *reterr)
{
    char word[80];
    for (size_t size, i;; text += size + 1) {
        size = option->repeat ? strcspn(text, ",") : strlen(text);
        snprintf(word, sizeof(word), "%.*s", (int)size, text);
        for (i = 0; option->words[i] && strcmp(option->words[i], word) != 0; i++)
            ;
        if (!option->words[i])
            return refuse_word(what, word, option->words, reterr);
        if (!text[size])
            return 0;
    }
}

int value_check(enum value_kind kind, const struct command_option *option, const char *what, const char *text,
                struct err *reterr)
{
    struct uuid id;
    switch (kind) {
    case VALUE_COUNT:
        return check_count(option, what, text, reterr);
    case VALUE_WORD:
        return check_words(option, what, text, reterr);
    case VALUE_RATE:
        if (pace_parse(text) == 0)
            return err_set(
                reterr, VALUE_INVALID,
                "%s: expected so many per second like \"50/s\" (also /m, /h), at most %d/s, found \"%s\"",
                what, PACE_PER_SECOND_MAX, text);
        return 0;
    case VALUE_PAIR:
        return check_pair(what, text, reterr);
    case VALUE_ID:
        if (uuid_parse(text, strlen(text), &id))
            return err_set(reterr, VALUE_INVALID,
                           "%s: \"%s\" is no job id: expected a UUID, 36 characters like "
                           "0190a6c2-7d3e-7f00-8000-000000000000",
                           what, text);
        return 0;
    case VALUE_QUEUE:
    case VALUE_TYPE:
        return check_name(kind, what, text, reterr);
    case VALUE_DURATION:
    case VALUE_TIME:
    case VALUE_MOMENT:
        return check_moment(kind, what, text, reterr);
    default:
        return 0;
    }
}
