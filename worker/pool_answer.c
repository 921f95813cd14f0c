/* SPDX-License-Identifier: Apache-2.0 */
/* What executors say of their jobs, and what becomes of the jobs of one that has died. */
#include "worker/pool_inside.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/log.h"

/* --- What they say ------------------------------------------------------------------------------------------------------------ */

static char *copy_of(struct span bytes)
{
    char *copy = malloc(bytes.size + 1);
    if (!copy)
        return NULL;
    memcpy(copy, bytes.data, bytes.size);
    copy[bytes.size] = 0;
    return copy;
}

static enum job_outcome outcome_of(int32_t verdict)
{
    switch (verdict) {
    case JOB_DONE:
        return OUTCOME_SUCCEEDED;
    case JOB_FAIL:
        return OUTCOME_FAILED_FOR_GOOD;
    case JOB_SNOOZE:
        return OUTCOME_SNOOZED;
    case FRAME_UNKNOWN_TYPE:
        return OUTCOME_UNKNOWN_TYPE;
    case FRAME_CRASHED:
        return OUTCOME_CRASHED;
    case FRAME_TIMEOUT:
        return OUTCOME_TIMEOUT;
    default:
        return OUTCOME_FAILED;
    }
}

static void fill_from_answer(struct job *job, const struct frame_answer *answer, struct span result,
                             struct span error)
{
    job->outcome = outcome_of(answer->verdict);
    job->started_us = answer->started_us;
    job->finished_us = answer->finished_us;
    job->cpu_us = answer->used.cpu_us;
    job->peak_kib = answer->used.peak_kib;
    job->retry_after_ms = answer->retry_after_ms;
    if (result.data) {
        job->result = copy_of(result);
        job->result_size = job->result ? result.size : 0;
    }
    if (error.data)
        job->error = copy_of(error);
}

/* One that has done its share, or has grown too large, runs what it holds and is replaced. */
static void note_wear(struct executor *e, int64_t executor_kib)
{
    const struct config_worker *config = &e->pool->config->worker;
    e->n_done++;
    e->worn |= (!e->requests && config->recycle_jobs && e->n_done >= config->recycle_jobs) ||
               (config->recycle_memory_bytes && executor_kib > config->recycle_memory_bytes / 1024);
    if (e->requests && e->worn)
        http_start(e->pool);
}

/* An executor's answers come in the order of its jobs. */
static struct job *find_job(struct executor *e, uint32_t seq)
{
    struct list *first = list_first(&e->jobs);
    if (e->requests)
        return http_find_job(e, seq);
    return first && job_of(first)->seq == seq ? job_of(first) : NULL;
}

/* One that is known already (page and socket both had it) finds no job. Return: false when it is not whole. */
static bool take_answer(struct executor *e, const struct frame_answer *answer)
{
    struct job *job = find_job(e, answer->seq);
    struct span result, error;
    if (!frame_get_answer(answer, &result, &error))
        return false;
    if (!job)
        return true;
    fill_from_answer(job, answer, result, error);
    if (stop_is_for(e, job))
        stop_settle(e, job);
    job_type_learn(job->type, answer->finished_us - answer->started_us);
    note_wear(e, answer->used.executor_kib);
    output_end_job(e, job, false);
    executor_take_job(e, job);
    e->pool->owner.finished(job, e->pool->owner.userdata);
    return true;
}

/* Return: false when it has no business to come now. */
static bool take_hello(struct executor *e, const struct frame *hello)
{
    const char *error = (const char *)(hello + 1);
    if (e->state != EXECUTOR_STARTING || hello->size <= sizeof(*hello))
        return false;
    if (e->on_trial) {
        e->state = *error ? EXECUTOR_DYING : EXECUTOR_READY;
        executor_watch_idle(e);
        renew_judge(e->pool, *error ? error : NULL);
    } else if (e->worn) { /* the configuration has changed meanwhile */
        executor_retire(e);
    } else if (*error && !e->pool->proven) {
        e->pool->owner.broken(error, e->pool->owner.userdata);
    } else if (*error) {
        log_error("run: %s", error); /* a module was replaced by a broken one: the other executors go on */
    } else {
        e->state = EXECUTOR_READY;
        executor_watch_idle(e); /* what it was started for may be over */
        if (!e->pool->proven)
            e->pool->proven = --e->pool->n_unproven == 0;
        if (e->pool->proven)
            pool_start_minimum(e->pool);
    }
    return true;
}

/* Return: true for a frame that makes sense. */
static bool take_frame(struct executor *e, const struct frame *frame)
{
    if (frame->kind == FRAME_HELLO)
        return take_hello(e, frame);
    if (frame->kind == FRAME_PROGRESS) {
        progress_note(e);
        return true;
    }
    return frame->kind == FRAME_ANSWER && frame->size >= sizeof(struct frame_answer) &&
           take_answer(e, (const struct frame_answer *)(const void *)frame);
}

