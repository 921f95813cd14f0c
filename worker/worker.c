/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/worker.h"

#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "libjob/program.h"
#include "store/db.h"
#include "worker/cancels.h"
#include "worker/cgroup.h"
#include "worker/children.h"
#include "worker/handover.h"
#include "worker/intake.h"
#include "worker/keys.h"
#include "worker/life.h"
#include "worker/pause.h"
#include "worker/pool.h"
#include "worker/ready.h"
#include "worker/recorder.h"
#include "worker/reload.h"
#include "worker/storm.h"

#define CLOSE_TIMEOUT_US (10 * USEC_PER_SEC)
#define ZYGOTE_LOOK_US (10 * USEC_PER_SEC)

enum phase {
    PHASE_STARTING, /* waiting for the first executor to load the handlers */
    PHASE_RUNNING,
    PHASE_DRAINING,  /* running jobs may end */
    PHASE_KILLING,   /* they may not any more */
    PHASE_RELEASING, /* cursors are being given back */
    PHASE_LEAVING,   /* the worker's row is being deleted */
};

struct worker {
    struct job_config *config; /* a reload exchanges values in it; nobody else may change it */
    sd_event *event;
    struct cgroup *cgroup; /* NULL: none */
    struct pool *pool;
    struct recorder *recorder;
    struct handover *handover;
    struct storm *storm;
    struct life *life;
    struct reload *reload;
    struct cancels cancels;
    struct intake *intake;
    struct ready *ready;
    sd_event_source *post, *drain_timer, *zygote_timer;
    bool draining; /* somebody wants no more jobs here; the process stays */
    bool zygote_hangs;
    enum phase phase;
    int status;
};

static void end(struct worker *w, int status)
{
    w->status = status;
    sd_event_exit(w->event, status);
}

/* --- What the parts tell each other --------------------------------------------------------------------------------------- */

static void finish_job(struct job *job, void *userdata)
{
    struct worker *w = userdata;
    ready_uncount(job);
    storm_note(w->storm, job);
    if (job->key && !job_holds_key(job))
        keys_leave(job);
    if (job->outcome == OUTCOME_SUCCEEDED || job->outcome == OUTCOME_CANCELLED)
        cancels_remove(&w->cancels, &job->envelope.id);
    if (job->orphan)
        job_free(job);
    else
        recorder_add_finished(w->recorder, job);
}

/* Of a job that has not started. */
static void give_lease_back(struct worker *w, struct job *job, const char *why)
{
    job_finish(job, OUTCOME_INTERRUPTED, "%s", why);
    finish_job(job, w);
}

/* It may start, now or when its claim is answered; its handler may be gone since it was read. */
static void put_ready(struct worker *w, struct job *job)
{
    if (!intake_renew(w->intake, job)) {
        job_finish(job, OUTCOME_UNKNOWN_TYPE, NULL);
        finish_job(job, w);
    } else if (job->token && ready_is_paused(job->lane)) {
        give_lease_back(w, job, "its queue is paused");
    } else if (job_runs_at_most_once(job) && job->lease == LEASE_NONE) {
        intake_claim(w->intake, job);
    } else {
        ready_add(w->ready, job);
    }
}

static void return_job(struct job *job, void *userdata)
{
    struct worker *w = userdata;
    if (job->orphan) {
        job_free(job);
    } else if (w->phase <= PHASE_RUNNING && !w->draining && !(job->partition && job->partition->closing)) {
        put_ready(w, job);
    } else if (job->token) {
        give_lease_back(w, job,
                        w->draining ? "its worker was drained before it started"
                                    : "its worker stopped before it started");
    } else {
        job->partition->n_open--; /* still in the log */
        job_free(job);
    }
}

static void take_progress(struct job *job, struct span progress, void *userdata)
{
    if (!job->orphan)
        recorder_set_progress(((struct worker *)userdata)->recorder, job, progress);
}

static void handlers_broken(const char *why, void *userdata)
{
    struct worker *w = userdata;
    log_error("run: %s", why);
    end(w, w->phase == PHASE_STARTING ? PROGRAM_USAGE : PROGRAM_FAILED);
}

static void claim_job(struct job *job, void *userdata)
{
    recorder_add_claim(((struct worker *)userdata)->recorder, job);
}

