/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a job has used: CPU and memory of its executor while it ran, and of every process that the executor has reaped meanwhile.
 *
 * The kernel counts over a process's life. CPU is a difference. The peak of memory is set back (clear_refs) after each job that has
 * moved it; small jobs do not, so they pay nothing for that.
 */
#pragma once

#include <stdint.h>

struct usage {
    int clear_fd;        /* -1: the kernel does not have it, and peaks are those of the executor's life */
    int64_t settled_kib; /* the peak when it was set back last */
    /* of all processes that were reaped, up to the end of the last job */
    int64_t children_us, children_kib;
};

struct usage_of_job {
    int64_t cpu_us;
    int64_t peak_kib;     /* of the executor or of one of the processes it reaped, whichever was larger */
    int64_t executor_kib; /* of the executor alone */
};

void usage_init(struct usage *u);

/* Return: the CPU that this process and those that it has reaped have used so far: what wait4() will say less this is the job's. */
int64_t usage_begin(const struct usage *u);

/* @begun_us: of usage_begin(). @reaped_kib: the largest process that it is known to have reaped since; 0: none. */
void usage_end(struct usage *u, int64_t begun_us, int64_t reaped_kib, struct usage_of_job *ret);
