/* SPDX-License-Identifier: Apache-2.0 */
/* What other processes are and have used, read from /proc. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

typedef void (*process_fn)(pid_t pid, void *userdata);
/* Everything below @pid, without itself. */
void process_each_child(pid_t pid, process_fn fn, void *userdata);
void process_each_thread(pid_t pid, process_fn fn, void *userdata);

/* CPU time of @pid alone, with the children that it has waited for, to 10 ms. µs; 0 when it is gone. */
int64_t process_cpu_us(pid_t pid);
/* The same for everything below @pid, without itself. */
int64_t process_children_cpu_us(pid_t pid);
/* CPU time of the present threads of @pid, to the microsecond. */
int64_t process_cpu_exact_us(pid_t pid);
/* Resident memory of @pid now, and at its highest, in KiB. */
int64_t process_resident_kib(pid_t pid);
int64_t process_peak_kib(pid_t pid);
/* What of the resident memory is not shared with anybody. */
int64_t process_private_kib(pid_t pid);
/* From here on the highest is that of now. */
void process_reset_peak(pid_t pid);
/* The first number in a file; 0 when there is none. */
pid_t process_from_file(const char *path);
