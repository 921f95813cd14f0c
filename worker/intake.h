/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads jobs from Kafka: membership in the group, the partitions and their take-over, and each record's way to the ready list.
 *
 * Take-over, three steps (worker/partition.h has the states): (1) the recorder raises the epoch and reads the cursor in
 * PostgreSQL; (2) next_offset is committed to Kafka, which refuses whoever is no member any more; (3) the partition is
 * read and its jobs are dispatched. A rebalance waits for step 1: without a cursor there is no position to read from.
 *
 * Revocation: nothing of the partition starts any more, jobs that have not started are dropped (they are still in the
 * log), what runs is waited for and recorded, the cursor is given back, and only then is Kafka answered. When that takes
 * longer than INTAKE_REVOKE_LIMIT_US, or when the assignment was lost, the executors are killed instead.
 *
 * Bounds: the ready list by INTAKE_READY_JOBS and INTAKE_READY_BYTES, each partition by its window, librdkafka's prefetch
 * by its own settings.
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

#define INTAKE_READY_JOBS 4096
#define INTAKE_READY_BYTES (16 << 20)
#define INTAKE_POLL_LIMIT_US (300 * INT64_C(1000000))
#define INTAKE_REVOKE_LIMIT_US (INTAKE_POLL_LIMIT_US - 10 * INT64_C(1000000))

struct intake;

struct intake_owner {
    void (*take_over)(struct list *partitions,
                      void *userdata); /* raise the epochs of those in state TAKING */
    void (*release)(struct list *partitions,
                    void *userdata); /* give the closing ones back when nothing is open */
    void (*drop)(struct partition *p, bool kill,
                 void *userdata); /* forget its jobs everywhere; kill: those running, too */
    void (*finished)(struct job *job, void *userdata); /* ended without being run */
    void (*claim)(struct job *job, void *userdata);    /* must be leased before it starts */
    void (*gap)(void *userdata);                       /* a cursor can move without a job */
    void (*fatal)(const char *why, void *userdata);    /* the consumer is lost: the process has to end */
    void *userdata;
};

int intake_new(struct intake **ret, sd_event *event, const struct job_config *config,
               const struct intake_owner *owner, struct err *reterr);
/* Leaves the group. Return: 0; 1 when librdkafka did not come back in time (then nothing is freed). */
int intake_close(struct intake *in, int64_t timeout_us);

struct list *intake_partitions(struct intake *in);

/* What the recorder reports. */
void intake_taken(struct intake *in, struct partition *p, bool unclean, struct span done,
                  int64_t next_offset);
void intake_taken_all(struct intake *in);
void intake_advanced(struct intake *in, struct partition *p);
void intake_fenced(struct intake *in, struct partition *p);
void intake_released(struct intake *in);

/* A job that may start; a claimed one, or one that its executor gave back, goes first. */
void intake_add_ready(struct intake *in, struct job *job);
struct job *intake_next_ready(struct intake *in);

/* Reads what there is room for. */
void intake_pump(struct intake *in);

/* Nothing new from here on: unstarted jobs that hold no lease are dropped, the leased ones are put into @leased. */
void intake_stop(struct intake *in, struct list *leased);
/* After intake_stop(): gives every cursor back; owner->release is called, then intake_is_released(). */
void intake_release_all(struct intake *in);
bool intake_is_released(const struct intake *in);
