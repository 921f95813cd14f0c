/* SPDX-License-Identifier: Apache-2.0 */
/* Consumer groups, and the cluster as a whole: only to be looked at. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stream/admin_request.h"

DEFINE_CLEANUP(rd_kafka_ListConsumerGroupOffsets_t *, rd_kafka_ListConsumerGroupOffsets_destroy)
DEFINE_CLEANUP(rd_kafka_ConfigResource_t *, rd_kafka_ConfigResource_destroy)

void admin_group_done(struct admin_group *g)
{
    for (size_t i = 0; i < g->n_members; i++) {
        free(g->members[i].client_id);
        free(g->members[i].host);
    }
    for (size_t i = 0; i < g->n_places; i++)
        free(g->places[i].topic);
    free(g->members);
    free(g->places);
    *g = (struct admin_group){ 0 };
}

/* Return: 0; -ENOMEM. */
static int add_places(struct admin_group *g, const rd_kafka_topic_partition_list_t *list)
{
    size_t n = list ? (size_t)list->cnt : 0;
    struct admin_place *places = reallocarray(g->places, g->n_places + n + 1, sizeof(*places));
    if (!places)
        return -ENOMEM;
    g->places = places;
    for (size_t i = 0; i < n; i++) {
        const rd_kafka_topic_partition_t *from = &list->elems[i];
        if (from->err)
            continue;
        places[g->n_places] = (struct admin_place){ strdup(from->topic), from->partition, from->offset };
        if (!places[g->n_places++].topic)
            return -ENOMEM;
    }
    return 0;
}

static int add_member(struct admin_group *g, const rd_kafka_MemberDescription_t *from)
{
    const rd_kafka_MemberAssignment_t *assignment = rd_kafka_MemberDescription_assignment(from);
    struct admin_member *to = &g->members[g->n_members++];
    *to = (struct admin_member){
        .client_id = strdup(rd_kafka_MemberDescription_client_id(from)),
        .host = strdup(rd_kafka_MemberDescription_host(from)),
        .first = g->n_places,
    };
    int r = to->client_id && to->host ? 0 : -ENOMEM;
    if (r == 0 && assignment)
        r = add_places(g, rd_kafka_MemberAssignment_partitions(assignment));
    to->n = g->n_places - to->first;
    return r;
}

static int take_group(const rd_kafka_ConsumerGroupDescription_t *from, struct admin_group *ret)
{
    size_t n = rd_kafka_ConsumerGroupDescription_member_count(from);
    struct admin_group g = { .members = calloc(n + 1, sizeof(*g.members)) };
    int r = g.members ? 0 : -ENOMEM;
    snprintf(g.state, sizeof(g.state), "%s",
             rd_kafka_consumer_group_state_name(rd_kafka_ConsumerGroupDescription_state(from)));
    for (size_t i = 0; i < n && r == 0; i++)
        r = add_member(&g, rd_kafka_ConsumerGroupDescription_member(from, i));
    if (r)
        admin_group_done(&g);
    else
        *ret = g;
    return r;
}

static int judge(struct admin_request *q, const rd_kafka_error_t *error, const char *group,
                 struct err *reterr)
{
    return error ? admin_session_judge(&q->session, rd_kafka_error_code(error), rd_kafka_error_string(error),
                                       group, reterr)
                 : 0;
}

int admin_describe_group(struct admin *a, const char *group, struct admin_group *ret, struct err *reterr)
{
    size_t n = 0;
    _cleanup_admin_request_ struct admin_request q = { 0 };
    int r = admin_request_init(&q, a, RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS, false, reterr);
    if (r)
        return r;
    rd_kafka_DescribeConsumerGroups(q.session.rk, &group, 1, q.options, q.queue);
    r = admin_request_wait(&q, group, reterr);
    if (r)
        return r;
    const rd_kafka_ConsumerGroupDescription_t **groups = rd_kafka_DescribeConsumerGroups_result_groups(
        rd_kafka_event_DescribeConsumerGroups_result(q.event), &n);
    if (n != 1)
        return err_set(reterr, ADMIN_REFUSED, "%s: Kafka answered about %zu groups", group, n);
    r = judge(&q, rd_kafka_ConsumerGroupDescription_error(groups[0]), group, reterr);
    if (r)
        return r;
    r = take_group(groups[0], ret);
    return r ? err_set(reterr, r, "out of memory") : 0;
}

