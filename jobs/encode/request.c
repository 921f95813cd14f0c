/* SPDX-License-Identifier: Apache-2.0 */
#include "request.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "preset.h"

#define URL_MAX 4096 /* bytes */
#define PATH_SIZE_MAX 1024
#define NAME_SIZE_MAX 200

static bool has_control(const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)text[0], next = (unsigned char)text[1];
        if (c < 0x20 || c == 0x7f || (c == 0xc2 && next >= 0x80 && next < 0xa0))
            return true;
    }
    return false;
}

static const char *check_name(const char *name, size_t size)
{
    if (size == 0)
        return "has an empty name between slashes";
    if (size > NAME_SIZE_MAX)
        return "has a name of more than 200 bytes";
    if (name[0] == '-')
        return "has a name that begins with -";
    return name[0] == '.' ? "has a name that begins with a dot" : NULL;
}

/* "concat:a", "file:/etc/passwd", "subfile,,start,0,end,9,,:a": a scheme as programs read it. */
static bool has_scheme(const char *path)
{
    size_t size = strcspn(path, ":/");
    bool letter = (*path >= 'a' && *path <= 'z') || (*path >= 'A' && *path <= 'Z');
    return path[size] == ':' && letter;
}

const char *request_check_path(const char *path)
{
    if (!*path)
        return "is empty";
    if (strlen(path) > PATH_SIZE_MAX)
        return "is longer than 1024 bytes";
    if (has_control(path))
        return "has control characters";
    if (*path == '/')
        return "is an absolute path";
    if (has_scheme(path))
        return "begins with a protocol; only a path and https:// are taken";
    for (const char *name = path;; name++) {
        size_t size = strcspn(name, "/");
        const char *wrong = check_name(name, size);
        if (wrong)
            return wrong;
        name += size;
        if (!*name)
            return NULL;
    }
}

static int get_text(struct job_context *ctx, const json_t *payload, const char *name, const char **ret)
{
    const json_t *member = json_object_get(payload, name);
    const char *text = json_string_value(member);
    if (!text)
        return job_fail(ctx, member ? "%s: is no string" : "%s: is missing", name);
    if (strlen(text) != json_string_length(member))
        return job_fail(ctx, "%s: has control characters", name);
    *ret = text;
    return JOB_DONE;
}

static int read_input(struct job_context *ctx, const json_t *payload, struct request *request)
{
    int verdict = get_text(ctx, payload, "input", &request->input);
    if (verdict != JOB_DONE)
        return verdict;
    request->is_url = strncasecmp(request->input, "https://", 8) == 0;
    if (!request->is_url) {
        const char *wrong = request_check_path(request->input);
        return wrong ? job_fail(ctx, "input: %s", wrong) : JOB_DONE;
    }
    if (strlen(request->input) > URL_MAX)
        return job_fail(ctx, "input: is longer than 4096 bytes");
    return has_control(request->input) ? job_fail(ctx, "input: has control characters") : JOB_DONE;
}

static int read_preset(struct job_context *ctx, const json_t *payload, struct request *request)
{
    const char *name = NULL;
    int verdict = get_text(ctx, payload, "preset", &name);
    if (verdict != JOB_DONE)
        return verdict;
    request->preset = preset_find(name);
    return request->preset ? JOB_DONE : job_fail(ctx, "preset: expected one of " PRESET_NAMES);
}

static int read_output(struct job_context *ctx, const json_t *payload, struct request *request)
{
    int verdict = get_text(ctx, payload, "output", &request->output);
    if (verdict != JOB_DONE)
        return verdict;
    const char *wrong = request_check_path(request->output), *extension = request->preset->extension;
    if (wrong)
        return job_fail(ctx, "output: %s", wrong);
    size_t size = strlen(request->output), tail = extension ? strlen(extension) : 0;
    if (extension && (size <= tail || strcmp(request->output + size - tail, extension) != 0 ||
                      request->output[size - tail - 1] == '/'))
        return job_fail(ctx, "output: expected a name that ends in %s", extension);
    return JOB_DONE;
}

static bool is_height(const json_t *value)
{
    json_int_t height = json_integer_value(value);
    return height >= REQUEST_HEIGHT_MIN && height <= REQUEST_HEIGHT_MAX;
}

