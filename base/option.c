/* SPDX-License-Identifier: Apache-2.0 */
/* The walk: a tree, a table and a struct, side by side. */
#include "base/option.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/option_tree.h"
#include "base/option_value.h"
#include "base/suggest.h"

#define ELEMENTS_MAX 10000
#define FILE_SUFFIX "_file"

struct fill {
    const struct option_file *file;
    struct err *reterr;
};

static void *at(void *target, size_t offset)
{
    return (char *)target + offset;
}

/* --- Refusals ------------------------------------------------------------------------------------------------------- */

__attribute__((format(printf, 4, 5))) static int refuse(const struct fill *fill,
                                                        const config_setting_t *setting, const char *key,
                                                        const char *format, ...)
{
    char place[OPTION_PLACE_SIZE], text[sizeof(fill->reterr->text)];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    option_place(fill->file, setting, place, sizeof(place));
    return err_set(fill->reterr, OPTION_INVALID, "%s:%s%s%s %s", place, *key ? " " : "", key, *key ? ":" : "",
                   text);
}

static char *describe_found(const config_setting_t *setting, char *text, size_t size)
{
    switch (config_setting_type(setting)) {
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        snprintf(text, size, "%lld", config_setting_get_int64(setting));
        break;
    case CONFIG_TYPE_FLOAT:
        snprintf(text, size, "%g", config_setting_get_float(setting));
        break;
    case CONFIG_TYPE_BOOL:
        snprintf(text, size, "%s", config_setting_get_bool(setting) ? "true" : "false");
        break;
    case CONFIG_TYPE_STRING: {
        const char *found = config_setting_get_string(setting);
        snprintf(text, size, strlen(found) > 80 ? "\"%.80s…\"" : "\"%s\"", found);
        break;
    }
    case CONFIG_TYPE_GROUP:
        snprintf(text, size, "a group");
        break;
    default:
        snprintf(text, size, config_setting_length(setting) ? "a list" : "an empty list");
        break;
    }
    return text;
}

/* @checked: the text that the row's check looked at; NULL: the type itself is wrong. */
static int refuse_value(const struct fill *fill, const config_setting_t *setting,
                        const struct option_row *row, const char *key, const char *checked)
{
    char expected[OPTION_TEXT_SIZE], text[OPTION_TEXT_SIZE], found[400];
    const char *rule = checked && row->check ? row->check(checked) : NULL;
    if (!rule) {
        snprintf(expected, sizeof(expected), "expected %.480s", option_value_expected(row, text));
        rule = expected;
    }
    if (row->flags & OPTION_SECRET)
        return refuse(fill, setting, key, "%s", rule);
    return refuse(fill, setting, key, "%s, found %s", rule, describe_found(setting, found, sizeof(found)));
}

static bool accepts_file(const struct option_row *row, const char *name)
{
    size_t size = strlen(row->key);
    return (row->flags & OPTION_SECRET) && strncmp(name, row->key, size) == 0 &&
           strcmp(name + size, FILE_SUFFIX) == 0;
}

/* Every name in @group is a row's key, or its _file. */
static int check_known(const struct fill *fill, config_setting_t *group, const struct option_table *table,
                       const char *parent)
{
    for (int i = 0; i < config_setting_length(group); i++) {
        const config_setting_t *setting = config_setting_get_elem(group, (unsigned)i);
        struct suggest near = { .word = config_setting_name(setting) };
        char key[OPTION_KEY_SIZE];
        bool known = false;
        for (size_t k = 0; k < table->n_rows && !known; k++) {
            known = strcmp(near.word, table->rows[k].key) == 0 || accepts_file(&table->rows[k], near.word);
            suggest_consider(&near, table->rows[k].key);
        }
        option_key_join(key, parent, near.word);
        if (!known)
            return refuse(fill, setting, key, "unknown key; the nearest known key is \"%s\"", near.nearest);
    }
    return 0;
}

/* --- Values --------------------------------------------------------------------------------------------------------- */

/* Numbers and truth values as text, so that each type has one parser. Return: false: not a scalar of this type. */
static bool scalar_text(const config_setting_t *setting, enum option_type type, const char **ret,
                        char *scratch, size_t size)
{
    int found = config_setting_type(setting);
    bool integer = found == CONFIG_TYPE_INT || found == CONFIG_TYPE_INT64;
    *ret = scratch;
    switch (type) {
    case OPTION_INT:
    case OPTION_SIZE:
    case OPTION_REAL:
        if (integer)
            snprintf(scratch, size, "%lld", config_setting_get_int64(setting));
        else if (type == OPTION_REAL && found == CONFIG_TYPE_FLOAT)
            snprintf(scratch, size, "%.17g", config_setting_get_float(setting));
        else if (type == OPTION_SIZE && found == CONFIG_TYPE_STRING)
            *ret = config_setting_get_string(setting);
        else
            return false;
        return true;
    case OPTION_BOOL:
        *ret = found == CONFIG_TYPE_BOOL && config_setting_get_bool(setting) ? "true" : "false";
        return found == CONFIG_TYPE_BOOL;
    default:
        *ret = found == CONFIG_TYPE_STRING ? config_setting_get_string(setting) : "";
        return found == CONFIG_TYPE_STRING;
    }
}

