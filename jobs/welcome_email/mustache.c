/* SPDX-License-Identifier: Apache-2.0 */
#include "mustache.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct renderer {
    const struct mustache_options *options;
    FILE *out;
    const json_t *stack[4 + 2 * MUSTACHE_DEPTH_MAX]; /* of contexts, the innermost last */
    size_t n_stack;
    size_t depth, steps, written;
    struct mustache_error *reterr;
};

static enum mustache_outcome render(struct renderer *r, const char *text);

__attribute__((format(printf, 4, 5))) static enum mustache_outcome fail(struct renderer *r,
                                                                        const struct mustache_token *token,
                                                                        enum mustache_outcome outcome,
                                                                        const char *format, ...)
{
    char why[128];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof(why), format, args);
    va_end(args);
    snprintf(r->reterr->text, sizeof(r->reterr->text), "line %zu: \"%.*s\" %s", token->line,
             token->size < 40 ? (int)token->size : 40, token->text, why);
    return outcome;
}

/* --- Values ---------------------------------------------------------------------------------------- */

static const json_t *member(const json_t *object, const char *name, size_t size)
{
    char key[128];
    if (size >= sizeof(key))
        return NULL;
    memcpy(key, name, size);
    key[size] = 0;
    return json_object_get(object, key);
}

/* "a.b.c": a by the innermost context that has it, b and c in there only. NULL when it is missing. */
static const json_t *find(const struct renderer *r, const char *name, size_t size)
{
    if (size == 1 && *name == '.')
        return r->stack[r->n_stack - 1];
    const char *dot = memchr(name, '.', size);
    size_t first = dot ? (size_t)(dot - name) : size;
    const json_t *found = NULL;
    for (size_t i = r->n_stack; i > 0 && !found; i--)
        found = member(r->stack[i - 1], name, first);
    while (found && first < size) {
        name += first + 1;
        size -= first + 1;
        dot = memchr(name, '.', size);
        first = dot ? (size_t)(dot - name) : size;
        found = member(found, name, first);
    }
    return found;
}

static bool is_true(const json_t *value)
{
    switch (value ? json_typeof(value) : JSON_NULL) {
    case JSON_NULL:
    case JSON_FALSE:
        return false;
    case JSON_STRING:
        return json_string_length(value) > 0;
    case JSON_INTEGER:
        return json_integer_value(value) != 0;
    case JSON_REAL:
        return json_real_value(value) != 0;
    case JSON_ARRAY:
        return json_array_size(value) > 0;
    default:
        return true;
    }
}

/* In the fewest digits that can be read back. */
static void format_real(char *buffer, size_t size, double value)
{
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(buffer, size, "%.*g", digits, value);
        if (strtod(buffer, NULL) == value)
            return;
    }
}