static int read_height(struct job_context *ctx, const json_t *value, struct request *request)
{
    if (!is_height(value))
        return job_fail(ctx, "height: expected a number from %d to %d", REQUEST_HEIGHT_MIN,
                        REQUEST_HEIGHT_MAX);
    request->height = (int)json_integer_value(value);
    return JOB_DONE;
}

static int read_every(struct job_context *ctx, const json_t *value, struct request *request)
{
    request->every_s = json_number_value(value);
    return request->every_s >= 0.1 && request->every_s <= 86400
               ? JOB_DONE
               : job_fail(ctx, "every: expected seconds, from 0.1 to 86400");
}

static int read_count(struct job_context *ctx, const json_t *value, struct request *request)
{
    json_int_t count = json_integer_value(value);
    if (count < 1 || count > REQUEST_THUMBNAILS_MAX)
        return job_fail(ctx, "count: expected a number from 1 to %d", REQUEST_THUMBNAILS_MAX);
    request->count = (int)count;
    return JOB_DONE;
}

static int compare_falling(const void *a, const void *b)
{
    return *(const int *)b - *(const int *)a;
}

static int read_renditions(struct job_context *ctx, const json_t *value, struct request *request)
{
    size_t n = json_array_size(value);
    if (n < 1 || n > REQUEST_RENDITIONS_MAX)
        return job_fail(ctx, "renditions: expected a list of 1 to %d heights", REQUEST_RENDITIONS_MAX);
    for (size_t i = 0; i < n; i++) {
        if (!is_height(json_array_get(value, i)))
            return job_fail(ctx, "renditions: expected numbers from %d to %d", REQUEST_HEIGHT_MIN,
                            REQUEST_HEIGHT_MAX);
        request->renditions[i] = (int)json_integer_value(json_array_get(value, i));
    }
    request->n_renditions = (int)n;
    qsort(request->renditions, n, sizeof(int), compare_falling);
    for (size_t i = 1; i < n; i++)
        if (request->renditions[i] == request->renditions[i - 1])
            return job_fail(ctx, "renditions: has %d twice", request->renditions[i]);
    return JOB_DONE;
}

static const struct member {
    const char *name;
    unsigned kinds; /* of presets that have it */
    int (*read)(struct job_context *ctx, const json_t *value, struct request *request);
} members[] = {
    { "input", ~0U, NULL }, /* read before the others */
    { "preset", ~0U, NULL },
    { "output", ~0U, NULL },
    { "height", PRESET_VIDEO | PRESET_THUMBNAILS, read_height },
    { "every", PRESET_THUMBNAILS, read_every },
    { "count", PRESET_THUMBNAILS, read_count },
    { "renditions", PRESET_LADDER, read_renditions },
};

static int read_member(struct job_context *ctx, const char *name, const json_t *value,
                       struct request *request)
{
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        if (strcmp(name, members[i].name) != 0)
            continue;
        if (!(members[i].kinds & request->preset->kind))
            return job_fail(ctx, "%s: is nothing that preset %s has", name, request->preset->name);
        return members[i].read ? members[i].read(ctx, value, request) : JOB_DONE;
    }
    return job_fail(ctx, "%.64s: is not known", name);
}

static int read_members(struct job_context *ctx, const json_t *payload, struct request *request)
{
    json_t *object = (json_t *)payload; /* which the iterator does not change */
    int verdict = JOB_DONE;
    for (void *at = json_object_iter(object); at && verdict == JOB_DONE;
         at = json_object_iter_next(object, at))
        verdict = read_member(ctx, json_object_iter_key(at), json_object_iter_value(at), request);
    if (verdict == JOB_DONE && request->preset->kind == PRESET_THUMBNAILS &&
        !request->count == !(request->every_s > 0))
        return job_fail(ctx, "thumbnails: expected either every or count");
    return verdict;
}

int request_read(struct job_context *ctx, const json_t *payload, struct request *ret)
{
    int (*const steps[])(struct job_context *, const json_t *,
                         struct request *) = { read_input, read_preset, read_output, read_members };
    *ret = (struct request){ 0 };
    if (!json_is_object(payload))
        return job_fail(ctx, "the payload is no JSON object");
    int verdict = JOB_DONE;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && verdict == JOB_DONE; i++)
        verdict = steps[i](ctx, payload, ret);
    return verdict;
}
