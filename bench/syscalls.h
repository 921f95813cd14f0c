/* SPDX-License-Identifier: Apache-2.0 */
/* Counts the system calls of other processes with the kernel's tracepoint, which needs root and makes each call a bit slower. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#define SYSCALLS_MAX_TASKS 256

struct syscalls {
    int fds[SYSCALLS_MAX_TASKS];
    int n;
};

/* From here on counts those of all present threads of @pid. Return: 0; 1 when the kernel does not let us. */
int syscalls_add(struct syscalls *s, pid_t pid);
/* The same for every process below @pid. */
int syscalls_add_children(struct syscalls *s, pid_t pid);
/* Return: how many there were; nothing is counted any more. */
int64_t syscalls_stop(struct syscalls *s);
