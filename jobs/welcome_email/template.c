/* SPDX-License-Identifier: Apache-2.0 */
#include "template.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int template_read(struct job_context *ctx, const char *directory, const char *file, char **ret)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", directory, file);
    FILE *stream = fopen(path, "re");
    if (!stream)
        return job_retry(ctx, "%s: %s", path, strerror(errno));
    char *text = malloc(TEMPLATE_MAX + 1);
    size_t size = text ? fread(text, 1, TEMPLATE_MAX + 1, stream) : 0;
    int failed = ferror(stream);
    fclose(stream);
    if (!text || failed || size > TEMPLATE_MAX || memchr(text, 0, size)) {
        free(text);
        return job_retry(ctx, "%s: not readable as text of at most %d bytes", path, TEMPLATE_MAX);
    }
    text[size] = 0;
    *ret = text;
    return JOB_DONE;
}

static void write_escaped(FILE *out, const char *value, enum template_escape escape)
{
    static const char special[] = "&<>\"'";
    static const char *const entities[] = { "&amp;", "&lt;", "&gt;", "&quot;", "&#39;" };
    for (; *value; value++) {
        const char *found = escape == TEMPLATE_HTML ? strchr(special, *value) : NULL;
        if (found)
            fputs(entities[found - special], out);
        else
            fputc(*value, out);
    }
}

/* Text between two variables: only line ends change. */
static void write_literal(FILE *out, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '\n')
            fputs("\r\n", out);
        else if (text[i] != '\r')
            fputc(text[i], out);
    }
}

static const char *find_variable(const struct template_variables *variables, const char *name, size_t size)
{
    for (size_t i = 0; i < variables->n_rows; i++) {
        const struct template_variable *row = &variables->rows[i];
        if (strlen(row->name) == size && memcmp(row->name, name, size) == 0)
            return row->value;
    }
    return NULL;
}

/* @at: behind "{{". Return: behind "}}"; NULL when this is no variable. */
static const char *write_variable(FILE *out, const char *at, enum template_escape escape,
                                  const struct template_variables *variables)
{
    const char *name = at + strspn(at, " "), *end = strstr(name, "}}");
    if (!end)
        return NULL;
    size_t size = (size_t)(end - name);
    while (size > 0 && name[size - 1] == ' ')
        size--;
    const char *value = find_variable(variables, name, size);
    if (!value)
        return NULL;
    write_escaped(out, value, escape);
    return end + 2;
}

/* Return: NULL; else the braces that are no variable. */
static const char *write_template(FILE *out, const char *text, enum template_escape escape,
                                  const struct template_variables *variables)
{
    const char *open;
    while ((open = strstr(text, "{{"))) {
        write_literal(out, text, (size_t)(open - text));
        text = write_variable(out, open + 2, escape, variables);
        if (!text)
            return open;
    }
    write_literal(out, text, strlen(text));
    return NULL;
}

int template_render(struct job_context *ctx, const char *file, const char *text, enum template_escape escape,
                    const struct template_variables *variables, char **ret)
{
    char *rendered = NULL;
    size_t size;
    FILE *out = open_memstream(&rendered, &size);
    if (!out)
        return job_retry(ctx, "%s: %s", file, strerror(errno));
    const char *bad = write_template(out, text, escape, variables);
    if (fclose(out) == 0 && !bad) {
        *ret = rendered;
        return JOB_DONE;
    }
    free(rendered);
    if (!bad)
        return job_retry(ctx, "%s: no memory", file);
    return job_retry(ctx, "%s: \"%.*s\" is no variable", file,
                     (int)strcspn(bad, "\r\n") < 40 ? (int)strcspn(bad, "\r\n") : 40, bad);
}
