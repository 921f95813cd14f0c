/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/life.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "base/clock.h"

struct life {
    sd_event_source *timer; /* armed: something has changed since the last STATUS */
    struct life_facts facts, told;
    bool ready;
};

static const char *waiting_for(const struct life_facts *f)
{
    if (f->kafka_away && f->postgres_away)
        return "waiting for Kafka and PostgreSQL; ";
    if (f->kafka_away)
        return "waiting for Kafka; ";
    return f->postgres_away ? "waiting for PostgreSQL; " : "";
}

static void send_status(struct life *l)
{
    const struct life_facts *f = &l->facts;
    sd_notifyf(0, "STATUS=%s%s: %zu jobs on %zu executors, %zu leased, %zu not yet recorded; %zu partitions",
               waiting_for(f), f->phase, f->n_running, f->n_executors, f->n_leases, f->n_unrecorded,
               f->n_partitions);
    l->told = *f;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
    (void)source;
    (void)usec;
    send_status(userdata);
    return 0;
}

static bool is_same(const struct life_facts *a, const struct life_facts *b)
{
    return a->phase == b->phase && a->n_partitions == b->n_partitions && a->n_running == b->n_running &&
           a->n_executors == b->n_executors && a->n_leases == b->n_leases &&
           a->n_unrecorded == b->n_unrecorded && a->kafka_away == b->kafka_away &&
           a->postgres_away == b->postgres_away;
}

void life_tell(struct life *l, const struct life_facts *facts)
{
    l->facts = *facts;
    if (!l->ready && !facts->kafka_away && !facts->postgres_away) {
        l->ready = true;
        sd_notify(0, "READY=1");
    }
    if (is_same(&l->told, facts) || sd_event_source_get_enabled(l->timer, NULL))
        return;
    sd_event_source_set_time_relative(l->timer, USEC_PER_SEC);
    sd_event_source_set_enabled(l->timer, SD_EVENT_ONESHOT);
}

void life_extend(struct life *l, int64_t stop_us)
{
    sd_notifyf(0, "STOPPING=1\nEXTEND_TIMEOUT_USEC=%" PRId64, stop_us);
    send_status(l);
}

/* Of a manager that has been told of its start alone. */
void life_reloading(struct life *l)
{
    if (l->ready)
        sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, clock_mono_us());
}

void life_reloaded(struct life *l)
{
    if (l->ready)
        sd_notify(0, "READY=1");
}

void life_set_alive(struct life *l, bool alive)
{
    sd_event_set_watchdog(sd_event_source_get_event(l->timer), alive);
}

int life_new(struct life **ret, sd_event *event)
{
    _cleanup_(life_free_cleanup) struct life *l = calloc(1, sizeof(*l));
    if (!l)
        return -ENOMEM;
    int r = sd_event_add_time(event, &l->timer, CLOCK_MONOTONIC, 0, 1000, on_timer, l);
    if (r >= 0)
        r = sd_event_source_set_enabled(l->timer, SD_EVENT_OFF);
    if (r >= 0)
        r = sd_event_set_watchdog(event, true);
    if (r < 0)
        return r;
    *ret = steal(l);
    return 0;
}

struct life *life_free(struct life *l)
{
    if (!l)
        return NULL;
    sd_event_source_disable_unref(l->timer);
    free(l);
    return NULL;
}
