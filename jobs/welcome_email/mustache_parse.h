/* SPDX-License-Identifier: Apache-2.0 */
/* A Mustache template cut into tokens, every section knowing where it ends. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum mustache_kind {
    MUSTACHE_TEXT,
    MUSTACHE_VARIABLE, /* {{name}} */
    MUSTACHE_RAW,      /* {{{name}}}, {{&name}} */
    MUSTACHE_SECTION,  /* {{#name}} */
    MUSTACHE_INVERTED, /* {{^name}} */
    MUSTACHE_END,      /* {{/name}} */
    MUSTACHE_PARTIAL,  /* {{>name}} */
};

struct mustache_token {
    enum mustache_kind kind;
    const char *text;   /* TEXT: as it is; else the name. Into the template, not terminated */
    size_t size;        /* bytes */
    const char *indent; /* PARTIAL that has its line for itself: what stands before it */
    size_t indent_size;
    size_t end;  /* SECTION, INVERTED: index of its END */
    size_t line; /* from 1 */
};

struct mustache_program {
    struct mustache_token *tokens;
    size_t n_tokens, n_allocated;
};

/* Describes one fault for people: "line 3: …". */
struct mustache_error {
    char text[256];
};

/**
 * mustache_parse() - cut a template into tokens
 * @text: borrowed by the tokens
 * @ret:  set on success; release with mustache_program_done()
 *
 * Return: true; false with @reterr set: a tag without its end, a section that is not closed or not open, a name
 * that is empty or has a blank, delimiters that are none, no memory.
 */
bool mustache_parse(const char *text, struct mustache_program *ret, struct mustache_error *reterr);
void mustache_program_done(struct mustache_program *program);
