/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking Kafka about topics and changing them: blocking, bounded, for threads and tools.
 *
 * Every call opens what it needs, answers within its time-out and closes it again: after a time-out librdkafka's
 * handle is not to be trusted with further requests, and nobody asks often. So an admin is only an address, and any
 * number of threads may use it at once.
 *
 * Not here: producing, and consuming as a member of a group.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/pulse.h"
#include "stream/message.h"
#include "stream/producer.h" /* struct producer_property */

struct admin;

struct admin_config {
    const char *brokers;
    const char *client_id;
    int64_t timeout_us;                         /* of each call; 0: 10 s */
    const struct producer_property *properties; /* the user's own, applied last */
    size_t n_properties;
    int min_insync; /* min.insync.replicas of a topic that is made, and that it should have; 0: the Kafka brokers' default, at least 2 where there are 3 replicas */
    struct pulse *pulse; /* of the one thread that uses it, stays the caller's; NULL: nobody watches it */
};

enum admin_outcome {
    ADMIN_AWAY = 1,      /* no answer in time, or nobody there; @reterr names addresses and the last reason */
    ADMIN_REFUSED = 2,   /* Kafka said no; @reterr has its words */
    ADMIN_EXISTS = 3,    /* admin_create_topic: it was there already, and is as it was */
    ADMIN_NO_TOPIC = 4,  /* Kafka knows no such topic */
    ADMIN_NOT_FOUND = 5, /* admin_find_message: not within the budget and the range that was looked at */
};

/* Does not connect. @config is copied. Return: 0; negative errno with @reterr (a property that librdkafka refuses). */
int admin_new(struct admin **ret, const struct admin_config *config, struct err *reterr);
struct admin *admin_free(struct admin *a);
DEFINE_CLEANUP(struct admin *, admin_free)

/* Does a Kafka broker answer? Return: 0; ADMIN_AWAY; negative errno. */
int admin_probe(struct admin *a, struct err *reterr);

/* --- Topics --- */

struct admin_topic {
    char *name;
    int32_t n_partitions;
    int32_t replication;  /* of partition 0 */
    int32_t n_leaderless; /* partitions that nobody serves at the moment */
    int32_t n_short;      /* partitions with fewer copies in step than they should have */
    int32_t min_in_step;  /* copies in step of the partition that has fewest */
};

struct admin_topics {
    size_t n;
    struct admin_topic *topics; /* by name */
};
void admin_topics_done(struct admin_topics *t);

/* Topics whose name begins with @prefix ("job."). Return: 0, then admin_topics_done() @ret; ADMIN_AWAY; negative errno. */
int admin_list_topics(struct admin *a, const char *prefix, struct admin_topics *ret, struct err *reterr);

/* Never creates it. Return: 0, then free ret->name; ADMIN_NO_TOPIC; ADMIN_AWAY; ADMIN_REFUSED; negative errno. */
int admin_find_topic(struct admin *a, const char *topic, struct admin_topic *ret, struct err *reterr);

/*
 * Creates a queue's topic: unlimited retention, LogAppendTime, no compaction, messages up to ADMIN_MESSAGE_MAX bytes.
 * @replication: -1 takes the Kafka brokers' default
 *
 * Return: 0 when it exists now, on the node that answered at least; ADMIN_EXISTS; ADMIN_AWAY (it may exist now);
 * ADMIN_REFUSED; negative errno.
 */
int admin_create_topic(struct admin *a, const char *topic, int32_t n_partitions, int32_t replication,
                       struct err *reterr);
#define ADMIN_MESSAGE_MAX (2 * 1024 * 1024)

/* Gives the topic @n_partitions in all. Return: 0; ADMIN_NO_TOPIC; ADMIN_REFUSED (it has as many or more); ADMIN_AWAY; negative errno. */
int admin_grow_topic(struct admin *a, const char *topic, int32_t n_partitions, struct err *reterr);

/* Deletes it with everything in it. Return: 0; ADMIN_NO_TOPIC; ADMIN_REFUSED; ADMIN_AWAY; negative errno. */
int admin_delete_topic(struct admin *a, const char *topic, struct err *reterr);

/* One setting of a queue topic that matters: what it should be, what it is. */
struct admin_setting {
    const char *name; /* static */
    char wanted[32];
    char value[64]; /* "" when Kafka does not report it */
    bool right;
};
#define ADMIN_N_SETTINGS 7

/* The settings that admin_create_topic() makes, as they are. Return: 0; ADMIN_NO_TOPIC; ADMIN_REFUSED; ADMIN_AWAY; negative errno. */
int admin_describe_topic(struct admin *a, const char *topic, struct admin_setting ret[ADMIN_N_SETTINGS],
                         struct err *reterr);

