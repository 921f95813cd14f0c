/* SPDX-License-Identifier: Apache-2.0 */
#include "base/option_value.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/option.h"
#include "base/timefmt.h"

void option_key_join(char *text, const char *parent, const char *key)
{
    snprintf(text, OPTION_KEY_SIZE, "%s%s%.100s", parent, *parent ? "." : "", key);
}

void option_key_index(char *text, const char *key, size_t i)
{
    snprintf(text, OPTION_KEY_SIZE, "%.200s[%zu]", key, i);
}

static const struct size_unit {
    const char *name;
    int64_t bytes;
} size_units[] = {
    { "TiB", INT64_C(1) << 40 }, { "GiB", 1 << 30 }, { "MiB", 1 << 20 }, { "KiB", 1 << 10 }, { "B", 1 },
};

static bool size_parse(const char *text, int64_t *ret)
{
    char *end;
    errno = 0;
    long long amount = strtoll(text, &end, 10);
    if (end == text || errno || text[0] < '0' || text[0] > '9')
        return false;
    end += strspn(end, " ");
    if (!*end)
        end = (char *)"B"; /* a preset may be plain bytes */
    for (size_t i = 0; i < ARRAY_SIZE(size_units); i++)
        if (strcmp(end, size_units[i].name) == 0)
            return !__builtin_mul_overflow(amount, size_units[i].bytes, ret);
    return false;
}

static char *size_format(int64_t bytes, char *text)
{
    const struct size_unit *unit = size_units;
    while (unit->bytes > 1 && (bytes == 0 || bytes % unit->bytes))
        unit++;
    snprintf(text, 32, "%" PRId64 " %s", bytes / unit->bytes, unit->name);
    return text;
}

static bool in_range(const struct option_row *row, int64_t value)
{
    return value >= row->min && value <= row->max;
}

static int64_t length_max(const struct option_row *row)
{
    return row->max ? row->max : OPTION_LENGTH_MAX;
}

static int parse_string(const struct option_row *row, const char *text, void *field)
{
    int64_t size = (int64_t)strlen(text);
    if (size < row->min || size > length_max(row) || (row->check && row->check(text)))
        return OPTION_INVALID;
    char *copy = strdup(text);
    if (!copy)
        return -ENOMEM;
    free(*(char **)field);
    *(char **)field = copy;
    return 0;
}

static int parse_int(const struct option_row *row, const char *text, void *field)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (end == text || *end || errno || !in_range(row, value))
        return OPTION_INVALID;
    *(int *)field = (int)value;
    return 0;
}

static int parse_real(const struct option_row *row, const char *text, void *field)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !(value >= (double)row->min && value <= (double)row->max))
        return OPTION_INVALID;
    *(double *)field = value;
    return 0;
}

static int parse_bool(const struct option_row *row, const char *text, void *field)
{
    (void)row;
    bool value = strcmp(text, "true") == 0;
    if (!value && strcmp(text, "false") != 0)
        return OPTION_INVALID;
    *(bool *)field = value;
    return 0;
}

static int parse_duration(const struct option_row *row, const char *text, void *field)
{
    int64_t us;
    if (duration_parse(text, &us) != 0 || !in_range(row, us))
        return OPTION_INVALID;
    *(int64_t *)field = us;
    return 0;
}

static int parse_size(const struct option_row *row, const char *text, void *field)
{
    int64_t bytes;
    if (!size_parse(text, &bytes) || !in_range(row, bytes))
        return OPTION_INVALID;
    *(int64_t *)field = bytes;
    return 0;
}

static int parse_enum(const struct option_row *row, const char *text, void *field)
{
    for (int i = 0; row->names[i]; i++) {
        if (strcmp(text, row->names[i]) == 0) {
            *(int *)field = i;
            return 0;
        }
    }
    return OPTION_INVALID;
}

