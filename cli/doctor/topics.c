/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of the queues' topics: are they there, served, copied, and set so that no job is dropped? */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/doctor/doctor.h"
#include "store/health.h"

static const struct admin_topic *find_topic(const struct doctor *d, const char *name)
{
    for (size_t i = 0; i < d->topics.n; i++)
        if (strcmp(d->topics.topics[i].name, name) == 0)
            return &d->topics.topics[i];
    return NULL;
}

static void check_declared(struct doctor *d)
{
    char name[NAME_TOPIC_MAX + 1];
    const struct job_config *config = d->in->config;
    size_t before = doctor_mark(d);
    for (size_t i = 0; i < config->n_queues; i++)
        for (enum name_lane lane = 0; lane < LANE_COUNT; lane++)
            if (config_has_lane(&config->queues[i], lane) &&
                !find_topic(d, name_topic_of_lane(config->prefix, config->queues[i].name, lane, name)))
                doctor_problem(d, name, "Jobs of this queue cannot be enqueued.", "jobctl topic apply",
                               "missing");
    if (config->broker.later && !find_topic(d, name_topic(config->prefix, NAME_LATER, name)))
        doctor_warning(d, name, "Delayed and unique jobs cannot be enqueued through Kafka.",
                       "start jobbrokerd: it makes this topic", "missing");
    if (doctor_is_content(d, before))
        doctor_well(d, NULL, "those of all declared queues are there");
}

/* --- How they are served --- */

static void check_service(struct doctor *d)
{
    size_t before = doctor_mark(d);
    for (size_t i = 0; i < d->topics.n; i++) {
        const struct admin_topic *t = &d->topics.topics[i];
        if (t->n_leaderless > 0)
            doctor_problem(d, t->name, "Their jobs wait, and enqueueing to them times out.",
                           "bring the missing Kafka brokers back", "%d of %d partitions have no leader",
                           (int)t->n_leaderless, (int)t->n_partitions);
        else if (t->n_short > 0)
            doctor_warning(
                d, t->name, "The next Kafka broker that dies may stop the queue, or take jobs with it.",
                "bring the missing Kafka brokers back; kafka-topics.sh --describe --under-replicated-partitions",
                "%d of %d partitions have fewer copies in step than they should", (int)t->n_short,
                (int)t->n_partitions);
    }
    if (d->topics.n && doctor_is_content(d, before))
        doctor_well(d, NULL, "all partitions of %zu topics have a leader and all copies", d->topics.n);
}

/* --- Are they as declared? --- */

static void check_shape(struct doctor *d, const struct admin_topic *t, int partitions)
{
    if (partitions && t->n_partitions != partitions)
        doctor_warning(
            d, t->name, "Configuration and Kafka disagree; jobs are run all the same.",
            "declare what is there, or run: jobctl topic apply --grow; more partitions change which one a key belongs to",
            "it has %d partitions, declared are %d", (int)t->n_partitions, partitions);
    int replication = d->in->config->kafka.replication;
    if (replication && t->replication != replication)
        doctor_warning(d, t->name, "It survives the loss of fewer Kafka brokers than you want.",
                       "kafka-reassign-partitions.sh, or declare what is there",
                       "it has %d replicas, declared are %d", (int)t->replication, replication);
}

static const char *meaning_of(const char *setting)
{
    static const struct {
        const char *name, *meaning;
    } meanings[] = {
        { "min.insync.replicas", "A job counts as enqueued with too few copies, or none can be enqueued." },
        { "max.message.bytes", "Jobs that libjob allows are refused by Kafka." },
        { "message.timestamp.type",
          "Times of other hosts are believed: delays and look-ups by time go wrong." },
        { "unclean.leader.election.enable",
          "A Kafka broker that was behind may become leader: jobs are lost then." },
        { "cleanup.policy", "Kafka drops jobs before they run: of each key the last one stays." },
    };
    for (size_t i = 0; i < ARRAY_SIZE(meanings); i++)
        if (strcmp(meanings[i].name, setting) == 0)
            return meanings[i].meaning;
    return "Kafka drops jobs that have waited for long, or when there are many.";
}

