/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker's executors, seen from the worker.
 *
 * Model: up to `executors_max` executor processes, made by the zygote when there is work for them. A job goes to an idle executor; jobs
 * whose type has shown to be short are also sent ahead, up to POOL_DEPTH, into one that runs only short ones. If one of these
 * takes long all the same, those behind it are taken back. A job that runs for its timeout is stopped (worker/pool_stop.c).
 *
 * Crash story: an executor that dies has answered some jobs (socket, then shared page), was running at most one, and had
 * not started the rest. The first are finished, the one is OUTCOME_CRASHED, the rest go back through `unstarted`.
 */
#pragma once

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "base/clock.h"
#include "base/err.h"
#include "libjob/config.h"
#include "worker/cgroup.h"
#include "worker/job.h"

#define POOL_DEPTH 32
#define POOL_TRIAL_US (30 * USEC_PER_SEC)

struct pool;

struct pool_owner {
    void (*finished)(struct job *job, void *userdata);  /* the owner takes it */
    void (*unstarted)(struct job *job, void *userdata); /* the owner takes it back */
    void (*progress)(struct job *job, struct span progress,
                     void *userdata);                   /* at most once a second; valid during the call */
    void (*broken)(const char *why, void *userdata);    /* handlers cannot be loaded, or the zygote is gone */
    void (*tried)(const char *why_not, void *userdata); /* of pool_try(); NULL: the handlers load */
    void *userdata;
};

/* @zygote: of zygote_start(); the pool owns it. @cgroup: for the executors; NULL: none; stays the caller's. */
int pool_new(struct pool **ret, sd_event *event, int zygote, const struct cgroup *cgroup,
             const struct job_config *config, const struct pool_owner *owner);
struct pool *pool_free(struct pool *p);
DEFINE_CLEANUP(struct pool *, pool_free)

/* Starts one executor, whose modules tell whether the configuration can be run. */
int pool_start(struct pool *p);
/* True once some executor has loaded all handlers. */
bool pool_is_proven(const struct pool *p);

/*
 * Starts an executor that loads the handlers of another configuration; `tried` tells how that went, within POOL_TRIAL_US. It
 * takes no job before pool_renew(). One at a time. @fresh is used during the call only. Return: 0; negative errno: no trial.
 */
int pool_try(struct pool *p, const struct job_config *fresh);
/*
 * The configuration has changed. No job starts any more in executors from before, but for that on trial: what they hold unstarted
 * comes back through `unstarted`, what they run they run to its end, and then they end.
 */
void pool_renew(struct pool *p);
/* After it: as many executors as there shall be now, as far as the old ones leave room. */
void pool_start_minimum(struct pool *p);

/* Gives @job to an executor, which owns it then. Return: false when there is no room now (one more may be starting). */
bool pool_dispatch(struct pool *p, struct job *job);
/* Writes what has been dispatched. Call once after a series of pool_dispatch(). */
void pool_flush(struct pool *p);

/* How many jobs run at once with this configuration. */
size_t pool_max_running(const struct job_config *config);
size_t pool_n_running(const struct pool *p); /* jobs in executors */
size_t pool_n_executors(const struct pool *p);
/* Asks the zygote whether it is there. Call every few seconds. Return: false while it has not answered for ten. */
bool pool_zygote_answers(struct pool *p);
/* Into the log, for a person. */
void pool_dump(const struct pool *p);
/*
 * Stops the job with this id, if the pool has it: one that has not started is finished with @outcome at once; one that runs is
 * asked, then gets SIGTERM, then SIGKILL, and is finished with @outcome and @why (a literal), unless it is done after all. Total:
 * kill_grace.
 */
void pool_stop_id(struct pool *p, const struct uuid *id, enum job_outcome outcome, const char *why);
/* The same for all that run; the others come back through `unstarted`. */
void pool_stop_all(struct pool *p, enum job_outcome outcome, const char *why);
/* Sends @signal to every executor that has a job. */
void pool_kill_busy(struct pool *p, int signal);
/* From now on no executor is started. */
void pool_set_draining(struct pool *p);
/* Jobs that run now, each with the time (monotonic) since when. */
typedef void (*pool_running_fn)(struct job *job, int64_t started_us, void *userdata);
void pool_each_running(struct pool *p, pool_running_fn fn, void *userdata);

/* Which jobs is it about? */
typedef bool (*pool_match_fn)(const struct job *job, const void *arg);
/* Jobs that match and have not started come back through `unstarted`, with others of their executor. */
void pool_take_back(struct pool *p, pool_match_fn match, const void *arg);
/* The same, and kills the executors that run a match: it is interrupted, for the reason @why (a literal). */
void pool_interrupt(struct pool *p, pool_match_fn match, const void *arg, const char *why);
/* The same, and what matches is an orphan from now on: its outcome is nobody's business. */
void pool_disown(struct pool *p, pool_match_fn match, const void *arg);
