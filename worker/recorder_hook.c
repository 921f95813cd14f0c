/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tells PostgreSQL which queue hears of the jobs that die: that of the handler for job.dead, if this worker has one.
 *
 * It is told before anything is taken over, and again after a reload. PostgreSQL keeps it (job.set_dead_hook()): deaths are told also
 * while no worker runs, whoever buries. A worker without such a handler says nothing, for another one may have it; so somebody who
 * takes the last one away says so with `jobctl dead hook --off`.
 */
#include "worker/recorder_inside.h"

#include <string.h>

#include "base/log.h"

static void on_hooked(const struct session_reply *reply, void *userdata)
{
    struct recorder *r = userdata;
    r->request = REQUEST_NONE;
    if (reply->outcome == STORE_AWAY) {
        r->hook_told = false;
        return;
    }
    if (reply->outcome == STORE_REFUSED) {
        log_error("record: who hears of dead jobs cannot be set: %s; that stays as it was",
                  reply->refusal.text);
        return;
    }
    const struct rows *rows = reply->rows[0];
    const char *was = rows_is_null(rows, 0, 0) ? NULL : rows_text(rows, 0, 0);
    const char *now = rows_text(rows, 0, 1);
    if (!was || strcmp(was, now) != 0)
        log_info("record: jobs that die are told to the queue %s from now on; before: %s", now,
                 was ? was : "to nobody");
}

bool recorder_send_hook(struct recorder *r)
{
    const char *queue = r->hook_told ? NULL : config_dead_hook(r->config);
    r->hook_told = true;
    if (!queue)
        return false;
    r->request = REQUEST_HOOK;
    record_set_dead_hook(recorder_session(r), queue, r->worker_id, on_hooked, r);
    return true;
}

void recorder_reload(struct recorder *r)
{
    r->hook_told = false;
}
