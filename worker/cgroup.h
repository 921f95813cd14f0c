/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control group (cgroup v2) that was delegated to the worker, divided into one per executor.
 *
 *     <delegated>/             no process: a group with controllers for its children may have none
 *     ├── worker/              worker and zygote
 *     └── executor-0 …         one per place for an executor, with worker.limits
 *
 * Delegated is a group that its owner marks so (extended attribute user.delegate or trusted.delegate, as systemd does for
 * Delegate=), that belongs to a user other than root who is us, or that is the root of a container's name space. What is not delegated is
 * somebody else's, also when root could write there. If the worker was started in a marked group's child (DelegateSubgroup=), it
 * stays there.
 *
 * Where there is none, limits are resource limits; docs/decisions/0017 says what they cannot do.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "libjob/config.h"

struct cgroup;

/* Where to look; tests have a tree of their own. */
struct cgroup_place {
    const char *membership; /* /proc/self/cgroup */
    const char *mounts;     /* /proc/self/mountinfo */
};

enum { CGROUP_NONE = 1 };

/*
 * Moves this process and @zygote into "worker". Return: 0; CGROUP_NONE with the reason in @reterr: no group is delegated, or it cannot be
 * used; negative errno.
 */
int cgroup_new(struct cgroup **ret, const struct cgroup_place *place, pid_t zygote, struct err *reterr);
/* Removes what is empty. */
struct cgroup *cgroup_free(struct cgroup *c);
DEFINE_CLEANUP(struct cgroup *, cgroup_free)

const char *cgroup_path(const struct cgroup *c);
/* Which controllers it has, for people: "memory pids cpu". */
const char *cgroup_controllers(const struct cgroup *c);

/* Return: the directory of the executor's group with these limits, which the caller closes; -1 for @c NULL; negative errno. */
int cgroup_open_group(const struct cgroup *c, unsigned executor, const struct config_limits *limits);
/* Takes out of @limits what groups limit. @c may be NULL. */
void cgroup_leave_rest(const struct cgroup *c, struct config_limits *limits);