static void partition_fenced(struct partition *p, void *userdata)
{
    intake_fenced(((struct worker *)userdata)->intake, p);
}

static void partition_taken(struct partition *p, const struct recorder_cursor *cursor, void *userdata)
{
    intake_taken(((struct worker *)userdata)->intake, p, cursor);
}

static void partitions_taken(void *userdata)
{
    intake_taken_all(((struct worker *)userdata)->intake);
}

static void partitions_released(void *userdata)
{
    intake_released(((struct worker *)userdata)->intake);
}

static void partition_advanced(struct partition *p, void *userdata)
{
    intake_advanced(((struct worker *)userdata)->intake, p);
}

static void partition_noted(struct partition *p, void *userdata)
{
    intake_noted(((struct worker *)userdata)->intake, p);
}

static void partition_outside(struct partition *p, void *userdata)
{
    intake_outside(((struct worker *)userdata)->intake, p);
}

static void write_note(struct partition *p, void *userdata)
{
    (void)p;
    recorder_write_notes(((struct worker *)userdata)->recorder);
}

static void take_partitions(struct list *partitions, void *userdata)
{
    recorder_take_over(((struct worker *)userdata)->recorder, partitions);
}

static bool is_unleased_of(const struct job *job, const void *partition)
{
    return job->partition == partition;
}

static bool is_leased(const struct job *job, const void *unused)
{
    (void)unused;
    return job->lease == LEASE_HELD;
}

static bool is_same(const struct job *job, const void *other)
{
    return job == other;
}

/* What has not started stays in the log; what runs gets a lease. */
static void hand_over_partitions(struct list *partitions, void *userdata)
{
    struct worker *w = userdata;
    size_t n = 0;
    list_for_each(link, partitions)
    {
        struct partition *p = list_entry(link, struct partition, link);
        recorder_drop_claims(w->recorder, p);
        pool_take_back(w->pool, is_unleased_of, p);
        n += handover_partition(w->handover, p);
    }
    if (n)
        log_info("intake: handing over %zu running jobs, which go on here", n);
    recorder_pump(w->recorder);
}

static void partition_crowded(struct partition *p, void *userdata)
{
    handover_oldest(((struct worker *)userdata)->handover, p);
}

static void job_disowned(struct job *job, void *userdata)
{
    log_warning("record: a job that runs here is taken or has ended elsewhere; it is stopped and dropped");
    pool_disown(((struct worker *)userdata)->pool, is_same, job);
}

/* Should nobody have taken them, they are deferred when PostgreSQL is back: the lease's token decides. */
static void leases_unsure(void *userdata)
{
    struct worker *w = userdata;
    struct list leased;
    list_init(&leased);
    ready_take_matching(w->ready, is_leased, NULL, &leased);
    list_for_each_safe(link, &leased)
    {
        list_remove(link);
        give_lease_back(w, job_of(link), "its worker could not renew the lease");
    }
    pool_interrupt(w->pool, is_leased, NULL, "its worker could not renew the lease");
}

static void leases_lost(void *userdata)
{
    struct worker *w = userdata;
    struct list leased;
    list_init(&leased);
    ready_take_matching(w->ready, is_leased, NULL, &leased);
    list_for_each_safe(link, &leased) job_free(job_of(link));
    pool_disown(w->pool, is_leased, NULL);
}

static void release_partitions(struct list *partitions, void *userdata)
{
    recorder_release(((struct worker *)userdata)->recorder, partitions);
}

static void drop_partition(struct partition *p, void *userdata)
{
    struct worker *w = userdata;
    recorder_drop_partition(w->recorder, p);
    pool_disown(w->pool, is_unleased_of, p);
}

static void forget_requests(void *userdata)
{
    recorder_forget_requests(((struct worker *)userdata)->recorder);
}

static bool has_room(void *userdata)
{
    return recorder_has_room(((struct worker *)userdata)->recorder);
}

static void note_gap(void *userdata)
{
    recorder_note_gap(((struct worker *)userdata)->recorder);
}

static void write_cursors(void *userdata)
{
    recorder_write_cursors(((struct worker *)userdata)->recorder);
}

static void consumer_fatal(const char *why, void *userdata)
{
    log_error("intake: %s", why);
    end(userdata, PROGRAM_FAILED);
}

