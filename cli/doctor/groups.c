/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of the workers' consumer group: who is a member, who has which partitions, and does only one deployment use it? */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/doctor/doctor.h"
#include "store/health.h"

#define WORKER_CLIENT "jobworkerd" /* client.id of the consumers of workers */
#define BEAT_LATE_US (15 * USEC_PER_SEC)

/* Return: whether @group was read; then admin_group_done() it. */
static bool read_group(struct doctor *d, struct admin_group *ret)
{
    struct err err = { 0 };
    const char *group = d->in->config->worker.group;
    return doctor_judge_kafka(d, group, admin_describe_group(d->in->admin, group, ret, &err), &err);
}

static bool is_assigned(const struct admin_group *g, const char *topic, int32_t partition)
{
    for (size_t i = 0; i < g->n_places; i++)
        if (g->places[i].partition == partition && strcmp(g->places[i].topic, topic) == 0)
            return true;
    return false;
}

static bool is_wanted(const struct job_config *config, const char *topic)
{
    struct span queue = name_queue_of_topic(config->prefix, topic);
    for (size_t i = 0; queue.data && i < config->worker.n_queues; i++)
        if (span_equals(queue, config->worker.queues[i].name))
            return true;
    return false;
}

static void check_unowned(struct doctor *d, const struct admin_group *g)
{
    for (size_t i = 0; i < d->topics.n; i++) {
        const struct admin_topic *t = &d->topics.topics[i];
        int n = 0;
        for (int32_t p = 0; is_wanted(d->in->config, t->name) && p < t->n_partitions; p++)
            n += !is_assigned(g, t->name, p);
        if (n > 0)
            doctor_problem(d, t->name, "Jobs in these partitions wait.",
                           "look whether a worker takes this queue (worker.queues), and at the workers' logs",
                           "%d of %d partitions belong to no worker", n, (int)t->n_partitions);
    }
}

static void check_state(struct doctor *d)
{
    struct admin_group g = { 0 };
    const char *group = d->in->config->worker.group;
    size_t before = doctor_mark(d);
    if (!read_group(d, &g))
        return;
    if (g.n_members == 0)
        doctor_problem(
            d, group, "No worker takes jobs from Kafka.",
            "start jobworkerd; if one runs, compare worker.group and kafka.brokers in its configuration",
            "it has no members (%s)", g.state);
    else if (strcmp(g.state, "Stable") != 0)
        doctor_warning(
            d, group, "While partitions are given out, nothing new starts.",
            "run jobctl doctor again in a minute; if it is still so, look at the workers' logs for what they cannot give back",
            "its partitions are being given out (%s, %zu members)", g.state, g.n_members);
    else
        check_unowned(d, &g);
    if (doctor_is_content(d, before))
        doctor_well(d, group, "%zu members, %zu partitions", g.n_members, g.n_places);
    admin_group_done(&g);
}

/* --- Two deployments --- */

static size_t count_live(const struct rows *rows)
{
    size_t n = 0;
    for (size_t i = 0; i < rows_count(rows); i++)
        n += rows_bigint(rows, i, 4) <= BEAT_LATE_US;
    return n;
}

static const char *find_stranger(const struct admin_group *g)
{
    for (size_t i = 0; i < g->n_members; i++)
        if (strcmp(g->members[i].client_id, WORKER_CLIENT) != 0)
            return g->members[i].client_id;
    return NULL;
}

/* Each worker is one member, whose client.id may have been set by hand. */
static void check_members(struct doctor *d)
{
    static const char meaning[] =
        "Others take partitions whose jobs this deployment never sees, and fence its workers.";
    static const char cure[] =
        "give each deployment its own prefix, or worker.group; one group belongs to one database";
    struct admin_group g = { 0 };
    const char *group = d->in->config->worker.group;
    _cleanup_(rows_free_cleanup) struct rows *rows = doctor_ask(d, health_list_workers);
    if (!rows || !read_group(d, &g))
        return;
    const char *stranger = find_stranger(&g);
    size_t live = count_live(rows);
    if (g.n_members > live)
        doctor_problem(d, group, meaning, cure, "%zu members, but %zu workers in this database%s%.80s",
                       g.n_members, live, stranger ? "; one calls itself " : "", stranger ? stranger : "");
    else if (g.n_members)
        doctor_well(d, group, "its members are this database's workers");
    admin_group_done(&g);
}

/* Offsets in Kafka follow the cursors, and are never ahead of them unless somebody else commits. */
static const struct admin_place *find_place(const struct admin_group *g, const char *topic, int32_t partition)
{
    for (size_t i = 0; i < g->n_places; i++)
        if (g->places[i].partition == partition && strcmp(g->places[i].topic, topic) == 0)
            return &g->places[i];
    return NULL;
}

static void check_offsets(struct doctor *d)
{
    char about[NAME_TOPIC_MAX + 16];
    struct admin_group g = { 0 };
    struct err err = { 0 };
    const char *group = d->in->config->worker.group;
    size_t before = doctor_mark(d);
    /* Kafka first: a cursor that moves on meanwhile is ahead, as it should be. */
    if (!doctor_judge_kafka(d, group, admin_read_group_offsets(d->in->admin, group, &g, &err), &err))
        return;
    _cleanup_(rows_free_cleanup) struct rows *rows = doctor_ask(d, health_list_cursors);
    for (size_t i = 0; rows && i < rows_count(rows); i++) {
        const struct admin_place *p = find_place(&g, rows_text(rows, i, 0), rows_int(rows, i, 1));
        if (!p || p->offset <= rows_bigint(rows, i, 2))
            continue;
        snprintf(about, sizeof(about), "%s[%" PRId32 "]", rows_text(rows, i, 0), rows_int(rows, i, 1));
        doctor_warning(
            d, about,
            "Somebody else commits for this group, or the database is older than it was (a restored backup). Workers go by the cursor.",
            "after a restore nothing is to be done; else give each deployment its own worker.group",
            "Kafka has offset %" PRId64 " for the group, the cursor is at %" PRId64, p->offset,
            rows_bigint(rows, i, 2));
    }
    if (rows && doctor_is_content(d, before))
        doctor_well(d, group, "none is ahead of its cursor");
    admin_group_done(&g);
}

const struct doctor_check doctor_groups[] = {
    { "consumer group", NEED_KAFKA, check_state },
    { "group members", NEED_KAFKA | NEED_SCHEMA, check_members },
    { "group offsets", NEED_KAFKA | NEED_SCHEMA, check_offsets },
    { 0 },
};
