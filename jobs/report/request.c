/* SPDX-License-Identifier: Apache-2.0 */
#include "request.h"

#include <stdio.h>
#include <string.h>

#include "text.h"

#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
#define SEGMENT_MAX 200 /* bytes; file systems take 255 */

static const char *const formats[] = { "csv", "xlsx", "pdf" };

/* Member @name, borrowed; NULL when it is absent. */
static int get_text(struct job_context *ctx, const json_t *payload, const char *name, const char **ret)
{
    const json_t *member = json_object_get(payload, name);
    const char *text = json_string_value(member);
    if (member && !text)
        return job_fail(ctx, "%s: is no string", name);
    if (text && (strlen(text) != json_string_length(member) || !text_is_line(text)))
        return job_fail(ctx, "%s: has control characters or marks of direction", name);
    *ret = text;
    return JOB_DONE;
}

static int get_flag(struct job_context *ctx, const json_t *payload, const char *name, bool *ret)
{
    const json_t *member = json_object_get(payload, name);
    if (member && !json_is_boolean(member))
        return job_fail(ctx, "%s: is neither true nor false", name);
    if (member)
        *ret = json_is_true(member);
    return JOB_DONE;
}

static int check_members(struct job_context *ctx, json_t *payload)
{
    static const char *const known[] = { "query",       "parameters", "format",        "title",
                                         "destination", "bom",        "guard_formulas" };
    const char *name;
    json_t *value;
    if (!json_is_object(payload))
        return job_fail(ctx, "the payload is no JSON object");
    json_object_foreach(payload, name, value)
    {
        size_t i = 0, n = sizeof(known) / sizeof(known[0]);
        while (i < n && strcmp(name, known[i]) != 0)
            i++;
        if (i == n)
            return job_fail(ctx, "the payload has an unknown member \"%.64s\"", name);
    }
    return JOB_DONE;
}

static int read_query(struct job_context *ctx, struct request *request)
{
    const char *name = NULL;
    int verdict = get_text(ctx, request->payload, "query", &name);
    if (verdict != JOB_DONE)
        return verdict;
    if (!name)
        return job_fail(ctx, "query: is missing");
    size_t size = strlen(name);
    if (size == 0 || size > REQUEST_QUERY_MAX || name[0] == '-' || name[strspn(name, NAME_CHARACTERS)])
        return job_fail(ctx, "query: is no name of letters, digits, _ and -");
    memcpy(request->query, name, size + 1);
    return JOB_DONE;
}

static int read_parameters(struct job_context *ctx, struct request *request)
{
    request->parameters = json_object_get(request->payload, "parameters");
    if (request->parameters && !json_is_object(request->parameters))
        return job_fail(ctx, "parameters: is no object");
    return JOB_DONE;
}

static int read_format(struct job_context *ctx, struct request *request)
{
    const char *format = NULL;
    int verdict = get_text(ctx, request->payload, "format", &format);
    if (verdict != JOB_DONE)
        return verdict;
    for (size_t i = 0; format && i < sizeof(formats) / sizeof(formats[0]); i++)
        if (strcmp(format, formats[i]) == 0) {
            request->format = formats[i];
            return JOB_DONE;
        }
    return job_fail(ctx, "format: expected csv, xlsx or pdf");
}

static int read_title(struct job_context *ctx, struct request *request)
{
    int verdict = get_text(ctx, request->payload, "title", &request->title);
    if (verdict == JOB_DONE && request->title && strlen(request->title) > REQUEST_TITLE_MAX)
        return job_fail(ctx, "title: is longer than %d bytes", REQUEST_TITLE_MAX);
    return verdict;
}

static int read_options(struct job_context *ctx, struct request *request)
{
    request->guard_formulas = true;
    int verdict = get_flag(ctx, request->payload, "guard_formulas", &request->guard_formulas);
    return verdict == JOB_DONE ? get_flag(ctx, request->payload, "bom", &request->bom) : verdict;
}

/* What is wrong with one part of a path; NULL: nothing. */
static const char *check_segment(const char *segment, size_t size)
{
    if (size == 0)
        return "has an empty part, or begins or ends with /";
    if (size > SEGMENT_MAX)
        return "has a part longer than 200 bytes";
    if (segment[0] == '.')
        return "has a part that begins with a dot";
    if (segment[0] == '-')
        return "has a part that begins with -";
    return memchr(segment, '\\', size) ? "has a \\" : NULL;
}

static const char *check_path(const char *path, const char *format)
{
    size_t size = strlen(path), extension = strlen(format), depth = 0;
    const char *wrong;
    if (size > REQUEST_PATH_MAX)
        return "is longer than 1000 bytes";
    for (const char *segment = path, *end;; segment = end + 1) {
        end = strchrnul(segment, '/');
        if ((wrong = check_segment(segment, (size_t)(end - segment))))
            return wrong;
        if (++depth > REQUEST_DEPTH_MAX)
            return "has more than 16 parts";
        if (!*end)
            break;
    }
    if (size <= extension + 1 || path[size - extension - 1] != '.' ||
        strcmp(path + size - extension, format) != 0)
        return "does not end with a dot and the format";
    return NULL;
}

static int read_destination(struct job_context *ctx, struct request *request)
{
    const char *path = NULL, *wrong;
    int verdict = get_text(ctx, request->payload, "destination", &path);
    if (verdict != JOB_DONE)
        return verdict;
    if (!path) {
        snprintf(request->path, sizeof(request->path), "%s-%s.%s", request->query, job_context_id(ctx),
                 request->format);
        return JOB_DONE;
    }
    request->to_s3 = strncmp(path, "s3:", 3) == 0;
    path += request->to_s3 ? 3 : 0;
    if ((wrong = check_path(path, request->format)))
        return job_fail(ctx, "destination: %s", wrong);
    snprintf(request->path, sizeof(request->path), "%s", path);
    return JOB_DONE;
}

int request_read(struct job_context *ctx, struct request *ret)
{
    size_t size;
    const char *text = job_context_payload(ctx, &size);
    json_error_t error;
    *ret = (struct request){ .payload =
                                 json_loadb(text, size, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &error) };
    if (!ret->payload)
        return job_fail(ctx, "the payload is no JSON: %s", error.text);
    int verdict = check_members(ctx, ret->payload);
    int (*const steps[])(struct job_context *, struct request *) = { read_query,   read_parameters,
                                                                     read_format,  read_title,
                                                                     read_options, read_destination };
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && verdict == JOB_DONE; i++)
        verdict = steps[i](ctx, ret);
    return verdict;
}

void request_done(struct request *request)
{
    json_decref(request->payload);
    request->payload = NULL;
}
