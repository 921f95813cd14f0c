/* SPDX-License-Identifier: Apache-2.0 */
/* With openat2() and, as under our units, without. */
#include "common/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/suite.h"

static char root[] = "/tmp/test_beneath.XXXXXX";
static int folder;

static void shell(const char *command)
{
    char text[512];
    snprintf(text, sizeof(text), "cd %s && %s", root, command);
    ck_assert_int_eq(system(text), 0);
}

static void set_up(void)
{
    ck_assert_ptr_nonnull(mkdtemp(root));
    shell(
        "mkdir -p in/sub in-other && echo inside >in/sub/file && echo secret >secret && cp secret in-other/file && "
        "mkfifo in/pipe && ln -s sub/file in/link && ln -s sub in/folder && ln -s ../secret in/up && "
        "ln -s /etc in/etc && ln -s ../in-other in/other && ln -s /proc/self/root in/root && ln -s sub/file in/chain");
    char path[64];
    snprintf(path, sizeof(path), "%s/in", root);
    folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_ge(folder, 0);
}

static void clean_up(void)
{
    close(folder);
    shell("cd .. && rm -r \"$OLDPWD\"");
}

/* Return: whether @path opens and has @expected in it, or is refused when @expected is NULL. */
static bool gives(const char *path, const char *expected)
{
    char text[16] = { 0 };
    int fd = beneath_open(folder, path, O_RDONLY, 0), error = errno;
    if (fd < 0)
        return !expected && (error == EXDEV || error == ELOOP);
    bool same = expected && read(fd, text, sizeof(text) - 1) >= 0 && strcmp(text, expected) == 0;
    close(fd);
    return same;
}

static bool is_error(const char *path, int flags, uint64_t resolve, int first, int second)
{
    int fd = beneath_open(folder, path, flags, resolve);
    if (fd >= 0)
        close(fd);
    return fd < 0 && (errno == first || errno == second);
}

/* Return: 0; else the number of the first expectation that was wrong. */
static int look(void)
{
    if (!gives("sub/file", "inside\n") || !gives("link", "inside\n") || !gives("folder/file", "inside\n"))
        return 1;
    if (!gives("up", NULL) || !gives("etc/passwd", NULL) || !gives("other/file", NULL) ||
        !gives("root/etc/passwd", NULL))
        return 2;
    if (!gives("pipe", "")) /* and waits for nobody who writes */
        return 3;
    if (!is_error("nothing", O_RDONLY, 0, ENOENT, ENOENT) ||
        !is_error("sub/file/x", O_RDONLY, 0, ENOTDIR, ENOTDIR))
        return 4;
    if (!is_error("folder", O_RDONLY | O_DIRECTORY, RESOLVE_NO_SYMLINKS, ELOOP, ENOTDIR))
        return 5;
    int fd = beneath_open(folder, "sub", O_RDONLY | O_DIRECTORY, RESOLVE_NO_SYMLINKS);
    int last = fd < 0 ? 6 : fcntl(fd, F_GETFD) == FD_CLOEXEC ? 0 : 7;
    close(fd);
    return last;
}

START_TEST(links_lead_nowhere_but_inside)
{
    set_up();
    ck_assert_int_eq(look(), 0);
    clean_up();
}
END_TEST

/* As systemd's RestrictSUIDSGID= does. */
static int take_openat2_away(void)
{
    struct sock_filter filter[] = { BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                                    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
                                    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
                                    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };
    const struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]), filter };
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

START_TEST(it_is_the_same_without_openat2)
{
    int status;
    set_up();
    pid_t pid = fork();
    if (pid == 0)
        _exit(take_openat2_away() ? 99 : look());
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(status == 0, "expectation %d", WEXITSTATUS(status));
    clean_up();
}
END_TEST

SUITE_MAIN("beneath", links_lead_nowhere_but_inside, it_is_the_same_without_openat2)
