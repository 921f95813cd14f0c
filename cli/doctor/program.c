/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/doctor/program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"

static int start(const char *const *argv, int to, pid_t *ret)
{
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, to, STDOUT_FILENO);
    int r = posix_spawnp(ret, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return -r;
}

/* Return: false when it took too long, or was too much. */
static bool read_all(int fd, int64_t deadline_us, struct buf *out)
{
    for (;;) {
        char chunk[4096];
        struct pollfd pfd = { .fd = fd, .events = POLLIN };
        int64_t left_us = deadline_us - clock_mono_us();
        if (left_us <= 0 || out->failed)
            return false;
        if (poll(&pfd, 1, (int)(left_us / 1000) + 1) <= 0)
            continue;
        ssize_t n = read(fd, chunk, sizeof(chunk));
        if (n <= 0)
            return n == 0;
        buf_append(out, chunk, (size_t)n);
    }
}

int program_read(const char *const *argv, int64_t timeout_us, struct buf *out)
{
    int ends[2], status = 0;
    pid_t pid;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return -errno;
    int r = start(argv, ends[1], &pid);
    close(ends[1]);
    if (r) {
        close(ends[0]);
        return r;
    }
    bool whole = read_all(ends[0], clock_mono_us() + timeout_us, out);
    close(ends[0]);
    if (!whole)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return whole && WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}
