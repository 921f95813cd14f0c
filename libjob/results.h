/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for jobs: one thread and one connection to PostgreSQL for all who wait with a client.
 *
 * Model: whoever waits is a watch (libjob/watches.h). The thread listens on RESULTS_CHANNEL and looks at jobs on behalf of watches, many
 * with one query: a new watch at once, one whose job was told at once, all of them after the connection was made, and every other
 * one now and then (watch_next_look_us()). It is one loop around poll(): nothing in it blocks on PostgreSQL (store/session.h), so
 * deadlines and the end of the client are kept to whatever the server does.
 *
 * Nothing is missed: the connection listens before it looks for the first time, and a job that is told while a look is under way
 * is looked at once more. A notification that gets lost costs time, not the result.
 *
 * Locks: `mutex` guards the watches and who is woken; no callback runs under it.
 */
#pragma once

#include "libjob/client.h"
#include "libjob/watches.h"

struct results;

/* Starts the thread; connects when there is something to wait for. @url is copied. Return: 0; negative errno. */
int results_new(struct results **ret, const char *url);
/* Ends all watches with JOB_E_CLOSED, and the thread. Return: NULL. */
struct results *results_free(struct results *r);

/* Is this its thread, so that waiting for it would be for ever? */
bool results_is_own_thread(const struct results *r);

/* Takes @w over, on success; it comes back through its end(), in the thread. Return: 0; JOB_E_FULL; JOB_E_CLOSED; negative errno. */
int results_watch(struct results *r, struct watch *w);
