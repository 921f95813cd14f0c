/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes what the worker knows to PostgreSQL: one serial batch after the other.
 *
 * Model: finished jobs and wanted claims gather while the previous transaction is under way (natural group commit). A batch is one
 * transaction (store/record.h): the cursors that it touches, and what became of its jobs. Only when it is known to be
 * committed do windows advance, claimed jobs start and memory go.
 *
 * Leases: a job that runs long is handed over (worker/handover.h), a job that may be a duplicate is claimed. While this worker holds
 * any, it beats; when no beat was answered for so long that a broker may soon declare it dead, it stops the leased jobs by
 * itself. That deadline starts anew whenever PostgreSQL refuses a connection, for then no broker has one either; silence
 * does not move it.
 *
 * Invariants:
 *   - at most one request is under way; every cursor that a batch touches gets the same new batch_seq.
 *   - an offset is marked done in a batch if and only if the job's row, or its lease, is in the same batch.
 *   - a batch whose COMMIT was not answered is settled by reading batch_seq back before anything else is written.
 *
 * Crash story: if the worker dies before COMMIT, nothing of the batch exists: its jobs run again after the take-over. If it
 * dies after, everything does. If PostgreSQL refuses a row, the batch is halved until the row is alone; it is then
 * recorded without what PostgreSQL would not take. If a partition is fenced, its part is dropped and the rest repeated.
 */
#pragma once

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "libjob/config.h"
#include "worker/job.h"
#include "worker/partition.h"

#define RECORDER_MAX_JOBS 4000
#define RECORDER_MAX_BYTES (32 << 20)

struct recorder;
struct keys_room;
struct rows; /* store/db.h */

/* What a take-over found. */
struct recorder_cursor {
    int64_t next_offset;
    struct span done; /* worker/window.h */
    bool unclean;     /* its last owner did not give it back */
    int crash_count;  /* unclean take-overs since anything was recorded */
    int64_t suspect;  /* the first undone record from here on was taken up alone; -1: none */
    bool trouble;     /* the log is another one than it belongs to, and nobody has reset it yet */
};

struct recorder_owner {
    void (*claimed)(struct job *job, void *userdata); /* leased now: may start */
    void (*disowned)(struct job *job,
                     void *userdata); /* runs here, but is taken or has ended elsewhere: stop it, drop it */
    void (*leases_unsure)(
        void *userdata);                 /* a broker may soon give the leased jobs to others: stop them now */
    void (*leases_lost)(void *userdata); /* it has: drop every leased job */
    void (*fenced)(struct partition *p,
                   void *userdata); /* the cursor is somebody else's; call recorder_drop_partition() */
    void (*taken)(struct partition *p, const struct recorder_cursor *cursor, void *userdata);
    void (*taken_all)(void *userdata); /* after the last taken() of a take-over */
    void (*released)(void *userdata);  /* every cursor asked for is given back, or no longer ours */
    void (*advanced)(struct partition *p, void *userdata); /* the cursor moved */
    void (*noted)(struct partition *p, void *userdata);    /* its note is written down */
    void (*notified)(const char *channel, const char *payload,
                     void *userdata); /* a channel of the recorder's connection */
    /* after each connection, and when it was asked for: all that job.cancel has, and the queues that are paused; see recorder_drain_by(), too */
    void (*wishes)(const struct rows *cancelled, const struct rows *paused, void *userdata);
    void (*progress)(void *userdata); /* something has changed: look again */
    void *userdata;
};

int recorder_new(struct recorder **ret, sd_event *event, const struct job_config *config,
                 const struct recorder_owner *owner);
struct recorder *recorder_free(struct recorder *r);
DEFINE_CLEANUP(struct recorder *, recorder_free)

/* Starts connecting; goes on for ever, with backoff. */
void recorder_start(struct recorder *r);
/* PostgreSQL's clock, as far as its answers tell; µs since 1970. */
int64_t recorder_server_now_us(const struct recorder *r);

/* All partitions of this worker, for cursors that move without a job and for the heads of keys. Both stay the caller's. */
void recorder_set_partitions(struct recorder *r, struct list *partitions, struct keys_room *keys);

/* The recorder takes the job. */
void recorder_add_finished(struct recorder *r, struct job *job);
void recorder_add_claim(struct recorder *r, struct job *job);
/* @job runs, and goes on running: its offset is done once its lease is written. What has one, or may have none, is left alone. */
void recorder_add_handover(struct recorder *r, struct job *job);
/* The configuration has changed. */
void recorder_reload(struct recorder *r);
/* Tells the owner anew which jobs are cancelled, which queues are paused and whether this worker is to be drained. Until then nothing should start, for it could be wrong. */
void recorder_read_wishes(struct recorder *r);
bool recorder_knows_wishes(const struct recorder *r);
/* Tells others that of these paused queues nothing runs here any more: names with commas between them. A change is written at once. */
void recorder_set_quiet(struct recorder *r, const char *queues);
/* The same: of these queues too many tries fail. @queues: a JSON object, see job.worker.narrow. */
void recorder_set_narrow(struct recorder *r, const char *queues);
/* The same: as job.worker.phase. @phase is not copied. */
void recorder_set_phase(struct recorder *r, const char *phase);
/* Who wants this worker drained, as far as is known; NULL: nobody. It is remembered when the worker goes on under a new name. */
const char *recorder_drain_by(const struct recorder *r);
const char *recorder_worker_id(const struct recorder *r);
/* How far @job is, which runs. Written with the next batch once the job holds a lease; the newest counts. Each call may cause a batch. */
void recorder_set_progress(struct recorder *r, struct job *job, struct span progress);
bool recorder_is_away(const struct recorder *r);
size_t recorder_n_leases(const struct recorder *r);
/* Into the log, for a person. */
void recorder_dump(const struct recorder *r);
/* Not yet recorded, claims included. */
size_t recorder_n_waiting(const struct recorder *r);
/* False: nothing that ends here may be started, or it would gather without bound. What runs may still come. */
bool recorder_has_room(const struct recorder *r);

/* Takes over the cursors of these partitions, all in state TAKING. */
void recorder_take_over(struct recorder *r, struct list *partitions);
/* Gives back the cursors of the closing partitions in this list, once none has an open job. */
void recorder_release(struct recorder *r, struct list *partitions);
/* Nothing is to be taken over or given back any more. */
void recorder_forget_requests(struct recorder *r);
/* Forgets the claims of @p that have not been asked for: these jobs stay in the log. */
void recorder_drop_claims(struct recorder *r, struct partition *p);
/* The partition goes away: its unleased jobs in here are dropped. */
void recorder_drop_partition(struct recorder *r, struct partition *p);
/* Some partition has a note to be written down; `noted` follows. */
void recorder_write_notes(struct recorder *r);
/* Cursors that moved over gaps only are written with the next batch, at the latest after a second. */
void recorder_note_gap(struct recorder *r);
/* The same, at once. */
void recorder_write_cursors(struct recorder *r);

/* Sends the next request if there is one to send. Call after changes. */
void recorder_pump(struct recorder *r);

/* Deletes the worker's row; `progress` follows. */
void recorder_unregister(struct recorder *r);
bool recorder_is_unregistered(const struct recorder *r);
