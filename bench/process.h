/* SPDX-License-Identifier: Apache-2.0 */
/* What other processes have used, read from /proc. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

/* CPU time of @pid alone, with the children that it has waited for. µs; 0 when it is gone. */
int64_t process_cpu_us(pid_t pid);
/* CPU time of everything below @pid, without itself. */
int64_t process_children_cpu_us(pid_t pid);
/* Resident memory of @pid now, and at its highest, in KiB. */
int64_t process_resident_kib(pid_t pid);
int64_t process_peak_kib(pid_t pid);
/* The first number in a file; 0 when there is none. */
pid_t process_from_file(const char *path);