static const struct {
    const char *name;
    int (*parse)(const struct option_row *row, const char *text, void *field);
} types[] = {
    [OPTION_STRING] = { "string", parse_string },
    [OPTION_INT] = { "integer", parse_int },
    [OPTION_REAL] = { "number", parse_real },
    [OPTION_BOOL] = { "boolean", parse_bool },
    [OPTION_DURATION] = { "duration", parse_duration },
    [OPTION_SIZE] = { "size", parse_size },
    [OPTION_ENUM] = { "string", parse_enum },
    [OPTION_STRINGS] = { "list of strings", parse_string }, /* one element */
    [OPTION_GROUP] = { "group", NULL },
    [OPTION_GROUPS] = { "list of groups", NULL },
};

int option_value_parse(const struct option_row *row, const char *text, void *field)
{
    return types[row->type].parse(row, text, field);
}

const char *option_value_type(const struct option_row *row)
{
    return types[row->type].name;
}

static void print_names(const struct option_row *row, char *text)
{
    size_t used = 0;
    for (size_t i = 0; row->names[i] && used < OPTION_TEXT_SIZE; i++) {
        const char *glue = i == 0 ? "" : row->names[i + 1] ? ", " : " or ";
        used += (size_t)snprintf(text + used, OPTION_TEXT_SIZE - used, "%s\"%s\"", glue, row->names[i]);
    }
}

char *option_value_range(const struct option_row *row, char *text)
{
    char from[32], to[32];
    text[0] = 0;
    switch (row->type) {
    case OPTION_INT:
    case OPTION_REAL:
        snprintf(text, OPTION_TEXT_SIZE, "%" PRId64 " to %" PRId64, row->min, row->max);
        break;
    case OPTION_DURATION:
        snprintf(text, OPTION_TEXT_SIZE, "%s to %s", duration_format(row->min, from),
                 duration_format(row->max, to));
        break;
    case OPTION_SIZE:
        snprintf(text, OPTION_TEXT_SIZE, "%s to %s", size_format(row->min, from), size_format(row->max, to));
        break;
    case OPTION_ENUM:
        print_names(row, text);
        break;
    case OPTION_STRING:
        if (row->max)
            snprintf(text, OPTION_TEXT_SIZE, "%" PRId64 " to %" PRId64 " bytes", row->min, row->max);
        else if (row->min)
            snprintf(text, OPTION_TEXT_SIZE, "not empty");
        break;
    case OPTION_STRINGS:
    case OPTION_GROUPS:
        if (row->max)
            snprintf(text, OPTION_TEXT_SIZE, "%" PRId64 " to %" PRId64 " elements", row->min, row->max);
        break;
    case OPTION_BOOL:
    case OPTION_GROUP:
        break;
    }
    return text;
}

char *option_value_expected(const struct option_row *row, char *text)
{
    char range[OPTION_TEXT_SIZE];
    option_value_range(row, range);
    switch (row->type) {
    case OPTION_INT:
        snprintf(text, OPTION_TEXT_SIZE, "an integer from %.400s", range);
        break;
    case OPTION_REAL:
        snprintf(text, OPTION_TEXT_SIZE, "a number from %.400s", range);
        break;
    case OPTION_BOOL:
        snprintf(text, OPTION_TEXT_SIZE, "true or false");
        break;
    case OPTION_DURATION:
        snprintf(text, OPTION_TEXT_SIZE, "a duration like \"1m30s\", from %.400s", range);
        break;
    case OPTION_SIZE:
        snprintf(text, OPTION_TEXT_SIZE, "a size like \"64 MiB\", from %.400s", range);
        break;
    case OPTION_ENUM:
        snprintf(text, OPTION_TEXT_SIZE, "%.500s", range);
        break;
    case OPTION_STRING:
        if (row->min)
            snprintf(text, OPTION_TEXT_SIZE, "a string of %" PRId64 " to %" PRId64 " bytes", row->min,
                     length_max(row));
        else
            snprintf(text, OPTION_TEXT_SIZE, "a string of at most %" PRId64 " bytes", length_max(row));
        break;
    case OPTION_STRINGS:
        snprintf(text, OPTION_TEXT_SIZE, "a list of strings: ( \"…\", \"…\" )");
        break;
    case OPTION_GROUP:
        snprintf(text, OPTION_TEXT_SIZE, "a group: { … }");
        break;
    case OPTION_GROUPS:
        snprintf(text, OPTION_TEXT_SIZE, "a list of groups: ( { … }, { … } )");
        break;
    }
    return text;
}