static void check_settings(struct doctor *d, const char *topic)
{
    struct admin_setting settings[ADMIN_N_SETTINGS];
    struct err err = { 0 };
    if (!doctor_judge_kafka(d, topic, admin_describe_topic(d->in->admin, topic, settings, &err), &err))
        return;
    for (size_t i = 0; i < ADMIN_N_SETTINGS; i++) {
        const struct admin_setting *s = &settings[i];
        if (!s->right)
            doctor_problem(
                d, topic, meaning_of(s->name),
                doctor_format(
                    d,
                    "kafka-configs.sh --bootstrap-server %.150s --alter --entity-type topics --entity-name %.200s --add-config %s=%s",
                    d->in->config->kafka.brokers, topic, s->name, s->wanted),
                "%s is %s, should be %s", s->name, s->value[0] ? s->value : "unknown", s->wanted);
    }
}

static void check_topics(struct doctor *d)
{
    const struct job_config *config = d->in->config;
    size_t before = doctor_mark(d);
    for (size_t i = 0; i < d->topics.n && d->have & NEED_KAFKA; i++) {
        const struct admin_topic *t = &d->topics.topics[i];
        struct span name = name_queue_of_topic(config->prefix, t->name);
        const struct config_queue *queue = name.data ? config_find_queue(config, name) : NULL;
        bool later = strcmp(t->name + strlen(config->prefix) + 1, NAME_LATER) == 0;
        if (!queue && !later)
            continue;
        check_shape(d, t, queue ? queue->partitions : 0);
        check_settings(d, t->name);
    }
    if (d->topics.n && doctor_is_content(d, before))
        doctor_well(d, NULL, "partitions, retention and the rest are as they should be");
}

/* --- Queues that nobody has declared --- */

/* Does anything wait in its log? Return: false also when that cannot be found out. */
static bool has_records(struct doctor *d, const struct admin_topic *t)
{
    bool any = false;
    _cleanup_free_ struct admin_range *ranges = calloc((size_t)t->n_partitions + 1, sizeof(*ranges));
    if (!ranges || admin_read_ranges(d->in->admin, t->name, t->n_partitions, ranges, NULL))
        return false;
    for (int32_t i = 0; i < t->n_partitions; i++)
        any = any || ranges[i].end > ranges[i].start;
    return any;
}

static void check_undeclared(struct doctor *d)
{
    const struct job_config *config = d->in->config;
    int left = 20; /* each is a question to Kafka */
    for (size_t i = 0; i < d->topics.n && left > 0; i++) {
        const struct admin_topic *t = &d->topics.topics[i];
        struct span name = name_queue_of_topic(config->prefix, t->name);
        if (!name.data || config_find_queue(config, name))
            continue;
        left--;
        if (has_records(d, t))
            doctor_warning(
                d, t->name,
                "Workers with this configuration do not take its jobs, and its topic is not looked after.",
                "declare the queue in the configuration (queues); or delete the topic (kafka-topics.sh --delete)",
                "it has records, and no queue of this configuration is called \"%.*s\"", (int)name.size,
                name.data);
    }
}

/* Jobs in job.pending go nowhere when their queue has no topic; the relay tries again and again. */
static void check_strays(struct doctor *d)
{
    char topic[NAME_TOPIC_MAX + 1];
    _cleanup_(rows_free_cleanup) struct rows *rows = doctor_ask(d, health_list_pending_queues);
    for (size_t i = 0; rows && i < rows_count(rows); i++) {
        const char *queue = rows_text(rows, i, 0);
        if (rows_bigint(rows, i, 1) > 0 && !config_find_queue(d->in->config, rows_span(rows, i, 0)) &&
            !find_topic(d, name_topic(d->in->config->prefix, queue, topic)))
            doctor_problem(d, queue, "They stay there until there is one.",
                           "declare the queue in the configuration (queues), then jobctl topic apply",
                           "%" PRId64 " jobs wait in job.pending for it, and it has no topic",
                           rows_bigint(rows, i, 1));
    }
}

const struct doctor_check doctor_topics[] = {
    { "topics", NEED_KAFKA, check_declared },
    { "topic copies", NEED_KAFKA, check_service },
    { "topic settings", NEED_KAFKA, check_topics },
    { "undeclared topics", NEED_KAFKA, check_undeclared },
    { "undeclared queues", NEED_KAFKA | NEED_SCHEMA, check_strays },
    { 0 },
};
