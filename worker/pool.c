/* SPDX-License-Identifier: Apache-2.0 */
/* Which executors there are, and which job goes to which of them. */
#include "worker/pool_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "worker/executor.h"

#define STALL_US 20000 /* a short job that runs longer holds up others */
#define STALL_LOOK_US 10000
#define ZYGOTE_LIMIT_US (10 * USEC_PER_SEC) /* it answers at once, or when it has ended what a job has left */
#define RESPAWN_US 1000000                  /* after an executor died before it had loaded its handlers */

/* --- Making and losing executors ---------------------------------------------------------------------------------------- */

static int make_board(struct executor *e)
{
    _cleanup_close_ int fd = memfd_create("jobworkerd-board", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, sizeof(*e->board)) < 0)
        return -errno;
    void *board = mmap(NULL, sizeof(*e->board), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (board == MAP_FAILED)
        return -errno;
    e->board = board;
    return steal_fd(&fd);
}

static void forget(struct executor *e)
{
    struct pool *p = e->pool;
    p->n_alive -= e->state != EXECUTOR_ABSENT && !e->requests;
    output_close(e);
    e->io = sd_event_source_disable_unref(e->io);
    if (e->socket >= 0)
        close(e->socket);
    if (e->cancel_fd >= 0)
        close(e->cancel_fd);
    if (e->board)
        munmap(e->board, sizeof(*e->board));
    buf_done(&e->out);
    buf_done(&e->in);
    e->socket = e->cancel_fd = -1;
    e->board = NULL;
    e->pid = 0;
    e->last_seq = 0;
    e->stop_stage = STOP_NONE;
    e->worn = e->hung = false;
    e->has_progress = false;
    e->on_trial = false;
    e->n_done = 0;
    e->state = EXECUTOR_ABSENT;
    while (p->max > HTTP_PROCESSES + (uint32_t)p->config->worker.executors_max &&
           p->executors[p->max - 1].state == EXECUTOR_ABSENT)
        p->max--;
}

/* Return: -1 for none, also when it fails: then limits do not hold, and the log says so. */
static int open_group(const struct executor *e, const struct config_limits *limits)
{
    const struct pool *p = e->pool;
    int group = cgroup_open_group(p->cgroup, (unsigned)(e - p->executors - HTTP_PROCESSES), limits);
    if (group >= 0 || !p->cgroup)
        return group;
    log_error("run: an executor has no control group, so that its limits do not hold: %s", strerror(-group));
    return -1;
}

static void put_setup(struct executor *e, const struct job_config *config)
{
    if (e->requests) {
        executor_put_http_setup(&e->out, config, e->pool->http_slots);
        return;
    }
    struct config_limits limits = config->worker.limits;
    cgroup_leave_rest(e->pool->cgroup, &limits);
    executor_put_setup(&e->out, config, &limits);
}

static void use_slots(struct pool *p, uint32_t n)
{
    for (; p->n_slots < n; p->n_slots++) {
        struct executor *e = &p->executors[p->n_slots];
        e->pool = p;
        e->socket = e->cancel_fd = e->output_fd = -1;
        list_init(&e->jobs);
    }
    if (p->max < n)
        p->max = n;
}

int executor_spawn(struct pool *p, struct executor *e, const struct job_config *config)
{
    use_slots(p, (uint32_t)(e - p->executors) + 1);
    int pair[2];
    _cleanup_close_ int board = make_board(e);
    if (board < 0)
        return board;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    e->socket = pair[0];
    fcntl(e->socket, F_SETFL, O_NONBLOCK);
    e->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    _cleanup_close_ int output = -1;
    int r = e->cancel_fd < 0 ? -errno : output_open(e, &output);
    _cleanup_close_ int group = e->requests ? -1 : open_group(e, &config->worker.limits);
    const int fds[] = { [ZYGOTE_SOCKET] = pair[1],
                        [ZYGOTE_BOARD] = board,
                        [ZYGOTE_CANCEL] = e->cancel_fd,
                        [ZYGOTE_OUTPUT] = output,
                        [ZYGOTE_GROUP] = group };
    if (r >= 0)
        r = zygote_request_spawn(p->zygote, (uint32_t)(e - p->executors), fds);
    close(pair[1]);
    if (r == 0)
        r = sd_event_add_io(p->event, &e->io, e->socket, EPOLLIN, answer_on_socket, e);
    if (r < 0) {
        forget(e);
        return r;
    }
    e->state = EXECUTOR_STARTING;
    if (!e->requests)
        p->n_alive++;
    put_setup(e, config);
    return 0;
}

