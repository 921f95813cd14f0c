/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/syscalls.h"

#include <linux/perf_event.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench/process.h"

static uint64_t tracepoint(void)
{
    static const char path[] = "/sys/kernel/tracing/events/raw_syscalls/sys_enter/id";
    return (uint64_t)process_from_file(path);
}

static void add_task(pid_t task, void *userdata)
{
    struct syscalls *s = userdata;
    struct perf_event_attr event = {
        .type = PERF_TYPE_TRACEPOINT, .size = sizeof(event), .config = tracepoint(), .inherit = 1
    };
    if (s->n == SYSCALLS_MAX_TASKS)
        return;
    int fd = (int)syscall(SYS_perf_event_open, &event, task, -1, -1, PERF_FLAG_FD_CLOEXEC);
    if (fd >= 0)
        s->fds[s->n++] = fd;
}

int syscalls_add(struct syscalls *s, pid_t pid)
{
    process_each_thread(pid, add_task, s);
    return s->n == 0;
}

static void add_process(pid_t pid, void *userdata)
{
    syscalls_add(userdata, pid);
}

int syscalls_add_children(struct syscalls *s, pid_t pid)
{
    process_each_child(pid, add_process, s);
    return s->n == 0;
}

int64_t syscalls_stop(struct syscalls *s)
{
    int64_t sum = 0;
    for (int i = 0; i < s->n; i++) {
        int64_t count;
        if (read(s->fds[i], &count, sizeof(count)) == sizeof(count))
            sum += count;
        close(s->fds[i]);
    }
    s->n = 0;
    return sum;
}
