/* SPDX-License-Identifier: Apache-2.0 */
/* Topics: what there is, making them as queues need them, telling where they differ. */
#include "stream/admin.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "stream/admin_request.h"

/* What a queue's topic must be like. A job waits as long as it takes, and nothing but trimming removes it. */
static const struct {
    const char *name, *value;
} settings[] = {
    { "cleanup.policy", "delete" },     { "retention.ms", "-1" },
    { "retention.bytes", "-1" },        { "message.timestamp.type", "LogAppendTime" },
    { "max.message.bytes", "2097152" }, { "unclean.leader.election.enable", "false" },
};
_Static_assert(ADMIN_MESSAGE_MAX == 2097152, "the text above says the same");

/* How many copies must exist before a job counts as enqueued. What that should be depends on how many there are. */
#define MIN_INSYNC "min.insync.replicas"
_Static_assert(ARRAY_SIZE(settings) + 1 == ADMIN_N_SETTINGS, "and that one");

DEFINE_CLEANUP(rd_kafka_NewTopic_t *, rd_kafka_NewTopic_destroy)
DEFINE_CLEANUP(rd_kafka_NewPartitions_t *, rd_kafka_NewPartitions_destroy)
DEFINE_CLEANUP(rd_kafka_DeleteTopic_t *, rd_kafka_DeleteTopic_destroy)
DEFINE_CLEANUP(rd_kafka_ConfigResource_t *, rd_kafka_ConfigResource_destroy)

static int open_session(struct admin *a, struct admin_session *s, struct err *reterr)
{
    return admin_session_open(s, a, NULL, 0, admin_timeout_us(a), reterr);
}

int admin_probe(struct admin *a, struct err *reterr)
{
    _cleanup_admin_session_ struct admin_session s = { 0 };
    const struct rd_kafka_metadata *found;
    int r = open_session(a, &s, reterr);
    if (r)
        return r;
    /* All topics would be a long answer: one that cannot exist makes it a short one. */
    r = admin_session_topic(&s, ADMIN_PROBE_TOPIC, &found, reterr);
    if (r == 0)
        rd_kafka_metadata_destroy(found);
    return r == ADMIN_NO_TOPIC || r == ADMIN_REFUSED ? 0 : r;
}

/* --- What there is --- */

static int describe(const struct rd_kafka_metadata_topic *from, struct admin_topic *to)
{
    *to = (struct admin_topic){ .name = strdup(from->topic), .n_partitions = from->partition_cnt };
    if (!to->name)
        return -ENOMEM;
    for (int i = 0; i < from->partition_cnt; i++) {
        const rd_kafka_metadata_partition_t *p = &from->partitions[i];
        to->n_leaderless += p->leader < 0;
        to->n_short += p->isr_cnt < p->replica_cnt;
        to->min_in_step = i == 0 || p->isr_cnt < to->min_in_step ? p->isr_cnt : to->min_in_step;
    }
    to->replication = from->partition_cnt > 0 ? from->partitions[0].replica_cnt : 0;
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct admin_topic *)a)->name, ((const struct admin_topic *)b)->name);
}

static int collect(const struct rd_kafka_metadata *found, const char *prefix, struct admin_topics *ret)
{
    struct admin_topics all = { .topics = calloc((size_t)found->topic_cnt + 1, sizeof(*all.topics)) };
    int r = all.topics ? 0 : -ENOMEM;
    for (int i = 0; i < found->topic_cnt && r == 0; i++) {
        if (found->topics[i].err || strncmp(found->topics[i].topic, prefix, strlen(prefix)) != 0)
            continue;
        r = describe(&found->topics[i], &all.topics[all.n]);
        all.n += r == 0;
    }
    if (r) {
        admin_topics_done(&all);
        return r;
    }
    qsort(all.topics, all.n, sizeof(*all.topics), compare_names);
    *ret = all;
    return 0;
}

void admin_topics_done(struct admin_topics *t)
{
    for (size_t i = 0; i < t->n; i++)
        free(t->topics[i].name);
    free(t->topics);
    *t = (struct admin_topics){ 0 };
}

