/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/partition.h"

#include <stdlib.h>
#include <string.h>

#include "worker/keys.h"

struct partition *partition_find(struct list *partitions, const char *topic, int32_t id)
{
    list_for_each(link, partitions)
    {
        struct partition *p = list_entry(link, struct partition, link);
        if (p->id == id && strcmp(p->topic, topic) == 0)
            return p;
    }
    return NULL;
}

struct partition *partition_new(const char *topic, int32_t id)
{
    _cleanup_(partition_free_cleanup) struct partition *p = calloc(1, sizeof(*p));
    if (!p)
        return NULL;
    list_init(&p->link);
    p->topic = strdup(topic);
    p->id = id;
    p->log_start = p->committed = p->suspect = p->suspect_sent = p->suspect_recorded = -1;
    p->checked_offset = p->checked_ms = p->witness_offset = p->witness_ms = -1;
    return p->topic ? steal(p) : NULL;
}

struct partition *partition_free(struct partition *p)
{
    if (!p)
        return NULL;
    list_remove(&p->link);
    message_free(p->held);
    feed_free(p->feed);
    window_done(&p->window);
    keys_free(p->keys);
    free(p->note);
    free(p->topic);
    free(p);
    return NULL;
}