static void wait_to_respawn(struct pool *p)
{
    p->waiting_to_respawn = true;
    sd_event_source_set_time_relative(p->respawn_timer, RESPAWN_US);
    sd_event_source_set_enabled(p->respawn_timer, SD_EVENT_ONESHOT);
}

static bool has_room_for_more(const struct pool *p)
{
    return p->n_alive < (size_t)p->config->worker.executors_max;
}

bool executor_is_able(const struct executor *e)
{
    return (e->state == EXECUTOR_STARTING || e->state == EXECUTOR_READY) && !e->worn && !e->on_trial;
}

static bool is_ready(const struct executor *e)
{
    return e->state == EXECUTOR_READY && executor_is_able(e);
}

static int count_able(const struct pool *p)
{
    int n = 0;
    for (uint32_t i = HTTP_PROCESSES; i < p->max; i++)
        n += executor_is_able(&p->executors[i]);
    return n;
}

void pool_spawn(struct pool *p, struct executor *e)
{
    if (!p->waiting_to_respawn && !p->draining && executor_spawn(p, e, p->config) < 0)
        wait_to_respawn(p);
}

/* Once the handlers are known to load. */
void pool_start_minimum(struct pool *p)
{
    int missing = p->config->worker.executors_min - count_able(p);
    for (struct executor *e = p->executors + HTTP_PROCESSES; missing > 0 && has_room_for_more(p); e++) {
        if (e->state != EXECUTOR_ABSENT)
            continue;
        pool_spawn(p, e);
        missing--;
    }
    http_start(p);
}

static int on_respawn(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct pool *p = userdata;
    (void)source;
    (void)usec;
    p->waiting_to_respawn = false;
    if (p->proven)
        pool_start_minimum(p);
    return 0;
}

int pool_start(struct pool *p)
{
    p->n_unproven = 1;
    int r = executor_spawn(p, &p->executors[HTTP_PROCESSES], p->config);
    if (r < 0 || !http_is_needed(p->config))
        return r;
    p->n_unproven++;
    return executor_spawn(p, &p->executors[0], p->config);
}

bool pool_is_proven(const struct pool *p)
{
    return p->proven;
}

/* --- Fewer of them --------------------------------------------------------------------------------------------------------- */

void executor_retire(struct executor *e)
{
    e->state = EXECUTOR_DYING;
    shutdown(e->socket, SHUT_WR); /* it reads the end, and the zygote tells when it is gone */
}

void executor_watch_idle(struct executor *e)
{
    struct pool *p = e->pool;
    e->idle_us = clock_mono_us();
    if (sd_event_source_get_enabled(p->idle_timer, NULL))
        return;
    sd_event_source_set_time_relative(p->idle_timer, (uint64_t)p->config->worker.executor_idle_us);
    sd_event_source_set_enabled(p->idle_timer, SD_EVENT_ONESHOT);
}

static int on_idle(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct pool *p = userdata;
    int64_t idle_us = p->config->worker.executor_idle_us, old_us = clock_mono_us() - idle_us,
            next_us = INT64_MAX;
    int ready = 0;
    (void)usec;
    for (uint32_t i = HTTP_PROCESSES; i < p->max; i++)
        ready += is_ready(&p->executors[i]);
    for (uint32_t i = p->max; i-- > HTTP_PROCESSES;) {
        struct executor *e = &p->executors[i];
        if (!is_ready(e) || e->n_jobs || ready <= p->config->worker.executors_min)
            continue;
        if (e->idle_us <= old_us) {
            executor_retire(e);
            ready--;
        } else if (e->idle_us < next_us) {
            next_us = e->idle_us;
        }
    }
    if (next_us < INT64_MAX) {
        sd_event_source_set_time(source, (uint64_t)(next_us + idle_us));
        sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    }
    return 0;
}

