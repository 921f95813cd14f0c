/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/topics.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "libjob/names.h"
#include "libjob/topic_check.h"

int topics_init(struct topics *t, const struct job_config *config)
{
    *t = (struct topics){ .config = config,
                          .said = calloc((config->n_queues + 1) * LANE_COUNT, sizeof(*t->said)) };
    return t->said ? 0 : -ENOMEM;
}

void topics_done(struct topics *t)
{
    for (size_t i = 0; t->said && i < (t->config->n_queues + 1) * LANE_COUNT; i++)
        free(t->said[i]);
    free(t->said);
    t->said = NULL;
}

/* Return: true when @text is news; "": there is no trouble. */
static bool is_news(char **said, const char *text)
{
    if (strcmp(*said ? *said : "", text) == 0)
        return false;
    free(*said);
    *said = *text ? strdup(text) : NULL;
    return true;
}

/* What is done with each topic. @said: the trouble with it that is in the log. */
typedef int (*visit_fn)(struct topics *t, struct admin *admin, int n_partitions, const char *topic,
                        char **said, struct err *reterr);

static int visit(struct topics *t, struct admin *admin, int n_partitions, const char *topic, size_t number,
                 visit_fn fn, struct err *reterr)
{
    int r = fn(t, admin, n_partitions, topic, &t->said[number], reterr);
    return r == ADMIN_AWAY || r < 0 ? r : 0;
}

static int visit_lane(struct topics *t, struct admin *admin, size_t queue, enum name_lane lane, visit_fn fn,
                      struct err *reterr)
{
    char topic[NAME_TOPIC_MAX + 1];
    const struct config_queue *declared = &t->config->queues[queue];
    if (!config_has_lane(declared, lane))
        return 0;
    name_topic_of_lane(t->config->prefix, declared->name, lane, topic);
    return visit(t, admin, declared->partitions, topic, queue * LANE_COUNT + lane, fn, reterr);
}

/* Where jobs go that the broker has to see first. */
static int visit_later(struct topics *t, struct admin *admin, visit_fn fn, struct err *reterr)
{
    char topic[NAME_TOPIC_MAX + 1];
    name_topic(t->config->prefix, NAME_LATER, topic);
    return visit(t, admin, t->config->broker.later_partitions, topic, t->config->n_queues * LANE_COUNT, fn,
                 reterr);
}

static int visit_all(struct topics *t, struct admin *admin, visit_fn fn, struct err *reterr)
{
    int r = 0;
    for (size_t i = 0; i < t->config->n_queues && r == 0; i++)
        for (enum name_lane lane = 0; lane < LANE_COUNT && r == 0; lane++)
            r = visit_lane(t, admin, i, lane, fn, reterr);
    return r ? r : visit_later(t, admin, fn, reterr);
}

/* --- Making them --- */

static bool is_there(const struct admin_topics *there, const char *topic)
{
    for (size_t i = 0; i < there->n; i++)
        if (strcmp(there->topics[i].name, topic) == 0)
            return true;
    return false;
}

static int create(struct topics *t, struct admin *admin, int n_partitions, const char *topic, char **said,
                  struct err *reterr)
{
    int replication = t->config->kafka.replication;
    if (is_there(&t->there, topic))
        return 0;
    int r = admin_create_topic(admin, topic, n_partitions, replication ? replication : -1, reterr);
    if (r == 0)
        log_info("topic %s made with %d partitions", topic, n_partitions);
    if (r == ADMIN_REFUSED && is_news(said, reterr->text))
        log_error("topic %s is missing and cannot be made: %s", topic, reterr->text);
    return r;
}

int topics_apply(struct topics *t, struct admin *admin, struct err *reterr)
{
    int r = admin_list_topics(admin, t->config->prefix, &t->there, reterr);
    if (r == 0)
        r = visit_all(t, admin, create, reterr);
    admin_topics_done(&t->there);
    return r;
}

/* --- Looking at them --- */

static int inspect(struct topics *t, struct admin *admin, int n_partitions, const char *topic, char **said,
                   struct err *reterr)
{
    int32_t found;
    _cleanup_buf_ struct buf wrong = { 0 };
    buf_append_string(&wrong, "");
    int r = topic_list_wrong(admin, t->config, n_partitions, topic, &wrong, &found, reterr);
    if (r == ADMIN_NO_TOPIC) {
        buf_reset(&wrong);
        buf_append_string(&wrong, "it is missing");
        r = 0;
    }
    if (r || wrong.failed || !is_news(said, wrong.data))
        return r;
    if (wrong.size)
        log_warning("topic %s: %s", topic, wrong.data);
    else
        log_info("topic %s is as it should be again", topic);
    return 0;
}

int topics_inspect(struct topics *t, struct admin *admin, struct err *reterr)
{
    return visit_all(t, admin, inspect, reterr);
}
