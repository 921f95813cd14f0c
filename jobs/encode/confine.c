/* SPDX-License-Identifier: Apache-2.0 */
#include "confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What each version of Landlock has: the headers of this system may be older than its kernel. */
#define FS_RIGHTS_V1 ((1ULL << 13) - 1)
#define FS_REFER (1ULL << 13)    /* version 2 */
#define FS_TRUNCATE (1ULL << 14) /* version 3 */
#define NET_TCP 3ULL             /* version 4: bind, connect */
#define SCOPES 3ULL              /* version 6: abstract sockets, signals */

#define FILE_RIGHTS                                                                                          \
    (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE | FS_TRUNCATE)
#define SYSTEM_RIGHTS                                                                                        \
    (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)

/* What ffmpeg may not make in its folder: whoever looks at the result would be led elsewhere, or wait. */
#define SPECIAL_RIGHTS                                                                                       \
    (LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |            \
     LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM)

struct ruleset {
    uint64_t fs, net, scoped; /* as the kernel has it: zeros at the end may be unknown to it */
};

static const char *const system_paths[] = { "/usr",
                                            "/lib",
                                            "/lib64",
                                            "/bin",
                                            "/opt",
                                            "/nix/store",
                                            "/gnu/store",
                                            "/etc/ld.so.cache",
                                            "/dev/urandom",
                                            "/dev/random",
                                            "/sys/devices/system/cpu" };

static bool is_folder(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

/* A file can be given rights of files alone, and no rule more than is handled. */
static int allow(int rules, int fd, uint64_t rights, uint64_t handled)
{
    struct landlock_path_beneath_attr rule = {
        .allowed_access = rights & handled & (is_folder(fd) ? ~0ULL : (uint64_t)FILE_RIGHTS), .parent_fd = fd
    };
    return (int)syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0 ? -errno : 0;
}

/* Return: 1: allowed; 0: it is not there. */
static int allow_path(int rules, const char *path, uint64_t rights, uint64_t handled)
{
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return 0;
    int r = allow(rules, fd, rights, handled);
    close(fd);
    return r < 0 ? r : 1;
}

static int allow_program(int rules, const char *program, uint64_t handled)
{
    char path[4096];
    const char *from = getenv("PATH");
    if (strchr(program, '/'))
        return allow_path(rules, program, SYSTEM_RIGHTS, handled);
    while (from && *from) {
        size_t size = strcspn(from, ":");
        snprintf(path, sizeof(path), "%.*s/%s", (int)size, from, program);
        int r = size ? allow_path(rules, path, SYSTEM_RIGHTS, handled) : 0;
        if (r)
            return r;
        from += size + (from[size] == ':');
    }
    return 0;
}

static int allow_all(int rules, const char *program, int input, int folder, uint64_t handled)
{
    int r = allow_program(rules, program, handled);
    for (size_t i = 0; r >= 0 && i < sizeof(system_paths) / sizeof(system_paths[0]); i++)
        r = allow_path(rules, system_paths[i], SYSTEM_RIGHTS, handled);
    if (r >= 0)
        r = allow_path(rules, "/dev/null", LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE,
                       handled);
    if (r >= 0 && input >= 0)
        r = allow(rules, input, LANDLOCK_ACCESS_FS_READ_FILE, handled);
    if (r >= 0 && folder >= 0)
        r = allow(rules, folder, handled & ~(uint64_t)(LANDLOCK_ACCESS_FS_EXECUTE | SPECIAL_RIGHTS), handled);
    return r < 0 ? r : 0;
}

static struct ruleset ruleset_of(long version)
{
    return (struct ruleset){
        .fs = FS_RIGHTS_V1 | (version >= 2 ? FS_REFER : 0) | (version >= 3 ? FS_TRUNCATE : 0),
        .net = version >= 4 ? NET_TCP : 0,
        .scoped = version >= 6 ? SCOPES : 0,
    };
}

int confine(const char *program, int input, int folder)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (version < 1)
        return 0;
    struct ruleset set = ruleset_of(version);
    int rules = (int)syscall(SYS_landlock_create_ruleset, &set, sizeof(set), 0);
    if (rules < 0)
        return -errno;
    int r = allow_all(rules, program, input, folder, set.fs);
    if (r == 0 && syscall(SYS_landlock_restrict_self, rules, 0) < 0)
        r = -errno;
    close(rules);
    return r;
}