void executor_take_job(struct executor *e, struct job *job)
{
    list_remove(&job->link);
    e->n_jobs--;
    e->pool->n_running--;
    if (e->requests)
        http_remove(e, job);
    if (e->n_jobs > 0)
        return;
    e->pool->n_busy -= !e->requests;
    e->has_long = false;
    if (e->worn)
        executor_retire(e);
    else if (!e->requests)
        executor_watch_idle(e);
}

static struct executor *find_pid(struct pool *p, pid_t pid)
{
    for (uint32_t i = 0; i < p->max; i++)
        if (p->executors[i].pid == pid)
            return &p->executors[i];
    return NULL;
}

static void on_exit_of(struct pool *p, const struct zygote_exit *exit)
{
    struct executor *e = find_pid(p, exit->pid);
    if (!e)
        return;
    bool never_ready = e->state == EXECUTOR_STARTING && executor_is_able(e);
    if (e->on_trial)
        renew_judge(p, "an executor died while it loaded the handlers");
    answer_on_exit(e, exit);
    forget(e);
    if (p->draining)
        return;
    if (!never_ready) {
        pool_start_minimum(p);
        return;
    }
    if (!p->proven)
        p->owner.broken("an executor died while it loaded the handlers", p->owner.userdata);
    else
        log_error("run: an executor died while it loaded the handlers; next try in 1 s");
    wait_to_respawn(p);
}

static int on_zygote(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    struct pool *p = userdata;
    struct zygote_event event;
    int r;
    (void)source;
    (void)fd;
    (void)events;
    while ((r = zygote_next_event(p->zygote, &event)) == 0) {
        struct executor *e = &p->executors[event.tag]; /* of SPAWNED and FAILED */
        switch (event.kind) {
        case ZYGOTE_SPAWNED:
            e->pid = event.exit.pid;
            answer_write_socket(e);
            break;
        case ZYGOTE_FAILED:
            log_error("run: no executor could be forked: %s; next try in 1 s", strerror(event.exit.status));
            forget(e);
            wait_to_respawn(p);
            break;
        case ZYGOTE_EXITED:
            on_exit_of(p, &event.exit);
            break;
        case ZYGOTE_ANSWERED:
            p->asked_us = 0;
            break;
        }
    }
    if (r < 0) {
        sd_event_source_set_enabled(p->zygote_io, SD_EVENT_OFF);
        p->owner.broken("the zygote process is gone", p->owner.userdata);
    }
    return 0;
}

/* Asked again each time: it may not have taken the question before. */
bool pool_zygote_answers(struct pool *p)
{
    int64_t now_us = clock_mono_us();
    if (p->asked_us == 0)
        p->asked_us = now_us;
    zygote_request_answer(p->zygote); /* that it is gone is seen elsewhere */
    return now_us - p->asked_us < ZYGOTE_LIMIT_US;
}

/* --- Dispatch ------------------------------------------------------------------------------------------------------------ */

static bool has_room(const struct executor *e, bool is_short)
{
    if (!is_ready(e))
        return false;
    return e->n_jobs == 0 || (is_short && !e->has_long && e->n_jobs < POOL_DEPTH);
}

/* The one with the fewest jobs; when none has room, one more is started if there may be. */
static struct executor *choose(struct pool *p, bool is_short)
{
    struct executor *best = NULL, *absent = NULL;
    bool starting = false, one_more = p->n_busy < (size_t)p->config->worker.executors_max;
    for (uint32_t i = HTTP_PROCESSES; i < p->max; i++) {
        struct executor *e = &p->executors[i];
        if (has_room(e, is_short) && (one_more || e->n_jobs > 0) && (!best || e->n_jobs < best->n_jobs))
            best = e;
        if (e->state == EXECUTOR_ABSENT && !absent)
            absent = e;
        starting |= e->state == EXECUTOR_STARTING && executor_is_able(e);
    }
    if ((!best || best->n_jobs > 0) && !starting && has_room_for_more(p))
        pool_spawn(p, absent ? absent : &p->executors[p->max]);
    return best;
}

