/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the pool, for worker/pool*.c alone: one slot per executor that there may be. */
#pragma once

#include <sys/types.h>

#include "worker/capture.h"
#include "worker/frame.h"
#include "worker/pool.h"
#include "worker/zygote.h"

enum executor_state { EXECUTOR_ABSENT, EXECUTOR_STARTING, EXECUTOR_READY, EXECUTOR_DYING };

/* How far the stopping of the running job has gone. */
enum stop_stage { STOP_NONE, STOP_ASKED, STOP_TERMINATED, STOP_KILLED };

/* A job that the HTTP process has. */
struct request {
    struct job *job; /* NULL: the slot is free */
    int64_t sent_us;
    int64_t
        due_us; /* when its time-out is up, or, once it was asked to stop, the patience with its process */
    bool asked; /* to stop: it ends with this outcome, unless it is done after all */
    enum job_outcome outcome;
    const char *why; /* a literal */
};

struct executor {
    struct pool *pool;
    enum executor_state state;
    pid_t pid; /* 0 until the zygote has told it */
    int socket;
    int cancel_fd; /* eventfd */
    struct frame_board *board;
    sd_event_source *io;
    int output_fd; /* what it writes on standard output and standard error */
    sd_event_source *output_io;
    struct capture capture; /* of the first job without an answer */
    struct buf out;         /* not yet written */
    struct buf in;
    struct list jobs; /* in the order of their seq */
    size_t n_jobs;
    uint32_t last_seq;
    bool has_long;     /* holds a job that is not known to be short */
    bool worn;         /* to be replaced: takes no more jobs */
    bool on_trial;     /* is to show whether another configuration's handlers load */
    int n_done;        /* jobs that it has answered */
    int64_t idle_us;   /* since when it has no job */
    bool has_progress; /* its page has some that was not read */

    /* the HTTP process */
    struct request *requests; /* http_slots; NULL: it is an executor */
    size_t payload_bytes;     /* of its jobs */
    bool hung;                /* killed because it does not answer */

    /* its running job is being stopped, and ends with this outcome, unless it is done after all */
    enum stop_stage stop_stage;
    uint32_t stop_seq;
    enum job_outcome stop_outcome;
    const char *stop_why; /* a literal */
    int64_t stop_next_us; /* when the next stage is due */
};

/* One that takes requests; the others have grown too large, or have another configuration, and end with their last request. */
#define HTTP_PROCESSES 8

/* More than executors_max can be: old ones may still have a job when another configuration has begun. */
#define POOL_SLOTS (HTTP_PROCESSES + CONFIG_MAX_EXECUTORS + 64)

struct pool {
    sd_event *event;
    int zygote;
    int64_t asked_us; /* monotonic: since when the zygote has not answered; 0: it has */
    sd_event_source *zygote_io, *stall_timer, *respawn_timer, *idle_timer, *progress_timer;
    sd_event_source *watch_timer; /* to the next time-out or stage of stopping */
    int64_t watch_us;             /* when that is; 0: nothing to watch */
    const struct cgroup *cgroup;  /* NULL: none */
    const struct job_config *config;
    struct pool_owner owner;
    struct executor
        *executors;   /* POOL_SLOTS; the first HTTP_PROCESSES are for the HTTP process and its successors */
    uint32_t n_slots; /* that have been in use */
    uint32_t max;     /* beyond it none is */
    size_t n_alive;   /* executors in any state but ABSENT */
    size_t n_busy;    /* of these, with a job */
    uint32_t http_slots; /* of one's requests, a power of two */
    uint32_t n_unproven; /* processes that shall load their handlers before anything runs */
    uint32_t n_on_trial; /* that have not shown yet whether another configuration's handlers load */
    sd_event_source *trial_timer;
    bool proven, draining, waiting_to_respawn;
    size_t n_running;
    uint64_t oom_kills;       /* of the kernel, when last looked at */
    int64_t output_second_us; /* since when output_lines are counted */
    int output_lines;         /* that went to the log */
};

/* --- pool.c --- */

const char *pool_state_name(enum executor_state state);
/* Of an absent one; tries again later when that fails. */
void pool_spawn(struct pool *p, struct executor *e);