int admin_read_group_offsets(struct admin *a, const char *group, struct admin_group *ret, struct err *reterr)
{
    size_t n = 0;
    struct admin_group g = { 0 };
    _cleanup_admin_request_ struct admin_request q = { 0 };
    int r = admin_request_init(&q, a, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS, false, reterr);
    if (r)
        return r;
    _cleanup_(rd_kafka_ListConsumerGroupOffsets_destroy_cleanup) rd_kafka_ListConsumerGroupOffsets_t *asked =
        rd_kafka_ListConsumerGroupOffsets_new(group, NULL);
    rd_kafka_ListConsumerGroupOffsets(q.session.rk, &asked, 1, q.options, q.queue);
    r = admin_request_wait(&q, group, reterr);
    if (r)
        return r;
    const rd_kafka_group_result_t **groups = rd_kafka_ListConsumerGroupOffsets_result_groups(
        rd_kafka_event_ListConsumerGroupOffsets_result(q.event), &n);
    if (n != 1)
        return err_set(reterr, ADMIN_REFUSED, "%s: Kafka answered about %zu groups", group, n);
    r = judge(&q, rd_kafka_group_result_error(groups[0]), group, reterr);
    if (r)
        return r;
    r = add_places(&g, rd_kafka_group_result_partitions(groups[0]));
    if (r) {
        admin_group_done(&g);
        return err_set(reterr, r, "out of memory");
    }
    *ret = g;
    return 0;
}

/* --- The cluster --- */

static void take_version(rd_kafka_event_t *event, struct admin_cluster *ret)
{
    size_t n = 0, n_entries = 0;
    const rd_kafka_ConfigResource_t **resources =
        rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event), &n);
    const rd_kafka_ConfigEntry_t **entries =
        n == 1 ? rd_kafka_ConfigResource_configs(resources[0], &n_entries) : NULL;
    for (size_t i = 0; i < n_entries; i++) {
        const char *value = rd_kafka_ConfigEntry_value(entries[i]);
        if (value && strcmp(rd_kafka_ConfigEntry_name(entries[i]), "inter.broker.protocol.version") == 0)
            snprintf(ret->version, sizeof(ret->version), "%s", value);
    }
}

/* Not every user may see it, and not every Kafka tells it: no version is no error. */
static void ask_version(struct admin *a, int32_t broker, struct admin_cluster *ret)
{
    char id[12];
    _cleanup_admin_request_ struct admin_request q = { 0 };
    if (admin_request_init(&q, a, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, false, NULL))
        return;
    snprintf(id, sizeof(id), "%d", (int)broker);
    _cleanup_(rd_kafka_ConfigResource_destroy_cleanup) rd_kafka_ConfigResource_t *resource =
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_BROKER, id);
    if (!resource)
        return;
    rd_kafka_DescribeConfigs(q.session.rk, &resource, 1, q.options, q.queue);
    if (admin_request_wait(&q, "version", NULL) == 0)
        take_version(q.event, ret);
}

/* Any topic's name makes the answer short; the probe's cannot exist. */
static int ask_brokers(struct admin *a, struct admin_cluster *ret, int32_t *ret_broker, struct err *reterr)
{
    const struct rd_kafka_metadata *found = NULL;
    _cleanup_admin_session_ struct admin_session s = { 0 };
    int r = admin_session_open(&s, a, NULL, 0, admin_timeout_us(a), reterr);
    if (r)
        return r;
    rd_kafka_topic_t *probe = rd_kafka_topic_new(s.rk, ADMIN_PROBE_TOPIC, NULL);
    rd_kafka_resp_err_t code = rd_kafka_metadata(s.rk, 0, probe, &found, admin_session_left_ms(&s));
    rd_kafka_topic_destroy(probe);
    if (code)
        return admin_session_judge(&s, code, NULL, "brokers", reterr);
    *ret = (struct admin_cluster){ .n_brokers = found->broker_cnt };
    *ret_broker = found->broker_cnt > 0 ? found->brokers[0].id : -1;
    rd_kafka_metadata_destroy(found);
    ret->controller = rd_kafka_controllerid(s.rk, admin_session_left_ms(&s));
    char *id = rd_kafka_clusterid(s.rk, admin_session_left_ms(&s));
    snprintf(ret->id, sizeof(ret->id), "%s", id ? id : "");
    if (id)
        rd_kafka_mem_free(s.rk, id);
    return 0;
}

int admin_describe_cluster(struct admin *a, struct admin_cluster *ret, struct err *reterr)
{
    int32_t broker = -1;
    int r = ask_brokers(a, ret, &broker, reterr);
    if (r == 0 && broker >= 0)
        ask_version(a, broker, ret);
    return r;
}

const char *admin_library_version(void)
{
    return rd_kafka_version_str();
}
