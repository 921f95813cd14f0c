/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mustache templates with the values of a JSON document.
 *
 * What the public specification leaves to the language: false, null, "", 0 and an empty list are no; numbers are
 * written as short as they can be read back; true and false are written as these words; a list or an object has
 * no text, and counts as missing where one is asked for.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "mustache_parse.h"

#define MUSTACHE_OUTPUT_MAX (1024 * 1024) /* bytes */
#define MUSTACHE_DEPTH_MAX 64             /* sections and partials within each other */
#define MUSTACHE_STEPS_MAX 2000000        /* tokens, repeated ones included */

enum mustache_escape {
    MUSTACHE_PLAIN, /* as it is */
    MUSTACHE_HTML,  /* & < > " ' become entities, in text and in quoted attributes harmless */
    MUSTACHE_LINE,  /* a control character is MUSTACHE_BAD_VALUE, raw or not: for a header */
};

enum mustache_outcome {
    MUSTACHE_DONE,
    MUSTACHE_BAD_TEMPLATE, /* or too large, or too much work */
    MUSTACHE_BAD_VALUE,
    MUSTACHE_NO_MEMORY,
};

struct mustache_options {
    enum mustache_escape escape;
    bool strict; /* a value that is missing is MUSTACHE_BAD_VALUE; otherwise it is "" */
    /* The text of a partial, on the heap, the renderer's from then on; NULL with @reterr unset: it is empty; with it set: a fault. */
    char *(*read_partial)(void *data, const char *name, struct mustache_error *reterr);
    void *data;
};

/**
 * mustache_render() - write a template with values
 * @roots:   where names are looked up, the first object that has one wins; borrowed
 * @n_roots: 1 … 4
 * @ret:     on the heap, terminated behind @ret_size bytes (values may have NULs); set on success
 *
 * Return: MUSTACHE_DONE; otherwise @reterr is set. It has names of the template, no values.
 */
enum mustache_outcome mustache_render(const char *text, const json_t *const roots[], size_t n_roots,
                                      const struct mustache_options *options, char **ret, size_t *ret_size,
                                      struct mustache_error *reterr);
