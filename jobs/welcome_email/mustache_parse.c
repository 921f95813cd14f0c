/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mustache's grammar, as its public specification has it (github.com/mustache/spec, version 1.4).
 *
 * Of its optional modules there are none: lambdas, parents, blocks and dynamic names are refused, not taken for
 * variables.
 */
#include "mustache_parse.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DELIMITER_MAX 16
#define OPEN_SECTIONS_MAX 64

struct parser {
    const char *start, *at;
    const char *counted; /* lines up to here are in @line */
    size_t line;
    char opens[DELIMITER_MAX + 1], closes[DELIMITER_MAX + 1];
    size_t open_sections[OPEN_SECTIONS_MAX], n_open_sections;
    struct mustache_program program;
    struct mustache_error *reterr;
};

/* A tag: its sign, what it says, and what it is followed by. */
struct tag {
    char sign; /* one of "#^/>!={&<$", else 0 */
    const char *from, *text, *next;
    size_t size;
};

static size_t line_of(const struct parser *p, const char *at)
{
    size_t line = 1;
    for (const char *c = p->start; c < at; c++)
        line += *c == '\n';
    return line;
}

static bool fail(struct parser *p, const char *at, const char *what)
{
    size_t size = strcspn(at, "\r\n");
    snprintf(p->reterr->text, sizeof(p->reterr->text), "line %zu: \"%.*s\" %s", line_of(p, at),
             size < 40 ? (int)size : 40, at, what);
    return false;
}

