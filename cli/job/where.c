/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/job/where.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/span.h"
#include "base/utf8.h"

struct parser {
    const char *text, *at;
    unsigned roots;
    struct err *err;
};

static const char *const root_names[] = { "payload", "result", "headers" };

/* Longer ones before those that they begin with. */
static const struct operator
{
    const char *text;
    enum where_op op;
}
operators[] = {
    { "!=", WHERE_NOT_EQUAL }, { "<=", WHERE_AT_MOST }, { ">=", WHERE_AT_LEAST }, { "=", WHERE_EQUAL },
    { "<", WHERE_LESS },       { ">", WHERE_GREATER },  { "~", WHERE_LIKE },
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

static void skip_space(struct parser *p)
{
    while (is_space(*p->at))
        p->at++;
}

static size_t word_size(const struct parser *p)
{
    size_t n = 0;
    while (is_name_char(p->at[n]))
        n++;
    return n;
}

/* Counts in characters, as people do. */
static int refuse(const struct parser *p, const char *at, const char *expected)
{
    size_t column = 1;
    for (const char *c = p->text; c < at; c++)
        column += ((unsigned char)*c & 0xc0) != 0x80;
    if (!*at)
        return err_set(p->err, WHERE_INVALID, "character %zu, the end: expected %s", column, expected);
    return err_set(p->err, WHERE_INVALID, "character %zu: expected %s, found \"%.*s\"", column, expected,
                   (int)strnlen(at, 40), at);
}

static int no_memory(const struct parser *p)
{
    return err_set(p->err, -ENOMEM, "out of memory");
}

/* --- Paths --- */

static int parse_root(struct parser *p, struct where_term *term)
{
    char expected[120] = "";
    size_t size = word_size(p);
    for (size_t i = 0; i < ARRAY_SIZE(root_names); i++) {
        if (!(p->roots & 1U << i))
            continue;
        if (size == strlen(root_names[i]) && memcmp(p->at, root_names[i], size) == 0) {
            term->root = (enum where_root)i;
            p->at += size;
            return 0;
        }
        size_t used = strlen(expected);
        snprintf(expected + used, sizeof(expected) - used, "%s%s", used ? " or " : "", root_names[i]);
    }
    size_t used = strlen(expected);
    snprintf(expected + used, sizeof(expected) - used, ", as in %s.to = \"ada@example.org\"",
             p->roots & 1U << WHERE_PAYLOAD ? "payload" : "result");
    return refuse(p, p->at, expected);
}

/* Reads one JSON value from where we are. */
static json_t *read_value(struct parser *p)
{
    json_error_t error;
    json_t *value = json_loadb(p->at, strlen(p->at),
                               JSON_DECODE_ANY | JSON_DISABLE_EOF_CHECK | JSON_REJECT_DUPLICATES, &error);
    if (value)
        p->at += error.position;
    return value;
}

static int parse_quoted_name(struct parser *p, char **ret)
{
    const char *begun = p->at;
    json_t *value = read_value(p);
    if (!value)
        return refuse(p, begun, "a name as a JSON string, payload.\"a key\"");
    *ret = strdup(json_string_value(value));
    json_decref(value);
    return *ret ? 0 : no_memory(p);
}

static int parse_name(struct parser *p, char **ret)
{
    p->at++;
    if (*p->at == '"')
        return parse_quoted_name(p, ret);
    size_t size = word_size(p);
    if (size == 0)
        return refuse(p, p->at, "a name of letters, digits, \"_\" and \"-\", or one in double quotes");
    *ret = strndup(p->at, size);
    p->at += size;
    return *ret ? 0 : no_memory(p);
}

static int parse_place(struct parser *p, char **ret)
{
    const char *begun = p->at + 1, *end = begun + (*begun == '-');
    size_t digits = strspn(end, "0123456789");
    if (digits == 0 || digits > 9 || end[digits] != ']')
        return refuse(p, begun, "a place in an array, like [0], or [-1] for the last one");
    *ret = strndup(begun, (size_t)(end + digits - begun));
    p->at = end + digits + 1;
    return *ret ? 0 : no_memory(p);
}

static int parse_path(struct parser *p, struct where_term *term)
{
    int r = parse_root(p, term);
    while (r == 0 && (*p->at == '.' || *p->at == '[')) {
        char *step = NULL;
        if (term->n_steps == WHERE_MAX_STEPS)
            return refuse(p, p->at, "a path of at most 16 steps");
        r = *p->at == '.' ? parse_name(p, &step) : parse_place(p, &step);
        if (r == 0)
            term->steps[term->n_steps++] = step;
    }
    return r;
}

/* --- Terms --- */

static bool take_word(struct parser *p, const char *word)
{
    size_t size = word_size(p);
    if (size != strlen(word) || strncasecmp(p->at, word, size) != 0)
        return false;
    p->at += size;
    return true;
}

static int parse_op(struct parser *p, struct where_term *term)
{
    static const char expected[] = "=, !=, <, <=, >, >=, ~, exists or missing";
    if (take_word(p, "exists") || take_word(p, "missing")) {
        term->op = p->at[-1] == 's' || p->at[-1] == 'S' ? WHERE_EXISTS : WHERE_MISSING;
        return 0;
    }
    for (size_t i = 0; i < ARRAY_SIZE(operators); i++) {
        size_t size = strlen(operators[i].text);
        if (strncmp(p->at, operators[i].text, size) != 0)
            continue;
        if (p->at[size] == '=' || p->at[size] == '~')
            break;
        term->op = operators[i].op;
        p->at += size;
        return 0;
    }
    return refuse(p, p->at, expected);
}

/* What is not compiled has no value, so that it is not freed as if it were. */
static int refuse_regex(struct parser *p, const char *begun, struct where_term *term, const char *expected)
{
    json_decref(steal(term->value));
    return refuse(p, begun, expected);
}

static int compile(struct parser *p, const char *begun, struct where_term *term)
{
    char why[120], expected[200];
    if (!json_is_string(term->value))
        return refuse_regex(p, begun, term, "a regular expression as a JSON string behind ~, like \"^ada@\"");
    int r = regcomp(&term->regex, json_string_value(term->value), REG_EXTENDED | REG_NOSUB);
    if (r == 0)
        return 0;
    regerror(r, &term->regex, why, sizeof(why));
    snprintf(expected, sizeof(expected), "a POSIX extended regular expression (%s)", why);
    return refuse_regex(p, begun, term, expected);
}

static int parse_literal(struct parser *p, struct where_term *term)
{
    const char *begun = p->at;
    json_t *value = read_value(p);
    bool ordered = term->op >= WHERE_LESS && term->op <= WHERE_AT_LEAST;
    if (!value)
        return refuse(p, begun, "a JSON value, like 3, true or \"text\" (in double quotes)");
    if (ordered && !json_is_number(value) && !json_is_string(value)) {
        json_decref(value);
        return refuse(p, begun, "a number or a string behind <, <=, > and >=");
    }
    term->literal = strndup(begun, (size_t)(p->at - begun));
    if (!term->literal) {
        json_decref(value);
        return no_memory(p);
    }
    term->value = value;
    return term->op == WHERE_LIKE ? compile(p, begun, term) : 0;
}

static int parse_term(struct parser *p, struct where_term *term)
{
    int r = parse_path(p, term);
    skip_space(p);
    if (r == 0)
        r = parse_op(p, term);
    skip_space(p);
    if (r == 0 && term->op != WHERE_EXISTS && term->op != WHERE_MISSING)
        r = parse_literal(p, term);
    skip_space(p);
    return r;
}

static void free_term(struct where_term *term)
{
    for (size_t i = 0; i < term->n_steps; i++)
        free(term->steps[i]);
    if (term->op == WHERE_LIKE && term->value)
        regfree(&term->regex);
    json_decref(term->value);
    free(term->literal);
    *term = (struct where_term){ 0 };
}

int where_parse(struct where *w, const char *text, unsigned roots, struct err *reterr)
{
    struct parser p = { .text = text, .at = text, .roots = roots, .err = reterr };
    if (strlen(text) > WHERE_MAX_SIZE)
        return err_set(reterr, WHERE_INVALID, "%zu bytes, more than %d", strlen(text), WHERE_MAX_SIZE);
    if (!utf8_is_text(text, strlen(text)))
        return err_set(reterr, WHERE_INVALID, "expected UTF-8");
    skip_space(&p);
    for (;;) {
        if (w->n == WHERE_MAX_TERMS)
            return refuse(&p, p.at, "at most 16 terms in all");
        int r = parse_term(&p, &w->terms[w->n]);
        if (r) {
            free_term(&w->terms[w->n]);
            return r;
        }
        w->n++;
        if (!*p.at)
            return 0;
        if (!take_word(&p, "and"))
            return refuse(&p, p.at, "\"and\" or the end");
        skip_space(&p);
    }
}

void where_done(struct where *w)
{
    for (size_t i = 0; i < w->n; i++)
        free_term(&w->terms[i]);
    w->n = 0;
}