/* The text of a value; NULL when it has none. @buffer: for numbers. */
static const char *text_of(const json_t *value, char *buffer, size_t buffer_size, size_t *ret_size)
{
    const char *text = buffer;
    switch (value ? json_typeof(value) : JSON_OBJECT) {
    case JSON_STRING:
        *ret_size = json_string_length(value);
        return json_string_value(value);
    case JSON_INTEGER:
        snprintf(buffer, buffer_size, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        break;
    case JSON_REAL:
        format_real(buffer, buffer_size, json_real_value(value));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        text = json_is_true(value) ? "true" : "false";
        break;
    case JSON_NULL:
        text = "";
        break;
    default:
        return NULL;
    }
    *ret_size = strlen(text);
    return text;
}

/* --- Output ---------------------------------------------------------------------------------------- */

static enum mustache_outcome write_text(struct renderer *r, const struct mustache_token *token,
                                        const char *text, size_t size)
{
    r->written += size;
    if (r->written > MUSTACHE_OUTPUT_MAX)
        return fail(r, token, MUSTACHE_BAD_TEMPLATE, "makes a text of more than %d bytes",
                    MUSTACHE_OUTPUT_MAX);
    fwrite(text, 1, size, r->out);
    return MUSTACHE_DONE;
}

static enum mustache_outcome write_escaped(struct renderer *r, const struct mustache_token *token,
                                           const char *text, size_t size)
{
    static const char special[] = "&<>\"'";
    static const char *const entities[] = { "&amp;", "&lt;", "&gt;", "&quot;", "&#39;" };
    enum mustache_outcome outcome = MUSTACHE_DONE;
    for (size_t i = 0; i < size && outcome == MUSTACHE_DONE; i++) {
        const char *found = text[i] ? strchr(special, text[i]) : NULL;
        const char *piece = found ? entities[found - special] : text + i;
        outcome = write_text(r, token, piece, found ? strlen(piece) : 1);
    }
    return outcome;
}

static bool has_control_character(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return true;
    return false;
}

static enum mustache_outcome write_value(struct renderer *r, const struct mustache_token *token)
{
    char buffer[64];
    size_t size = 0;
    const char *text = text_of(find(r, token->text, token->size), buffer, sizeof(buffer), &size);
    if (!text)
        return r->options->strict ? fail(r, token, MUSTACHE_BAD_VALUE, "has no value") : MUSTACHE_DONE;
    if (r->options->escape == MUSTACHE_LINE && has_control_character(text, size))
        return fail(r, token, MUSTACHE_BAD_VALUE, "has control characters");
    return r->options->escape == MUSTACHE_HTML && token->kind == MUSTACHE_VARIABLE
               ? write_escaped(r, token, text, size)
               : write_text(r, token, text, size);
}

/* --- Sections and partials --------------------------------------------------------------------------- */

static enum mustache_outcome render_tokens(struct renderer *r, const struct mustache_program *program,
                                           size_t from, size_t to);

static enum mustache_outcome render_within(struct renderer *r, const json_t *context,
                                           const struct mustache_program *program, size_t opening)
{
    const struct mustache_token *section = &program->tokens[opening];
    if (r->depth == MUSTACHE_DEPTH_MAX)
        return fail(r, section, MUSTACHE_BAD_TEMPLATE, "is nested more than %d deep", MUSTACHE_DEPTH_MAX);
    r->stack[r->n_stack++] = context;
    r->depth++;
    enum mustache_outcome outcome = render_tokens(r, program, opening + 1, section->end);
    r->depth--;
    r->n_stack--;
    return outcome;
}

static enum mustache_outcome render_section(struct renderer *r, const struct mustache_program *program,
                                            size_t opening)
{
    const struct mustache_token *section = &program->tokens[opening];
    const json_t *value = find(r, section->text, section->size);
    enum mustache_outcome outcome = MUSTACHE_DONE;
    if (section->kind == MUSTACHE_INVERTED)
        return is_true(value) ? outcome : render_within(r, r->stack[r->n_stack - 1], program, opening);
    if (!is_true(value))
        return outcome;
    if (!json_is_array(value))
        return render_within(r, value, program, opening);
    for (size_t i = 0; i < json_array_size(value) && outcome == MUSTACHE_DONE; i++)
        outcome = render_within(r, json_array_get(value, i), program, opening);
    return outcome;
}

/* @text with @token's indent before each of its lines, on the heap; frees @text. */
static char *indent_lines(char *text, const struct mustache_token *token)
{
    char *indented = NULL;
    size_t size;
    if (token->indent_size == 0)
        return text;
    FILE *out = open_memstream(&indented, &size);
    for (const char *line = text; out && *line;) {
        size_t length = strcspn(line, "\n");
        length += line[length] == '\n';
        fwrite(token->indent, 1, token->indent_size, out);
        fwrite(line, 1, length, out);
        line += length;
    }
    if (!out || fclose(out) != 0) {
        free(indented);
        indented = NULL;
    }
    free(text);
    return indented;
}

static enum mustache_outcome render_partial(struct renderer *r, const struct mustache_token *token)
{
    char name[128];
    if (r->depth == MUSTACHE_DEPTH_MAX)
        return fail(r, token, MUSTACHE_BAD_TEMPLATE, "is nested more than %d deep", MUSTACHE_DEPTH_MAX);
    if (token->size >= sizeof(name))
        return fail(r, token, MUSTACHE_BAD_TEMPLATE, "is too long for a partial's name");
    snprintf(name, sizeof(name), "%.*s", (int)token->size, token->text);
    r->reterr->text[0] = 0;
    char *text =
        r->options->read_partial ? r->options->read_partial(r->options->data, name, r->reterr) : NULL;
    if (!text)
        return r->reterr->text[0] ? MUSTACHE_BAD_TEMPLATE : MUSTACHE_DONE;
    if (!(text = indent_lines(text, token)))
        return fail(r, token, MUSTACHE_NO_MEMORY, "does not fit into memory");
    r->depth++;
    enum mustache_outcome outcome = render(r, text);
    r->depth--;
    free(text);
    return outcome;
}

static enum mustache_outcome render_tokens(struct renderer *r, const struct mustache_program *program,
                                           size_t from, size_t to)
{
    enum mustache_outcome outcome = MUSTACHE_DONE;
    for (size_t i = from; i < to && outcome == MUSTACHE_DONE; i++) {
        const struct mustache_token *token = &program->tokens[i];
        if (++r->steps > MUSTACHE_STEPS_MAX)
            return fail(r, token, MUSTACHE_BAD_TEMPLATE, "is repeated too often");
        switch (token->kind) {
        case MUSTACHE_TEXT:
            outcome = write_text(r, token, token->text, token->size);
            break;
        case MUSTACHE_VARIABLE:
        case MUSTACHE_RAW:
            outcome = write_value(r, token);
            break;
        case MUSTACHE_SECTION:
        case MUSTACHE_INVERTED:
            outcome = render_section(r, program, i);
            i = token->end;
            break;
        case MUSTACHE_PARTIAL:
            outcome = render_partial(r, token);
            break;
        case MUSTACHE_END:
            break;
        }
    }
    return outcome;
}

static enum mustache_outcome render(struct renderer *r, const char *text)
{
    struct mustache_program program;
    if (!mustache_parse(text, &program, r->reterr))
        return MUSTACHE_BAD_TEMPLATE;
    enum mustache_outcome outcome = render_tokens(r, &program, 0, program.n_tokens);
    mustache_program_done(&program);
    return outcome;
}

enum mustache_outcome mustache_render(const char *text, const json_t *const roots[], size_t n_roots,
                                      const struct mustache_options *options, char **ret, size_t *ret_size,
                                      struct mustache_error *reterr)
{
    char *rendered = NULL;
    size_t size = 0;
    struct renderer r = { .options = options, .reterr = reterr, .out = open_memstream(&rendered, &size) };
    for (size_t i = n_roots; i > 0; i--)
        r.stack[r.n_stack++] = roots[i - 1];
    enum mustache_outcome outcome = r.out ? render(&r, text) : MUSTACHE_NO_MEMORY;
    if (r.out && fclose(r.out) != 0)
        outcome = MUSTACHE_NO_MEMORY;
    if (outcome == MUSTACHE_DONE) {
        *ret = rendered;
        *ret_size = size;
    } else {
        free(rendered);
        if (outcome == MUSTACHE_NO_MEMORY)
            snprintf(reterr->text, sizeof(reterr->text), "no memory");
    }
    return outcome;
}
