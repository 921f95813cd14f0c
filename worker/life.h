/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the service manager is told of the worker: READY, STATUS, STOPPING, and how long stopping may take.
 *
 * READY comes when both servers have answered. STATUS is one line for `systemctl status`; it is sent when something has
 * changed, at most once a second, and says which server is being waited for. The watchdog is the event loop's own
 * (sd_event_set_watchdog): a loop that does not turn is what it is there to find. It also falls silent while the worker's
 * owner says that something beside the loop hangs.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <systemd/sd-event.h>

#include "base/cleanup.h"

struct life_facts {
    const char *phase; /* "running" */
    size_t n_partitions, n_running, n_executors, n_leases, n_unrecorded;
    bool kafka_away, postgres_away; /* away, or not heard of yet */
};

struct life;

/* Starts the watchdog, if the service manager wants one. Return: 0; negative errno. */
int life_new(struct life **ret, sd_event *event);
struct life *life_free(struct life *l);
DEFINE_CLEANUP(struct life *, life_free)

/* Call when something may have changed; cheap when nothing has. @facts is copied, @facts->phase must stay. */
void life_tell(struct life *l, const struct life_facts *facts);

/* A configuration is being taken up; it is, or will not be. */
void life_reloading(struct life *l);
void life_reloaded(struct life *l);

/* Whether all is alive that the loop cannot do without. The watchdog hears nothing while it is not. */
void life_set_alive(struct life *l, bool alive);

/* Stopping has begun, or takes longer: it may last so long from now on. */
void life_extend(struct life *l, int64_t stop_us);