static void send_job(struct executor *e, struct job *job)
{
    const struct envelope *envelope = &job->envelope;
    const struct config_handler *handler = job->type->handler;
    job->seq = e->last_seq = e->requests ? http_next_number(e) : e->last_seq + 1;
    frame_put_job(&e->out, job->seq, job->epoch, job_timeout_us(job), envelope->time_us, &envelope->id,
                  envelope->type, handler->queue, envelope->content_type, envelope->traceparent,
                  envelope->tracestate, envelope->payload, envelope->attempt, job_max_attempts(job),
                  envelope->delivery);
    stop_watch(e->pool, job);
}

bool pool_dispatch(struct pool *p, struct job *job)
{
    bool is_short = job_is_short(job);
    struct executor *e = http_has_kind(job) ? http_choose(p, job) : choose(p, is_short);
    if (!e)
        return false;
    send_job(e, job);
    list_append(&e->jobs, &job->link);
    p->n_busy += e->n_jobs == 0 && !e->requests;
    e->n_jobs++;
    p->n_running++;
    e->has_long |= !is_short;
    if (e->requests)
        http_add(e, job);
    else if (e->n_jobs > 1 && sd_event_source_get_enabled(p->stall_timer, NULL) == 0) {
        sd_event_source_set_time_relative(p->stall_timer, STALL_LOOK_US);
        sd_event_source_set_enabled(p->stall_timer, SD_EVENT_ONESHOT);
    }
    return true;
}

void pool_flush(struct pool *p)
{
    for (uint32_t i = 0; i < p->max; i++)
        if (p->executors[i].out.size && p->executors[i].state == EXECUTOR_READY)
            answer_write_socket(&p->executors[i]);
}

/* The job that runs now takes long after all: what waits behind it goes elsewhere. */
void executor_take_back(struct executor *e)
{
    uint32_t started = frame_take_back(e->board, e->last_seq);
    list_for_each_safe(link, &e->jobs)
    {
        struct job *job = job_of(link);
        if ((int32_t)(job->seq - started) <= 0)
            continue;
        executor_take_job(e, job);
        e->pool->owner.unstarted(job, e->pool->owner.userdata);
    }
    e->has_long = e->n_jobs > 0;
}

static bool is_stalled(const struct executor *e, int64_t now_us)
{
    uint32_t started = frame_state_started(atomic_load(&e->board->state));
    return started != atomic_load(&e->board->answered) &&
           now_us - atomic_load(&e->board->started_us) > STALL_US;
}

static int on_stall_look(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct pool *p = userdata;
    int64_t now_us = clock_mono_us();
    bool ahead = false;
    (void)usec;
    for (uint32_t i = 0; i < p->max; i++) {
        struct executor *e = &p->executors[i];
        if (e->n_jobs > 1 && e->state == EXECUTOR_READY && is_stalled(e, now_us))
            executor_take_back(e);
        ahead |= e->n_jobs > 1;
    }
    if (ahead) {
        sd_event_source_set_time_relative(source, STALL_LOOK_US);
        sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    }
    return 0;
}

/* --- From outside -------------------------------------------------------------------------------------------------------- */

size_t pool_max_running(const struct job_config *config)
{
    size_t n = (size_t)config->worker.executors_max;
    return http_is_needed(config) ? n + (size_t)config->worker.http_max : n;
}

size_t pool_n_running(const struct pool *p)
{
    return p->n_running;
}

struct job *executor_running_job(const struct executor *e)
{
    if (e->n_jobs == 0)
        return NULL;
    uint32_t started = frame_state_started(atomic_load(&e->board->state));
    if (started == atomic_load(&e->board->answered))
        return NULL;
    list_for_each(link, (struct list *)&e->jobs)
    {
        if (job_of(link)->seq == started)
            return job_of(link);
    }
    return NULL;
}

size_t pool_n_executors(const struct pool *p)
{
    return p->n_alive;
}

const char *pool_state_name(enum executor_state state)
{
    static const char *const names[] = {
        [EXECUTOR_STARTING] = "starting", [EXECUTOR_READY] = "ready", [EXECUTOR_DYING] = "dying"
    };
    return names[state];
}

