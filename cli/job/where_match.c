/* SPDX-License-Identifier: Apache-2.0 */
/* Does a condition hold? (cli/job/where.h) */
#include "cli/job/where.h"

#include <stdlib.h>
#include <string.h>

json_t *where_read_json(const char *data, size_t size)
{
    const size_t flags = JSON_DECODE_ANY | JSON_ALLOW_NUL;
    json_error_t error;
    json_t *value = size ? json_loadb(data, size, flags, &error) : NULL;
    if (!value && size && json_error_code(&error) == json_error_numeric_overflow)
        value = json_loadb(data, size, flags | JSON_DECODE_INT_AS_REAL, NULL);
    return value;
}

bool where_asks(const struct where *w, enum where_root root)
{
    for (size_t i = 0; i < w->n; i++)
        if (w->terms[i].root == root)
            return true;
    return false;
}

/* One step, as #> takes it. */
static json_t *go(json_t *at, const char *step)
{
    char *end;
    if (json_is_object(at))
        return json_object_get(at, step);
    if (!json_is_array(at) || !*step)
        return NULL;
    long place = strtol(step, &end, 10);
    if (*end)
        return NULL;
    if (place < 0)
        place += (long)json_array_size(at);
    return place < 0 ? NULL : json_array_get(at, (size_t)place);
}

static json_t *find(const struct where_term *term, json_t *at)
{
    for (size_t i = 0; at && i < term->n_steps; i++)
        at = go(at, term->steps[i]);
    return at;
}

/* A long double holds every int64_t and every double. */
static long double number_of(const json_t *value)
{
    return json_is_integer(value) ? (long double)json_integer_value(value)
                                  : (long double)json_real_value(value);
}

/* json_equal() knows no 1 = 1.0. */
static bool is_equal(const json_t *a, const json_t *b)
{
    const char *name;
    json_t *member;
    if (json_is_number(a) && json_is_number(b))
        return number_of(a) == number_of(b);
    if (json_is_array(a) && json_is_array(b)) {
        size_t n = json_array_size(a);
        if (n != json_array_size(b))
            return false;
        for (size_t i = 0; i < n; i++)
            if (!is_equal(json_array_get(a, i), json_array_get(b, i)))
                return false;
        return true;
    }
    if (!json_is_object(a) || !json_is_object(b))
        return json_equal(a, b);
    if (json_object_size(a) != json_object_size(b))
        return false;
    json_object_foreach((json_t *)a, name, member)
    {
        const json_t *other = json_object_get(b, name);
        if (!other || !is_equal(member, other))
            return false;
    }
    return true;
}

static int compare_strings(const json_t *a, const json_t *b)
{
    size_t n_a = json_string_length(a), n_b = json_string_length(b);
    int order = memcmp(json_string_value(a), json_string_value(b), n_a < n_b ? n_a : n_b);
    return order ? order : (n_a > n_b) - (n_a < n_b);
}

static bool is_ordered(enum where_op op, const json_t *a, const json_t *b)
{
    int order;
    if (json_is_string(a) && json_is_string(b))
        order = compare_strings(a, b);
    else if (json_is_number(a) && json_is_number(b))
        order = (number_of(a) > number_of(b)) - (number_of(a) < number_of(b));
    else
        return false;
    switch (op) {
    case WHERE_LESS:
        return order < 0;
    case WHERE_AT_MOST:
        return order <= 0;
    case WHERE_GREATER:
        return order > 0;
    default:
        return order >= 0;
    }
}

static bool holds(const struct where_term *term, json_t *root)
{
    const json_t *value = root ? find(term, root) : NULL;
    if (!value)
        return term->op == WHERE_MISSING;
    switch (term->op) {
    case WHERE_EXISTS:
        return true;
    case WHERE_MISSING:
        return false;
    case WHERE_EQUAL:
        return is_equal(value, term->value);
    case WHERE_NOT_EQUAL:
        return !is_equal(value, term->value);
    case WHERE_LIKE:
        return json_is_string(value) && regexec(&term->regex, json_string_value(value), 0, NULL, 0) == 0;
    default:
        return is_ordered(term->op, value, term->value);
    }
}

bool where_matches(const struct where *w, json_t *const values[3])
{
    for (size_t i = 0; i < w->n; i++)
        if (!holds(&w->terms[i], values[w->terms[i].root]))
            return false;
    return true;
}