static void cancel(struct worker *w, const struct uuid *id)
{
    if (cancels_add(&w->cancels, id) != 0)
        log_warning("intake: more than %d cancelled jobs wait to be met; one more is only stopped if it runs",
                    CANCELS_MAX);
    pool_stop_id(w->pool, id, OUTCOME_CANCELLED, "cancelled while it ran");
}

static void take_cancels(struct worker *w, const struct rows *ids)
{
    struct uuid id;
    cancels_clear(&w->cancels);
    for (size_t i = 0; i < rows_count(ids); i++) {
        rows_uuid(ids, i, 0, &id);
        cancel(w, &id);
    }
}

static bool is_any(const struct job *job, const void *unused)
{
    (void)job;
    (void)unused;
    return true;
}

static bool has_token(const struct job *job, const void *unused)
{
    (void)unused;
    return job->token != 0;
}

/* Nothing starts any more, and others get the partitions: what waits stays in the log or goes back there, what runs gets its lease. */
static void start_wished_drain(struct worker *w)
{
    struct list leased;
    list_init(&leased);
    log_info("drain: %s wants it: %zu jobs go on to their end, nothing else starts here",
             recorder_drain_by(w->recorder), pool_n_running(w->pool));
    pool_take_back(w->pool, is_any, NULL);
    ready_take_matching(w->ready, has_token, NULL, &leased);
    list_for_each_safe(link, &leased)
    {
        list_remove(link);
        return_job(job_of(link), w);
    }
}

static void take_drain(struct worker *w)
{
    bool wanted = recorder_drain_by(w->recorder) != NULL;
    if (wanted == w->draining || w->phase != PHASE_RUNNING || !w->intake)
        return;
    w->draining = wanted;
    intake_set_out(w->intake, wanted);
    if (wanted)
        start_wished_drain(w);
    else
        log_info("drain: it is not wanted any more: going on");
}

static void take_wishes(const struct rows *cancelled, const struct rows *paused, void *userdata)
{
    struct worker *w = userdata;
    struct list leased;
    list_init(&leased);
    pause_take(w->ready, w->pool, paused, &leased);
    list_for_each_safe(link, &leased)
    {
        list_remove(link);
        give_lease_back(w, job_of(link), "its queue is paused");
    }
    take_cancels(w, cancelled);
    take_drain(w);
}

static void tell_narrow(struct worker *w)
{
    _cleanup_buf_ struct buf queues = { 0 };
    storm_list(w->storm, &queues);
    if (!queues.failed)
        recorder_set_narrow(w->recorder, queues.data);
}

/* When everything of a paused queue has been recorded. */
static void tell_quiet(struct worker *w)
{
    _cleanup_buf_ struct buf queues = { 0 };
    if (recorder_n_waiting(w->recorder))
        return;
    pause_list_quiet(w->ready, &queues);
    recorder_set_quiet(w->recorder, queues.size ? queues.data : "");
}

static bool is_drained(const struct worker *w)
{
    return w->draining && intake_is_out(w->intake) && pool_n_running(w->pool) == 0 &&
           recorder_n_waiting(w->recorder) == 0 && recorder_n_leases(w->recorder) == 0;
}

/* Others hear of it with the next beat, which comes at once. */
static void tell_phase(struct worker *w)
{
    recorder_set_phase(w->recorder, w->phase > PHASE_RUNNING ? "stopping"
                                    : is_drained(w)          ? "drained"
                                    : w->draining            ? "draining"
                                                             : "running");
}

/* "<topic> <partition>" */
static void topic_changed(struct worker *w, const char *payload)
{
    char topic[NAME_TOPIC_MAX + 1];
    int32_t partition;
    if (w->intake && w->phase == PHASE_RUNNING && sscanf(payload, "%249s %" SCNd32, topic, &partition) == 2)
        intake_topic_changed(w->intake, topic, partition);
}

static void notified(const char *channel, const char *payload, void *userdata)
{
    struct worker *w = userdata;
    struct uuid id;
    if (strcmp(channel, "job_key") == 0)
        intake_keys(w->intake)->is_urgent = true;
    if (strcmp(channel, "job_queue") == 0)
        recorder_read_wishes(w->recorder);
    if (strcmp(channel, "job_worker") == 0 && strcmp(payload, recorder_worker_id(w->recorder)) == 0)
        recorder_read_wishes(w->recorder);
    if (strcmp(channel, "job_topic") == 0)
        topic_changed(w, payload);
    if (strcmp(channel, "job_cancel") != 0)
        return;
    if (uuid_parse(payload, strlen(payload), &id) == 0)
        cancel(w, &id);
    else /* some do not count any more */
        recorder_read_wishes(w->recorder);
}

