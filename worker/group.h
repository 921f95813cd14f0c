/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One executor's control group (cgroup v2), by a descriptor of its directory. -1 stands for none: nothing happens then.
 */
#pragma once

#include <stdint.h>

/* Writes @text to file @name. Return: 0; negative errno. */
int group_write(int group, const char *name, const char *text);
/* The calling process goes in. Return: 0; negative errno. */
int group_enter(int group);
/* Everything in it at once, which no forking can outrun. */
void group_kill(int group);
/* How many processes the kernel has killed in it for want of memory. Return: -1 when it does not say. */
int64_t group_oom_kills(int group);
