/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The recorder's connection to PostgreSQL in the event loop: watched, bounded in time, made again with backoff for ever. A
 * request that is not answered at all, not even by the server's own time-outs, ends the connection.
 *
 * Log lines are written once per change of state.
 */
#pragma once

#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/cleanup.h"
#include "store/session.h"

struct link;

struct link_owner {
    void (*moved)(void *userdata); /* the session has done something: an answer, ready, lost */
    void (*notified)(const char *channel, const char *payload, void *userdata); /* store/session.h */
    void (*refused)(void *userdata); /* PostgreSQL is there for nobody, and said so */
    void *userdata;
};

/* @max_pause_us: longest pause between two attempts to connect. */
int link_new(struct link **ret, sd_event *event, const char *url, const char *name,
             const struct session_statement *statements, int n_statements, const char *const *channels,
             int64_t max_pause_us, const struct link_owner *owner);
struct link *link_free(struct link *l);
DEFINE_CLEANUP(struct link *, link_free)

/* Makes the first attempt. */
void link_start(struct link *l);

/* For requests, when link_is_ready(). After them, link_watch(). */
struct session *link_session(struct link *l);
bool link_is_ready(const struct link *l);
/* Ready, or busy with a request. */
bool link_is_connected(const struct link *l);
/* The session's descriptor and what it waits for change with every call into it. */
void link_watch(struct link *l);
