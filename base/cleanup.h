/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scope-bound release of what a function acquires.
 *
 * A variable declared with _cleanup_(f) is passed (by address) to f when its scope ends; steal() takes the
 * value out as the last act before success, so that every earlier return releases it.
 */
#pragma once

#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((cleanup(f)))

/* Takes the value out of a cleanup variable: the caller owns it from here on. */
#define steal(p)                                                                                             \
    ({                                                                                                       \
        __typeof__(p) stolen_ = (p);                                                                         \
        (p) = NULL;                                                                                          \
        stolen_;                                                                                             \
    })

/* Defines name##_cleanup(T **) from a destructor that takes NULL and returns NULL. */
#define DEFINE_CLEANUP(type, destructor)                                                                     \
    static inline void destructor##_cleanup(type *p)                                                         \
    {                                                                                                        \
        if (*p)                                                                                              \
            destructor(*p);                                                                                  \
    }

static inline void free_cleanup(void *p)
{
    free(*(void **)p);
}
#define _cleanup_free_ _cleanup_(free_cleanup)

static inline void close_cleanup(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}
#define _cleanup_close_ _cleanup_(close_cleanup)

/* Takes a file descriptor out of a _cleanup_close_ variable. */
static inline int steal_fd(int *fd)
{
    int taken = *fd;
    *fd = -1;
    return taken;
}

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