/* --- Offsets --- */

struct admin_range {
    int64_t start; /* first offset in the log */
    int64_t end;   /* the next one to be written */
};

/* @ret: @n_partitions elements, of partitions 0 … n_partitions - 1. Return: 0; ADMIN_NO_TOPIC; ADMIN_AWAY; negative errno. */
int admin_read_ranges(struct admin *a, const char *topic, int32_t n_partitions, struct admin_range *ret,
                      struct err *reterr);

/* What tells one log of a partition from another of the same name. */
struct admin_log {
    int32_t partition;
    int64_t after_ms; /* in: a time stamp; -1: nothing is asked */
    int64_t start, end;
    int64_t first_after; /* the first offset with a later time stamp than that; -1: there is none */
};

/* @logs: existing partitions, each once; filled in. Return: 0; ADMIN_NO_TOPIC; ADMIN_REFUSED; ADMIN_AWAY; negative errno. */
int admin_read_logs(struct admin *a, const char *topic, struct admin_log *logs, size_t n, struct err *reterr);

/* The time stamp of one record. Return: 0; ADMIN_NOT_FOUND: there is none at that offset; ADMIN_AWAY; ADMIN_NO_TOPIC; ADMIN_REFUSED; negative errno. */
int admin_read_time(struct admin *a, const char *topic, int32_t partition, int64_t offset, int64_t *ret_ms,
                    struct err *reterr);

struct admin_cut {
    int32_t partition;
    int64_t before; /* in: records before this offset go */
    int64_t start;  /* where the log begins then; -1: not known */
};

/* Deletes records for good; repeating it changes nothing. Return: 0; else of the first partition that failed, and others may have been cut: ADMIN_NO_TOPIC; ADMIN_REFUSED (an offset is beyond the end); ADMIN_AWAY; negative errno. */
int admin_delete_records(struct admin *a, const char *topic, struct admin_cut *cuts, size_t n,
                         struct err *reterr);

/* --- Consumer groups --- */

struct admin_member {
    char *client_id, *host;
    size_t first, n; /* its partitions, in places of the group */
};

struct admin_place {
    char *topic;
    int32_t partition;
    int64_t offset; /* of admin_read_group_offsets() */
};

struct admin_group {
    char state
        [32]; /* Kafka's words: "Stable", "Empty", "PreparingRebalance", "Dead" (there is no such group) */
    struct admin_member *members;
    size_t n_members;
    struct admin_place *places;
    size_t n_places;
};
void admin_group_done(struct admin_group *g);

/* Who is a member and has which partitions. Return: 0, then admin_group_done() @ret; ADMIN_REFUSED; ADMIN_AWAY; negative errno. */
int admin_describe_group(struct admin *a, const char *group, struct admin_group *ret, struct err *reterr);
/* Offsets that the group has committed, in ret->places; those it has not are left out. Return: as admin_describe_group(). */
int admin_read_group_offsets(struct admin *a, const char *group, struct admin_group *ret, struct err *reterr);

/* --- The cluster --- */

struct admin_cluster {
    int32_t n_brokers;
    int32_t controller; /* -1: nobody, or not known */
    char id[64];        /* "" when it is not known */
    char version[32];   /* as the Kafka brokers tell it of themselves; "" when they do not */
};

/* Return: 0; ADMIN_AWAY; negative errno. */
int admin_describe_cluster(struct admin *a, struct admin_cluster *ret, struct err *reterr);

/* librdkafka's version, "2.0.2". */
const char *admin_library_version(void);

/* --- Looking for one message --- */

/* Is it the one? @m is valid during the call: what is wanted of it must be copied. */
typedef bool (*admin_match_fn)(const struct message *m, void *userdata);

struct admin_found {
    size_t topic; /* index into the topics that were asked for */
    int32_t partition;
    int64_t offset;
    int64_t timestamp_ms;
    int64_t end; /* of the partition's log when the search began: end - offset - 1 messages are behind it */
};

/**
 * admin_find_message() - read topics from a time on until a message matches
 * @topics:       those that Kafka does not know are skipped
 * @from_time_ms: reading starts at each partition's first record with this time stamp or a later one
 * @budget_us:    the end of the search, come what may
 *
 * Reads without being a member of any group and commits nothing. All partitions are read side by side up to the end
 * they had when the search began.
 *
 * Return: 0; ADMIN_NOT_FOUND; ADMIN_AWAY; negative errno.
 */
int admin_find_message(struct admin *a, const char *const *topics, size_t n_topics, int64_t from_time_ms,
                       admin_match_fn match, void *userdata, int64_t budget_us, struct admin_found *ret,
                       struct err *reterr);
