/* SPDX-License-Identifier: Apache-2.0 */
#include "attachment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base64.h"
#include "common/beneath.h"
#include "header.h"
#include "request.h"

struct reading {
    struct job_context *ctx;
    const char *folder;
    size_t bytes_left;
    char place[40]; /* "attachments[2]" */
};

/* --- Names and types ---------------------------------------------------------------------------------- */

static const char *guess_type(const char *name)
{
    static const struct {
        const char *ending, *type;
    } rows[] = {
        { ".pdf", "application/pdf" }, { ".png", "image/png" },       { ".jpg", "image/jpeg" },
        { ".jpeg", "image/jpeg" },     { ".gif", "image/gif" },       { ".webp", "image/webp" },
        { ".svg", "image/svg+xml" },   { ".txt", "text/plain" },      { ".html", "text/html" },
        { ".csv", "text/csv" },        { ".ics", "text/calendar" },   { ".json", "application/json" },
        { ".zip", "application/zip" }, { ".xml", "application/xml" },
    };
    const char *ending = strrchr(name, '.');
    for (size_t i = 0; ending && i < sizeof(rows) / sizeof(rows[0]); i++)
        if (strcasecmp(ending, rows[i].ending) == 0)
            return rows[i].type;
    return "application/octet-stream";
}

/* type/subtype; those that would be parts of parts are not for a job to make. */
static bool is_type(const char *type)
{
    const char *slash = strchr(type, '/');
    return slash && strlen(type) <= 127 && header_is_token(type, (size_t)(slash - type)) &&
           header_is_token(slash + 1, strlen(slash + 1)) && strncasecmp(type, "multipart/", 10) != 0 &&
           strncasecmp(type, "message/", 8) != 0;
}

static bool is_name(const char *name)
{
    return *name && strlen(name) <= ATTACHMENT_NAME_MAX && !strpbrk(name, "/\\") && name[0] != '.' &&
           name[0] != '-';
}

/* Relative, no part of it empty, hidden, going up, or like an option. */
static bool is_path(const char *path)
{
    if (strlen(path) > ATTACHMENT_FILE_MAX || strchr(path, '\\'))
        return false;
    for (const char *part = path;; part = strchr(part, '/') + 1) {
        if (!*part || strchr("/.-", *part))
            return false;
        if (!strchr(part, '/'))
            return true;
    }
}

/* --- Bytes -------------------------------------------------------------------------------------------- */

static int read_open_file(const struct reading *reading, int fd, struct attachment *row)
{
    struct stat st;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return job_fail(reading->ctx, "%s.file: is no regular file", reading->place);
    if ((uintmax_t)st.st_size > reading->bytes_left)
        return job_fail(reading->ctx, "%s: is too large", reading->place);
    row->data = malloc((size_t)st.st_size + 1);
    if (!row->data)
        return job_retry(reading->ctx, "%s: no memory", reading->place);
    ssize_t n = 1;
    while (row->size < (size_t)st.st_size && n > 0) {
        n = read(fd, row->data + row->size, (size_t)st.st_size - row->size);
        if (n < 0)
            return job_retry(reading->ctx, "%s.file: %s", reading->place, strerror(errno));
        row->size += (size_t)n;
    }
    return n > 0 ? JOB_DONE : job_retry(reading->ctx, "%s.file: changes while it is read", reading->place);
}