static void look_again(void *userdata)
{
    (void)userdata; /* the loop's post source does */
}

/* --- The loop ------------------------------------------------------------------------------------------------------------- */

/* Return: true when it is too late for @job, which is finished then. */
static bool expire(struct worker *w, struct job *job)
{
    int64_t expires_us = job->envelope.expires_us;
    if (!expires_us || recorder_server_now_us(w->recorder) < expires_us)
        return false;
    job_finish(job, OUTCOME_EXPIRED, "it had not started in time");
    finish_job(job, w);
    return true;
}

/* Return: true when @job is cancelled, and finished. */
static bool drop_cancelled(struct worker *w, struct job *job)
{
    if (!cancels_has(&w->cancels, &job->envelope.id))
        return false;
    job_finish(job, OUTCOME_CANCELLED, "cancelled before it started");
    finish_job(job, w);
    return true;
}

/* Return: true when any has left the ready jobs: there is room for more of them. */
static bool dispatch(struct worker *w)
{
    bool any = false;
    if (w->draining)
        return false;
    ready_open(w->ready);
    while (recorder_has_room(w->recorder) && recorder_knows_wishes(w->recorder)) {
        struct job *job = ready_peek(w->ready);
        if (!job)
            break;
        ready_take(w->ready, job);
        if (drop_cancelled(w, job) || expire(w, job)) {
            any = true;
        } else if (pool_dispatch(w->pool, job)) {
            ready_started(w->ready, job);
            any = true;
        } else {
            ready_add(w->ready, job);
            ready_close(w->ready, job);
        }
    }
    pool_flush(w->pool);
    return any;
}

static void set_drain_timer(struct worker *w, int64_t pause_us)
{
    sd_event_source_set_time_relative(w->drain_timer, (uint64_t)pause_us);
    sd_event_source_set_enabled(w->drain_timer, SD_EVENT_ONESHOT);
}

static bool is_idle(const struct worker *w)
{
    return pool_n_running(w->pool) == 0 && recorder_n_waiting(w->recorder) == 0;
}

static void go_on_stopping(struct worker *w)
{
    if ((w->phase == PHASE_DRAINING || w->phase == PHASE_KILLING) && is_idle(w)) {
        w->phase = PHASE_RELEASING;
        set_drain_timer(w, WORKER_RELEASE_US);
        intake_release_all(w->intake);
    }
    if (w->phase == PHASE_RELEASING && intake_is_released(w->intake)) {
        w->phase = PHASE_LEAVING;
        recorder_unregister(w->recorder);
    }
    if (w->phase == PHASE_LEAVING && recorder_is_unregistered(w->recorder))
        end(w, PROGRAM_FINE);
}

static int start_intake(struct worker *w);

static void go_on_starting(struct worker *w)
{
    if (w->phase != PHASE_STARTING || !pool_is_proven(w->pool))
        return;
    w->phase = PHASE_RUNNING;
    recorder_start(w->recorder);
    if (start_intake(w) < 0)
        end(w, PROGRAM_USAGE);
}

static const char *const phase_names[] = {
    [PHASE_STARTING] = "starting",    [PHASE_RUNNING] = "running",     [PHASE_DRAINING] = "draining",
    [PHASE_KILLING] = "interrupting", [PHASE_RELEASING] = "releasing", [PHASE_LEAVING] = "leaving",
};

static const char *name_phase(const struct worker *w)
{
    if (w->phase != PHASE_RUNNING || !w->draining)
        return phase_names[w->phase];
    return is_drained(w) ? "drained" : "being drained";
}

static void tell_life(struct worker *w)
{
    if (w->phase == PHASE_STARTING || !w->intake)
        return;
    life_tell(w->life, &(struct life_facts){
                           .phase = name_phase(w),
                           .n_partitions = intake_n_partitions(w->intake),
                           .n_running = pool_n_running(w->pool),
                           .n_executors = pool_n_executors(w->pool),
                           .n_leases = recorder_n_leases(w->recorder),
                           .n_unrecorded = recorder_n_waiting(w->recorder),
                           .kafka_away = intake_is_away(w->intake),
                           .postgres_away = recorder_is_away(w->recorder),
                       });
}

