/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/children.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "tests/support/suite.h"

/* Each in a session of its own, and the parent of the next. Return: the last one's number, once it is there. */
static pid_t start_chain(int length)
{
    int fds[2];
    pid_t last = 0;
    ck_assert_int_eq(pipe(fds), 0);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    if (fork() == 0) {
        for (int i = 1; i < length; i++)
            if (setsid() < 0 || fork() != 0)
                pause();
        last = getpid();
        ck_assert_int_eq(write(fds[1], &last, sizeof(last)), sizeof(last));
        pause();
    }
    ck_assert_int_eq(read(fds[0], &last, sizeof(last)), sizeof(last));
    return last;
}

START_TEST(grandchildren_end_too)
{
    int64_t reaped_kib = 0;
    pid_t last = start_chain(5);
    children_end(&reaped_kib);
    ck_assert_int_eq(kill(last, 0), -1);
    ck_assert_int_eq(errno, ESRCH);
    ck_assert_int_gt(reaped_kib, 0);
}
END_TEST

static bool is_kept(pid_t pid, const void *kept)
{
    return pid == *(const pid_t *)kept;
}

START_TEST(kept_child_stays_with_its_children)
{
    pid_t last = start_chain(2), kept = 0, stray = fork();
    if (stray == 0)
        pause();
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
    FILE *list = fopen(path, "r");
    ck_assert_int_eq(fscanf(list, "%d", &kept), 1);
    fclose(list);
    ck_assert_uint_eq(children_kill(is_kept, &kept), 1);
    int status;
    ck_assert_int_eq(children_wait(-1, &status, 0, &(int64_t){ 0 }), stray);
    ck_assert_int_eq(kill(last, 0), 0);
    children_end(&(int64_t){ 0 });
}
END_TEST

SUITE_MAIN("children", grandchildren_end_too, kept_child_stays_with_its_children)
