/* SPDX-License-Identifier: Apache-2.0 */
#include "common/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TRIES 16

/* Where @fd lies, as the kernel says it. Return: its size; negative: not known. */
static ssize_t find_path(int fd, char path[static PATH_MAX])
{
    char self[64];
    snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
    ssize_t size = readlink(self, path, PATH_MAX - 1);
    if (size >= 0)
        path[size] = 0;
    return size;
}

static bool lies_beneath(int folder, int fd)
{
    char above[PATH_MAX], path[PATH_MAX];
    ssize_t size = find_path(folder, above);
    if (size == 1) /* the root */
        size = 0;
    return size >= 0 && find_path(fd, path) > size && strncmp(path, above, (size_t)size) == 0 &&
           path[size] == '/';
}

/* Finds the file first, looks where that is, and only then opens what it has found. */
static int find_and_open(int folder, const char *path, int flags)
{
    char self[64];
    int found = openat(folder, path, O_PATH | O_CLOEXEC), fd = -1;
    if (found < 0)
        return -1;
    snprintf(self, sizeof(self), "/proc/self/fd/%d", found);
    errno = EXDEV;
    if (lies_beneath(folder, found))
        fd = open(self, flags);
    int error = errno;
    close(found);
    errno = error;
    return fd;
}

/* For kernels before 5.6, and for units with RestrictSUIDSGID=: systemd cannot look into openat2() and takes it away. */
static int open_without_openat2(int folder, const char *path, int flags, uint64_t resolve)
{
    if (!(resolve & RESOLVE_NO_SYMLINKS))
        return find_and_open(folder, path, flags);
    errno = EXDEV;
    return strchr(path, '/') ? -1 : openat(folder, path, flags | O_NOFOLLOW);
}

int beneath_open(int folder, const char *path, int flags, uint64_t resolve)
{
    flags |= O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    struct open_how how = { .flags = (unsigned)flags,
                            .resolve =
                                (uint64_t)RESOLVE_BENEATH | (uint64_t)RESOLVE_NO_MAGICLINKS | resolve };
    for (int i = 0; i < TRIES; i++) { /* EAGAIN: somebody renamed something on the way */
        int fd = (int)syscall(SYS_openat2, folder, path, &how, sizeof(how));
        if (fd < 0 && errno == ENOSYS)
            return open_without_openat2(folder, path, flags, resolve);
        if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
            return fd;
    }
    return -1;
}
