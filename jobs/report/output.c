/* SPDX-License-Identifier: Apache-2.0 */
#include "output.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/digest.h"

#define BUFFER_SIZE 65536

struct output {
    int folder, fd;
    bool part_exists;
    char part[128], name[256]; /* in the folder */
    int error;                 /* 0; negative errno */
    uint64_t size;
    size_t buffered;
    char checksum[DIGEST_TEXT_SIZE];
    char buffer[BUFFER_SIZE];
};

/* --- Where it lies -------------------------------------------------------------------------------------- */

/* Return: descriptor; negative errno. */
static int open_folder(int above, const char *name)
{
    int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, fd = openat(above, name, flags);
    if (fd < 0 && errno == ENOENT) {
        if (mkdirat(above, name, 0750) < 0 && errno != EEXIST)
            return -errno;
        fsync(above);
        fd = openat(above, name, flags);
    }
    return fd < 0 ? -errno : fd;
}

/* Goes down to the folder of @path's last part, which becomes the name. */
static int enter(struct job_context *ctx, struct output *o, const char *path)
{
    for (const char *slash; (slash = strchr(path, '/')); path = slash + 1) {
        char name[256];
        snprintf(name, sizeof(name), "%.*s", (int)(slash - path), path);
        int below = open_folder(o->folder, name);
        if (below < 0)
            return job_retry(ctx, "destination: folder \"%s\": %s", name, strerror(-below));
        close(o->folder);
        o->folder = below;
    }
    snprintf(o->name, sizeof(o->name), "%s", path);
    return JOB_DONE;
}

/* ".ID.DELIVERY.EPOCH.part": each execution of a job has a file of its own, also where two workers run one. */
static void name_part(const struct job_context *ctx, struct output *o)
{
    snprintf(o->part, sizeof(o->part), ".%.64s.%.48s.part", job_context_id(ctx), job_context_fence(ctx));
}

/* Whether @name is what an execution before this one has left. */
static bool is_earlier(const struct job_context *ctx, const char *name)
{
    unsigned long delivery, epoch, own_delivery, own_epoch;
    const char *id = job_context_id(ctx);
    size_t size = strlen(id);
    int end = 0;
    if (name[0] != '.' || strncmp(name + 1, id, size) != 0 || name[1 + size] != '.' ||
        sscanf(name + 1 + size, ".%lu.%lu.part%n", &delivery, &epoch, &end) != 2 || end == 0 ||
        name[1 + size + (size_t)end] ||
        sscanf(job_context_fence(ctx), "%lu.%lu", &own_delivery, &own_epoch) != 2)
        return false;
    return delivery < own_delivery || (delivery == own_delivery && epoch < own_epoch);
}