/* NULL: nothing runs. */
struct job *executor_running_job(const struct executor *e);
/* Takes back what has not started; it goes to the owner's `unstarted`. */
void executor_take_back(struct executor *e);
/* It has no job from now on: sees to it that it is not kept for ever. */
void executor_watch_idle(struct executor *e);
/* Takes jobs, now or as soon as it has loaded its handlers. */
bool executor_is_able(const struct executor *e);
/* It has no job and gets no more: it is told to end, and ends by itself. */
void executor_retire(struct executor *e);
/* Makes an executor in slot @e that loads the handlers of @config. Return: 0; negative errno. */
int executor_spawn(struct pool *p, struct executor *e, const struct job_config *config);
/* Out of the executor's list. */
void executor_take_job(struct executor *e, struct job *job);

/* --- pool_renew.c: another configuration --- */

int renew_init(struct pool *p);
/* One on trial has loaded its handlers (@error is NULL), or says why not. */
void renew_judge(struct pool *p, const char *error);

/* --- pool_answer.c: what executors say, and how they end --- */

void answer_init(struct pool *p);
/* The socket's handler. */
int answer_on_socket(sd_event_source *source, int fd, uint32_t events, void *userdata);
void answer_write_socket(struct executor *e);
/* The executor is dead: answers that were not read yet, then blame. Its jobs are gone afterwards. */
void answer_on_exit(struct executor *e, const struct zygote_exit *exit);

/* --- pool_stop.c: time-outs, and stopping jobs in stages --- */

int stop_init(struct pool *p);
void stop_watch_until(struct pool *p, int64_t at_us);
/* @job was just given to an executor. */
void stop_watch(struct pool *p, const struct job *job);
/* @job has ended while it was being stopped: sets its outcome. @e->stop_stage is STOP_NONE afterwards. */
void stop_settle(struct executor *e, struct job *job);
/* Is the running job @job the one that is being stopped? */
bool stop_is_for(const struct executor *e, const struct job *job);

/* @job was asked to stop and has ended: so it is what it was to be, unless it is done after all. */
void stop_end_job(struct job *job, enum job_outcome outcome, const char *why);

/* --- pool_http.c: the HTTP process --- */

bool http_is_needed(const struct job_config *config);
int http_init(struct pool *p);
bool http_has_kind(const struct job *job);
/* Sees to it that there is one that takes jobs, or will in time. */
void http_start(struct pool *p);
/* The one that has room for @job; NULL: none now. */
struct executor *http_choose(struct pool *p, const struct job *job);
uint32_t http_next_number(struct executor *e);
/* @job, which has its number, comes and goes. */
void http_add(struct executor *e, struct job *job);
void http_remove(struct executor *e, const struct job *job);
struct job *http_find_job(const struct executor *e, uint32_t seq);
int64_t http_sent_us(const struct executor *e, const struct job *job);
void http_each_running(struct executor *e, pool_running_fn fn, void *userdata);
void http_dump(const struct executor *e);
/* As those of pool.h and pool_stop.c. */
void http_stop(struct executor *e, struct job *job, enum job_outcome outcome, const char *why);
void http_stop_all(struct executor *e, enum job_outcome outcome, const char *why);
void http_interrupt(struct executor *e, pool_match_fn match, const void *arg, const char *why);
bool http_is_stopped(const struct executor *e, const struct job *job);
void http_settle(struct executor *e, struct job *job);
int64_t http_look(struct executor *e, int64_t now_us);

/* --- pool_progress.c: how far the running jobs are --- */

int progress_init(struct pool *p);
/* The executor has told that there is some. */
void progress_note(struct executor *e);

/* --- pool_output.c: what handlers write --- */

/* @ret_write_end: the executor's; the caller closes it. Return: 0 or more; negative errno, and output_close() is due all the same. */
int output_open(struct executor *e, int *ret_write_end);
void output_close(struct executor *e);
/* Takes what is in the pipe, before an answer says that its job has ended. */
void output_read(struct executor *e);
/* @job, the first of @e, has ended: its last lines explain a failure that nothing else explains. @died: with its executor. */
void output_end_job(struct executor *e, struct job *job, bool died);
