/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a job has used: CPU and memory of its executor while it ran, and of every process that the executor has reaped meanwhile.
 *
 * The kernel counts over a process's life. CPU is a difference. The peak of memory is set back (clear_refs) after each job that has
 * moved it; small jobs do not, so they pay nothing for that.
 *
 * Asking the kernel costs more than a tiny job does, so it is asked at most once in USAGE_EXACT_US. A job that took less than that and had
 * no children counts as busy for all of its time, which is right to the millisecond that is recorded (job.result.cpu_ms), and as
 * having used the memory that its executor holds anyway.
 */
#pragma once

#include <stdint.h>

#define USAGE_EXACT_US INT64_C(1000)

struct usage {
    int clear_fd;        /* -1: the kernel does not have it, and peaks are those of the executor's life */
    int64_t settled_kib; /* the peak when it was set back last */
    int64_t asked_us;    /* monotonic: when the kernel was asked last */
    int64_t
        cpu_us; /* what it said, of this process and all that it has reaped, and what tiny jobs took since */
    int64_t children_kib;
};

struct usage_of_job {
    int64_t cpu_us;
    int64_t peak_kib;     /* of the executor or of one of the processes it reaped, whichever was larger */
    int64_t executor_kib; /* of the executor alone */
};

void usage_init(struct usage *u);

/* A job starts at @now_us (monotonic). Return: the CPU used so far: what wait4() will say less this is the job's, to a millisecond. */
int64_t usage_begin(struct usage *u, int64_t now_us);

/* It has ended. @reaped_kib: the largest process that it is known to have reaped; 0: none. */
void usage_end(struct usage *u, int64_t started_us, int64_t finished_us, int64_t reaped_kib,
               struct usage_of_job *ret);
