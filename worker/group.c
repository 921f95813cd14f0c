/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/group.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

int group_write(int group, const char *name, const char *text)
{
    _cleanup_close_ int fd = openat(group, name, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

int group_enter(int group)
{
    return group < 0 ? 0 : group_write(group, "cgroup.procs", "0");
}

/* The file came with Linux 5.14; without it, process groups and strays are killed all the same. */
void group_kill(int group)
{
    if (group >= 0)
        group_write(group, "cgroup.kill", "1");
}

int64_t group_oom_kills(int group)
{
    char name[64];
    int64_t value, found = -1;
    int fd = group < 0 ? -1 : openat(group, "memory.events", O_RDONLY | O_CLOEXEC);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
    while (file && found < 0 && fscanf(file, "%63s %" SCNd64, name, &value) == 2)
        if (strcmp(name, "oom_kill") == 0)
            found = value;
    if (file)
        fclose(file);
    return found;
}