static struct mustache_token *add(struct parser *p, enum mustache_kind kind, const char *text, size_t size)
{
    struct mustache_program *program = &p->program;
    if (program->n_tokens == program->n_allocated) {
        size_t n = program->n_allocated ? 2 * program->n_allocated : 32;
        struct mustache_token *tokens = reallocarray(program->tokens, n, sizeof(*tokens));
        if (!tokens) {
            fail(p, text, "does not fit into memory");
            return NULL;
        }
        program->tokens = tokens;
        program->n_allocated = n;
    }
    for (; p->counted < text; p->counted++)
        p->line += *p->counted == '\n';
    struct mustache_token *token = &program->tokens[program->n_tokens++];
    *token = (struct mustache_token){ .kind = kind, .text = text, .size = size, .line = p->line };
    return token;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void trim(const char **text, size_t *size)
{
    while (*size > 0 && is_blank(**text))
        ++*text, --*size;
    while (*size > 0 && is_blank((*text)[*size - 1]))
        --*size;
}

/* @from: at the opening delimiter. */
static bool read_tag(struct parser *p, const char *from, struct tag *ret)
{
    char closes[DELIMITER_MAX + 2];
    *ret = (struct tag){ .from = from, .text = from + strlen(p->opens) };
    if (*ret->text && strchr("#^/>!={&<$", *ret->text))
        ret->sign = *ret->text++;
    bool tripled = ret->sign == '{', doubled = ret->sign == '=';
    snprintf(closes, sizeof(closes), "%s%s", tripled ? "}" : doubled ? "=" : "", p->closes);
    const char *end = strstr(ret->text, closes);
    if (!end)
        return fail(p, from, "is not closed");
    ret->size = (size_t)(end - ret->text);
    ret->next = end + strlen(closes);
    trim(&ret->text, &ret->size);
    return true;
}

/* True when the tag has its line for itself. @ret_from, @ret_next: what goes with it. */
static bool is_standalone(const struct parser *p, const struct tag *tag, const char **ret_from,
                          const char **ret_next)
{
    const char *from = tag->from, *next = tag->next;
    if (!tag->sign || strchr("{&", tag->sign))
        return false;
    while (from > p->start && (from[-1] == ' ' || from[-1] == '\t'))
        from--;
    next += strspn(next, " \t");
    if ((from > p->start && from[-1] != '\n') || (*next && *next != '\n' && strncmp(next, "\r\n", 2) != 0))
        return false;
    next += *next == '\r';
    next += *next == '\n';
    *ret_from = from;
    *ret_next = next;
    return true;
}

static bool set_delimiters(struct parser *p, const struct tag *tag)
{
    const char *text = tag->text, *end = text + tag->size, *blank = text;
    while (blank < end && !is_blank(*blank))
        blank++;
    size_t first = (size_t)(blank - text), second = (size_t)(end - blank);
    const char *closes = blank;
    trim(&closes, &second);
    if (first == 0 || first > DELIMITER_MAX || second == 0 || second > DELIMITER_MAX ||
        memchr(text, '=', tag->size))
        return fail(p, tag->from, "sets no delimiters");
    for (size_t i = 0; i < second; i++)
        if (is_blank(closes[i]))
            return fail(p, tag->from, "sets no delimiters");
    snprintf(p->opens, sizeof(p->opens), "%.*s", (int)first, text);
    snprintf(p->closes, sizeof(p->closes), "%.*s", (int)second, closes);
    return true;
}

static bool check_name(struct parser *p, const struct tag *tag)
{
    if (tag->size == 0)
        return fail(p, tag->from, "has no name");
    for (size_t i = 0; i < tag->size; i++)
        if (is_blank(tag->text[i]))
            return fail(p, tag->from, "has a blank in its name");
    return true;
}

static bool open_section(struct parser *p, const struct tag *tag, enum mustache_kind kind)
{
    if (p->n_open_sections == OPEN_SECTIONS_MAX)
        return fail(p, tag->from, "is nested too deeply");
    p->open_sections[p->n_open_sections++] = p->program.n_tokens;
    return add(p, kind, tag->text, tag->size);
}

static bool close_section(struct parser *p, const struct tag *tag)
{
    if (p->n_open_sections == 0)
        return fail(p, tag->from, "closes nothing");
    size_t opened = p->open_sections[--p->n_open_sections];
    struct mustache_token *section = &p->program.tokens[opened];
    if (section->size != tag->size || memcmp(section->text, tag->text, tag->size) != 0)
        return fail(p, tag->from, "closes another section than the last one opened");
    section->end = p->program.n_tokens;
    return add(p, MUSTACHE_END, tag->text, tag->size);
}

static bool add_partial(struct parser *p, const struct tag *tag, const char *indent)
{
    struct mustache_token *token = add(p, MUSTACHE_PARTIAL, tag->text, tag->size);
    if (token) {
        token->indent = indent;
        token->indent_size = (size_t)(tag->from - indent);
    }
    return token;
}

/* @from: where the tag's line begins if it is its own, else the tag. */
static bool add_tag(struct parser *p, const struct tag *tag, const char *from)
{
    if (tag->sign == '!')
        return true;
    if (tag->sign == '=')
        return set_delimiters(p, tag);
    if (!check_name(p, tag))
        return false;
    switch (tag->sign) {
    case '#':
        return open_section(p, tag, MUSTACHE_SECTION);
    case '^':
        return open_section(p, tag, MUSTACHE_INVERTED);
    case '/':
        return close_section(p, tag);
    case '>':
        return add_partial(p, tag, from);
    case '{':
    case '&':
        return add(p, MUSTACHE_RAW, tag->text, tag->size);
    case '<':
    case '$':
        return fail(p, tag->from, "is inheritance, which is not supported");
    default:
        return add(p, MUSTACHE_VARIABLE, tag->text, tag->size);
    }
}

static bool add_text(struct parser *p, const char *from, const char *to)
{
    return from == to || add(p, MUSTACHE_TEXT, from, (size_t)(to - from));
}

/* One tag with the text before it. */
static bool step(struct parser *p, const char *opening)
{
    struct tag tag;
    const char *from = opening, *next;
    if (!read_tag(p, opening, &tag))
        return false;
    next = tag.next;
    is_standalone(p, &tag, &from, &next);
    if (!add_text(p, p->at, from) || !add_tag(p, &tag, from))
        return false;
    p->at = next;
    return true;
}

static bool parse(struct parser *p)
{
    const char *opening;
    while ((opening = strstr(p->at, p->opens)))
        if (!step(p, opening))
            return false;
    if (p->n_open_sections > 0) {
        const struct mustache_token *section = &p->program.tokens[p->open_sections[p->n_open_sections - 1]];
        return fail(p, section->text, "is a section that is not closed");
    }
    return add_text(p, p->at, p->at + strlen(p->at));
}

bool mustache_parse(const char *text, struct mustache_program *ret, struct mustache_error *reterr)
{
    struct parser p = {
        .start = text, .at = text, .counted = text, .line = 1, .opens = "{{", .closes = "}}", .reterr = reterr
    };
    bool done = parse(&p);
    if (done)
        *ret = p.program;
    else
        mustache_program_done(&p.program);
    return done;
}

void mustache_program_done(struct mustache_program *program)
{
    free(program->tokens);
    *program = (struct mustache_program){ 0 };
}
