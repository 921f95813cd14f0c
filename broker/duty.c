/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/duty.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/migrate.h"

#define BACKOFF_MIN_US (100 * USEC_PER_MSEC)
#define BACKOFF_MAX_US (5 * USEC_PER_SEC)

int duty_init(struct duty *d, const char *name, const struct job_config *config, int stop_fd,
              struct pulse *pulse, int64_t idle_timeout_us)
{
    *d = (struct duty){
        .name = name, .config = config, .stop_fd = stop_fd, .pulse = pulse, .backoff_us = BACKOFF_MIN_US
    };
    const struct db_options options = {
        .url = config->database.url, .name = name, .idle_timeout_us = idle_timeout_us, .pulse = pulse
    };
    return db_new(&d->db, &options);
}

void duty_done(struct duty *d)
{
    d->db = db_free(d->db);
}

struct producer_property *duty_list_properties(const struct config_kafka *kafka)
{
    struct producer_property *properties = calloc(kafka->n_properties + 1, sizeof(*properties));
    for (size_t i = 0; properties && i < kafka->n_properties; i++)
        properties[i] = (struct producer_property){ kafka->properties[i].name, kafka->properties[i].value };
    return properties;
}

int duty_new_admin(const struct duty *d, int64_t timeout_us, struct admin **ret, struct err *reterr)
{
    const struct config_kafka *kafka = &d->config->kafka;
    _cleanup_free_ struct producer_property *properties = duty_list_properties(kafka);
    if (!properties)
        return err_set(reterr, -ENOMEM, "out of memory");
    const struct admin_config options = {
        .brokers = kafka->brokers,
        .client_id = "jobbrokerd",
        .timeout_us = timeout_us,
        .properties = properties,
        .n_properties = kafka->n_properties,
        .min_insync = kafka->min_insync,
        .pulse = d->pulse,
    };
    return admin_new(ret, &options, reterr);
}

static bool pause_for(struct duty *d, int64_t us)
{
    struct pollfd pfd = { .fd = d->stop_fd, .events = POLLIN };
    int64_t deadline_us = clock_mono_us() + us;
    for (;;) {
        int64_t left_us = deadline_us - clock_mono_us();
        int n = poll(&pfd, 1, left_us > 0 ? (int)((left_us + USEC_PER_MSEC - 1) / USEC_PER_MSEC) : 0);
        if (n > 0)
            return true;
        if (left_us <= 0)
            return false;
    }
}

bool duty_pause(struct duty *d, int64_t us)
{
    pulse_wait(d->pulse, us);
    bool stops = pause_for(d, us);
    pulse_step(d->pulse);
    return stops;
}

bool duty_is_stopping(const struct duty *d)
{
    struct pollfd pfd = { .fd = d->stop_fd, .events = POLLIN };
    return poll(&pfd, 1, 0) > 0;
}

void duty_retry(struct duty *d)
{
    duty_pause(d, d->backoff_us);
    d->backoff_us = d->backoff_us * 2 < BACKOFF_MAX_US ? d->backoff_us * 2 : BACKOFF_MAX_US;
}

void duty_succeeded(struct duty *d)
{
    d->backoff_us = BACKOFF_MIN_US;
}

void duty_enter(struct duty *d, enum duty_state state, const char *why)
{
    static const char *const back[] = {
        [DUTY_STARTING] = "ready",
        [DUTY_WITHOUT_DATABASE] = "PostgreSQL is back",
        [DUTY_WITHOUT_SCHEMA] = "the database's schema is there",
        [DUTY_WITHOUT_KAFKA] = "Kafka is back",
    };
    if (d->state == state)
        return;
    if (state == DUTY_READY)
        log_info("%s: %s", d->name, back[d->state]);
    else
        log_warning("%s waits: %s", d->name, why ? why : "");
    d->state = state;
}

static int check_schema(struct duty *d, struct err *reterr)
{
    struct migrate_status status;
    int r = migrate_status(d->db, &status, reterr);
    if (r == 0 && status.version < status.latest)
        return err_set(reterr, STORE_REFUSED, "the database has %s, run: jobctl db migrate",
                       status.version ? "an older schema" : "no schema");
    return r;
}

/* A connection that was lost is opened again at once, so a restart of PostgreSQL is no outage when it is quick. */
int duty_connect(struct duty *d, bool *ret_new)
{
    struct err err = { 0 };
    *ret_new = !db_is_connected(d->db);
    int r = db_connect(d->db, &err);
    if (r == 0 && (*ret_new || d->state == DUTY_WITHOUT_SCHEMA)) {
        *ret_new = true;
        r = check_schema(d, &err);
    }
    if (r == 0) {
        if (d->state == DUTY_WITHOUT_DATABASE || d->state == DUTY_WITHOUT_SCHEMA)
            duty_enter(d, DUTY_READY, NULL);
        return 0;
    }
    duty_enter(d, r == STORE_REFUSED ? DUTY_WITHOUT_SCHEMA : DUTY_WITHOUT_DATABASE,
               *err.text ? err.text : strerror(-r));
    db_disconnect(d->db);
    return STORE_AWAY;
}

void duty_lost(struct duty *d, int r, const struct err *err)
{
    const char *text = *err->text ? err->text : r < 0 ? strerror(-r) : "no reason given";
    if (r == STORE_AWAY)
        log_info("%s: %s; connecting again", d->name, text);
    else
        log_error("%s: %s; trying again", d->name, text);
    db_disconnect(d->db);
}
