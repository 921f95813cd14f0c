/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/usage.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"

static int64_t cpu_of(const struct rusage *usage)
{
    return (usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * USEC_PER_SEC + usage->ru_utime.tv_usec +
           usage->ru_stime.tv_usec;
}

static int64_t read_peak_kib(void)
{
    struct rusage self;
    getrusage(RUSAGE_SELF, &self);
    return self.ru_maxrss;
}

/* From here on it is what the process holds now. */
static void set_peak_back(struct usage *u)
{
    if (u->clear_fd >= 0 && pwrite(u->clear_fd, "5", 1, 0) == 1)
        u->settled_kib = read_peak_kib();
}

void usage_init(struct usage *u)
{
    *u = (struct usage){ .clear_fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC) };
    u->settled_kib = read_peak_kib();
    set_peak_back(u);
}

static void ask(struct usage *u, int64_t now_us, struct rusage *self, struct rusage *children)
{
    getrusage(RUSAGE_SELF, self);
    getrusage(RUSAGE_CHILDREN, children);
    u->asked_us = now_us;
    u->cpu_us = cpu_of(self) + cpu_of(children);
}

int64_t usage_begin(struct usage *u, int64_t now_us)
{
    struct rusage self, children;
    if (now_us - u->asked_us >= USAGE_EXACT_US)
        ask(u, now_us, &self, &children);
    return u->cpu_us;
}

/* One that a handler has reaped itself shows only when it was larger than all before it. */
static int64_t note_children(struct usage *u, const struct rusage *children, int64_t reaped_kib)
{
    int64_t largest_kib = children->ru_maxrss > u->children_kib ? children->ru_maxrss : reaped_kib;
    u->children_kib = children->ru_maxrss;
    return largest_kib;
}

void usage_end(struct usage *u, int64_t started_us, int64_t finished_us, int64_t reaped_kib,
               struct usage_of_job *ret)
{
    struct rusage self, children;
    int64_t before_us = u->cpu_us, took_us = finished_us - started_us;
    if (took_us < USAGE_EXACT_US && reaped_kib == 0) {
        u->cpu_us += took_us;
        *ret = (struct usage_of_job){ took_us, u->settled_kib, u->settled_kib };
        return;
    }
    ask(u, finished_us, &self, &children);
    int64_t largest_kib = note_children(u, &children, reaped_kib);
    *ret = (struct usage_of_job){
        .cpu_us = u->cpu_us > before_us ? u->cpu_us - before_us : 0, /* tiny jobs are estimated */
        .peak_kib = self.ru_maxrss > largest_kib ? self.ru_maxrss : largest_kib,
        .executor_kib = self.ru_maxrss,
    };
    if (self.ru_maxrss > u->settled_kib)
        set_peak_back(u);
}
