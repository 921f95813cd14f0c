/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/children.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
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

void children_end(void)
{
    while (kill_all())
        while (waitpid(-1, NULL, 0) > 0) {
        }
}
