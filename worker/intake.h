/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Membership in the consumer group: which partitions are ours, their take-over, and giving them back. What is read from them is
 * worker/reader.h's.
 *
 * Take-over, three steps (worker/partition.h has the states): (1) the recorder raises the epoch and reads the cursor in
 * PostgreSQL; (2) next_offset is committed to Kafka, which refuses whoever is no member any more; (3) the partition is
 * read and its jobs are dispatched. A rebalance waits for step 1: without a cursor there is no position to read from.
 *
 * Revocation: nothing of the partition starts any more, jobs that have not started are dropped (they are still in the
 * log), what runs is handed over (worker/handover.h) and goes on, the cursor is given back, and only then is Kafka
 * answered. Until then nobody else can take the partition over, however long PostgreSQL is away, up to
 * INTAKE_REVOKE_LIMIT_US. After that the executors of what has no lease are killed first; the next owner finds a cursor that
 * was not given back, so that counts as a crash. A lost assignment is handed over in the same way, but within a second:
 * somebody else may have the partition already, and then the fence says so (docs/decisions/0011).
 *
 * A message that kills workers before its job has a lease would be taken up again and again: a cursor counts the
 * take-overs after which nothing was recorded. From INTAKE_CAREFUL_CRASHES on, records are taken up one at a time, each named
 * in the cursor first; whichever was alone in flight at the next crash is buried without being read (worker/reader.h).
 *
 * Crash story: nothing here is durable. Whatever was read and not recorded is read again by the next owner.
 */
#pragma once

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "base/err.h"
#include "libjob/config.h"
#include "worker/job.h"
#include "worker/partition.h"
#include "worker/reader.h"
#include "worker/recorder.h"

#define INTAKE_POLL_LIMIT_US (300 * INT64_C(1000000))
#define INTAKE_CAREFUL_CRASHES 3
#define INTAKE_REVOKE_LIMIT_US (INTAKE_POLL_LIMIT_US - 10 * INT64_C(1000000))

struct intake;

struct intake_owner {
    struct reader_owner reader; /* its userdata is for all of these; fatal: the process has to end */
    void (*take_over)(struct list *partitions,
                      void *userdata); /* raise the epochs of those in state TAKING */
    void (*hand_over)(struct list *partitions, void *userdata); /* what runs of the closing ones */
    void (*release)(struct list *partitions,
                    void *userdata);                   /* give the closing ones back when nothing is open */
    void (*drop)(struct partition *p, void *userdata); /* forget its jobs everywhere, kill those that run */
    void (*forget)(void *userdata);                    /* what was asked for by take_over and release */
};

/* @ready: where jobs that can start go; stays the caller's. */
int intake_new(struct intake **ret, sd_event *event, const struct job_config *config, struct ready *ready,
               const struct intake_owner *owner, struct err *reterr);
/* Leaves the group. Return: 0; 1 when librdkafka did not come back in time (then nothing is freed). */
int intake_close(struct intake *in, int64_t timeout_us);

struct list *intake_partitions(struct intake *in);
/* Of all its partitions. */
struct keys_room *intake_keys(struct intake *in);
size_t intake_n_partitions(const struct intake *in);
/* Also before Kafka has answered for the first time. */
bool intake_is_away(struct intake *in);
/* Into the log, for a person. */
void intake_dump(const struct intake *in);

/* What the recorder reports. */
void intake_taken(struct intake *in, struct partition *p, const struct recorder_cursor *cursor);
void intake_taken_all(struct intake *in);
void intake_advanced(struct intake *in, struct partition *p);
void intake_fenced(struct intake *in, struct partition *p);
void intake_released(struct intake *in);
void intake_noted(struct intake *in, struct partition *p);

/* The reader has found that @p's position is not in the log. */
void intake_outside(struct intake *in, struct partition *p);
/* What PostgreSQL has about the log of this partition has changed. */
void intake_topic_changed(struct intake *in, const char *topic, int32_t id);

/* As the reader's. */
void intake_reload(struct intake *in, struct job_types *types, struct job_config *old);
bool intake_renew(struct intake *in, struct job *job);
void intake_claim(struct intake *in, struct job *job);

/* Reads what there is room for. */
void intake_pump(struct intake *in);

/* Leaves the group, or joins it again: not in the middle of a rebalance, but as soon as that is over. What runs goes on with a lease. */
void intake_set_out(struct intake *in, bool out);
/* It has left, and every cursor is given back. */
bool intake_is_out(const struct intake *in);

/* Nothing new from here on: unstarted jobs that hold no lease are dropped, the leased ones are put into @leased. */
void intake_stop(struct intake *in, struct list *leased);
/* After intake_stop(): gives every cursor back; owner->release is called, then intake_is_released(). */
void intake_release_all(struct intake *in);
bool intake_is_released(const struct intake *in);