/* After whatever the loop has done, everything goes as far as it can. */
static int on_post(sd_event_source *source, void *userdata)
{
    struct worker *w = userdata;
    (void)source;
    go_on_starting(w);
    if (w->phase == PHASE_RUNNING && w->intake) {
        reload_pump(w->reload);
        storm_look(w->storm);
        do
            intake_pump(w->intake);
        while (dispatch(w)); /* what has started makes room for what comes behind it */
        handover_watch(w->handover);
        tell_quiet(w);
        tell_narrow(w);
        tell_phase(w);
    } else if (w->phase > PHASE_RUNNING) {
        tell_phase(w);
        go_on_stopping(w);
    }
    if (w->phase >= PHASE_RUNNING)
        recorder_pump(w->recorder);
    tell_life(w);
    return 0;
}

/* --- Stopping ------------------------------------------------------------------------------------------------------------- */

static void start_draining(struct worker *w)
{
    struct list leased;
    list_init(&leased);
    w->phase = PHASE_DRAINING;
    log_info("stopping: %zu jobs are running; they have %lld s to end", pool_n_running(w->pool),
             (long long)(w->config->worker.drain_timeout_us / USEC_PER_SEC));
    intake_stop(w->intake, &leased);
    list_for_each_safe(link, &leased)
    {
        list_remove(link);
        return_job(job_of(link), w);
    }
    set_drain_timer(w, w->config->worker.drain_timeout_us);
    life_extend(w->life,
                w->config->worker.drain_timeout_us + w->config->worker.kill_grace_us + WORKER_END_US);
}

static void start_killing(struct worker *w)
{
    w->phase = PHASE_KILLING;
    log_warning("stopping: %zu jobs did not end in time and are stopped; they go on elsewhere",
                pool_n_running(w->pool));
    pool_set_draining(w->pool);
    pool_stop_all(w->pool, OUTCOME_INTERRUPTED, "its worker stopped");
    set_drain_timer(w, w->config->worker.kill_grace_us + WORKER_KILL_MARGIN_US);
    life_extend(w->life, w->config->worker.kill_grace_us + WORKER_END_US);
}

/* Whatever is not recorded is still in the log, or in a lease that a broker will rescue. */
static void end_without_postgresql(struct worker *w)
{
    size_t n = recorder_n_waiting(w->recorder);
    if (n)
        log_error("stopping: PostgreSQL is away; %zu finished jobs are not recorded and run again", n);
    else
        log_warning("stopping: PostgreSQL is away; leaving without giving the partitions back");
    end(w, n ? PROGRAM_FAILED : PROGRAM_FINE);
}

static int on_drain_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct worker *w = userdata;
    (void)source;
    (void)usec;
    if (w->phase == PHASE_DRAINING && pool_n_running(w->pool)) {
        start_killing(w);
    } else if (w->phase == PHASE_KILLING && pool_n_running(w->pool)) {
        pool_kill_busy(w->pool, SIGKILL);
        set_drain_timer(w, WORKER_KILL_MARGIN_US);
    } else {
        end_without_postgresql(w);
    }
    return 0;
}

static int on_stop_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
    struct worker *w = userdata;
    (void)source;
    (void)info;
    if (w->phase == PHASE_STARTING || !w->intake)
        end(w, PROGRAM_FINE);
    else if (w->phase == PHASE_RUNNING)
        start_draining(w);
    else if (w->phase == PHASE_DRAINING)
        start_killing(w);
    else if (w->phase == PHASE_KILLING)
        pool_kill_busy(w->pool, SIGKILL);
    else
        end_without_postgresql(w);
    return 0;
}

/* --- Another configuration --------------------------------------------------------------------------------------------- */

static size_t max_held(const struct worker *w)
{
    return WORKER_MAX_CLAIMS + (size_t)w->config->worker.executors_max * POOL_DEPTH;
}

