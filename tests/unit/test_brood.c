/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/brood.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/suite.h"

static struct brood brood;

/* In a process group of its own. @member: an executor. */
static pid_t start(bool member)
{
    ck_assert_int_eq(brood_reserve(&brood), 0);
    pid_t pid = fork();
    if (pid == 0)
        for (;;)
            pause();
    setpgid(pid, pid);
    if (member)
        brood_add(&brood, pid, -1);
    return pid;
}

/* The test's own time-out is the deadline. */
static struct zygote_exit await_end(void)
{
    struct zygote_exit exit;
    siginfo_t info;
    while (!brood_next_end(&brood, &exit))
        waitid(P_ALL, 0, &info, WEXITED | WNOWAIT);
    return exit;
}

START_TEST(executor_is_told_how_it_ended)
{
    pid_t first = start(true), second = start(true);
    brood_signal(&brood, first, SIGUSR2);
    struct zygote_exit exit = await_end();
    ck_assert_int_eq(exit.pid, first);
    ck_assert(WIFSIGNALED(exit.status) && WTERMSIG(exit.status) == SIGUSR2);
    ck_assert_int_eq(kill(second, 0), 0);
    brood_signal(&brood, second, SIGKILL);
    ck_assert_int_eq(await_end().pid, second);
}
END_TEST

START_TEST(number_that_is_no_executors_is_not_killed)
{
    pid_t stranger = start(false), executor = start(true);
    brood_signal(&brood, stranger, SIGKILL);
    brood_signal(&brood, 0, SIGKILL); /* would be ourselves */
    brood_signal(&brood, 1, SIGKILL); /* would be everybody */
    siginfo_t info = { 0 };
    ck_assert_int_eq(waitid(P_PID, (id_t)stranger, &info, WEXITED | WNOHANG | WNOWAIT), 0);
    ck_assert_int_eq(info.si_pid, 0);
    brood_signal(&brood, executor, SIGKILL);
    ck_assert_int_eq(await_end().pid, executor);
    kill(stranger, SIGKILL);
}
END_TEST

/* Also one that is in no group of an executor: whose it was is dead. */
START_TEST(strays_are_killed_and_executors_are_not)
{
    struct zygote_exit exit;
    siginfo_t info;
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    pid_t executor = start(true), stray = start(false);
    ck_assert(!brood_next_end(&brood, &exit));
    ck_assert_int_eq(waitid(P_PID, (id_t)stray, &info, WEXITED | WNOWAIT), 0);
    ck_assert(!brood_next_end(&brood, &exit));
    ck_assert_int_eq(kill(stray, 0), -1);
    ck_assert_int_eq(errno, ESRCH);
    ck_assert_int_eq(kill(executor, 0), 0);
    brood_signal(&brood, executor, SIGKILL);
    ck_assert_int_eq(await_end().pid, executor);
}
END_TEST

SUITE_MAIN("brood", executor_is_told_how_it_ended, number_that_is_no_executors_is_not_killed,
           strays_are_killed_and_executors_are_not)
