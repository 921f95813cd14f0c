/* SPDX-License-Identifier: Apache-2.0 */
/* On a kernel with Landlock; on others confine() does nothing, and so does this. */
#include "confine.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/suite.h"

static char folder[] = "/tmp/test_confine.XXXXXX";

static long version(void)
{
    return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

static const char *in_folder(const char *name)
{
    static char paths[4][128];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

static void make(const char *name)
{
    int fd = open(in_folder(name), O_WRONLY | O_CREAT, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, "x", 1), 1);
    close(fd);
}

static int open_error(const char *path, int flags)
{
    int fd = open(path, flags, 0600);
    if (fd >= 0)
        close(fd);
    return fd >= 0 ? 0 : errno;
}

static int connect_error(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons(1),
                                   .sin_addr = { htonl(INADDR_LOOPBACK) } };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int r = connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? errno : 0;
    close(fd);
    return r;
}

/* Return: 0; else the number of the first expectation that was wrong. */
static int look_around(int input, int own)
{
    char input_path[32];
    snprintf(input_path, sizeof(input_path), "/proc/self/fd/%d", input);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || confine("sh", input, own))
        return 1;
    if (open_error(input_path, O_RDONLY) || open_error("/usr/bin/env", O_RDONLY) ||
        open_error("/dev/null", O_RDWR))
        return 2;
    if (fchdir(own) || open_error("made", O_RDWR | O_CREAT) || mkdir("sub", 0700) ||
        rename("made", "sub/made"))
        return 3;
    if (version() < 1)
        return 0;
    if (open_error(input_path, O_RDWR) != EACCES || open_error(in_folder("secret"), O_RDONLY) != EACCES)
        return 4;
    if (open_error("/etc/passwd", O_RDONLY) != EACCES || open_error("/proc/self/environ", O_RDONLY) != EACCES)
        return 5;
    if (open_error(in_folder("new"), O_WRONLY | O_CREAT) != EACCES || unlink(in_folder("secret")) != -1)
        return 6;
    /* What would lead whoever reads the result elsewhere, or let him wait. */
    if (symlink("/etc", "link") != -1 || errno != EACCES || mkfifo("pipe", 0600) != -1 || errno != EACCES)
        return 9;
    if (version() >= 4 && connect_error() != EACCES)
        return 7;
    return system("exit 0") == 0 ? 0 : 8;
}

static void check_confined(int input)
{
    int own = open(in_folder("own"), O_RDONLY | O_DIRECTORY), status;
    ck_assert_int_ge(own, 0);
    pid_t pid = fork();
    if (pid == 0)
        _exit(look_around(input, own));
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(status == 0, "expectation %d", WEXITSTATUS(status));
}

START_TEST(only_input_and_own_folder_are_left)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(mkdir(in_folder("own"), 0700), 0);
    make("input");
    make("secret");
    check_confined(open(in_folder("input"), O_RDONLY));
    ck_assert_int_eq(connect_error(), ECONNREFUSED); /* we are not */
    ck_assert_int_eq(rename(in_folder("own/sub/made"), in_folder("own/made")), 0);
    ck_assert_int_eq(rmdir(in_folder("own/sub")), 0);
    /* One without a name, as a download is. */
    int input = open(in_folder("input"), O_RDONLY);
    ck_assert_int_eq(unlink(in_folder("input")), 0);
    check_confined(input);
    char command[64];
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

SUITE_MAIN("encode_confine", only_input_and_own_folder_are_left)