static void remove_earlier(const struct job_context *ctx, const struct output *o)
{
    int copy = openat(o->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    if (!dir) {
        if (copy >= 0)
            close(copy);
        return;
    }
    const struct dirent *entry;
    /* cppcheck-suppress readdirCalled */
    while ((entry = readdir(dir)))
        if (is_earlier(ctx, entry->d_name))
            unlinkat(o->folder, entry->d_name, 0);
    closedir(dir);
}

static int open_file(struct job_context *ctx, struct output *o)
{
    o->fd = openat(o->folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0640);
    if (o->fd >= 0)
        return JOB_DONE;
    if (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL) {
        unlinkat(o->folder, o->part, 0);
        o->fd = openat(o->folder, o->part, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
        o->part_exists = o->fd >= 0;
    }
    return o->fd >= 0 ? JOB_DONE : job_retry(ctx, "cannot write a report: %s", strerror(errno));
}

/* A file that nobody else can open: without name, or with one only until it is open. */
static int open_in(struct job_context *ctx, struct output *o, const char *folder, const char *path)
{
    o->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (o->folder < 0)
        return job_retry(ctx, "%s: %s", folder, strerror(errno));
    name_part(ctx, o);
    int verdict = path ? enter(ctx, o, path) : JOB_DONE;
    if (verdict != JOB_DONE)
        return verdict;
    if (path)
        remove_earlier(ctx, o);
    verdict = open_file(ctx, o);
    if (!path && o->part_exists) {
        unlinkat(o->folder, o->part, 0);
        o->part_exists = false;
    }
    return verdict;
}

int output_open(struct job_context *ctx, const struct settings *settings, const char *path,
                struct output **ret)
{
    *ret = NULL;
    if (path && !settings->output)
        return job_retry(ctx, "REPORT_OUTPUT: is not set, so there are no reports to a directory");
    struct output *o = malloc(sizeof(*o));
    if (!o)
        return job_retry(ctx, "no memory for a report");
    memset(o, 0, offsetof(struct output, buffer));
    o->folder = o->fd = -1;
    int verdict = open_in(ctx, o, path ? settings->output : settings->spool, path);
    if (verdict != JOB_DONE)
        o = output_free(o);
    *ret = o;
    return verdict;
}

struct output *output_free(struct output *o)
{
    if (!o)
        return NULL;
    if (o->part_exists)
        unlinkat(o->folder, o->part, 0);
    if (o->fd >= 0)
        close(o->fd);
    if (o->folder >= 0)
        close(o->folder);
    free(o);
    return NULL;
}

/* --- Writing -------------------------------------------------------------------------------------------- */

static void write_out(struct output *o, const char *data, size_t size)
{
    while (size > 0 && o->error == 0) {
        ssize_t n = write(o->fd, data, size);
        if (n < 0 && errno != EINTR)
            o->error = -errno;
        if (n > 0) {
            data += n;
            size -= (size_t)n;
        }
    }
}

static void flush_buffer(struct output *o)
{
    write_out(o, o->buffer, o->buffered);
    o->buffered = 0;
}

int output_write(struct output *o, const void *data, size_t size)
{
    if (size > BUFFER_SIZE - o->buffered)
        flush_buffer(o);
    if (size >= BUFFER_SIZE) {
        write_out(o, data, size);
    } else {
        memcpy(o->buffer + o->buffered, data, size);
        o->buffered += size;
    }
    o->size += size;
    return o->error;
}

void output_set_error(struct output *o, int error)
{
    if (o->error == 0)
        o->error = error;
}

int output_check(struct job_context *ctx, const struct output *o)
{
    return o->error == 0 ? JOB_DONE : job_retry(ctx, "cannot write the report: %s", strerror(-o->error));
}

int output_fd(const struct output *o)
{
    return o->fd;
}

uint64_t output_size(const struct output *o)
{
    return o->size;
}

/* --- The end -------------------------------------------------------------------------------------------- */

/* Reads the file back: what the checksum is of is what lies there. */
static int read_back(struct job_context *ctx, struct output *o, struct digest *digest)
{
    ssize_t n;
    o->size = 0;
    while ((n = pread(o->fd, o->buffer, BUFFER_SIZE, (off_t)o->size)) > 0 && !job_context_is_cancelled(ctx)) {
        digest_add(digest, o->buffer, (size_t)n);
        o->size += (uint64_t)n;
    }
    if (n != 0)
        return job_retry(ctx, n < 0 ? "cannot read the report back"
                                    : "asked to stop while the report was written");
    return JOB_DONE;
}

static int make_checksum(struct job_context *ctx, struct output *o)
{
    struct digest digest;
    int verdict = digest_init(&digest) ? read_back(ctx, o, &digest) : JOB_DONE;
    if (!digest_end(&digest, o->checksum) && verdict == JOB_DONE)
        return job_retry(ctx, "cannot make a checksum");
    return verdict;
}

int output_seal(struct job_context *ctx, struct output *o)
{
    flush_buffer(o);
    if (o->error == 0 && fsync(o->fd) < 0)
        o->error = -errno;
    int verdict = output_check(ctx, o);
    return verdict == JOB_DONE ? make_checksum(ctx, o) : verdict;
}

const char *output_checksum(const struct output *o)
{
    return o->checksum;
}

/* Return: 0; negative errno. */
static int link_part(struct output *o)
{
    char self[64];
    if (o->part_exists)
        return 0;
    snprintf(self, sizeof(self), "/proc/self/fd/%d", o->fd);
    unlinkat(o->folder, o->part, 0);
    if (linkat(AT_FDCWD, self, o->folder, o->part, AT_SYMLINK_FOLLOW) < 0)
        return -errno;
    o->part_exists = true;
    return 0;
}

int output_publish(struct job_context *ctx, struct output *o)
{
    int r = link_part(o);
    if (r == 0 && renameat(o->folder, o->part, o->folder, o->name) < 0)
        r = -errno;
    if (r < 0)
        return job_retry(ctx, "destination: \"%s\": %s", o->name, strerror(-r));
    o->part_exists = false;
    if (fsync(o->folder) < 0)
        return job_retry(ctx, "destination: \"%s\": %s", o->name, strerror(errno));
    return JOB_DONE;
}