int admin_list_topics(struct admin *a, const char *prefix, struct admin_topics *ret, struct err *reterr)
{
    _cleanup_admin_session_ struct admin_session s = { 0 };
    const struct rd_kafka_metadata *found = NULL;
    int r = open_session(a, &s, reterr);
    if (r)
        return r;
    rd_kafka_resp_err_t code = rd_kafka_metadata(s.rk, 1, NULL, &found, admin_session_left_ms(&s));
    if (code)
        return admin_session_judge(&s, code, NULL, "topics", reterr);
    r = collect(found, prefix, ret);
    rd_kafka_metadata_destroy(found);
    return r ? err_set(reterr, r, "out of memory") : 0;
}

int admin_find_topic(struct admin *a, const char *topic, struct admin_topic *ret, struct err *reterr)
{
    _cleanup_admin_session_ struct admin_session s = { 0 };
    const struct rd_kafka_metadata *found;
    int r = open_session(a, &s, reterr);
    if (r == 0)
        r = admin_session_topic(&s, topic, &found, reterr);
    if (r)
        return r;
    r = describe(&found->topics[0], ret);
    rd_kafka_metadata_destroy(found);
    return r;
}

/* --- Changing them --- */

static int judge_topics(struct admin_request *q, const rd_kafka_topic_result_t **results, size_t n,
                        const char *topic, struct err *reterr)
{
    if (n != 1)
        return err_set(reterr, ADMIN_REFUSED, "%s: Kafka answered about %zu topics", topic, n);
    return admin_session_judge(&q->session, rd_kafka_topic_result_error(results[0]),
                               rd_kafka_topic_result_error_string(results[0]), topic, reterr);
}

static void set_settings(const struct admin *a, rd_kafka_NewTopic_t *wanted)
{
    char number[12];
    for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
        rd_kafka_NewTopic_set_config(wanted, settings[i].name, settings[i].value);
    snprintf(number, sizeof(number), "%d", admin_min_insync(a));
    if (admin_min_insync(a) > 0)
        rd_kafka_NewTopic_set_config(wanted, MIN_INSYNC, number);
}

int admin_create_topic(struct admin *a, const char *topic, int32_t n_partitions, int32_t replication,
                       struct err *reterr)
{
    char text[256];
    size_t n = 0;
    _cleanup_admin_request_ struct admin_request q = { 0 };
    int r = admin_request_init(&q, a, RD_KAFKA_ADMIN_OP_CREATETOPICS, true, reterr);
    if (r)
        return r;
    _cleanup_(rd_kafka_NewTopic_destroy_cleanup) rd_kafka_NewTopic_t *wanted =
        rd_kafka_NewTopic_new(topic, n_partitions, replication, text, sizeof(text));
    if (!wanted)
        return err_set(reterr, -EINVAL, "%s: %s", topic, text);
    set_settings(a, wanted);
    rd_kafka_CreateTopics(q.session.rk, &wanted, 1, q.options, q.queue);
    r = admin_request_wait(&q, topic, reterr);
    if (r)
        return r;
    const rd_kafka_topic_result_t **results =
        rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(q.event), &n);
    r = judge_topics(&q, results, n, topic, reterr);
    return r ? r : admin_session_await(&q.session, topic, n_partitions, reterr);
}

int admin_grow_topic(struct admin *a, const char *topic, int32_t n_partitions, struct err *reterr)
{
    char text[256];
    size_t n = 0;
    _cleanup_admin_request_ struct admin_request q = { 0 };
    int r = admin_request_init(&q, a, RD_KAFKA_ADMIN_OP_CREATEPARTITIONS, true, reterr);
    if (r)
        return r;
    _cleanup_(rd_kafka_NewPartitions_destroy_cleanup) rd_kafka_NewPartitions_t *wanted =
        rd_kafka_NewPartitions_new(topic, (size_t)n_partitions, text, sizeof(text));
    if (!wanted)
        return err_set(reterr, -EINVAL, "%s: %s", topic, text);
    rd_kafka_CreatePartitions(q.session.rk, &wanted, 1, q.options, q.queue);
    r = admin_request_wait(&q, topic, reterr);
    if (r)
        return r;
    const rd_kafka_topic_result_t **results =
        rd_kafka_CreatePartitions_result_topics(rd_kafka_event_CreatePartitions_result(q.event), &n);
    r = judge_topics(&q, results, n, topic, reterr);
    return r ? r : admin_session_await(&q.session, topic, n_partitions, reterr);
}

