/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/children.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Those that escaped into other sessions stand in the list, too, as soon as they are inherited. */
static bool kill_all(void)
{
    char path[64], pid[16];
    snprintf(path, sizeof(path), "/proc/self/task/%d/children", gettid());
    FILE *list = fopen(path, "re");
    bool any = false;
    while (list && fscanf(list, "%15s", pid) == 1) {
        pid_t child = (pid_t)atoi(pid);
        kill(-child, SIGKILL);
        kill(child, SIGKILL);
        any = true;
    }
    if (list)
        fclose(list);
    return any;
}

pid_t children_wait(pid_t pid, int *ret_status, int options, int64_t *reaped_kib)
{
    struct rusage usage;
    pid_t ended = wait4(pid, ret_status, options, &usage);
    if (ended > 0 && usage.ru_maxrss > *reaped_kib)
        *reaped_kib = usage.ru_maxrss;
    return ended;
}

void children_end(int64_t *reaped_kib)
{
    while (kill_all())
        while (children_wait(-1, NULL, 0, reaped_kib) > 0) {
        }
}