static int read_file(const struct reading *reading, const char *path, struct attachment *row)
{
    if (!is_path(path))
        return job_fail(reading->ctx, "%s.file: is no path beneath a folder", reading->place);
    if (!reading->folder)
        return job_retry(reading->ctx, "WELCOME_EMAIL_ATTACHMENTS: is not set");
    int folder = open(reading->folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return job_retry(reading->ctx, "%s: %s", reading->folder, strerror(errno));
    int fd = beneath_open(folder, path, O_RDONLY, 0), error = errno;
    close(folder);
    if (fd < 0)
        return error == EXDEV || error == ELOOP
                   ? job_fail(reading->ctx, "%s.file: leads out of its folder", reading->place)
                   : job_retry(reading->ctx, "%s.file: %s", reading->place, strerror(error));
    int verdict = read_open_file(reading, fd, row);
    close(fd);
    return verdict;
}

static int read_content(const struct reading *reading, const json_t *content, struct attachment *row)
{
    const char *text = json_string_value(content);
    if (!text || !base64_decode(text, json_string_length(content), &row->data, &row->size))
        return job_fail(reading->ctx, "%s.content: is no base64", reading->place);
    return row->size <= reading->bytes_left ? JOB_DONE
                                            : job_fail(reading->ctx, "%s: is too large", reading->place);
}

/* --- Entries ------------------------------------------------------------------------------------------ */

static int read_labels(const struct reading *reading, const json_t *entry, const char *file,
                       struct attachment *row)
{
    const char *slash = file ? strrchr(file, '/') : NULL;
    row->name = file ? slash ? slash + 1 : file : NULL;
    const char *name = NULL;
    int verdict = request_get_text(reading->ctx, entry, reading->place, "name", &name);
    if (verdict == JOB_DONE)
        verdict = request_get_text(reading->ctx, entry, reading->place, "type", &row->type);
    if (verdict == JOB_DONE)
        verdict = request_get_text(reading->ctx, entry, reading->place, "cid", &row->cid);
    if (verdict != JOB_DONE)
        return verdict;
    row->name = name ? name : row->name;
    if (!row->name || !is_name(row->name))
        return job_fail(reading->ctx, "%s.name: is %s", reading->place,
                        row->name ? "no file's name" : "missing");
    row->type = row->type ? row->type : guess_type(row->name);
    if (!is_type(row->type))
        return job_fail(reading->ctx, "%s.type: is no media type of a single part", reading->place);
    if (row->cid && (strlen(row->cid) > 64 || !header_is_token(row->cid, strlen(row->cid))))
        return job_fail(reading->ctx, "%s.cid: is not made of 1 to 64 letters, digits and !#$&^_.+-",
                        reading->place);
    return JOB_DONE;
}

static int read_entry(const struct reading *reading, const json_t *entry, struct attachment *row)
{
    const char *file = NULL;
    const json_t *content = json_object_get(entry, "content");
    if (!json_is_object(entry))
        return job_fail(reading->ctx, "%s: is no object", reading->place);
    int verdict = request_get_text(reading->ctx, entry, reading->place, "file", &file);
    if (verdict == JOB_DONE && !file == !content)
        return job_fail(reading->ctx, "%s: has not one of file and content", reading->place);
    if (verdict == JOB_DONE)
        verdict = file ? read_file(reading, file, row) : read_content(reading, content, row);
    return verdict == JOB_DONE ? read_labels(reading, entry, file, row) : verdict;
}

int attachments_read(struct job_context *ctx, const json_t *list, const char *folder, size_t max_size,
                     struct attachments *ret)
{
    struct reading reading = { .ctx = ctx, .folder = folder, .bytes_left = max_size };
    ret->n_rows = 0;
    if (json_array_size(list) > ATTACHMENTS_MAX)
        return job_fail(ctx, "attachments: more than %d", ATTACHMENTS_MAX);
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct attachment *row = &ret->rows[ret->n_rows++];
        *row = (struct attachment){ 0 };
        snprintf(reading.place, sizeof(reading.place), "attachments[%zu]", i);
        int verdict = read_entry(&reading, json_array_get(list, i), row);
        if (verdict != JOB_DONE)
            return verdict;
        reading.bytes_left -= row->size;
    }
    return JOB_DONE;
}

void attachments_done(struct attachments *attachments)
{
    for (size_t i = 0; i < attachments->n_rows; i++)
        free(attachments->rows[i].data);
    attachments->n_rows = 0;
}
