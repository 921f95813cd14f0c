/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/children.h"

#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/buf.h"
#include "base/cleanup.h"

#define REAP_MAX 65536

/* Of one thread: "PID PID …". */
static void add_children(struct buf *pids, const char *process, const char *thread)
{
    char path[300], text[16];
    snprintf(path, sizeof(path), "/proc/%s/task/%s/children", process, thread);
    FILE *list = fopen(path, "re");
    while (list && fscanf(list, "%15s", text) == 1) {
        pid_t pid = (pid_t)atoi(text);
        if (pid > 1)
            buf_append(pids, &pid, sizeof(pid));
    }
    if (list)
        fclose(list);
}

static void add_own_children(struct buf *pids)
{
    DIR *threads = opendir("/proc/self/task");
    /* cppcheck-suppress readdirCalled */
    for (struct dirent *entry; threads && (entry = readdir(threads));)
        if (entry->d_name[0] != '.')
            add_children(pids, "self", entry->d_name);
    if (threads)
        closedir(threads);
}

/* One that is to die has no more children from then on, so none is missed. It has its number until its parent has reaped it. */
static void kill_one(struct buf *pids, pid_t pid)
{
    char text[16];
    kill(-pid, SIGKILL);
    kill(pid, SIGKILL);
    snprintf(text, sizeof(text), "%d", pid);
    add_children(pids, text, text);
}

size_t children_kill(children_keep_fn keep, const void *arg)
{
    _cleanup_buf_ struct buf pids = { 0 };
    size_t n = 0;
    add_own_children(&pids);
    for (size_t at = 0; at < pids.size; at += sizeof(pid_t)) {
        pid_t pid;
        memcpy(&pid, pids.data + at, sizeof(pid));
        if (keep && keep(pid, arg))
            continue;
        kill_one(&pids, pid);
        n++;
    }
    return n;
}

/* Among thousands that fork all the time an equal share of the CPU is not enough; more is given to root only. */
void children_set_urgent(bool urgent)
{
    const struct sched_param parameters = { .sched_priority = urgent ? 1 : 0 };
    sched_setscheduler(0, (urgent ? SCHED_RR : SCHED_OTHER) | SCHED_RESET_ON_FORK, &parameters);
}

pid_t children_wait(pid_t pid, int *ret_status, int options, int64_t *reaped_kib)
{
    struct rusage usage;
    pid_t ended = wait4(pid, ret_status, options, &usage);
    if (ended > 0 && usage.ru_maxrss > *reaped_kib)
        *reaped_kib = usage.ru_maxrss;
    return ended;
}

/* Who is dead is no longer looked at; those that die meanwhile may be too many to wait for. */
static void reap_the_dead(int64_t *reaped_kib)
{
    for (int i = 0; i < REAP_MAX && children_wait(-1, NULL, WNOHANG, reaped_kib) > 0; i++) {
    }
}

/* Each death may make more of them ours, and they multiply while others die: no round waits for all. */
void children_end(int64_t *reaped_kib)
{
    bool urgent = false;
    reap_the_dead(reaped_kib);
    for (size_t n; (n = children_kill(NULL, NULL)) > 0; reap_the_dead(reaped_kib)) {
        if (n > CHILDREN_MANY && !urgent)
            children_set_urgent(urgent = true);
        for (size_t i = 0; i <= n / 4; i++)
            children_wait(-1, NULL, 0, reaped_kib);
    }
    if (urgent)
        children_set_urgent(false);
}
