/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/print/choice.h"

#include <stdio.h>
#include <string.h>

#include "base/span.h"
#include "base/suggest.h"
#include "cli/print/output.h"

static int refuse(const char *option, struct span name, const struct output_column *columns, size_t n,
                  struct err *reterr)
{
    char wanted[SUGGEST_MAX + 1], list[600] = "";
    snprintf(wanted, sizeof(wanted), "%.*s", (int)name.size, name.data);
    struct suggest s = { .word = wanted };
    for (size_t i = 0; i < n; i++) {
        size_t used = strlen(list);
        suggest_consider(&s, columns[i].name);
        snprintf(list + used, sizeof(list) - used, "%s%s", i ? ", " : "", columns[i].name);
    }
    if (name.size > 0 && suggest_is_close(&s))
        return err_set(reterr, CHOICE_INVALID, "%s: there is no column \"%s\"; did you mean \"%s\"?", option,
                       wanted, s.nearest);
    return err_set(reterr, CHOICE_INVALID, "%s: there is no column \"%s\"; there are %s", option, wanted,
                   list);
}

/* The next name of a list like "a,b,c"; *text moves behind it. False when there is none left. */
static bool take_name(const char **text, struct span *ret)
{
    if (!*text)
        return false;
    size_t size = strcspn(*text, ",");
    *ret = (struct span){ *text, size };
    *text = (*text)[size] ? *text + size + 1 : NULL;
    return true;
}

static bool find(const struct output_column *columns, size_t n, struct span name, size_t *ret)
{
    for (*ret = 0; *ret < n; ++*ret)
        if (span_equals(name, columns[*ret].name))
            return true;
    return false;
}

static int read_columns(struct choice *ret, const struct output_column *columns, size_t n, const char *names,
                        struct err *reterr)
{
    struct span name;
    while (take_name(&names, &name)) {
        size_t at;
        if (!find(columns, n, name, &at))
            return refuse("--columns", name, columns, n, reterr);
        if (ret->n_columns == CHOICE_MAX_COLUMNS)
            return err_set(reterr, CHOICE_INVALID, "--columns: at most %d", CHOICE_MAX_COLUMNS);
        ret->columns[ret->n_columns++] = at;
    }
    return 0;
}

/* Cuts ":desc" or ":asc" off. */
static bool take_direction(struct span *name)
{
    static const char down[] = ":desc", up[] = ":asc";
    const struct {
        const char *text;
        size_t size;
    } ends[] = { { down, sizeof(down) - 1 }, { up, sizeof(up) - 1 } };
    for (size_t i = 0; i < 2; i++)
        if (name->size > ends[i].size &&
            memcmp(name->data + name->size - ends[i].size, ends[i].text, ends[i].size) == 0) {
            name->size -= ends[i].size;
            return ends[i].text == down;
        }
    return false;
}

static int read_keys(struct choice *ret, const struct output_column *columns, size_t n, const char *sort,
                     struct err *reterr)
{
    struct span name;
    while (take_name(&sort, &name)) {
        struct choice_key key = { .descending = take_direction(&name) };
        if (!find(columns, n, name, &key.column))
            return refuse("--sort", name, columns, n, reterr);
        if (ret->n_keys == CHOICE_MAX_KEYS)
            return err_set(reterr, CHOICE_INVALID, "--sort: at most %d columns", CHOICE_MAX_KEYS);
        ret->keys[ret->n_keys++] = key;
    }
    return 0;
}

int choice_read(struct choice *ret, const struct output_column *columns, size_t n_columns, bool in_table,
                const char *names, const char *sort, struct err *reterr)
{
    *ret = (struct choice){ 0 };
    int r = names ? read_columns(ret, columns, n_columns, names, reterr) : 0;
    for (size_t i = 0; !names && i < n_columns; i++)
        if (!in_table || !(columns[i].hints & OUTPUT_NOT_IN_TABLE))
            ret->columns[ret->n_columns++] = i;
    return r ? r : read_keys(ret, columns, n_columns, sort, reterr);
}
