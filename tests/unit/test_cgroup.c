/* SPDX-License-Identifier: Apache-2.0 */
/* On a tree of plain files that looks like the kernel's; tests/system/test_executors.c has the kernel's own. */
#include "worker/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/support/suite.h"
#include "worker/group.h"

static char tree[] = "/tmp/test_cgroup.XXXXXX";
static char membership[64], mounts[64];

static void put(const char *path, const char *text)
{
    char full[512];
    snprintf(full, sizeof(full), "%s/%s", tree, path);
    FILE *file = fopen(full, "w");
    ck_assert_msg(file != NULL, "%s: %s", full, strerror(errno));
    fputs(text, file);
    fclose(file);
}

static void make_folder(const char *path)
{
    char full[512];
    snprintf(full, sizeof(full), "%s/%s", tree, path);
    ck_assert_int_eq(mkdir(full, 0755), 0);
}

static void check_text(const char *path, const char *expected)
{
    char full[512], text[64] = "";
    snprintf(full, sizeof(full), "%s/%s", tree, path);
    FILE *file = fopen(full, "r");
    ck_assert_msg(file != NULL, "%s: %s", full, strerror(errno));
    text[fread(text, 1, sizeof(text) - 1, file)] = 0;
    fclose(file);
    ck_assert_str_eq(text, expected);
}

static void mark(const char *path)
{
    char full[512];
    snprintf(full, sizeof(full), "%s/%s", tree, path);
    ck_assert_msg(setxattr(full, "user.delegate", "1", 1, 0) == 0, "%s", strerror(errno));
}

/* The unit "fs/system/unit", in which the process is, or in its child @child. */
static void make_tree(const char *child)
{
    char text[256];
    ck_assert_ptr_nonnull(mkdtemp(tree));
    snprintf(membership, sizeof(membership), "%s/cgroup", tree);
    snprintf(mounts, sizeof(mounts), "%s/mountinfo", tree);
    snprintf(text, sizeof(text), "4:memory:/elsewhere\n0::/slice/system/unit%s\n", child);
    put("cgroup", text);
    snprintf(
        text, sizeof(text),
        "22 27 0:21 / /proc rw - proc proc rw\n31 23 0:28 /slice %s/fs rw,relatime shared:9 - cgroup2 cgroup2 rw\n",
        tree);
    put("mountinfo", text);
    static const char *const folders[] = { "fs",
                                           "fs/system",
                                           "fs/system/unit",
                                           "fs/system/unit/inside",
                                           "fs/system/unit/worker",
                                           "fs/system/unit/executor-7" };
    for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
        make_folder(folders[i]);
    static const char *const files[] = { "cgroup.subtree_control",      "worker/cgroup.procs",
                                         "executor-7/memory.max",       "executor-7/memory.swap.max",
                                         "executor-7/memory.oom.group", "executor-7/pids.max",
                                         "executor-7/cpu.weight",       "executor-7/cgroup.procs",
                                         "executor-7/cgroup.kill" };
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        snprintf(text, sizeof(text), "fs/system/unit/%s", files[i]);
        put(text, "");
    }
    put("fs/system/unit/cgroup.controllers", "cpuset cpu io memory pids\n");
}

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

