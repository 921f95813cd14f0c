/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/topics.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "libjob/names.h"

#define REPLICATION_DEFAULT (-1)

int topics_init(struct topics *t, const struct job_config *config)
{
    *t = (struct topics){ .config = config,
                          .said = calloc((config->n_queues + 1) * LANE_COUNT, sizeof(bool)) };
    return t->said ? 0 : -ENOMEM;
}

void topics_done(struct topics *t)
{
    free(t->said);
    t->said = NULL;
}

static int create(int n_partitions, struct admin *admin, const char *topic, bool *said, struct err *reterr)
{
    int r = admin_create_topic(admin, topic, n_partitions, REPLICATION_DEFAULT, reterr);
    if (r == 0)
        log_info("topic %s made with %d partitions", topic, n_partitions);
    if (r == ADMIN_REFUSED && !*said) {
        *said = true;
        log_error("topic %s is missing and cannot be made: %s", topic, reterr->text);
    }
    return r;
}

static int inspect(struct admin *admin, const char *topic, bool *said, struct err *reterr)
{
    struct admin_setting settings[ADMIN_N_SETTINGS];
    int r = admin_describe_topic(admin, topic, settings, reterr);
    if (r || *said)
        return r;
    for (size_t i = 0; i < ADMIN_N_SETTINGS; i++) {
        if (settings[i].right)
            continue;
        *said = true;
        log_warning("topic %s has %s = %s, a queue needs %s", topic, settings[i].name,
                    *settings[i].value ? settings[i].value : "(not reported)", settings[i].wanted);
    }
    return 0;
}

static bool is_there(const struct admin_topics *there, const char *topic)
{
    for (size_t i = 0; i < there->n; i++)
        if (strcmp(there->topics[i].name, topic) == 0)
            return true;
    return false;
}

static int apply_topic(struct admin *admin, const struct admin_topics *there, const char *topic,
                       int n_partitions, bool *said, struct err *reterr)
{
    int r = is_there(there, topic) ? inspect(admin, topic, said, reterr)
                                   : create(n_partitions, admin, topic, said, reterr);
    return r == ADMIN_AWAY || r < 0 ? r : 0;
}

static int apply_lane(struct topics *t, struct admin *admin, const struct admin_topics *there, size_t queue,
                      enum name_lane lane, struct err *reterr)
{
    char topic[NAME_TOPIC_MAX + 1];
    const struct config_queue *declared = &t->config->queues[queue];
    bool *said = &t->said[queue * LANE_COUNT + lane];
    if (!config_has_lane(declared, lane))
        return 0;
    name_topic_of_lane(t->config->prefix, declared->name, lane, topic);
    return apply_topic(admin, there, topic, declared->partitions, said, reterr);
}

/* Where jobs go that the broker has to see first. */
static int apply_later(struct topics *t, struct admin *admin, const struct admin_topics *there,
                       struct err *reterr)
{
    char topic[NAME_TOPIC_MAX + 1];
    name_topic(t->config->prefix, NAME_LATER, topic);
    return apply_topic(admin, there, topic, t->config->broker.later_partitions,
                       &t->said[t->config->n_queues * LANE_COUNT], reterr);
}

int topics_apply(struct topics *t, struct admin *admin, struct err *reterr)
{
    _cleanup_(admin_topics_done) struct admin_topics there = { 0 };
    int r = admin_list_topics(admin, t->config->prefix, &there, reterr);
    for (size_t i = 0; i < t->config->n_queues && r == 0; i++)
        for (enum name_lane lane = 0; lane < LANE_COUNT && r == 0; lane++)
            r = apply_lane(t, admin, &there, i, lane, reterr);
    return r ? r : apply_later(t, admin, &there, reterr);
}
