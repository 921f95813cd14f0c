/* SPDX-License-Identifier: Apache-2.0 */
#include "libjob/names.h"

#include <strings.h>

#define LANE_MAX 5 /* ".high" */

static const char *const lane_ends[LANE_COUNT] = {
    [LANE_HIGH] = ".high",
    [LANE_NORMAL] = "",
    [LANE_LOW] = ".low",
};

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_letter(char c)
{
    return is_lower((char)(c | 0x20));
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool name_is_queue(struct span name)
{
    if (!name.data || name.size < 1 || name.size > NAME_QUEUE_MAX || name.data[0] == '-')
        return false;
    for (size_t i = 0; i < name.size; i++)
        if (!is_lower(name.data[i]) && !is_digit(name.data[i]) && name.data[i] != '-')
            return false;
    return !span_equals(name, "later") && !span_equals(name, "dead");
}

bool name_is_type(struct span name)
{
    if (!name.data || name.size < 1 || name.size > NAME_TYPE_MAX || !is_letter(name.data[0]))
        return false;
    for (size_t i = 1; i < name.size; i++) {
        char c = name.data[i];
        if (!is_letter(c) && !is_digit(c) && c != '_' && c != '.' && c != '-')
            return false;
    }
    return true;
}

bool name_is_cron(struct span name)
{
    if (!name.data || name.size < 1 || name.size > NAME_CRON_MAX)
        return false;
    for (size_t i = 0; i < name.size; i++) {
        char c = name.data[i];
        if (!is_letter(c) && !is_digit(c) && (i == 0 || (c != '_' && c != '.' && c != '-')))
            return false;
    }
    return true;
}

bool name_is_prefix(struct span name)
{
    if (!name.data || name.size < 1 || name.size > NAME_TOPIC_MAX - 1 - NAME_QUEUE_MAX - LANE_MAX)
        return false;
    for (size_t i = 0; i < name.size; i++) {
        char c = name.data[i];
        if (!is_letter(c) && !is_digit(c) && c != '_' && c != '.' && c != '-')
            return false;
    }
    return true;
}

static bool ends_with_ignoring_case(struct span s, const char *end)
{
    size_t size = strlen(end);
    return s.size >= size && strncasecmp(s.data + s.size - size, end, size) == 0;
}

bool name_is_json_content_type(struct span content_type)
{
    static const char json[] = "application/json";
    if (!content_type.data || content_type.size == 0 || span_equals(content_type, json))
        return true;
    struct span bare = { content_type.data, 0 };
    while (bare.size < content_type.size && bare.data[bare.size] != ';')
        bare.size++;
    while (bare.size > 0 && (bare.data[bare.size - 1] == ' ' || bare.data[bare.size - 1] == '\t'))
        bare.size--;
    return (bare.size == strlen(json) && strncasecmp(bare.data, json, bare.size) == 0) ||
           ends_with_ignoring_case(bare, "+json");
}

char *name_topic(const char *prefix, const char *queue, char *topic)
{
    size_t n = strnlen(prefix, NAME_TOPIC_MAX - 1), m = strnlen(queue, NAME_TOPIC_MAX - 1 - n);
    memcpy(topic, prefix, n);
    topic[n] = '.';
    memcpy(topic + n + 1, queue, m);
    topic[n + 1 + m] = 0;
    return topic;
}

char *name_topic_of_lane(const char *prefix, const char *queue, enum name_lane lane, char *topic)
{
    name_topic(prefix, queue, topic);
    return strncat(topic, lane_ends[lane], NAME_TOPIC_MAX - strlen(topic));
}

/* LANE_COUNT: what stands behind the queue is no lane. */
static enum name_lane find_lane(const char *end)
{
    enum name_lane lane = 0;
    while (lane < LANE_COUNT && strcmp(end, lane_ends[lane]) != 0)
        lane++;
    return lane;
}

enum name_lane name_lane_of_topic(const char *prefix, const char *topic)
{
    struct span queue = name_queue_of_topic(prefix, topic);
    return queue.data ? find_lane(queue.data + queue.size) : LANE_NORMAL;
}

enum name_lane name_lane_of_end(const char *end)
{
    return find_lane(end);
}

struct span name_queue_of_topic(const char *prefix, const char *topic)
{
    static const struct span none;
    size_t skip = strlen(prefix);
    if (strncmp(topic, prefix, skip) != 0 || topic[skip] != '.')
        return none;
    struct span queue = { topic + skip + 1, strcspn(topic + skip + 1, ".") };
    if (find_lane(queue.data + queue.size) == LANE_COUNT)
        return none;
    return name_is_queue(queue) ? queue : none;
}
