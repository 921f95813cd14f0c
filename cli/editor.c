/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/editor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/status.h"

#define SUFFIX ".json"

extern char **environ;

static int write_all(int fd, const struct buf *text)
{
    for (size_t at = 0; at < text->size;) {
        ssize_t n = write(fd, text->data + at, text->size - at);
        if (n < 0 && errno != EINTR)
            return 1;
        at += n > 0 ? (size_t)n : 0;
    }
    return fsync(fd);
}

int editor_make_file(const char *name, const struct buf *text, char path[EDITOR_PATH_MAX], struct err *reterr)
{
    const char *folder = getenv("TMPDIR");
    if (!folder || folder[0] != '/')
        folder = "/tmp";
    int size = snprintf(path, EDITOR_PATH_MAX, "%s/%s-XXXXXX" SUFFIX, folder, name);
    if (size >= EDITOR_PATH_MAX)
        return err_set(reterr, STATUS_FAILED, "TMPDIR: longer than a path can be");
    _cleanup_close_ int fd = mkostemps(path, (int)strlen(SUFFIX), O_CLOEXEC);
    if (fd < 0)
        return err_set(reterr, STATUS_FAILED, "cannot make a file in %s: %s", folder, strerror(errno));
    if (write_all(fd, text) == 0)
        return STATUS_DONE;
    int failed = err_set(reterr, STATUS_FAILED, "cannot write %s: %s", path, strerror(errno));
    unlink(path);
    return failed;
}

static bool is_in_path(const char *program)
{
    char path[EDITOR_PATH_MAX];
    const char *folders = getenv("PATH");
    for (const char *at = folders; at; at = strchr(at, ':') ? strchr(at, ':') + 1 : NULL) {
        snprintf(path, sizeof(path), "%.*s/%s", (int)strcspn(at, ":"), at, program);
        if (access(path, X_OK) == 0)
            return true;
    }
    return false;
}

static const char *choose(void)
{
    static const char *const variables[] = { "VISUAL", "EDITOR" };
    for (size_t i = 0; i < ARRAY_SIZE(variables); i++) {
        const char *editor = getenv(variables[i]);
        if (editor && editor[0])
            return editor;
    }
    return is_in_path("sensible-editor") ? "sensible-editor" : "vi";
}

/* Return: the wait status; -1 with errno. */
static int run_shell(const char *editor, const char *path)
{
    char command[1024];
    pid_t pid;
    int status;
    posix_spawnattr_t attributes;
    sigset_t defaults;
    if (snprintf(command, sizeof(command), "%s \"$1\"", editor) >= (int)sizeof(command)) {
        errno = E2BIG;
        return -1;
    }
    char *argv[] = { (char *)(uintptr_t) "sh",     (char *)(uintptr_t) "-c", command,
                     (char *)(uintptr_t) "editor", (char *)(uintptr_t)path,  NULL };
    posix_spawnattr_init(&attributes);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGINT);
    sigaddset(&defaults, SIGQUIT);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    errno = posix_spawn(&pid, "/bin/sh", NULL, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    if (errno)
        return -1;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return status;
}

int editor_run(const char *path, struct err *reterr)
{
    const char *editor = choose();
    struct sigaction ignore = { .sa_handler = SIG_IGN }, interrupt, quit;
    sigaction(SIGINT, &ignore, &interrupt);
    sigaction(SIGQUIT, &ignore, &quit);
    int status = run_shell(editor, path);
    int why = errno;
    sigaction(SIGINT, &interrupt, NULL);
    sigaction(SIGQUIT, &quit, NULL);
    if (status < 0)
        return err_set(reterr, STATUS_FAILED, "the editor \"%.100s\" could not be run: %s", editor,
                       strerror(why));
    if (!WIFEXITED(status) || WEXITSTATUS(status))
        return err_set(reterr, STATUS_FAILED,
                       "the editor \"%.100s\" %s %d; $VISUAL or $EDITOR may name another one", editor,
                       WIFEXITED(status) ? "ended with status" : "was ended by signal",
                       WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    return STATUS_DONE;
}

int editor_read_file(const char *path, size_t max, struct buf *ret, struct err *reterr)
{
    char chunk[16384];
    ssize_t n;
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set(reterr, STATUS_FAILED, "cannot read %s: %s", path, strerror(errno));
    while ((n = read(fd, chunk, sizeof(chunk))) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(reterr, STATUS_FAILED, "cannot read %s: %s", path, strerror(errno));
        buf_append(ret, chunk, (size_t)n);
        if (ret->size > max)
            return err_set(reterr, STATUS_USAGE, "%s has more than %zu bytes", path, max);
    }
    return ret->failed ? err_set(reterr, STATUS_FAILED, "out of memory") : STATUS_DONE;
}
