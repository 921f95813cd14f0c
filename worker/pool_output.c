/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What handlers write on standard output and standard error goes to the worker's log, line by line, with the job's id.
 *
 * Each executor has a pipe for both. It is always read, so no handler waits for long, and never kept beyond the bounds of
 * worker/capture.h; the log gets at most OUTPUT_LINES lines a second from all of them.
 *
 * A handler writes before its executor answers, so the pipe is read before an answer is taken: what is in it then belongs to the
 * first job without an answer. Of jobs that were sent ahead together some lines may go to a neighbour's name; those of job_log()
 * carry their own.
 */
#include "worker/pool_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#define OUTPUT_CHUNK (64 * 1024) /* what a pipe holds */
#define OUTPUT_LINES 1000

/* Return: false when this second's lines are used up, which is said once. */
static bool may_log(struct pool *p)
{
    int64_t now_us = clock_mono_us();
    if (now_us - p->output_second_us >= USEC_PER_SEC) {
        p->output_second_us = now_us;
        p->output_lines = 0;
    }
    if (++p->output_lines == OUTPUT_LINES + 1)
        log_warning("run: jobs write more than %d lines a second; the rest of this second is left out here",
                    OUTPUT_LINES);
    return p->output_lines <= OUTPUT_LINES;
}

/* "job <id>: …", as job_log() writes it. */
static bool names_a_job(const char *line, size_t size)
{
    const size_t start = strlen("job "), end = start + UUID_TEXT_SIZE - 1;
    struct uuid id;
    return size > end && memcmp(line, "job ", start) == 0 && line[end] == ':' &&
           uuid_parse(line + start, end - start, &id) == 0;
}

static void log_line(const char *line, size_t size, void *userdata)
{
    struct executor *e = userdata;
    struct list *first = list_first(&e->jobs);
    char id[UUID_TEXT_SIZE];
    if (size == 0 || !may_log(e->pool))
        return;
    if (names_a_job(line, size))
        log_info("%.*s", (int)size, line);
    else if (first)
        log_info("job %s: %.*s", uuid_format(&job_of(first)->envelope.id, id), (int)size, line);
    else
        log_info("executor %d: %.*s", e->pid, (int)size, line);
}

static void end_lines(struct executor *e)
{
    struct list *first = list_first(&e->jobs);
    char id[UUID_TEXT_SIZE] = "none";
    uint64_t n_dropped = capture_end(&e->capture, log_line, e);
    if (first)
        uuid_format(&job_of(first)->envelope.id, id);
    if (n_dropped) /* however many lines there were this second */
        log_info("job %s: [truncated: %" PRIu64 " bytes more]", id, n_dropped);
}

/* Return: false when there is nothing more now, or ever. */
static bool read_once(struct executor *e)
{
    char chunk[OUTPUT_CHUNK];
    ssize_t n = read(e->output_fd, chunk, sizeof(chunk));
    if (n > 0)
        capture_take(&e->capture, chunk, (size_t)n, log_line, e);
    else if (n == 0)
        sd_event_source_set_enabled(e->output_io, SD_EVENT_OFF);
    return n == sizeof(chunk);
}

static int on_output(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    (void)source;
    (void)fd;
    (void)events;
    read_once(userdata);
    return 0;
}

void output_read(struct executor *e)
{
    if (e->output_fd >= 0 && read_once(e))
        read_once(e); /* whoever writes still is not worth waiting for */
}

static void add_to_error(const struct capture *c, struct job *job)
{
    _cleanup_buf_ struct buf text = { 0 };
    if (job->error)
        buf_append_format(&text, "%s; ", job->error);
    buf_append_string(&text, "it wrote: ");
    capture_append_tail(c, &text);
    buf_append_char(&text, 0);
    if (text.failed)
        return;
    free(job->error);
    job->error = steal(text.data);
}

void output_end_job(struct executor *e, struct job *job, bool died)
{
    bool failed = job->outcome != OUTCOME_SUCCEEDED && job->outcome != OUTCOME_SNOOZED;
    if (failed && (died || !job->error) && e->capture.tail_size)
        add_to_error(&e->capture, job);
    end_lines(e);
}

int output_open(struct executor *e, int *ret_write_end)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    e->output_fd = ends[0];
    fcntl(e->output_fd, F_SETFL, O_NONBLOCK); /* this end alone: handlers may block */
    *ret_write_end = ends[1];
    return sd_event_add_io(e->pool->event, &e->output_io, e->output_fd, EPOLLIN, on_output, e);
}

void output_close(struct executor *e)
{
    e->output_io = sd_event_source_disable_unref(e->output_io);
    if (e->output_fd >= 0)
        close(e->output_fd);
    e->output_fd = -1;
    end_lines(e);
}
