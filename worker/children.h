/* SPDX-License-Identifier: Apache-2.0 */
/* The end of every child of this process, also of those that a subreaper inherited. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

/*
 * Kills and waits until there is none left. A child's process group goes with it, unless it is the caller's own. @reaped_kib grows
 * to the memory of the largest.
 */
void children_end(int64_t *reaped_kib);
/* waitpid() that notes how much memory the process has used at most, if that is more than *@reaped_kib. */
pid_t children_wait(pid_t pid, int *ret_status, int options, int64_t *reaped_kib);
