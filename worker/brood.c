/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/brood.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "worker/children.h"
#include "worker/group.h"

#define REAPED_MAX 256

int brood_reserve(struct brood *b)
{
    if (b->n < b->room)
        return 0;
    size_t room = b->room ? 2 * b->room : 16;
    struct brood_executor *grown = reallocarray(b->executors, room, sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    b->executors = grown;
    b->room = room;
    return 0;
}

void brood_add(struct brood *b, pid_t executor, int group)
{
    b->executors[b->n++] =
        (struct brood_executor){ .pid = executor, .group = group, .oom_kills = group_oom_kills(group) };
}

static struct brood_executor *find(const struct brood *b, pid_t pid)
{
    for (size_t i = 0; i < b->n; i++)
        if (b->executors[i].pid == pid)
            return &b->executors[i];
    return NULL;
}

void brood_signal(const struct brood *b, pid_t executor, int signal)
{
    const struct brood_executor *e = find(b, executor);
    if (!e)
        return;
    kill(-executor, signal);
    if (signal == SIGKILL)
        group_kill(e->group);
}

void brood_kill_groups(const struct brood *b)
{
    for (size_t i = 0; i < b->n; i++)
        group_kill(b->executors[i].group);
}

static bool is_executor(pid_t pid, const void *brood)
{
    return find(brood, pid) != NULL;
}

static int64_t timeval_us(struct timeval tv)
{
    return (int64_t)tv.tv_sec * USEC_PER_SEC + tv.tv_usec;
}

/* What it left in its group goes with it. Its number is ours until it is reaped. */
static void reap(pid_t pid, struct zygote_exit *ret)
{
    struct rusage usage = { 0 };
    int status = 0;
    kill(-pid, SIGKILL);
    wait4(pid, &status, 0, &usage);
    *ret = (struct zygote_exit){ .pid = pid,
                                 .status = status,
                                 .cpu_us = timeval_us(usage.ru_utime) + timeval_us(usage.ru_stime),
                                 .peak_kib = usage.ru_maxrss };
}

static void leave_group(const struct brood_executor *e, struct zygote_exit *ret)
{
    int64_t oom_kills = group_oom_kills(e->group);
    group_kill(e->group);
    ret->tells_oom = oom_kills >= 0;
    ret->oom = oom_kills > e->oom_kills;
    if (e->group >= 0)
        close(e->group);
}

/* Return: false when none has ended. */
static bool reap_next(struct zygote_exit *ret)
{
    siginfo_t info = { 0 };
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
        return false;
    reap(info.si_pid, ret);
    return true;
}

static void chase_strays(struct brood *b)
{
    bool urgent = children_kill(is_executor, b) > CHILDREN_MANY;
    if (urgent != b->urgent)
        children_set_urgent(urgent);
    b->urgent = urgent;
    b->n_reaped = 0;
}

/* A stray that comes later comes by the death of another: there is a SIGCHLD for it. Those that are born faster than all can be
 * reaped are chased meanwhile. */
bool brood_next_end(struct brood *b, struct zygote_exit *ret)
{
    while (reap_next(ret)) {
        struct brood_executor *executor = find(b, ret->pid);
        if (executor) {
            leave_group(executor, ret);
            *executor = b->executors[--b->n];
            return true;
        }
        if (++b->n_reaped >= REAPED_MAX)
            chase_strays(b);
    }
    chase_strays(b);
    return false;
}
