/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An upload becomes a file, and the file a job that encodes it.
 *
 * The file has no name while it is written, so that nothing is left of an upload that breaks off, or of a process that dies. When it is complete
 * and on disk it is given the name of its job; the client's own name is used nowhere. Then the job is enqueued, and the client is told when
 * Kafka has it for good. If we die in between, a file stays of which nobody was told.
 */
#include "api.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KAFKA_TIMEOUT_MS 10000

struct upload {
    int fd;
    int n_files; /* how many parts of the form were one */
    uint64_t bytes;
    struct MHD_PostProcessor *form;
};

static void refuse_write(struct request *r)
{
    bool full = errno == ENOSPC || errno == EDQUOT;
    fprintf(stderr, "upload: %s\n", strerror(errno));
    http_problem(r, full ? MHD_HTTP_INSUFFICIENT_STORAGE : MHD_HTTP_INTERNAL_SERVER_ERROR, NULL,
                 full ? "there is no room for it" : "it cannot be stored");
}

static bool write_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, data, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        data += n;
        size -= (size_t)n;
    }
    return true;
}

/* A piece of a part of the form; @offset 0 begins a part. */
static enum MHD_Result on_piece(void *cls, enum MHD_ValueKind kind, const char *key, const char *name,
                                const char *type, const char *encoding, const char *data, uint64_t offset,
                                size_t size)
{
    (void)kind, (void)name, (void)type, (void)encoding;
    struct request *r = cls;
    struct upload *u = r->upload;
    if (!key || strcmp(key, "file") != 0)
        http_problem(r, MHD_HTTP_BAD_REQUEST, "form", "has another field than \"file\"");
    else if (offset == 0 && ++u->n_files > 1)
        http_problem(r, MHD_HTTP_BAD_REQUEST, "file", "occurs twice");
    else if (u->bytes + size > r->api->max_upload_bytes)
        http_problem(r, MHD_HTTP_CONTENT_TOO_LARGE, "file", "is too large");
    else if (!write_all(u->fd, data, size))
        refuse_write(r);
    u->bytes += size;
    return r->response ? MHD_NO : MHD_YES;
}

void video_begin(struct request *r)
{
    struct upload *u = calloc(1, sizeof(*u));
    if (!u)
        return;
    r->upload = u;
    u->form = MHD_create_post_processor(r->connection, 64 * 1024, on_piece, r);
    if (!u->form)
        http_problem(r, MHD_HTTP_BAD_REQUEST, "Content-Type", "has no boundary");
    u->fd = openat(r->api->uploads, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0640);
    if (u->fd < 0)
        refuse_write(r);
}

void video_take(struct request *r, const char *data, size_t size)
{
    if (MHD_post_process(r->upload->form, data, size) == MHD_NO)
        http_problem(r, MHD_HTTP_BAD_REQUEST, "body", "is no multipart/form-data");
}

/* Fails when the last boundary is missing. */
static bool end_form(struct upload *u)
{
    struct MHD_PostProcessor *form = u->form;
    u->form = NULL;
    return MHD_destroy_post_processor(form) == MHD_YES;
}

/* Gives the file its name, for good. */
static bool keep_file(struct request *r, const char *name)
{
    char path[32];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", r->upload->fd);
    return fsync(r->upload->fd) == 0 &&
           linkat(AT_FDCWD, path, r->api->uploads, name, AT_SYMLINK_FOLLOW) == 0 &&
           fsync(r->api->uploads) == 0;
}

static int enqueue(struct request *r, const struct job_id *id, const char *name)
{
    char payload[160];
    snprintf(payload, sizeof(payload), "{\"input\": \"%s\", \"preset\": \"mp4\", \"output\": \"%s.mp4\"}",
             name, name);
    struct job_spec spec = { .type = "encode", .queue = "videos", .payload = payload, .id = id };
    int outcome = job_enqueue_wait(r->api->client, &spec, NULL, KAFKA_TIMEOUT_MS);
    if (outcome)
        fprintf(stderr, "job_enqueue_wait: %s (%s)\n", job_strerror(outcome),
                job_client_error(r->api->client));
    return outcome;
}

static void accept_file(struct request *r)
{
    struct job_id id;
    char name[JOB_ID_TEXT_SIZE];
    job_id_new(&id);
    job_id_format(&id, name);
    if (!keep_file(r, name)) {
        refuse_write(r);
        return;
    }
    int outcome = enqueue(r, &id, name);
    if (outcome == 0) {
        http_answer(r, MHD_HTTP_ACCEPTED, json_pack("{s:s}", "job", name));
        http_header(r, "Location", "/api/jobs/%s", name);
    } else if (outcome == JOB_E_TIMED_OUT) { /* it may be there: then it needs the file */
        http_problem(r, MHD_HTTP_SERVICE_UNAVAILABLE, NULL, "Kafka has not answered in time");
    } else {
        unlinkat(r->api->uploads, name, 0);
        http_problem(r, MHD_HTTP_SERVICE_UNAVAILABLE, NULL, "Kafka has not taken the job");
    }
}

void video_accept(struct request *r)
{
    struct upload *u = r->upload;
    if (!u)
        return;
    if (!end_form(u))
        http_problem(r, MHD_HTTP_BAD_REQUEST, "body", "is no complete multipart/form-data");
    else if (u->bytes == 0)
        http_problem(r, MHD_HTTP_BAD_REQUEST, "file", "is missing or empty");
    else
        accept_file(r);
}

struct upload *video_free(struct upload *u)
{
    if (!u)
        return NULL;
    if (u->form)
        MHD_destroy_post_processor(u->form);
    if (u->fd >= 0)
        close(u->fd);
    free(u);
    return NULL;
}

bool video_has_job(const struct api *api, const struct job_id *id)
{
    char name[JOB_ID_TEXT_SIZE];
    return faccessat(api->uploads, job_id_format(id, name), F_OK, 0) == 0;
}