static void remove_tree(void)
{
    nftw(tree, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static int make(struct cgroup **ret, struct err *err)
{
    return cgroup_new(ret, &(struct cgroup_place){ membership, mounts }, 4242, err);
}

START_TEST(delegated_group_is_divided)
{
    struct cgroup *c = NULL;
    struct err err = { 0 };
    make_tree("");
    mark("fs/system/unit");
    ck_assert_msg(make(&c, &err) == 0, "%s", err.text);
    ck_assert_str_eq(cgroup_controllers(c), "memory pids cpu");
    ck_assert_ptr_nonnull(strstr(cgroup_path(c), "/fs/system/unit"));
    check_text("fs/system/unit/worker/cgroup.procs", "0242"); /* first 4242, then 0: ourselves */
    cgroup_free(c);
    remove_tree();
}
END_TEST

START_TEST(executor_gets_a_group_with_its_limits)
{
    struct cgroup *c = NULL;
    struct err err = { 0 };
    const struct config_limits limits = { .memory_bytes = 64 << 20, .processes = 50, .cpu_weight = 20 };
    struct config_limits rest = { .memory_bytes = 1, .processes = 2, .files = 3, .file_bytes = 4 };
    make_tree("");
    mark("fs/system/unit");
    ck_assert_msg(make(&c, &err) == 0, "%s", err.text);
    int group = cgroup_open_group(c, 7, &limits);
    ck_assert_int_ge(group, 0);
    check_text("fs/system/unit/executor-7/memory.max", "67108864");
    check_text("fs/system/unit/executor-7/memory.swap.max", "0");
    check_text("fs/system/unit/executor-7/memory.oom.group", "1");
    check_text("fs/system/unit/executor-7/pids.max", "50");
    check_text("fs/system/unit/executor-7/cpu.weight", "20");
    ck_assert_int_eq(group_enter(group), 0);
    check_text("fs/system/unit/executor-7/cgroup.procs", "0");
    group_kill(group);
    check_text("fs/system/unit/executor-7/cgroup.kill", "1");
    ck_assert_int_eq(group_oom_kills(group), -1);
    put("fs/system/unit/executor-7/memory.events",
        "low 0\nhigh 1\nmax 7\noom 4\noom_kill 3\noom_group_kill 1\n");
    ck_assert_int_eq(group_oom_kills(group), 3);
    cgroup_leave_rest(c, &rest);
    ck_assert(rest.memory_bytes == 0 && rest.processes == 0 && rest.files == 3 && rest.file_bytes == 4);
    close(group);
    cgroup_free(c);
    remove_tree();
}
END_TEST

START_TEST(no_limit_is_written_as_max)
{
    struct cgroup *c = NULL;
    struct err err = { 0 };
    make_tree("");
    mark("fs/system/unit");
    ck_assert_msg(make(&c, &err) == 0, "%s", err.text);
    int group = cgroup_open_group(c, 7, &(struct config_limits){ 0 });
    check_text("fs/system/unit/executor-7/memory.max", "max");
    check_text("fs/system/unit/executor-7/pids.max", "max");
    close(group);
    cgroup_free(c);
    remove_tree();
}
END_TEST

/* systemd's DelegateSubgroup=: the leaf is there already. */
START_TEST(worker_in_a_subgroup_divides_its_parent)
{
    struct cgroup *c = NULL;
    struct err err = { 0 };
    make_tree("/inside");
    mark("fs/system/unit");
    ck_assert_msg(make(&c, &err) == 0, "%s", err.text);
    check_text("fs/system/unit/worker/cgroup.procs", "");
    cgroup_free(c);
    remove_tree();
}
END_TEST

/* It is the test's own user's only when that is not root. */
START_TEST(group_that_is_not_delegated_is_left_alone)
{
    struct cgroup *c = NULL;
    struct err err = { 0 };
    make_tree("");
    int r = make(&c, &err);
    ck_assert_int_eq(r, geteuid() == 0 ? CGROUP_NONE : 0);
    if (r == CGROUP_NONE) {
        ck_assert_str_eq(err.text, "none is delegated");
        check_text("fs/system/unit/worker/cgroup.procs", "");
    }
    cgroup_free(c);
    remove_tree();
}
END_TEST

START_TEST(second_worker_in_the_same_group_has_none)
{
    struct cgroup *first = NULL, *second = NULL;
    struct err err = { 0 };
    make_tree("");
    mark("fs/system/unit");
    ck_assert_int_eq(make(&first, &err), 0);
    ck_assert_int_eq(make(&second, &err), CGROUP_NONE);
    ck_assert_ptr_nonnull(strstr(err.text, "is used by another worker"));
    cgroup_free(first);
    remove_tree();
}
END_TEST

START_TEST(machine_without_cgroup_v2_has_none)
{
    struct cgroup *c = NULL;
    struct err err = { 0 };
    make_tree("");
    put("cgroup", "4:memory:/elsewhere\n");
    ck_assert_int_eq(make(&c, &err), CGROUP_NONE);
    ck_assert_str_eq(err.text, "there is no cgroup v2");
    ck_assert_int_eq(cgroup_open_group(NULL, 0, &(struct config_limits){ 0 }), -1);
    remove_tree();
}
END_TEST

SUITE_MAIN("cgroup", delegated_group_is_divided, executor_gets_a_group_with_its_limits,
           no_limit_is_written_as_max, worker_in_a_subgroup_divides_its_parent,
           group_that_is_not_delegated_is_left_alone, second_worker_in_the_same_group_has_none,
           machine_without_cgroup_v2_has_none)
