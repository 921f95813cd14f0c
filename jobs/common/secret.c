/* SPDX-License-Identifier: Apache-2.0 */
#include "common/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/setting.h"

/*
 * Who may read the file. systemd gives the service its credentials by an ACL, whose mask shows as group bits;
 * there the directory keeps others out.
 */
static mode_t forbidden_bits(const char *path)
{
    const char *directory = setting_get("CREDENTIALS_DIRECTORY", NULL);
    size_t size = directory ? strlen(directory) : 0;
    return size > 0 && strncmp(path, directory, size) == 0 && path[size] == '/' ? 0007 : 0077;
}

static int read_line(struct job_context *ctx, int fd, struct secret *secret)
{
    struct stat st;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return job_retry(ctx, "%s: is no regular file", secret->path);
    if (st.st_mode & forbidden_bits(secret->path))
        return job_retry(ctx, "%s: is readable by others; chmod 600 it", secret->path);
    ssize_t size = read(fd, secret->line, sizeof(secret->line));
    if (size < 0)
        return job_retry(ctx, "%s: %s", secret->path, strerror(errno));
    if ((size_t)size == sizeof(secret->line))
        return job_retry(ctx, "%s: is longer than %d bytes", secret->path, SECRET_LINE_MAX);
    secret->line[size] = 0;
    secret->line[strcspn(secret->line, "\r\n")] = 0;
    return JOB_DONE;
}

int secret_read(struct job_context *ctx, const char *variable, const char *credential, struct secret *ret)
{
    const char *path = setting_get(variable, NULL), *directory = setting_get("CREDENTIALS_DIRECTORY", NULL);
    bool named = path;
    ret->path[0] = ret->line[0] = 0;
    if (!path && !directory)
        return JOB_DONE;
    int size = named ? snprintf(ret->path, sizeof(ret->path), "%s", path)
                     : snprintf(ret->path, sizeof(ret->path), "%s/%s", directory, credential);
    if ((size_t)size >= sizeof(ret->path))
        return job_retry(ctx, "%s: is too long", variable);
    int fd = open(ret->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0 && !named && errno == ENOENT) {
        ret->path[0] = 0;
        return JOB_DONE;
    }
    if (fd < 0)
        return job_retry(ctx, "%s: %s", ret->path, strerror(errno));
    int verdict = read_line(ctx, fd, ret);
    close(fd);
    return verdict;
}

void secret_done(struct secret *secret)
{
    explicit_bzero(secret->line, sizeof(secret->line));
}
