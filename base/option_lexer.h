/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of a libconfig text, with their lines.
 *
 * libconfig 1.5 lets numbers overflow in silence, does not name the key that is given twice, reports an unfinished
 * string at the end of the file, and opens included files unchecked; so the text is read once before libconfig reads it.
 */
#pragma once

#include <stddef.h>

enum option_token {
    OPTION_TOKEN_END,
    OPTION_TOKEN_NAME,
    OPTION_TOKEN_NUMBER,
    OPTION_TOKEN_STRING,  /* without the quotes, escapes as they stand */
    OPTION_TOKEN_INCLUDE, /* the file's name */
    OPTION_TOKEN_SIGN,    /* one other character */
    OPTION_TOKEN_OPEN_STRING,
    OPTION_TOKEN_OPEN_COMMENT,
};

struct option_lexer {
    const char *at, *end;
    int line; /* of @at, 1-based */

    /* the last token */
    const char *token;
    size_t token_size;
    int token_line;
};

/* @text is NUL-terminated behind its last byte. */
void option_lexer_init(struct option_lexer *lexer, const char *text, size_t size);
enum option_token option_lexer_next(struct option_lexer *lexer);
