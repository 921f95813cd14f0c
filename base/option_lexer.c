/* SPDX-License-Identifier: Apache-2.0 */
#include "base/option_lexer.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

void option_lexer_init(struct option_lexer *lexer, const char *text, size_t size)
{
    *lexer = (struct option_lexer){ .at = text, .end = text + size, .line = 1 };
}

static bool starts_with(const struct option_lexer *lexer, const char *word)
{
    size_t size = strlen(word);
    return (size_t)(lexer->end - lexer->at) >= size && memcmp(lexer->at, word, size) == 0;
}

static void advance(struct option_lexer *lexer)
{
    if (*lexer->at++ == '\n')
        lexer->line++;
}

static void skip_line(struct option_lexer *lexer)
{
    while (lexer->at < lexer->end && *lexer->at != '\n')
        lexer->at++;
}

/* Return: false when the comment never ends. */
static bool skip_comment(struct option_lexer *lexer)
{
    lexer->at += 2;
    for (; lexer->at < lexer->end; advance(lexer)) {
        if (starts_with(lexer, "*/")) {
            lexer->at += 2;
            return true;
        }
    }
    return false;
}

/* Blanks and comments. Return: false when a comment never ends. */
static bool skip_space(struct option_lexer *lexer)
{
    while (lexer->at < lexer->end) {
        lexer->token_line = lexer->line;
        if (*lexer->at == '#' || starts_with(lexer, "//"))
            skip_line(lexer);
        else if (starts_with(lexer, "/*")) {
            if (!skip_comment(lexer))
                return false;
        } else if (isspace((unsigned char)*lexer->at))
            advance(lexer);
        else
            break;
    }
    lexer->token_line = lexer->line;
    return true;
}

static enum option_token take_string(struct option_lexer *lexer, enum option_token kind)
{
    lexer->at++;
    lexer->token = lexer->at;
    for (; lexer->at < lexer->end && *lexer->at != '"'; advance(lexer))
        if (*lexer->at == '\\' && lexer->at + 1 < lexer->end)
            lexer->at++;
    lexer->token_size = (size_t)(lexer->at - lexer->token);
    if (lexer->at == lexer->end)
        return OPTION_TOKEN_OPEN_STRING;
    lexer->at++;
    return kind;
}

static bool in_name(char c)
{
    return isalnum((unsigned char)c) || c == '-' || c == '_' || c == '*';
}

static bool in_number(const char *start, const char *at)
{
    bool hex = start[0] == '0' && (start[1] == 'x' || start[1] == 'X');
    return isalnum((unsigned char)*at) || *at == '.' ||
           (!hex && (*at == '-' || *at == '+') && (at[-1] == 'e' || at[-1] == 'E'));
}

static bool starts_number(const struct option_lexer *lexer)
{
    const char *at = lexer->at;
    if ((*at == '-' || *at == '+') && at + 1 < lexer->end)
        at++;
    return isdigit((unsigned char)*at) || *at == '.';
}

enum option_token option_lexer_next(struct option_lexer *lexer)
{
    if (!skip_space(lexer))
        return OPTION_TOKEN_OPEN_COMMENT;
    lexer->token = lexer->at;
    lexer->token_size = 0;
    if (lexer->at == lexer->end)
        return OPTION_TOKEN_END;
    if (*lexer->at == '"')
        return take_string(lexer, OPTION_TOKEN_STRING);
    if (starts_with(lexer, "@include")) {
        lexer->at += strlen("@include");
        while (lexer->at < lexer->end && (*lexer->at == ' ' || *lexer->at == '\t'))
            lexer->at++;
        if (lexer->at < lexer->end && *lexer->at == '"')
            return take_string(lexer, OPTION_TOKEN_INCLUDE);
        return OPTION_TOKEN_SIGN; /* libconfig will say what it thinks of it */
    }
    enum option_token kind = OPTION_TOKEN_SIGN;
    if (starts_number(lexer)) {
        kind = OPTION_TOKEN_NUMBER;
        for (lexer->at++; lexer->at < lexer->end && in_number(lexer->token, lexer->at);)
            lexer->at++;
    } else if (isalpha((unsigned char)*lexer->at) || *lexer->at == '*') {
        kind = OPTION_TOKEN_NAME;
        while (lexer->at < lexer->end && in_name(*lexer->at))
            lexer->at++;
    } else {
        lexer->at++;
    }
    lexer->token_size = (size_t)(lexer->at - lexer->token);
    return kind;
}
