/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of every child of this process, also of those that a subreaper inherited.
 *
 * Who tries to get away into another session, or by letting its parent die, only comes closer: it becomes our child. So killing all
 * children until there is none left ends the whole tree, and wins against one that forks all the time: a process that has a
 * SIGKILL pending does not fork any more.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef bool (*children_keep_fn)(pid_t pid, const void *arg);

/*
 * Kills those that are there now and that @keep (NULL: none) does not want to keep, each with its process group; dead ones that
 * were not reaped yet count, too. Return: how many.
 */
size_t children_kill(children_keep_fn keep, const void *arg);
/* More than these multiply, perhaps: time to hurry. */
#define CHILDREN_MANY 16
/* While @urgent, this process goes before all others, as far as it may. Its children are as others. */
void children_set_urgent(bool urgent);
/* Kills and waits until there is none left; hurries, if there are many. @reaped_kib grows to the memory of the largest. */
void children_end(int64_t *reaped_kib);
/* waitpid() that notes how much memory the process has used at most, if that is more than *@reaped_kib. */
pid_t children_wait(pid_t pid, int *ret_status, int options, int64_t *reaped_kib);
