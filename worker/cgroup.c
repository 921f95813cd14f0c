/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "worker/group.h"

enum controller { MEMORY, PIDS, CPU, N_CONTROLLERS };
static const char *const names[] = { [MEMORY] = "memory", [PIDS] = "pids", [CPU] = "cpu" };

struct cgroup {
    char path[PATH_MAX];
    int root;
    bool has[N_CONTROLLERS];
    char controllers[64];
};

/* --- Finding it -------------------------------------------------------------------------------------------------------- */

/* The line "0::PATH". */
static bool read_membership(const char *file_name, char path[PATH_MAX])
{
    char line[PATH_MAX + 8];
    FILE *file = fopen(file_name, "re");
    bool found = false;
    while (file && !found && fgets(line, sizeof(line), file))
        found = sscanf(line, "0::%4095[^\n]", path) == 1;
    if (file)
        fclose(file);
    return found;
}

/* Where the group @membership lies: "ID PARENT MAJ:MIN ROOT POINT OPTIONS … - cgroup2 …". */
static bool find_directory(const char *mounts, const char *membership, char path[PATH_MAX])
{
    char line[3 * PATH_MAX], root[PATH_MAX], point[PATH_MAX];
    FILE *file = fopen(mounts, "re");
    bool found = false;
    while (file && !found && fgets(line, sizeof(line), file)) {
        if (!strstr(line, " - cgroup2 ") || sscanf(line, "%*d %*d %*s %4095s %4095s", root, point) != 2)
            continue;
        size_t skip = strcmp(root, "/") == 0 ? 0 : strlen(root);
        found = strncmp(membership, root, skip) == 0 &&
                snprintf(path, PATH_MAX, "%s%s", point, membership + skip) < PATH_MAX;
    }
    if (file)
        fclose(file);
    return found;
}

static bool has_mark(const char *path)
{
    static const char *const marks[] = { "user.delegate", "trusted.delegate" };
    char value;
    for (size_t i = 0; i < ARRAY_SIZE(marks); i++)
        if (getxattr(path, marks[i], &value, 1) == 1 && value == '1')
            return true;
    return false;
}

/* A user's own, or a container's; the machine's own root has no type. */
static bool is_ours(const char *path, const char *membership)
{
    struct stat st;
    char type[PATH_MAX + 16];
    if (geteuid() != 0)
        return stat(path, &st) == 0 && st.st_uid == geteuid();
    snprintf(type, sizeof(type), "%s/cgroup.type", path);
    return strcmp(membership, "/") == 0 && access(type, W_OK) == 0;
}

/* Makes @path that of the delegated group. Return: 1 when that is the parent of where we are, 0 when we are in it, -1: none. */
static int find_delegated(char *path, const char *membership)
{
    if (has_mark(path) || is_ours(path, membership))
        return 0;
    char *slash = strrchr(path, '/');
    if (!slash || slash == path)
        return -1;
    *slash = 0;
    return has_mark(path) ? 1 : -1;
}

/* --- Dividing it ------------------------------------------------------------------------------------------------------- */