int admin_delete_topic(struct admin *a, const char *topic, struct err *reterr)
{
    size_t n = 0;
    _cleanup_admin_request_ struct admin_request q = { 0 };
    int r = admin_request_init(&q, a, RD_KAFKA_ADMIN_OP_DELETETOPICS, true, reterr);
    if (r)
        return r;
    _cleanup_(rd_kafka_DeleteTopic_destroy_cleanup) rd_kafka_DeleteTopic_t *unwanted =
        rd_kafka_DeleteTopic_new(topic);
    rd_kafka_DeleteTopics(q.session.rk, &unwanted, 1, q.options, q.queue);
    r = admin_request_wait(&q, topic, reterr);
    if (r)
        return r;
    const rd_kafka_topic_result_t **results =
        rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(q.event), &n);
    return judge_topics(&q, results, n, topic, reterr);
}

/* --- How they are set --- */

static void compare_setting(const rd_kafka_ConfigEntry_t *entry, struct admin_setting *ret)
{
    for (size_t i = 0; i < ADMIN_N_SETTINGS; i++) {
        if (strcmp(rd_kafka_ConfigEntry_name(entry), ret[i].name) != 0)
            continue;
        const char *value = rd_kafka_ConfigEntry_value(entry);
        snprintf(ret[i].value, sizeof(ret[i].value), "%s", value ? value : "");
        ret[i].right = strcmp(ret[i].value, ret[i].wanted) == 0;
    }
}

/* Three copies of which one is enough lose jobs with one disk; more than there are let nobody enqueue. */
static void want_min_insync(const struct admin *a, int replication, struct admin_setting *ret)
{
    int value = atoi(ret->value), least = replication >= 3 ? 2 : 1, declared = admin_min_insync(a);
    ret->right = value <= replication && (declared ? value == declared : value >= least);
    snprintf(ret->wanted, sizeof(ret->wanted), "%d", declared && declared <= replication ? declared : least);
}

static int read_settings(struct admin_request *q, const char *topic, struct admin_setting *ret,
                         struct err *reterr)
{
    size_t n = 0, n_entries = 0;
    const rd_kafka_ConfigResource_t **resources =
        rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(q->event), &n);
    if (n != 1)
        return err_set(reterr, ADMIN_REFUSED, "%s: Kafka answered about %zu topics", topic, n);
    int r = admin_session_judge(&q->session, rd_kafka_ConfigResource_error(resources[0]),
                                rd_kafka_ConfigResource_error_string(resources[0]), topic, reterr);
    if (r)
        return r;
    for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
        ret[i] = (struct admin_setting){ .name = settings[i].name };
        snprintf(ret[i].wanted, sizeof(ret[i].wanted), "%s", settings[i].value);
    }
    ret[ARRAY_SIZE(settings)] = (struct admin_setting){ .name = MIN_INSYNC };
    const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resources[0], &n_entries);
    for (size_t i = 0; i < n_entries; i++)
        compare_setting(entries[i], ret);
    return 0;
}

int admin_describe_topic(struct admin *a, const char *topic, struct admin_setting ret[ADMIN_N_SETTINGS],
                         struct err *reterr)
{
    struct admin_topic shape;
    const struct rd_kafka_metadata *found;
    _cleanup_admin_request_ struct admin_request q = { 0 };
    int r = admin_request_init(&q, a, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, false, reterr);
    if (r == 0)
        r = admin_session_topic(&q.session, topic, &found, reterr);
    if (r)
        return r;
    r = describe(&found->topics[0], &shape);
    rd_kafka_metadata_destroy(found);
    if (r)
        return err_set(reterr, r, "out of memory");
    free(shape.name);
    _cleanup_(rd_kafka_ConfigResource_destroy_cleanup) rd_kafka_ConfigResource_t *resource =
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
    if (!resource)
        return err_set(reterr, -EINVAL, "\"%s\" is no name of a topic", topic);
    rd_kafka_DescribeConfigs(q.session.rk, &resource, 1, q.options, q.queue);
    r = admin_request_wait(&q, topic, reterr);
    if (r == 0)
        r = read_settings(&q, topic, ret, reterr);
    if (r == 0)
        want_min_insync(a, shape.replication, &ret[ADMIN_N_SETTINGS - 1]);
    return r;
}