/* What was read and has not started goes by the new configuration, what has started ends by the old one. */
static void config_changed(struct job_config *old, void *userdata)
{
    struct worker *w = userdata;
    struct list jobs;
    list_init(&jobs);
    pool_renew(w->pool);
    struct job_types *types = job_types_new(w->config);
    bool whole = ready_reload(w->ready, max_held(w), &jobs) == 0 && types;
    if (types)
        intake_reload(w->intake, types, old);
    list_for_each_safe(link, &jobs)
    {
        list_remove(link);
        if (whole)
            put_ready(w, job_of(link));
        else
            job_free(job_of(link)); /* still in the log */
    }
    handover_reload(w->handover);
    recorder_reload(w->recorder);
    pool_start_minimum(w->pool);
    if (!whole)
        consumer_fatal("out of memory", w);
}

static void handlers_tried(const char *why_not, void *userdata)
{
    struct worker *w = userdata;
    if (w->phase == PHASE_RUNNING)
        reload_tried(w->reload, why_not);
}

/* --- Start ---------------------------------------------------------------------------------------------------------------- */

static int start_intake(struct worker *w)
{
    const struct intake_owner owner = {
        .reader = {
            .finished = finish_job,
            .claim = claim_job,
            .has_room = has_room,
            .gap = note_gap,
            .take_up = write_cursors,
            .crowded = partition_crowded,
            .outside = partition_outside,
            .note = write_note,
            .fatal = consumer_fatal,
            .userdata = w,
        },
        .take_over = take_partitions,
        .hand_over = hand_over_partitions,
        .release = release_partitions,
        .drop = drop_partition,
        .forget = forget_requests,
    };
    struct err err = { 0 };
    int r = intake_new(&w->intake, w->event, w->config, w->ready, &owner, &err);
    if (r < 0) {
        log_error("intake: %s", err.text[0] ? err.text : strerror(-r));
        return r;
    }
    recorder_set_partitions(w->recorder, intake_partitions(w->intake), intake_keys(w->intake));
    return 0;
}

/* A claimed job may start, unless the worker is stopping. */
static void job_claimed(struct job *job, void *userdata)
{
    return_job(job, userdata);
}

static int make_parts(struct worker *w, const struct program_common *common, int zygote)
{
    const struct pool_owner pool_owner = { .finished = finish_job,
                                           .unstarted = return_job,
                                           .progress = take_progress,
                                           .broken = handlers_broken,
                                           .tried = handlers_tried,
                                           .userdata = w };
    const struct recorder_owner recorder_owner = {
        .claimed = job_claimed,
        .disowned = job_disowned,
        .leases_unsure = leases_unsure,
        .leases_lost = leases_lost,
        .fenced = partition_fenced,
        .taken = partition_taken,
        .taken_all = partitions_taken,
        .released = partitions_released,
        .advanced = partition_advanced,
        .noted = partition_noted,
        .notified = notified,
        .wishes = take_wishes,
        .progress = look_again,
        .userdata = w,
    };
    w->ready = ready_new(w->config, max_held(w));
    if (!w->ready)
        return -ENOMEM;
    int r = life_new(&w->life, w->event);
    if (r >= 0)
        r = pool_new(&w->pool, w->event, zygote, w->cgroup, w->config, &pool_owner);
    if (r >= 0)
        r = recorder_new(&w->recorder, w->event, w->config, &recorder_owner);
    if (r >= 0)
        r = handover_new(&w->handover, w->event, w->config, w->pool, w->recorder);
    if (r >= 0)
        r = storm_new(&w->storm, w->event, w->config, w->ready, w->pool);
    if (r >= 0)
        r = reload_new(&w->reload, common, w->config, w->pool, w->life,
                       &(struct reload_owner){ .changed = config_changed, .userdata = w });
    if (r >= 0)
        r = pool_start(w->pool);
    return r;
}

static int on_reload_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
    struct worker *w = userdata;
    (void)source;
    (void)info;
    if (w->phase > PHASE_RUNNING)
        log_info("reload: the worker is stopping; its configuration stays");
    else
        reload_ask(w->reload);
    return 0;
}

static int on_dump_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
    struct worker *w = userdata;
    (void)source;
    (void)info;
    log_info("state: %s", name_phase(w));
    pool_dump(w->pool);
    storm_dump(w->storm);
    recorder_dump(w->recorder);
    if (w->intake)
        intake_dump(w->intake);
    return 0;
}

