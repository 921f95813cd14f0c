/* SPDX-License-Identifier: Apache-2.0 */
/* Names that somebody else chose, resolved beneath one folder: no "..", absolute path or link leads out. */
#pragma once

#include <stdint.h>

/**
 * beneath_open() - open a file that lies beneath @folder, whatever links are on the way
 * @folder:  of O_RDONLY or O_PATH
 * @path:    relative, and without ".." (the caller has looked)
 * @flags:   of open(2), not to make a file; O_CLOEXEC, O_NOCTTY and O_NONBLOCK are added, so that a pipe that lies there keeps nobody waiting
 * @resolve: 0; RESOLVE_NO_SYMLINKS, for a @path of one part: not even links that stay beneath
 *
 * The kernel sees to it (openat2, Linux 5.6); where it cannot, the file is found, judged by where it lies and then opened.
 *
 * Return: descriptor; -1 with errno: EXDEV or ELOOP when @path leads out.
 */
int beneath_open(int folder, const char *path, int flags, uint64_t resolve);
