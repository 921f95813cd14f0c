/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which job is next: the jobs that could start, and the order in which they do.
 *
 *     queue "mail"   weight 3 ── lane high    ── strand of each limited handler, strands of all others
 *                             ├─ lane normal  ── …
 *                             └─ lane low     ── …
 *     queue "report" weight 1 ── …
 *
 * Among queues: strict takes the first that has a job which may start. Weighted is stride scheduling (Waldspurger and Weihl,
 * "Stride Scheduling: Deterministic Proportional-Share Resource Management", MIT/LCS/TM-528, 1995): each start moves its
 * queue's pass ahead by 1/weight, the queue with the lowest pass is next, and one that had nothing to start begins where the
 * others are, so it saves up nothing.
 *
 * Among a queue's lanes: the highest, but a lower one that saw READY_PATIENCE starts of its queue go by is next. So each lane
 * that has jobs gets every 20th start, 5 %, and with two busy lanes below it the highest gets 90 %.
 *
 * Within a lane: the order in which they were read. A job whose handler runs as many as it may is passed by others, and so is one
 * for which there is no place now: handlers of kind http have places of their own.
 *
 * Each lane has room of its own, so a queue that is slow, throttled or empty takes nothing from the others.
 *
 * Invariants: a job is counted in at most one way (`claiming or leased, not started`, `running`); whoever frees it uncounts it
 * (job_free). A job that comes back goes where its number says, so it does not lose its place.
 *
 * Pure: no I/O, no clock.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "libjob/config.h"
#include "worker/job.h"

#define READY_JOBS 2048 /* of all lanes together */
#define READY_BYTES (16 << 20)
#define READY_PATIENCE 19

struct ready;
struct ready_lane;

/* @max_held: jobs that are claimed or leased before their start, of all lanes together. NULL without memory. */
struct ready *ready_new(const struct job_config *config, size_t max_held);
/* Frees the jobs that are in it; no other may be left that was admitted. */
struct ready *ready_free(struct ready *r);
DEFINE_CLEANUP(struct ready *, ready_free)

/*
 * The configuration has changed, though not in the queues and lanes that there are. All jobs that could start go to @ret_jobs, in no
 * particular order, to be added again. What runs is counted as before; jobs of a handler that had no limit are not. Return: 0; -ENOMEM.
 */
int ready_reload(struct ready *r, size_t max_held, struct list *ret_jobs);

/* NULL: no topic of this worker's queues. */
struct ready_lane *ready_find_lane(struct ready *r, const char *topic);
/* For one more, which a paused lane has never, nor one of a queue that is allowed nothing. */
bool ready_lane_has_room(const struct ready_lane *lane);

/* The worker's queues, in the order of its configuration. NULL: there are no more. */
const char *ready_queue_name(const struct ready *r, size_t queue);
size_t ready_queue_of(const struct ready *r, const struct ready_lane *lane);
size_t ready_n_running(const struct ready *r, size_t queue);
/* No more of its jobs than @max run at once from now on, nor are as many claimed in one lane; those that do go on. SIZE_MAX: no bound. */
void ready_set_allowance(struct ready *r, size_t queue, size_t max);
/* Nothing of it starts while it is paused. Return: whether that is new. */
bool ready_set_paused(struct ready *r, size_t queue, bool paused);
bool ready_is_paused(const struct ready_lane *lane);
/* It is paused, and none of its jobs runs, is claimed or holds a lease. */
bool ready_is_quiet(const struct ready *r, size_t queue);

/* Gives @job, which has a type and a handler, its place among the jobs of @lane. */
void ready_admit(struct ready *r, struct ready_lane *lane, struct job *job);
/* Its lease is asked for before it starts. */
void ready_hold(struct job *job);

/* It could start now: admitted before; held or not, or back from an executor. */
void ready_add(struct ready *r, struct job *job);
/* The one to start next; it stays. NULL: there is none. */
struct job *ready_peek(struct ready *r);
/* There is no place for @job, nor for others that need the same kind of place, until ready_open(). */
void ready_close(struct ready *r, const struct job *job);
void ready_open(struct ready *r);
/* It leaves the list, without having started. */
void ready_take(struct ready *r, struct job *job);
/* What was taken has started: its queue, lane and handler are charged. */
void ready_started(struct ready *r, struct job *job);
/* It does not run any more, or never will. Also for a job that was never admitted. */
void ready_uncount(struct job *job);

/* Logs what waits and runs, lane by lane. */
void ready_dump(const struct ready *r);

/* Takes all that match to the end of @to. */
void ready_take_matching(struct ready *r, bool (*match)(const struct job *job, const void *arg),
                         const void *arg, struct list *to);