static void dump_executor(const struct executor *e)
{
    const struct job *job = executor_running_job(e);
    char id[UUID_TEXT_SIZE];
    if (!job)
        log_info("state: executor %d: %s, idle", e->pid, pool_state_name(e->state));
    else
        log_info("state: executor %d: %s, runs %s (%s) for %lld ms, %zu jobs behind it", e->pid,
                 pool_state_name(e->state), uuid_format(&job->envelope.id, id), job->type->name,
                 (long long)((clock_mono_us() - atomic_load(&e->board->started_us)) / USEC_PER_MSEC),
                 e->n_jobs - 1);
}

void pool_dump(const struct pool *p)
{
    log_info("state: run: %zu jobs in %zu executors of at most %d", p->n_running, pool_n_executors(p),
             p->config->worker.executors_max);
    for (uint32_t i = 0; i < p->max; i++)
        if (p->executors[i].state != EXECUTOR_ABSENT)
            (p->executors[i].requests ? http_dump : dump_executor)(&p->executors[i]);
}

void pool_set_draining(struct pool *p)
{
    p->draining = true;
}

void pool_kill_busy(struct pool *p, int signal)
{
    for (uint32_t i = 0; i < p->max; i++)
        if (p->executors[i].n_jobs && p->executors[i].pid)
            zygote_request_kill(p->zygote, p->executors[i].pid, signal);
}

void pool_each_running(struct pool *p, pool_running_fn fn, void *userdata)
{
    for (uint32_t i = 0; i < p->max; i++) {
        struct executor *e = &p->executors[i];
        struct job *job = e->requests ? NULL : executor_running_job(e);
        if (e->requests && e->n_jobs)
            http_each_running(e, fn, userdata);
        else if (job)
            fn(job, atomic_load(&e->board->started_us), userdata);
    }
}

int pool_new(struct pool **ret, sd_event *event, int zygote, const struct cgroup *cgroup,
             const struct job_config *config, const struct pool_owner *owner)
{
    _cleanup_(pool_free_cleanup) struct pool *p = calloc(1, sizeof(*p));
    if (!p)
        return -ENOMEM;
    p->event = event;
    p->zygote = zygote;
    p->cgroup = cgroup;
    p->config = config;
    p->owner = *owner;
    p->executors = calloc(POOL_SLOTS, sizeof(*p->executors)); /* memory only as far as they are used */
    if (!p->executors)
        return -ENOMEM;
    use_slots(p, HTTP_PROCESSES + (uint32_t)config->worker.executors_max);
    answer_init(p);
    int r = http_init(p);
    if (r >= 0)
        r = stop_init(p);
    if (r >= 0)
        r = renew_init(p);
    if (r >= 0)
        r = progress_init(p);
    if (r >= 0)
        r = sd_event_add_io(event, &p->zygote_io, zygote, EPOLLIN, on_zygote, p);
    if (r >= 0)
        r = sd_event_add_time(event, &p->stall_timer, CLOCK_MONOTONIC, 0, 1000, on_stall_look, p);
    if (r >= 0)
        r = sd_event_add_time(event, &p->respawn_timer, CLOCK_MONOTONIC, 0, 1000, on_respawn, p);
    if (r >= 0)
        r = sd_event_add_time(event, &p->idle_timer, CLOCK_MONOTONIC, 0, 1000, on_idle, p);
    if (r < 0)
        return r;
    sd_event_source_set_enabled(p->stall_timer, SD_EVENT_OFF);
    sd_event_source_set_enabled(p->respawn_timer, SD_EVENT_OFF);
    sd_event_source_set_enabled(p->idle_timer, SD_EVENT_OFF);
    *ret = steal(p);
    return 0;
}

struct pool *pool_free(struct pool *p)
{
    if (!p)
        return NULL;
    for (uint32_t i = 0; p->executors && i < p->max; i++) {
        list_for_each_safe(link, &p->executors[i].jobs) job_free(job_of(link));
        forget(&p->executors[i]);
        free(p->executors[i].requests);
    }
    sd_event_source_disable_unref(p->zygote_io);
    sd_event_source_disable_unref(p->stall_timer);
    sd_event_source_disable_unref(p->watch_timer);
    sd_event_source_disable_unref(p->trial_timer);
    sd_event_source_disable_unref(p->progress_timer);
    sd_event_source_disable_unref(p->idle_timer);
    sd_event_source_disable_unref(p->respawn_timer);
    close(p->zygote);
    free(p->executors);
    free(p);
    return NULL;
}
