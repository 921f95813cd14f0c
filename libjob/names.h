/* SPDX-License-Identifier: Apache-2.0 */
/* The names and limits of the wire format, said once: CONTRACT's table "A job on the wire". */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

#define NAME_QUEUE_MAX 63
#define NAME_TYPE_MAX 128
#define NAME_CRON_MAX 128
#define NAME_TOPIC_MAX 249             /* Kafka's own limit */
#define NAME_MESSAGE_MAX (1024 * 1024) /* bytes of key, payload and headers together */
#define NAME_ATTEMPTS_MAX 1000
#define NAME_COUNT_MAX 1000000000 /* of ce_attempt and ce_delivery */
#define NAME_TIMEOUT_MAX_MS (INT64_C(30) * 24 * 60 * 60 * 1000)
#define NAME_DELAY_MAX_MS INT64_C(315576000000) /* 10 years */
#define NAME_UNIQUE_MAX 512                     /* bytes of a unique key */
#define NAME_LATER "later"                      /* the topic of what the broker has to look at first */
#define NAME_TYPE_DEATH "job.dead"              /* type of the jobs that tell of a death */

#define HEADER_SPECVERSION "ce_specversion"
#define HEADER_ID "ce_id"
#define HEADER_TYPE "ce_type"
#define HEADER_SOURCE "ce_source"
#define HEADER_TIME "ce_time"
#define HEADER_CONTENT_TYPE "content-type"
#define HEADER_ATTEMPT "ce_attempt"
#define HEADER_MAX_ATTEMPTS "ce_maxattempts"
#define HEADER_TIMEOUT "ce_timeoutms"
#define HEADER_EXPIRES "ce_expires"
#define HEADER_DELIVERY "ce_delivery"
#define HEADER_CLAIM "ce_claim"
#define HEADER_REPLY "ce_reply"
#define HEADER_TAGS "ce_tags"
#define HEADER_PARENT "ce_parent"
#define HEADER_QUEUE "ce_queue"
#define HEADER_PRIORITY "ce_priority"
#define HEADER_RUN_AT "ce_runat"
#define HEADER_UNIQUE_KEY "ce_uniquekey"
#define HEADER_UNIQUE_TTL "ce_uniquettlms"
#define HEADER_DEBOUNCE "ce_debounce"
#define HEADER_TRACEPARENT "traceparent"
#define HEADER_TRACESTATE "tracestate"

/* [a-z0-9][a-z0-9-]{0,62}, and neither "later" nor "dead". */
bool name_is_queue(struct span name);
/* [A-Za-z][A-Za-z0-9_.-]{0,127} */
bool name_is_type(struct span name);
/* [A-Za-z0-9][A-Za-z0-9_.-]{0,127}, of a cron entry */
bool name_is_cron(struct span name);
/* Kafka's rule for topics, short enough for the longest queue and lane behind it. */
bool name_is_prefix(struct span name);
/* "application/json", "…+json", with or without parameters; absent counts as JSON. */
bool name_is_json_content_type(struct span content_type);

/* A queue's topics, those whose jobs go first in front. */
enum name_lane { LANE_HIGH, LANE_NORMAL, LANE_LOW, LANE_COUNT };

/* "<prefix>.<queue>" into @topic (NAME_TOPIC_MAX + 1 bytes). Return: @topic. */
char *name_topic(const char *prefix, const char *queue, char *topic);
/* The same with the lane behind it: "<prefix>.<queue>.high", "<prefix>.<queue>", "<prefix>.<queue>.low". */
char *name_topic_of_lane(const char *prefix, const char *queue, enum name_lane lane, char *topic);
/* Of a topic that name_queue_of_topic() knows. */
enum name_lane name_lane_of_topic(const char *prefix, const char *topic);
/* ".high", "", ".low"; LANE_COUNT for anything else. */
enum name_lane name_lane_of_end(const char *end);
/* The queue inside a topic's name ("job.mail" and "job.mail.high" give "mail"); data NULL when it is no queue topic. */
struct span name_queue_of_topic(const char *prefix, const char *topic);
