/* SPDX-License-Identifier: Apache-2.0 */
#include "store/inventory.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "store/migrate.h"

#define ENTRY_SIZE 160 /* of "kind name\n" */

static const char *const kinds[] = { "table", "view", "index", "function", "trigger" };

/* --- The names that a migration makes and drops --- */

static const char *skip_blanks(const char *at)
{
    while (isspace((unsigned char)*at))
        at++;
    return at;
}

static size_t word_size(const char *at)
{
    size_t n = 0;
    while (isalnum((unsigned char)at[n]) || at[n] == '_' || at[n] == '.' || at[n] == '%')
        n++;
    return n;
}

/* Is @word the next one? Then *at is behind it. */
static bool take_word(const char **at, const char *word)
{
    const char *next = skip_blanks(*at);
    size_t n = word_size(next);
    if (n != strlen(word) || strncasecmp(next, word, n) != 0)
        return false;
    *at = next + n;
    return true;
}

static void skip_words(const char **at, const char *const *words)
{
    for (size_t i = 0; words[i]; i++)
        while (take_word(at, words[i]))
            i = 0;
}

static void forget(struct buf *names, const char *entry)
{
    char *at = names->data ? strstr(names->data, entry) : NULL;
    if (!at)
        return;
    size_t n = strlen(entry);
    memmove(at, at + n, names->size - (size_t)(at - names->data) - n + 1);
    names->size -= n;
}

/* "job.x" behind the words of a statement that makes or drops something. */
static void take_name(struct buf *names, const char *kind, const char *at, bool made)
{
    static const char *const fillers[] = { "IF", "NOT", "EXISTS", "CONCURRENTLY", NULL };
    char entry[ENTRY_SIZE];
    skip_words(&at, fillers);
    at = skip_blanks(at);
    if (strncmp(at, "job.", 4) == 0)
        at += 4;
    size_t n = word_size(at);
    if (n == 0 || memchr(at, '%', n) || memchr(at, '.', n))
        return; /* made by another statement's text */
    /* The line end in front keeps "ob" from being found in "job". */
    snprintf(entry, sizeof(entry), "\n%s %.*s\n", kind, (int)n, at);
    forget(names, entry);
    if (made)
        buf_append_string(names, entry);
}

static void take_statement(struct buf *names, const char *at, bool made)
{
    static const char *const fillers[] = { "OR", "REPLACE", "UNIQUE", "CONSTRAINT", NULL };
    skip_words(&at, fillers);
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (take_word(&at, kinds[i]))
            take_name(names, kinds[i], at, made);
}

/* Statements begin at the start of a line; what is indented stands in the body of something. */
void inventory_read(struct buf *names, const char *sql)
{
    for (const char *line = sql; line; line = (line = strchr(line, '\n')) ? line + 1 : NULL) {
        const char *at = line;
        if (isspace((unsigned char)*line))
            continue;
        if (take_word(&at, "CREATE"))
            take_statement(names, at, true);
        else if (take_word(&at, "DROP"))
            take_statement(names, at, false);
    }
}

/* --- What there is --- */

static bool has_body(const char *body)
{
    for (const struct migration *m = migrations; m->name; m++)
        if (strstr(m->sql, body))
            return true;
    return false;
}

static bool is_there(const struct rows *objects, const char *kind, const char *name)
{
    for (size_t i = 0; i < rows_count(objects); i++)
        if (strcmp(rows_text(objects, i, 0), kind) == 0 && strcmp(rows_text(objects, i, 1), name) == 0)
            return true;
    return false;
}

static void find_missing(struct buf *names, const struct rows *objects, inventory_fault_fn found,
                         void *userdata)
{
    char *rest = names->data;
    for (char *line; (line = strsep(&rest, "\n"));) {
        char *name = strchr(line, ' ');
        if (!name)
            continue;
        *name++ = '\0';
        if (!is_there(objects, line, name))
            found(INVENTORY_MISSING, line, name, userdata);
    }
}

int inventory_compare(const struct rows *objects, inventory_fault_fn found, void *userdata)
{
    _cleanup_buf_ struct buf names = { 0 };
    for (const struct migration *m = migrations; m->name; m++)
        inventory_read(&names, m->sql);
    if (names.failed)
        return -ENOMEM;
    for (size_t i = 0; i < rows_count(objects); i++) {
        const char *kind = rows_text(objects, i, 0), *name = rows_text(objects, i, 1);
        if (rows_bool(objects, i, 3))
            found(INVENTORY_OFF, kind, name, userdata);
        else if (!rows_is_null(objects, i, 2) && !has_body(rows_text(objects, i, 2)))
            found(INVENTORY_ALTERED, kind, name, userdata);
    }
    find_missing(&names, objects, found, userdata);
    return 0;
}
