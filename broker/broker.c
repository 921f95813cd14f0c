/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/broker.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "broker/clock.h"
#include "broker/relay.h"

#define STOP_TIMEOUT_S 15 /* for all duties; each one's waits are shorter */
#define N_THREADS 2

struct thread {
    const char *name;
    int (*run)(const struct job_config *config, int stop_fd);
    bool wanted;
    const struct job_config *config;
    int stop_fd;
    int result;
    bool started;
    pthread_t id;
};

/* A duty that cannot start ends the broker: that is a configuration, not an outage. */
static void *run_thread(void *userdata)
{
    struct thread *t = userdata;
    t->result = t->run(t->config, t->stop_fd);
    if (t->result < 0)
        eventfd_write(t->stop_fd, 1);
    return NULL;
}

static int start_threads(struct thread *threads, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!threads[i].wanted)
            continue;
        int r = pthread_create(&threads[i].id, NULL, run_thread, &threads[i]);
        if (r) {
            log_error("thread %s: %s", threads[i].name, strerror(r));
            return -r;
        }
        threads[i].started = true;
        pthread_setname_np(threads[i].id, threads[i].name);
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
            log_error("%s does not stop; leaving it behind", threads[i].name);
            result = BROKER_LEFT_BEHIND;
        } else if (result == 0) {
            result = threads[i].result;
        }
    }
    return result;
}

/* Takes signals until one, or a duty, says stop. */
static void wait_for_stop(int signal_fd, int stop_fd)
{
    struct pollfd pfds[] = { { .fd = signal_fd, .events = POLLIN }, { .fd = stop_fd, .events = POLLIN } };
    for (;;) {
        struct signalfd_siginfo info;
        if (poll(pfds, ARRAY_SIZE(pfds), -1) < 0)
            continue;
        if (pfds[1].revents)
            return;
        if (read(signal_fd, &info, sizeof(info)) != sizeof(info))
            continue;
        if (info.ssi_signo != SIGHUP)
            return;
        log_warning(
            "SIGHUP: this version reads its configuration at the start only; restart to apply changes");
    }
}

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

static int run(struct thread *threads, size_t n, int signal_fd, int stop_fd)
{
    int r = start_threads(threads, n);
    if (r == 0) {
        sd_notify(0, "READY=1");
        wait_for_stop(signal_fd, stop_fd);
    }
    log_info("stopping");
    sd_notify(0, "STOPPING=1");
    eventfd_write(stop_fd, 1);
    int joined = join_threads(threads, n);
    return joined ? joined : r;
}

static struct thread *list_threads(const struct job_config *config, int stop_fd)
{
    struct thread *threads = calloc(N_THREADS, sizeof(*threads));
    if (!threads)
        return NULL;
    threads[0] = (struct thread){ .name = "relay", .run = relay_run, .wanted = config->broker.relay };
    threads[1] = (struct thread){ .name = "clock", .run = clock_run, .wanted = true };
    for (size_t i = 0; i < N_THREADS; i++) {
        threads[i].config = config;
        threads[i].stop_fd = stop_fd;
    }
    return threads;
}

int broker_run(const struct job_config *config)
{
    int signal_fd = take_signals(), stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct thread *threads = list_threads(config, stop_fd);
    int r = signal_fd < 0 || stop_fd < 0 || !threads ? -ENOMEM : 0;
    log_info("version %s, prefix %s%s%s", JOB_VERSION, config->prefix,
             config->broker.relay ? "" : ", no relay", config->broker.rescue ? "" : ", no rescue");
    if (r == 0)
        r = run(threads, N_THREADS, signal_fd, stop_fd);
    if (r < 0)
        log_error("%s", strerror(-r));
    if (r == BROKER_LEFT_BEHIND)
        return r;
    close_cleanup(&signal_fd);
    close_cleanup(&stop_fd);
    free(threads);
    log_info("stopped");
    return r;
}
