/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose turn is it: the ordered jobs of one partition, one at a time per key.
 *
 *     enter ──▶ WAITING ──keys_next()──▶ BUSY ──▶ freed, or let go early
 *                  └──keys_park()──▶ LEAVING ──recorded: waits in PostgreSQL──▶ freed
 *
 * Model: each ordered job has a place in its key's order, the offset of its first delivery in the partition. What left the log and has
 * not ended, because it is tried again, has a lease or was parked, is a row of job.hold; of these a key knows the place of the
 * first, its head. The first waiting job may go when no other one of its key is busy or leaving, and its place is not behind the head.
 *
 * What waits here keeps its offset open. It must not fill the window, for the job that it waits for may come back behind all of
 * them: so what holds up a half-full window is parked, and what there is no room for. A partition with waiting jobs is not read
 * without room, though, as long as enough jobs are busy: then others would not start earlier by it. Parking is always right, only
 * not cheap. A parked job comes back (job.look_at_keys()) when nothing of its key is here any more.
 *
 * A head may change without us: the job ended in another worker, or a broker or a person ended it. So a key whose waiting job is
 * behind the head is doubtful, and so is one of which only a parked head is left: it is asked for now and then. A head cannot appear
 * without us, because only the owner of a partition takes its jobs out of the log.
 *
 * Invariants: a job that is let go is BUSY until it is freed or let go early (keys_leave()); whoever frees a job leaves its key
 * (job_free()). A key with nothing to say is forgotten.
 *
 * Bounds: KEYS_WAITING jobs and bytes, shared out evenly among the partitions, of which each has KEYS_WAITING_MIN; KEYS_KNOWN heads when a partition is taken over, beyond which
 * no key of it is known and each has to be asked for.
 *
 * Pure: no I/O, no clock.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/job.h"

#define KEYS_WAITING 2000
#define KEYS_WAITING_BYTES (8 << 20)
#define KEYS_WAITING_MIN 64
#define KEYS_KNOWN 65536

#define KEYS_NO_HEAD INT64_MAX
#define KEYS_UNKNOWN_HEAD INT64_MIN

/* Of all partitions of a worker. */
struct keys_room {
    size_t n_partitions;
    size_t n_busy, n_enough; /* jobs; from n_enough on nothing starts earlier if more were */
    size_t n_doubtful;       /* keys */
    bool
        is_urgent; /* one of them is not known or has to be woken, or somebody said that a head has changed */
};

struct keys;

/* @room: the caller's, for all partitions. NULL without memory. */
struct keys *keys_new(struct keys_room *room);
/* Frees the jobs that wait; those that are busy go on without a key. */
struct keys *keys_free(struct keys *k);
DEFINE_CLEANUP(struct keys *, keys_free)

/* The hash of a key as job.hold has it: FNV-1a, 64 bit. Two keys that share it share their order. */
uint64_t keys_hash(struct span key);

/* @job, which has its place (key_seq), waits for its turn. Return: 0; -ENOMEM. */
int keys_enter(struct keys *k, struct job *job);
/* The next job that may go. NULL: none. */
struct job *keys_next(struct keys *k);
/* @job does not keep its key any longer. Nothing happens when it has none. */
void keys_leave(struct job *job);

bool keys_has_room(const struct keys *k);
/* Reading on is worth what it may cost. */
bool keys_wants_more(const struct keys *k);
/* A waiting job that leaves the log: the caller's, until it is recorded. */
void keys_park(struct job *job);
/* The first waiting job, as they were read, of an offset below; NULL: none. */
struct job *keys_first_waiting(struct keys *k, int64_t below_offset);

/* The first hold of a key, as PostgreSQL says. */
struct keys_head {
    int64_t seq; /* its place; KEYS_NO_HEAD: there is none */
    struct uuid id;
    bool parked; /* it waits for nothing but its turn, in job.pending */
};

/* A waiting job that has lost its place, because somebody deferred it who does not order its type, gets it back. */
void keys_set_head(struct keys *k, uint64_t hash, const struct keys_head *head);
/* What PostgreSQL says of @job's key is not known: it has to be asked for. */
void keys_doubt(struct job *job);
/* There are heads that were not told: a key that is not known may have one. */
void keys_set_incomplete(struct keys *k);
/* @job, which is busy, is behind the head of its key. */
bool keys_is_passed_over(const struct job *job);

/* The hashes of doubtful keys, at most @max; the next call goes on behind them. Return: how many. */
size_t keys_list_doubtful(struct keys *k, uint64_t *hashes, size_t max);