static int fill_scalar(const struct fill *fill, const config_setting_t *setting, const struct option_row *row,
                       const char *key, void *field)
{
    char scratch[64];
    const char *text;
    if (!scalar_text(setting, row->type, &text, scratch, sizeof(scratch)))
        return refuse_value(fill, setting, row, key, NULL);
    int r = option_value_parse(row, text, field);
    return r > 0 ? refuse_value(fill, setting, row, key, text) : r;
}

/* A relative name is looked for among the unit's credentials, then beside the configuration. */
static void secret_path(const struct option_file *file, const char *name, char *path, size_t size)
{
    const char *credentials = getenv("CREDENTIALS_DIRECTORY");
    snprintf(path, size, "%s", name);
    if (*name == '/')
        return;
    if (credentials && *credentials) {
        snprintf(path, size, "%s/%s", credentials, name);
        if (access(path, F_OK) == 0)
            return;
    }
    snprintf(path, size, "%s/%s", file->directory, name);
}

static int note_unreadable(const char *path, const struct err *why, char **field)
{
    if (asprintf(field, "%s %s", path, why->text) >= 0)
        return 0;
    *field = NULL;
    return -ENOMEM;
}

static int fill_secret(const struct fill *fill, const config_setting_t *setting, const struct option_row *row,
                       const char *key, void *target)
{
    void *field = at(target, row->offset);
    _cleanup_free_ char *text = NULL;
    char path[4096];
    size_t size;
    struct err why = { "" };
    if (config_setting_type(setting) != CONFIG_TYPE_STRING || !*config_setting_get_string(setting))
        return refuse(fill, setting, key, "expected the name of a file");
    secret_path(fill->file, config_setting_get_string(setting), path, sizeof(path));
    int r = option_read_bytes(path, OPTION_SECRET_MAX, 07, &text, &size, &why);
    if (r < 0)
        return r;
    if (r > 0 && row->why_offset)
        return note_unreadable(path, &why, at(target, row->why_offset));
    if (r > 0)
        return refuse(fill, setting, key, "%s %s", path, why.text);
    if (strlen(text) != size)
        return refuse(fill, setting, key, "%s holds a NUL byte", path);
    if (size && text[size - 1] == '\n')
        text[--size] = 0;
    if (size && text[size - 1] == '\r')
        text[--size] = 0;
    if (!size)
        return refuse(fill, setting, key, "%s is empty", path);
    r = option_value_parse(row, text, field);
    return r > 0 ? refuse_value(fill, setting, row, key, text) : r;
}

static int fill_table(const struct fill *fill, config_setting_t *group, const struct option_table *table,
                      const char *parent, void *target);

static int check_count(const struct fill *fill, const config_setting_t *setting, const struct option_row *row,
                       const char *key)
{
    int64_t n = config_setting_length(setting), max = row->max ? row->max : ELEMENTS_MAX;
    if (n < row->min || n > max)
        return refuse(fill, setting, key, "expected %" PRId64 " to %" PRId64 " elements, found %" PRId64,
                      row->min, max, n);
    return 0;
}

static int fill_strings(const struct fill *fill, const config_setting_t *setting,
                        const struct option_row *row, const char *key, void *target)
{
    char element[OPTION_KEY_SIZE];
    if (!config_setting_is_list(setting) && !config_setting_is_array(setting))
        return refuse_value(fill, setting, row, key, NULL);
    int r = check_count(fill, setting, row, key);
    size_t n = (size_t)config_setting_length(setting);
    if (r != 0 || n == 0)
        return r;
    struct option_row one = *row;
    one.min = 1;
    one.max = 0;
    char **items = calloc(n, sizeof(*items));
    if (!items)
        return -ENOMEM;
    *(char ***)at(target, row->offset) = items;
    *(size_t *)at(target, row->count_offset) = n;
    for (size_t i = 0; i < n && r == 0; i++) {
        option_key_index(element, key, i);
        one.type = OPTION_STRING;
        r = fill_scalar(fill, config_setting_get_elem(setting, (unsigned)i), &one, element, &items[i]);
    }
    return r;
}

static int fill_groups(const struct fill *fill, const config_setting_t *setting, const struct option_row *row,
                       const char *key, void *target)
{
    char element[OPTION_KEY_SIZE], text[OPTION_TEXT_SIZE], found[400];
    if (!config_setting_is_list(setting))
        return refuse_value(fill, setting, row, key, NULL);
    int r = check_count(fill, setting, row, key);
    size_t n = (size_t)config_setting_length(setting);
    if (r != 0 || n == 0)
        return r;
    char *items = calloc(n, row->table->size);
    if (!items)
        return -ENOMEM;
    *(void **)at(target, row->offset) = items;
    *(size_t *)at(target, row->count_offset) = n;
    for (size_t i = 0; i < n && r == 0; i++) {
        config_setting_t *group = config_setting_get_elem(setting, (unsigned)i);
        option_key_index(element, key, i);
        if (!config_setting_is_group(group))
            return refuse(fill, group, element, "expected %s, found %s",
                          option_value_expected(&(struct option_row){ .type = OPTION_GROUP }, text),
                          describe_found(group, found, sizeof(found)));
        r = fill_table(fill, group, row->table, element, items + i * row->table->size);
    }
    return r;
}