static void take_frames(struct executor *e, const char *data, size_t size, size_t *at)
{
    bool broken = false;
    while (!broken) {
        const struct frame *frame = frame_next(data, size, at, &broken);
        if (!frame)
            break;
        broken = !take_frame(e, frame);
    }
    if (broken && e->pid) /* the handler scribbled over the socket: nothing that follows can be trusted */
        zygote_request_kill(e->pool->zygote, e->pid, SIGKILL);
}

/* Return: false at the end of the stream. */
static bool read_socket(struct executor *e)
{
    const size_t chunk = 64 * 1024;
    char *room = buf_reserve(&e->in, chunk);
    if (!room)
        return false;
    ssize_t n = recv(e->socket, room, chunk, 0);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    if (n == 0)
        return false;
    e->in.size += (size_t)n;
    output_read(e);
    size_t at = 0;
    take_frames(e, e->in.data, e->in.size, &at);
    buf_consume(&e->in, at);
    return true;
}

void answer_write_socket(struct executor *e)
{
    if (e->out.size) {
        ssize_t n = send(e->socket, e->out.data, e->out.size, MSG_NOSIGNAL);
        if (n > 0)
            buf_consume(&e->out, (size_t)n);
    }
    sd_event_source_set_io_events(e->io, e->out.size ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

int answer_on_socket(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    struct executor *e = userdata;
    (void)fd;
    if (events & EPOLLOUT)
        answer_write_socket(e);
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && !read_socket(e)) {
        sd_event_source_set_enabled(source, SD_EVENT_OFF); /* the zygote tells how it ended */
        if (e->state == EXECUTOR_READY)
            e->state = EXECUTOR_DYING;
    }
    return 0;
}

/* --- The end of an executor ---------------------------------------------------------------------------------------------- */

static void read_rest(struct executor *e)
{
    size_t before;
    do {
        before = e->in.size;
        int pending = (int)recv(e->socket, &(char){ 0 }, 1, MSG_PEEK);
        if (pending <= 0)
            break;
    } while (read_socket(e) || e->in.size != before);
    size_t at = 0;
    uint32_t unsent = atomic_load(&e->board->unsent_size);
    if (unsent <= FRAME_UNSENT_SIZE)
        take_frames(e, e->board->unsent, unsent, &at);
}

/* The kernel's count of processes that it has killed for want of memory, anywhere on the machine. */
static uint64_t read_oom_kills(void)
{
    char name[64];
    uint64_t value;
    FILE *file = fopen("/proc/vmstat", "re");
    bool found = false;
    while (file && !found && fscanf(file, "%63s %" SCNu64, name, &value) == 2)
        found = strcmp(name, "oom_kill") == 0;
    if (file)
        fclose(file);
    return found ? value : 0;
}

/* What its control group says, or else the machine. */
static bool is_oom(struct pool *p, const struct zygote_exit *exit)
{
    uint64_t before = p->oom_kills;
    p->oom_kills = read_oom_kills();
    return exit->tells_oom ? exit->oom : p->oom_kills > before;
}

static void blame_signal(struct job *job, int number, bool oom)
{
    if (oom)
        job_finish(job, OUTCOME_OOM, "out of memory: the kernel killed it");
    else
        job_finish(job, OUTCOME_CRASHED, "killed by signal %d (%s)", number, strsignal(number));
}

static void blame(struct executor *e, struct job *job, const struct zygote_exit *exit, bool oom)
{
    job->started_us = e->requests ? http_sent_us(e, job) : atomic_load(&e->board->started_us);
    job->finished_us = clock_mono_us();
    job->cpu_us = e->requests ? -1 : exit->cpu_us - atomic_load(&e->board->begun_us);
    job->peak_kib = e->requests ? -1 : exit->peak_kib; /* many share the process */
    job->outcome = OUTCOME_CRASHED;
    if (stop_is_for(e, job))
        stop_settle(e, job);
    else if (e->hung)
        job_finish(job, OUTCOME_INTERRUPTED, "the HTTP process did not answer any more and was killed");
    else if (WIFSIGNALED(exit->status))
        blame_signal(job, WTERMSIG(exit->status), oom);
    else
        job_finish(job, OUTCOME_CRASHED, "exited with status %d without an answer",
                   WEXITSTATUS(exit->status));
}

void answer_init(struct pool *p)
{
    p->oom_kills = read_oom_kills();
}

static void give_jobs_back(struct executor *e, const struct zygote_exit *exit)
{
    uint32_t started = frame_state_started(atomic_load(&e->board->state));
    bool oom = WIFSIGNALED(exit->status) && WTERMSIG(exit->status) == SIGKILL && is_oom(e->pool, exit);
    list_for_each_safe(link, &e->jobs)
    {
        struct job *job = job_of(link);
        bool has_started = (int32_t)(job->seq - started) <= 0;
        if (has_started) {
            blame(e, job, exit, oom);
            output_end_job(e, job, true);
        }
        executor_take_job(e, job);
        if (has_started) {
            e->pool->owner.finished(job, e->pool->owner.userdata);
        } else {
            e->pool->owner.unstarted(job, e->pool->owner.userdata);
        }
    }
}

void answer_on_exit(struct executor *e, const struct zygote_exit *exit)
{
    read_rest(e);
    output_read(e);
    give_jobs_back(e, exit);
}