static int make_group(int root, const char *name)
{
    if (mkdirat(root, name, 0755) < 0 && errno != EEXIST)
        return -errno;
    int fd = openat(root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* Return: 0; negative errno. */
static int move_into_leaf(const struct cgroup *c, pid_t zygote)
{
    char pid[16];
    _cleanup_close_ int leaf = make_group(c->root, "worker");
    if (leaf < 0)
        return leaf;
    snprintf(pid, sizeof(pid), "%d", zygote);
    int r = group_write(leaf, "cgroup.procs", pid);
    return r < 0 ? r : group_write(leaf, "cgroup.procs", "0");
}

static bool offers(int root, const char *controller)
{
    char word[64];
    bool found = false;
    int fd = openat(root, "cgroup.controllers", O_RDONLY | O_CLOEXEC);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
    while (file && !found && fscanf(file, "%63s", word) == 1)
        found = strcmp(word, controller) == 0;
    if (file)
        fclose(file);
    return found;
}

/* Return: 0, also when the kernel or our owner does not offer all; negative errno when it refuses what it offers. */
static int enable_controllers(struct cgroup *c)
{
    char text[32];
    for (int i = 0; i < N_CONTROLLERS; i++) {
        if (!offers(c->root, names[i]))
            continue;
        snprintf(text, sizeof(text), "+%s", names[i]);
        int r = group_write(c->root, "cgroup.subtree_control", text);
        if (r < 0)
            return r;
        c->has[i] = true;
        strcat(strcat(c->controllers, c->controllers[0] ? " " : ""), names[i]);
    }
    return 0;
}

static int divide(struct cgroup *c, bool in_leaf, pid_t zygote, struct err *reterr)
{
    c->root = open(c->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (c->root < 0)
        return err_set(reterr, CGROUP_NONE, "%s: %s", c->path, strerror(errno));
    if (flock(c->root, LOCK_EX | LOCK_NB) < 0)
        return err_set(reterr, CGROUP_NONE, "%s is used by another worker", c->path);
    int r = in_leaf ? 0 : move_into_leaf(c, zygote);
    if (r == 0)
        r = enable_controllers(c);
    if (r == -EBUSY)
        return err_set(reterr, CGROUP_NONE, "there are other processes in %s", c->path);
    return r < 0 ? err_set(reterr, CGROUP_NONE, "%s cannot be divided: %s", c->path, strerror(-r)) : 0;
}

int cgroup_new(struct cgroup **ret, const struct cgroup_place *place, pid_t zygote, struct err *reterr)
{
    char membership[PATH_MAX];
    _cleanup_(cgroup_free_cleanup) struct cgroup *c = calloc(1, sizeof(*c));
    if (!c)
        return -ENOMEM;
    c->root = -1;
    if (!read_membership(place->membership, membership) ||
        !find_directory(place->mounts, membership, c->path))
        return err_set(reterr, CGROUP_NONE, "there is no cgroup v2");
    int above = find_delegated(c->path, membership);
    if (above < 0)
        return err_set(reterr, CGROUP_NONE, "none is delegated");
    int r = divide(c, above, zygote, reterr);
    if (r == 0)
        *ret = steal(c);
    return r;
}

/* Those that are in use stay. */
struct cgroup *cgroup_free(struct cgroup *c)
{
    if (!c)
        return NULL;
    DIR *entries = c->root < 0 ? NULL : opendir(c->path);
    /* cppcheck-suppress readdirCalled */
    for (struct dirent *entry; entries && (entry = readdir(entries));)
        if (strncmp(entry->d_name, "executor-", 9) == 0)
            unlinkat(c->root, entry->d_name, AT_REMOVEDIR);
    if (entries)
        closedir(entries);
    close_cleanup(&c->root);
    free(c);
    return NULL;
}

/* --- Using it ---------------------------------------------------------------------------------------------------------- */

const char *cgroup_path(const struct cgroup *c)
{
    return c->path;
}

const char *cgroup_controllers(const struct cgroup *c)
{
    return c->controllers;
}

static int write_number(int group, const char *name, int64_t number)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRId64, number);
    return group_write(group, name, number ? text : "max");
}

static int limit_memory(int group, int64_t bytes)
{
    int r = write_number(group, "memory.max", bytes);
    if (r == 0)
        r = group_write(group, "memory.oom.group", "1");
    if (r == 0 && bytes)
        group_write(group, "memory.swap.max", "0"); /* is not there without swap accounting */
    return r;
}

int cgroup_open_group(const struct cgroup *c, unsigned executor, const struct config_limits *limits)
{
    char name[32];
    if (!c)
        return -1;
    snprintf(name, sizeof(name), "executor-%u", executor);
    _cleanup_close_ int group = make_group(c->root, name);
    if (group < 0)
        return group;
    int r = c->has[MEMORY] ? limit_memory(group, limits->memory_bytes) : 0;
    if (r == 0 && c->has[PIDS])
        r = write_number(group, "pids.max", limits->processes);
    if (r == 0 && c->has[CPU] && limits->cpu_weight)
        r = write_number(group, "cpu.weight", limits->cpu_weight);
    return r < 0 ? r : steal_fd(&group);
}

void cgroup_leave_rest(const struct cgroup *c, struct config_limits *limits)
{
    if (c && c->has[MEMORY])
        limits->memory_bytes = 0;
    if (c && c->has[PIDS])
        limits->processes = 0;
}
