/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From record to job: reads the open partitions in turns, decodes, and decides where each job goes first.
 *
 *     malformed, unknown type ──▶ finished      may be a duplicate, or suspect, or must never start twice ──▶ claim      else ──▶ the ready jobs
 *
 * A job that is ordered by its key waits for its turn before that (worker/keys.h); what cannot wait here is parked: it leaves the log
 * and comes back by PostgreSQL.
 *
 * A careful partition (worker/intake.h) is read one record at a time: the recorder writes into the cursor from where on the next
 * one is to be taken up, then that is read, and nothing more before its offset is done. A condemned record is one that was
 * read like this when its worker died: it becomes a dead letter without having been looked at.
 *
 * A dangerous job is one that has crashed, or was lost with its worker, so often that one more time could make it dead. If it kills
 * workers, every job that is leased beside it is lost with them; so that these are not dead together with it, a worker
 * holds one dangerous job at a time. Innocent ones get through this way.
 *
 * Before anything of a log is taken, it must be the one that the cursor belongs to (worker/sounding.h). If it is another one the
 * partition stands: what was read of the old log goes on to its end, nothing is read. If records are gone, that is
 * written down first, then they count as a gap.
 *
 * Bounds: a partition is read while its lane has room (worker/ready.h) and its window has; what was handed on is bounded by the
 * owner's has_room(). So no partition waits for the room of another queue, and none is paused: each has a feed of its own.
 */
#pragma once

#include <stdbool.h>

#include "libjob/config.h"
#include "worker/job.h"
#include "worker/partition.h"
#include "worker/ready.h"

#define READER_DANGEROUS_JOBS 64 /* of a partition, that wait; it is not read meanwhile */
#define READER_DANGEROUS_CRASHES 2

struct reader_owner {
    void (*finished)(struct job *job, void *userdata); /* ended without being run */
    void (*claim)(struct job *job, void *userdata);    /* must be leased before it starts */
    bool (*has_room)(void *userdata);                  /* for one more finished or claimed job */
    void (*gap)(void *userdata);                       /* a cursor can move without a job */
    void (*take_up)(void *userdata); /* a cursor has to name the record that is read next, at once */
    void (*crowded)(struct partition *p, void *userdata); /* its window is more than half full */
    void (*outside)(struct partition *p,
                    void *userdata); /* its position is not in the log: read it from its start */
    void (*note)(struct partition *p, void *userdata); /* its note is to be written down */
    void (*fatal)(const char *why, void *userdata);
    void *userdata;
};

struct reader {
    struct reader_owner owner;
    struct job_types *types;
    struct ready *ready;
    struct list dangerous;    /* jobs that may only run when no other such job does */
    size_t n_dangerous_alive; /* claimed, and not yet recorded: 0 or 1 */
};

/* @ready: the owner's, where jobs that can start go. */
int reader_init(struct reader *r, const struct job_config *config, struct ready *ready,
                const struct reader_owner *owner);
void reader_done(struct reader *r);

/* Forgets the dangerous jobs of @p (NULL: of all partitions) that have not been claimed: they are still in the log. */
void reader_drop_dangerous(struct reader *r, const struct partition *p);

/* The configuration has changed: @types from now on; the reader owns them, and @old as long as jobs need it. */
void reader_reload(struct reader *r, struct job_types *types, struct job_config *old);
/* @job, which has not started, may be of a type from before: it gets the present one. Return: whether that has a handler. */
bool reader_renew(struct reader *r, struct job *job);
/* @job was admitted, and must be leased before it starts. */
void reader_claim(struct reader *r, struct job *job);

/* What was to be written down about @p is: it goes on. */
void reader_noted(struct reader *r, struct partition *p);

/* Reads what there is room for. */
void reader_pump(struct reader *r, struct list *partitions);