static int fill_present(const struct fill *fill, config_setting_t *setting, const struct option_row *row,
                        const char *key, void *target)
{
    switch (row->type) {
    case OPTION_GROUP:
        if (!config_setting_is_group(setting))
            return refuse_value(fill, setting, row, key, NULL);
        return fill_table(fill, setting, row->table, key, at(target, row->offset));
    case OPTION_GROUPS:
        return fill_groups(fill, setting, row, key, target);
    case OPTION_STRINGS:
        return fill_strings(fill, setting, row, key, target);
    default:
        return fill_scalar(fill, setting, row, key, at(target, row->offset));
    }
}

static int fill_absent(const struct fill *fill, config_setting_t *group, const struct option_row *row,
                       const char *key, void *target)
{
    if (group && (row->flags & OPTION_REQUIRED))
        return refuse(fill, group, key, "is missing");
    if (row->type == OPTION_GROUP)
        return fill_table(fill, NULL, row->table, key, at(target, row->offset));
    if (!row->preset)
        return 0;
    int r = option_value_parse(row, row->preset, at(target, row->offset));
    return r > 0 ? err_set(fill->reterr, -EINVAL, "%s: the table's own default \"%s\" is wrong", key,
                           row->preset)
                 : r;
}

static int fill_row(const struct fill *fill, config_setting_t *group, const struct option_row *row,
                    const char *parent, void *target)
{
    char key[OPTION_KEY_SIZE], file_key[OPTION_KEY_SIZE];
    config_setting_t *setting = group ? config_setting_get_member(group, row->key) : NULL, *secret = NULL;
    option_key_join(key, parent, row->key);
    if (group && (row->flags & OPTION_SECRET)) {
        char name[128];
        snprintf(name, sizeof(name), "%.100s" FILE_SUFFIX, row->key);
        option_key_join(file_key, parent, name);
        secret = config_setting_get_member(group, name);
    }
    if (setting && secret)
        return refuse(fill, secret, file_key, "is set beside \"%s\"; expected one of the two", row->key);
    if (secret)
        return fill_secret(fill, secret, row, file_key, target);
    if (setting)
        return fill_present(fill, setting, row, key, target);
    return fill_absent(fill, group, row, key, target);
}

static int fill_table(const struct fill *fill, config_setting_t *group, const struct option_table *table,
                      const char *parent, void *target)
{
    int r = group ? check_known(fill, group, table, parent) : 0;
    for (size_t i = 0; i < table->n_rows && r == 0; i++)
        r = fill_row(fill, group, &table->rows[i], parent, target);
    return r;
}

int option_fill(const struct option_file *file, const struct option_table *table, void *target,
                struct err *reterr)
{
    struct fill fill = { file, reterr };
    return fill_table(&fill, file ? config_root_setting(&file->tree) : NULL, table, "", target);
}

/* --- The rest of a struct's life ------------------------------------------------------------------------------------ */

void option_done(const struct option_table *table, void *target)
{
    for (size_t i = 0; i < table->n_rows; i++) {
        const struct option_row *row = &table->rows[i];
        void *field = at(target, row->offset);
        size_t n = row->type == OPTION_STRINGS || row->type == OPTION_GROUPS
                       ? *(size_t *)at(target, row->count_offset)
                       : 0;
        if (row->type == OPTION_GROUP)
            option_done(row->table, field);
        for (size_t k = 0; k < n; k++) {
            if (row->type == OPTION_STRINGS)
                free((*(char ***)field)[k]);
            else
                option_done(row->table, *(char **)field + k * row->table->size);
        }
        if (row->type == OPTION_STRING || row->type == OPTION_STRINGS || row->type == OPTION_GROUPS)
            free(*(void **)field);
        if (row->why_offset)
            free(*(char **)at(target, row->why_offset));
    }
    memset(target, 0, table->size);
}

/* "a.b[2].c" as libconfig spells it, "a.b.[2].c". */
static void spell_path(const char *key, char *path, size_t size)
{
    size_t n = 0;
    for (; *key && n + 2 < size; key++) {
        if (*key == '[' && n)
            path[n++] = '.';
        path[n++] = *key;
    }
    path[n] = 0;
}

int option_refuse(const struct option_file *file, struct err *reterr, const char *key, const char *format,
                  ...)
{
    struct fill fill = { file, reterr };
    char text[sizeof(reterr->text)], path[OPTION_KEY_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (!file)
        return err_set(reterr, OPTION_INVALID, "%s: %s", key, text);
    const config_setting_t *setting = NULL;
    spell_path(key, path, sizeof(path));
    while (*path && !(setting = config_lookup(&file->tree, path))) {
        char *dot = strrchr(path, '.');
        *(dot ? dot : path) = 0;
    }
    return refuse(&fill, setting ? setting : config_root_setting(&file->tree), key, "%s", text);
}