static int add_signals(struct worker *w)
{
    static const struct {
        int number;
        sd_event_signal_handler_t handler;
    } signals[] = { { SIGTERM, on_stop_signal },
                    { SIGINT, on_stop_signal },
                    { SIGHUP, on_reload_signal },
                    { SIGUSR1, on_dump_signal } };
    sigset_t mask;
    sigemptyset(&mask);
    for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
        sigaddset(&mask, signals[i].number);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    signal(SIGPIPE, SIG_IGN); /* a reader of our log that is gone must not end us */
    for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
        int r = sd_event_add_signal(w->event, NULL, signals[i].number, signals[i].handler, w);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Without it no job is stopped and no executor replaced: another worker does better. */
static int on_zygote_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct worker *w = userdata;
    (void)usec;
    bool hangs = !pool_zygote_answers(w->pool);
    if (hangs && !w->zygote_hangs)
        log_error("run: the zygote process hangs; the service manager does not hear of us until it goes on");
    else if (!hangs && w->zygote_hangs)
        log_warning("run: the zygote process goes on");
    w->zygote_hangs = hangs;
    life_set_alive(w->life, !hangs);
    sd_event_source_set_time_relative(source, ZYGOTE_LOOK_US);
    return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int add_sources(struct worker *w)
{
    int r = add_signals(w);
    if (r < 0)
        return r;
    r = sd_event_add_time_relative(w->event, &w->zygote_timer, CLOCK_MONOTONIC, ZYGOTE_LOOK_US, 1000000,
                                   on_zygote_timer, w);
    if (r < 0)
        return r;
    r = sd_event_add_time(w->event, &w->drain_timer, CLOCK_MONOTONIC, 0, 1000, on_drain_timer, w);
    if (r >= 0)
        sd_event_source_set_enabled(w->drain_timer, SD_EVENT_OFF);
    return r < 0 ? r : sd_event_add_post(w->event, &w->post, on_post, w);
}

/* Whether there is one or not: it is said once. Return: negative errno. */
static int take_cgroup(struct worker *w, pid_t zygote)
{
    static const struct cgroup_place place = { "/proc/self/cgroup", "/proc/self/mountinfo" };
    struct err err = { 0 };
    int r = cgroup_new(&w->cgroup, &place, zygote, &err);
    if (r == CGROUP_NONE)
        log_info("run: no control groups for executors (%s); their limits are resource limits", err.text);
    else if (r == 0)
        log_info("run: executors have control groups below %s; controllers: %s", cgroup_path(w->cgroup),
                 cgroup_controllers(w->cgroup)[0] ? cgroup_controllers(w->cgroup) : "none");
    return r < 0 ? r : 0;
}

/* librdkafka can hang in closing (#4527): after its time the process ends anyway, everything is recorded. */
static void take_down(struct worker *w)
{
    /* Jobs hold messages of the Kafka client: they go first. */
    reload_free(w->reload);
    life_free(w->life);
    cancels_done(&w->cancels);
    handover_free(w->handover);
    pool_free(w->pool);
    storm_free(w->storm);
    children_end(&(int64_t){ 0 }); /* the zygote, and what it may not have got to */
    cgroup_free(w->cgroup);
    recorder_free(w->recorder);
    ready_free(w->ready);
    if (intake_close(w->intake, CLOSE_TIMEOUT_US) != 0) {
        log_warning("stopping: the Kafka client did not close within 10 s; ending without it");
        _exit(w->status);
    }
    sd_event_source_disable_unref(w->post);
    sd_event_source_disable_unref(w->drain_timer);
    sd_event_source_disable_unref(w->zygote_timer);
    sd_event_unref(w->event);
}

int worker_run(const struct program_common *common, struct job_config *config, int zygote, pid_t zygote_pid)
{
    struct worker w = { .config = config, .status = PROGRAM_FAILED };
    /* Should the zygote die, all that were below it are ours, and end with us. */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    /* librdkafka's threads pass memory to this one: arenas of their own only fragment it. */
    mallopt(M_ARENA_MAX, 2);
    int r = sd_event_new(&w.event);
    if (r >= 0)
        r = add_sources(&w);
    if (r >= 0)
        r = take_cgroup(&w, zygote_pid);
    if (r >= 0)
        r = make_parts(&w, common, zygote);
    if (r >= 0)
        r = sd_event_loop(w.event);
    if (r < 0)
        log_error("worker: %s", strerror(-r));
    take_down(&w);
    return w.status;
}
