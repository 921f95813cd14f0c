/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/link.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "worker/noise.h"

#define RECONNECT_MIN_US 50000
#define REQUEST_TIMEOUT_US (40 * USEC_PER_SEC) /* PostgreSQL's own statement_timeout is 30 s */
#define CONNECT_TIMEOUT_US (5 * USEC_PER_SEC)

struct link {
    sd_event *event;
    struct session *session;
    struct link_owner owner;
    sd_event_source *io;
    sd_event_source
        *timer; /* to the next attempt, to the end of this one, or to the end of patience with a request */
    int watched_fd;   /* -1: none */
    int64_t retry_us; /* longest pause before the next attempt */
    int64_t max_pause_us;
    uint64_t n_heard, n_heard_before; /* how often the server was heard; when the timer was set */
    bool away_logged;
};

static void set_timer(struct link *l, int64_t pause_us)
{
    sd_event_source_set_time_relative(l->timer, (uint64_t)pause_us);
    sd_event_source_set_enabled(l->timer, SD_EVENT_ONESHOT);
}

static void forget_fd(struct link *l)
{
    l->io = sd_event_source_disable_unref(l->io);
    l->watched_fd = -1;
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    struct link *l = userdata;
    (void)source;
    (void)fd;
    (void)events;
    l->n_heard++;
    session_process(l->session);
    l->owner.moved(l->owner.userdata);
    link_watch(l);
    return 0;
}

static void watch_request(struct link *l)
{
    if (session_state(l->session) != SESSION_BUSY || sd_event_source_get_enabled(l->timer, NULL))
        return;
    l->n_heard_before = l->n_heard;
    set_timer(l, REQUEST_TIMEOUT_US);
}

void link_watch(struct link *l)
{
    int fd = session_fd(l->session);
    watch_request(l);
    /* While it connects, libpq may go on to the next address with a new socket of the same number. */
    if (fd == l->watched_fd && session_state(l->session) != SESSION_CONNECTING) {
        if (l->io)
            sd_event_source_set_io_events(l->io, session_events(l->session));
        return;
    }
    forget_fd(l);
    if (fd >= 0 && sd_event_add_io(l->event, &l->io, fd, session_events(l->session), on_io, l) >= 0)
        l->watched_fd = fd;
}

static void connect_now(struct link *l)
{
    forget_fd(l); /* the new socket may get the old one's number */
    set_timer(l, CONNECT_TIMEOUT_US);
    session_connect(l->session);
    link_watch(l);
}

static void on_ready(void *userdata)
{
    struct link *l = userdata;
    if (l->away_logged)
        log_info("record: PostgreSQL is back");
    l->away_logged = false;
    l->retry_us = RECONNECT_MIN_US;
    sd_event_source_set_enabled(l->timer, SD_EVENT_OFF);
}

static void on_lost(const char *why, bool refused, void *userdata)
{
    struct link *l = userdata;
    if (refused)
        l->owner.refused(l->owner.userdata);
    if (!l->away_logged)
        log_warning("record: %s; waiting for it", why);
    l->away_logged = true;
    forget_fd(l);
    /* Full jitter, so that a fleet does not come back in step. */
    set_timer(l, 1000 + (int64_t)(noise_bits() % (uint64_t)l->retry_us));
    l->retry_us = l->retry_us * 2 < l->max_pause_us ? l->retry_us * 2 : l->max_pause_us;
}

static void on_notified(const char *channel, const char *payload, void *userdata)
{
    struct link *l = userdata;
    l->owner.notified(channel, payload, l->owner.userdata);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct link *l = userdata;
    (void)source;
    (void)usec;
    switch (session_state(l->session)) {
    case SESSION_DOWN:
        connect_now(l);
        break;
    case SESSION_CONNECTING:
        session_abort(l->session, "PostgreSQL: no answer to a connection attempt for 5 s");
        break;
    case SESSION_BUSY:
        if (l->n_heard == l->n_heard_before)
            session_abort(l->session, "PostgreSQL: no answer for 40 s");
        break;
    case SESSION_READY:
        break;
    }
    l->owner.moved(l->owner.userdata);
    link_watch(l);
    return 0;
}

void link_start(struct link *l)
{
    connect_now(l);
}

struct session *link_session(struct link *l)
{
    return l->session;
}

bool link_is_ready(const struct link *l)
{
    return session_state(l->session) == SESSION_READY;
}

bool link_is_connected(const struct link *l)
{
    return session_state(l->session) >= SESSION_READY && !l->away_logged;
}

int link_new(struct link **ret, sd_event *event, const char *url, const char *name,
             const struct session_statement *statements, int n_statements, const char *const *channels,
             int64_t max_pause_us, const struct link_owner *owner)
{
    _cleanup_(link_free_cleanup) struct link *l = calloc(1, sizeof(*l));
    if (!l)
        return -ENOMEM;
    const struct session_events_fns events = {
        .ready = on_ready, .lost = on_lost, .notified = on_notified, .userdata = l
    };
    l->event = event;
    l->owner = *owner;
    l->watched_fd = -1;
    l->retry_us = RECONNECT_MIN_US;
    l->max_pause_us = max_pause_us;
    int r = session_new(&l->session, url, name, statements, n_statements, channels, &events);
    if (r == 0)
        r = sd_event_add_time(event, &l->timer, CLOCK_MONOTONIC, 0, 1000, on_timer, l);
    if (r < 0)
        return r;
    sd_event_source_set_enabled(l->timer, SD_EVENT_OFF);
    *ret = steal(l);
    return 0;
}

struct link *link_free(struct link *l)
{
    if (!l)
        return NULL;
    forget_fd(l);
    sd_event_source_disable_unref(l->timer);
    session_free(l->session);
    free(l);
    return NULL;
}
