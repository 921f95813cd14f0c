/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/broker.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "broker/clock.h"
#include "broker/cron.h"
#include "broker/later.h"
#include "broker/relay.h"
#include "broker/trim.h"
#include "broker/watched.h"

#define STOP_TIMEOUT_S 15 /* for all duties; each one's waits are shorter */
#define N_THREADS 5

struct broker {
    const struct program_common *common;
    struct job_config **config; /* owned by the caller; another one after a reload */
    int signal_fd, stop_fd;
};

struct thread {
    struct watched watched;
    int (*run)(const struct job_config *config, int stop_fd, struct pulse *pulse);
    bool wanted;
    const struct job_config *config;
    int stop_fd;
    int result;
    bool started;
    pthread_t id;
};

/* --- Threads ------------------------------------------------------------------------------------------------------------- */

/* A duty that cannot start ends the broker: that is a configuration, not an outage. */
static void *run_thread(void *userdata)
{
    struct thread *t = userdata;
    t->result = t->run(t->config, t->stop_fd, &t->watched.pulse);
    pulse_end(&t->watched.pulse);
    if (t->result < 0)
        eventfd_write(t->stop_fd, 1);
    return NULL;
}

static int start_threads(struct thread *threads, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!threads[i].wanted)
            continue;
        pulse_step(&threads[i].watched.pulse);
        int r = pthread_create(&threads[i].id, NULL, run_thread, &threads[i]);
        if (r) {
            log_error("thread %s: %s", threads[i].watched.name, strerror(r));
            return -r;
        }
        threads[i].started = true;
        pthread_setname_np(threads[i].id, threads[i].watched.name);
    }
    return 0;
}

/* A thread that hangs is left behind: the process ends, and PostgreSQL takes its rows back. */
static int join_threads(struct thread *threads, size_t n)
{
    int result = 0;
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += STOP_TIMEOUT_S;
    for (size_t i = 0; i < n; i++) {
        if (!threads[i].started)
            continue;
        if (pthread_clockjoin_np(threads[i].id, NULL, CLOCK_MONOTONIC, &until)) {
            log_error("%s does not stop; leaving it behind", threads[i].watched.name);
            result = BROKER_LEFT_BEHIND;
        } else if (result == 0) {
            result = threads[i].result;
        }
    }
    return result;
}

/* --- Signals ------------------------------------------------------------------------------------------------------------- */

static int take_signals(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &signals, SFD_CLOEXEC);
}

/* --- Watching ------------------------------------------------------------------------------------------------------------ */

static void look_after(struct thread *threads)
{
    bool all = true;
    int64_t now_us = clock_mono_us();
    for (size_t i = 0; i < N_THREADS; i++)
        all &= watched_look(&threads[i].watched, now_us);
    if (all)
        sd_notify(0, "WATCHDOG=1");
}

/* Return: the signal that came; 0: a duty says stop. */
static int wait_for_signal(const struct broker *b, struct thread *threads)
{
    int interval_ms = (int)(watched_interval_us() / USEC_PER_MSEC);
    struct pollfd pfds[] = { { .fd = b->signal_fd, .events = POLLIN },
                             { .fd = b->stop_fd, .events = POLLIN } };
    for (;;) {
        struct signalfd_siginfo info;
        look_after(threads);
        if (poll(pfds, ARRAY_SIZE(pfds), interval_ms) <= 0)
            continue;
        if (pfds[1].revents)
            return 0;
        if (read(b->signal_fd, &info, sizeof(info)) == sizeof(info))
            return (int)info.ssi_signo;
    }
}

/* Until there is a configuration to go on with, or an end. @ret: NULL at the end. */
static void wait_for_reload(const struct broker *b, struct thread *threads, struct job_config **ret)
{
    struct err err = { 0 };
    *ret = NULL;
    while (wait_for_signal(b, threads) == SIGHUP) {
        sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, clock_mono_us());
        if (program_load(b->common, ret, &err) == 0)
            return;
        log_error("reload: %s; the old configuration stays", err.text);
        sd_notify(0, "READY=1");
    }
}

/* --- From start to end, or to the next configuration ------------------------------------------------------------------------ */

static void list_threads(struct thread *threads, const struct job_config *config, int stop_fd)
{
    threads[0] = (struct thread){ .watched.name = "relay", .run = relay_run, .wanted = config->broker.relay };
    threads[1] = (struct thread){ .watched.name = "later", .run = later_run, .wanted = config->broker.later };
    threads[2] = (struct thread){ .watched.name = "clock", .run = clock_run, .wanted = true };
    threads[3] = (struct thread){ .watched.name = "trim", .run = trim_run, .wanted = true };
    threads[4] = (struct thread){ .watched.name = "cron", .run = cron_run, .wanted = config->broker.cron };
    for (size_t i = 0; i < N_THREADS; i++) {
        threads[i].config = config;
        threads[i].stop_fd = stop_fd;
    }
}

/* Runs all duties until all have ended. @ret: the next configuration; NULL: it was for good. Return: as broker_run(). */
static int run_duties(const struct broker *b, struct thread *threads, struct job_config **ret)
{
    eventfd_t count;
    list_threads(threads, *b->config, b->stop_fd);
    int r = start_threads(threads, N_THREADS);
    *ret = NULL;
    if (r == 0) {
        sd_notify(0, "READY=1");
        wait_for_reload(b, threads, ret);
    }
    if (!*ret) {
        log_info("stopping");
        sd_notify(0, "STOPPING=1");
    }
    eventfd_write(b->stop_fd, 1);
    int joined = join_threads(threads, N_THREADS);
    eventfd_read(b->stop_fd, &count);
    return joined ? joined : r;
}

static void take_up(const struct broker *b, struct job_config *fresh)
{
    config_free(*b->config);
    *b->config = fresh;
    program_set_log_level(b->common, fresh);
    log_info("reload: done");
}

static int run(const struct broker *b, struct thread *threads)
{
    for (;;) {
        _cleanup_config_ struct job_config *fresh = NULL;
        const struct config_broker *config = &(*b->config)->broker;
        log_info("version %s, prefix %s%s%s%s%s", JOB_VERSION, (*b->config)->prefix,
                 config->relay ? "" : ", no relay", config->later ? "" : ", no later",
                 config->cron ? "" : ", no cron", config->rescue ? "" : ", no rescue");
        int r = run_duties(b, threads, &fresh);
        if (r || !fresh)
            return r;
        take_up(b, steal(fresh));
    }
}

int broker_run(const struct program_common *common, struct job_config **config)
{
    struct broker b = { .common = common,
                        .config = config,
                        .signal_fd = take_signals(),
                        .stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
    struct thread *threads =
        calloc(N_THREADS, sizeof(*threads)); /* one that is left behind still has its own */
    int r = b.signal_fd < 0 || b.stop_fd < 0 || !threads ? -ENOMEM : run(&b, threads);
    if (r < 0)
        log_error("%s", strerror(-r));
    if (r == BROKER_LEFT_BEHIND)
        return r;
    close_cleanup(&b.signal_fd);
    close_cleanup(&b.stop_fd);
    free(threads);
    log_info("stopped");
    return r;
}
