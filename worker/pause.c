/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/pause.h"

#include <string.h>

#include "base/log.h"

static bool is_named(const struct rows *names, const char *queue)
{
    for (size_t i = 0; i < rows_count(names); i++)
        if (strcmp(rows_text(names, i, 0), queue) == 0)
            return true;
    return false;
}

static bool is_paused(const struct job *job, const void *unused)
{
    (void)unused;
    return job->lane && ready_is_paused(job->lane);
}

static bool is_leased_and_paused(const struct job *job, const void *unused)
{
    return job->token && is_paused(job, unused);
}

void pause_take(struct ready *ready, struct pool *pool, const struct rows *names, struct list *ret_leased)
{
    const char *queue;
    for (size_t i = 0; (queue = ready_queue_name(ready, i)); i++)
        if (ready_set_paused(ready, i, is_named(names, queue)))
            log_info("run: queue %s %s", queue,
                     is_named(names, queue) ? "is paused: nothing of it starts" : "goes on");
    pool_take_back(pool, is_paused, NULL);
    ready_take_matching(ready, is_leased_and_paused, NULL, ret_leased);
}

void pause_list_quiet(const struct ready *ready, struct buf *ret)
{
    const char *queue;
    for (size_t i = 0; (queue = ready_queue_name(ready, i)); i++)
        if (ready_is_quiet(ready, i))
            buf_append_format(ret, "%s%s", ret->size ? "," : "", queue);
}
