/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every thread of the broker has: a name, a connection of its own, the stop signal, and its state for people.
 *
 * A duty that cannot work waits, with backoff, and says so once: when it begins to wait and when it goes on.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/pulse.h"
#include "libjob/config.h"
#include "store/db.h"
#include "stream/admin.h"

enum duty_state {
    DUTY_STARTING,
    DUTY_READY,
    DUTY_WITHOUT_DATABASE,
    DUTY_WITHOUT_SCHEMA,
    DUTY_WITHOUT_KAFKA,
};

struct duty {
    const char *name;
    const struct job_config *config;
    int stop_fd; /* an eventfd; readable from the moment when the broker stops. Not ours */
    struct db *db;
    enum duty_state state;
    int64_t backoff_us;  /* of the next duty_retry() */
    struct pulse *pulse; /* not ours */
};

/* @pulse: shows that the thread is alive. @idle_timeout_us: how long the connection may be idle inside a transaction; 0: the default. Return: 0; -ENOMEM. */
int duty_init(struct duty *d, const char *name, const struct job_config *config, int stop_fd,
              struct pulse *pulse, int64_t idle_timeout_us);
void duty_done(struct duty *d);

bool duty_is_stopping(const struct duty *d);
/* Waits. Return: true when the broker stops. */
bool duty_pause(struct duty *d, int64_t us);
/* Waits a little longer with each call since duty_succeeded(). */
void duty_retry(struct duty *d);
void duty_succeeded(struct duty *d);

/* kafka.properties as stream/ takes them, to be freed; they point into @kafka. NULL without memory. */
struct producer_property *duty_list_properties(const struct config_kafka *kafka);

/* To ask Kafka about topics. Return: 0, then admin_free() @ret; negative errno with @reterr. */
int duty_new_admin(const struct duty *d, int64_t timeout_us, struct admin **ret, struct err *reterr);

/* Says a change of state in one line; the same state again is not said. @why: may be NULL. */
void duty_enter(struct duty *d, enum duty_state state, const char *why);

/*
 * Opens the connection and looks whether the schema is there; @ret_new says whether it is a new connection.
 * Return: 0; STORE_AWAY when it is not usable now (said, and to be tried again after duty_retry()).
 */
int duty_connect(struct duty *d, bool *ret_new);

/* After STORE_AWAY or STORE_REFUSED or worse in the middle of the work: says it and closes the connection. */
void duty_lost(struct duty *d, int r, const struct err *err);
