/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/report/mask.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/cleanup.h"

static const char *const words[] = { "password",   "passwd",     "passphrase",    "pwd",     "secret",
                                     "token",      "api_key",    "apikey",        "api-key", "private_key",
                                     "access_key", "credential", "authorization", "jaas" };

/* --- What is known --- */

static void remember(struct mask *m, const char *secret, size_t size)
{
    char **known = reallocarray(m->known, m->n + 1, sizeof(*known));
    if (known)
        m->known = known;
    if (!known || !(known[m->n] = strndup(secret, size)))
        m->failed = true;
    else
        m->n++;
}

/* As JSON, or a URL, would have it. */
static void remember_written(struct mask *m, const char *secret, bool url)
{
    _cleanup_buf_ struct buf b = { 0 };
    buf_append_string(&b, "");
    for (const unsigned char *at = (const unsigned char *)secret; *at; at++) {
        if (url && !isalnum(*at) && !strchr("-._~", *at))
            buf_append_format(&b, "%%%02X", *at);
        else if (!url && (*at == '"' || *at == '\\'))
            buf_append_format(&b, "\\%c", *at);
        else
            buf_append_char(&b, (char)*at);
    }
    if (b.failed)
        m->failed = true;
    else if (strcmp(b.data, secret) != 0)
        remember(m, b.data, b.size);
}

void mask_add(struct mask *m, const char *secret)
{
    if (!secret || strlen(secret) < MASK_LENGTH_MIN)
        return;
    remember(m, secret, strlen(secret));
    remember_written(m, secret, false);
    remember_written(m, secret, true);
}

void mask_add_words(struct mask *m, const char *secrets)
{
    static const char blanks[] = " \t\r\n";
    for (const char *at = secrets; at && *(at += strspn(at, blanks)); at += strcspn(at, blanks)) {
        _cleanup_free_ char *word = strndup(at, strcspn(at, blanks));
        mask_add(m, word);
        m->failed = m->failed || !word;
    }
}

void mask_done(struct mask *m)
{
    for (size_t i = 0; i < m->n; i++) {
        explicit_bzero(m->known[i], strlen(m->known[i]));
        free(m->known[i]);
    }
    free(m->known);
    *m = (struct mask){ 0 };
}

bool mask_is_secret_name(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (strcasestr(name, words[i]))
            return true;
    return strcasestr(name, "_key") != NULL || strcasestr(name, ".key") != NULL;
}

/* The longest known secret that begins at @at. Return: its size; 0: none does. */
static size_t match_known(const struct mask *m, const char *at, size_t left)
{
    size_t longest = 0;
    for (size_t i = 0; i < m->n; i++) {
        size_t n = strlen(m->known[i]);
        if (n <= left && n > longest && memcmp(at, m->known[i], n) == 0)
            longest = n;
    }
    return longest;
}

/* --- What looks like one --- */

struct place {
    size_t kept,
        hidden; /* bytes from here that stay, and those behind them that do not; both 0: nothing is here */
};

static size_t span_of(const char *at, size_t left, const char *set)
{
    size_t n = 0;
    while (n < left && at[n] && strchr(set, at[n]))
        n++;
    return n;
}

static size_t up_to(const char *at, size_t left, const char *set)
{
    size_t n = 0;
    while (n < left && at[n] && !strchr(set, at[n]))
        n++;
    return n;
}

/* "://user:password@": what is between ":" and "@". */
static struct place match_url(const char *at, size_t left)
{
    static const char ends[] = " \t\r\n\"'<>@/";
    struct place none = { 0 };
    if (left < 4 || memcmp(at, "://", 3) != 0)
        return none;
    size_t user = 3 + up_to(at + 3, left - 3, " \t\r\n\"'<>@/:");
    if (user >= left || at[user] != ':')
        return none;
    size_t n = up_to(at + user + 1, left - user - 1, ends), end = user + 1 + n;
    /* A "/" or "@" may be in a password that nobody has encoded: up to the last "@" of the word. */
    size_t word = user + 1 + up_to(at + user + 1, left - user - 1, " \t\r\n\"'<>");
    while (word > end && at[word - 1] != '@')
        word--;
    if (word > end)
        end = word - 1;
    return end < left && at[end] == '@' ? (struct place){ user + 1, end - user - 1 } : none;
}

static size_t match_word(const char *at, size_t left)
{
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        size_t n = strlen(words[i]);
        if (n <= left && strncasecmp(at, words[i], n) == 0)
            return n;
    }
    return 0;
}

/* The value behind "password=", "\"token\": ", "Authorization: Bearer". */
static struct place match_value(const char *at, size_t left)
{
    static const char name[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.[]";
    struct place none = { 0 };
    size_t n = match_word(at, left);
    if (n == 0)
        return none;
    bool whole_line = strncasecmp(at, "authorization", 13) == 0;
    n += span_of(at + n, left - n, name);
    n += span_of(at + n, left - n, "\\\"' ");
    if (n >= left || !strchr("=:", at[n]))
        return none;
    n++;
    n += span_of(at + n, left - n, "=> ");
    size_t open = n;
    n += span_of(at + n, left - n, "\\\"'");
    const char *ends = whole_line ? "\r\n" : n > open ? "\"'\r\n" : " \t\r\n,;&}\"'";
    size_t hidden = up_to(at + n, left - n, ends);
    return hidden ? (struct place){ n, hidden } : none;
}

static struct place match_bearer(const char *at, size_t left)
{
    if (left < 8 || strncasecmp(at, "Bearer ", 7) != 0)
        return (struct place){ 0 };
    size_t hidden = up_to(at + 7, left - 7, " \t\r\n,;\"'");
    return hidden >= 8 ? (struct place){ 7, hidden } : (struct place){ 0 };
}

static struct place match_key(const char *at, size_t left)
{
    if (left > 6 && memcmp(at, "whsec_", 6) == 0)
        return (struct place){ 6, up_to(at + 6, left - 6, " \t\r\n,;\"'") };
    if (left > 11 && memcmp(at, "-----BEGIN ", 11) == 0) {
        const char *end = memmem(at, left, "-----END ", 9);
        return (struct place){ 11, end ? (size_t)(end - at) - 11 : left - 11 };
    }
    return (struct place){ 0 };
}

static struct place match_any(const char *at, size_t left)
{
    static struct place (*const nets[])(const char *at, size_t left) = { match_url, match_value, match_bearer,
                                                                         match_key };
    struct place p = { 0 };
    for (size_t i = 0; i < ARRAY_SIZE(nets) && p.hidden == 0; i++)
        p = nets[i](at, left);
    return p;
}

/* --- Both nets --- */

static void append_known(const struct mask *m, struct buf *out, const char *at, size_t size)
{
    for (size_t i = 0; i < size;) {
        size_t n = match_known(m, at + i, size - i);
        if (n)
            buf_append_string(out, MASK_TEXT);
        else
            buf_append(out, at + i, 1);
        i += n ? n : 1;
    }
}

void mask_append(const struct mask *m, struct buf *out, struct span text)
{
    _cleanup_buf_ struct buf first = { 0 };
    append_known(m, &first, text.data, text.size);
    out->failed = out->failed || first.failed;
    for (size_t i = 0; i < first.size;) {
        struct place p = match_any(first.data + i, first.size - i);
        if (p.hidden == 0) {
            buf_append(out, first.data + i++, 1);
            continue;
        }
        buf_append(out, first.data + i, p.kept);
        buf_append_string(out, MASK_TEXT);
        i += p.kept + p.hidden;
    }
}
