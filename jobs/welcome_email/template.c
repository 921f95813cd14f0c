/* SPDX-License-Identifier: Apache-2.0 */
#include "template.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "request.h"

struct file_set {
    const struct templates *templates;
    const char *ending;
};

static void put_path(char path[4096], const struct templates *templates, const char *name, const char *ending)
{
    snprintf(path, 4096, "%s/%s%s", templates->folder, name, ending);
}

bool template_exists(const struct templates *templates, const char *name, const char *ending)
{
    char path[4096];
    put_path(path, templates, name, ending);
    return access(path, F_OK) == 0;
}

/* On the heap; NULL with @reterr set. */
static char *read_file(const char *path, struct mustache_error *reterr)
{
    FILE *stream = fopen(path, "re");
    if (!stream) {
        snprintf(reterr->text, sizeof(reterr->text), "%.200s: %s", path, strerror(errno));
        return NULL;
    }
    char *text = malloc(TEMPLATE_MAX + 1);
    size_t size = text ? fread(text, 1, TEMPLATE_MAX + 1, stream) : 0;
    int failed = ferror(stream);
    fclose(stream);
    if (!text || failed || size > TEMPLATE_MAX || memchr(text, 0, size)) {
        free(text);
        snprintf(reterr->text, sizeof(reterr->text), "%.150s: not readable as text of at most %d bytes", path,
                 TEMPLATE_MAX);
        return NULL;
    }
    text[size] = 0;
    return text;
}

static char *read_partial(void *data, const char *name, struct mustache_error *reterr)
{
    const struct file_set *files = data;
    char path[4096];
    if (!request_is_template_name(name)) {
        snprintf(reterr->text, sizeof(reterr->text),
                 "partial \"%.80s\" is not made of letters, digits, - and _", name);
        return NULL;
    }
    put_path(path, files->templates, name, files->ending);
    return read_file(path, reterr);
}

/* @text of @size bytes with CRLF at its line ends; NULL when there is no memory. */
static char *normalise_lines(const char *text, size_t size)
{
    char *normalised = malloc(2 * size + 1), *to = normalised;
    for (size_t i = 0; normalised && i < size; i++) {
        bool is_end = text[i] == '\n' || text[i] == '\r';
        if (text[i] == '\r' && i + 1 < size && text[i + 1] == '\n')
            continue;
        if (is_end)
            *to++ = '\r';
        *to++ = is_end ? '\n' : text[i];
    }
    if (normalised)
        *to = 0;
    return normalised;
}

static int finish(struct job_context *ctx, const char *name, const char *ending, char *text, size_t size,
                  char **ret)
{
    bool has_nul = memchr(text, 0, size);
    char *normalised = has_nul ? NULL : normalise_lines(text, size);
    free(text);
    if (has_nul)
        return job_fail(ctx, "%s%s: a value has a NUL", name, ending);
    if (!normalised)
        return job_retry(ctx, "%s%s: no memory", name, ending);
    *ret = normalised;
    return JOB_DONE;
}

int template_render(struct job_context *ctx, const struct templates *templates, const char *name,
                    const char *ending, enum mustache_escape escape, char **ret)
{
    char path[4096], *rendered = NULL;
    size_t size = 0;
    struct mustache_error error = { 0 };
    struct file_set files = { templates, ending };
    const struct mustache_options options = {
        .escape = escape, .strict = templates->strict, .read_partial = read_partial, .data = &files
    };
    put_path(path, templates, name, ending);
    char *text = read_file(path, &error);
    if (!text)
        return job_retry(ctx, "%s", error.text);
    enum mustache_outcome outcome =
        mustache_render(text, templates->roots, templates->n_roots, &options, &rendered, &size, &error);
    free(text);
    if (outcome == MUSTACHE_DONE)
        return finish(ctx, name, ending, rendered, size, ret);
    return outcome == MUSTACHE_BAD_VALUE ? job_fail(ctx, "%s%s: %s", name, ending, error.text)
                                         : job_retry(ctx, "%s%s: %s", name, ending, error.text);
}
