/* SPDX-License-Identifier: Apache-2.0 */
#include "libjob/attributes.h"

#include "base/clock.h"
#include "base/timefmt.h"
#include "base/utf8.h"
#include "libjob/names.h"

/* Readers return the rule that the value breaks; NULL when it breaks none. */
typedef const char *(*attribute_read_fn)(struct span value, struct envelope *e);

struct attribute {
    const char *name;
    attribute_read_fn read;
    bool has_column;
    bool comes_later; /* added when the job has left the log */
};

static bool read_number(struct span value, int64_t max, int64_t *ret)
{
    int64_t number = 0;
    if (value.size < 1 || value.size > 18)
        return false;
    for (size_t i = 0; i < value.size; i++) {
        if (value.data[i] < '0' || value.data[i] > '9')
            return false;
        number = number * 10 + (value.data[i] - '0');
    }
    if (number < 1 || number > max)
        return false;
    *ret = number;
    return true;
}

static bool read_count(struct span value, int max, int *ret)
{
    int64_t number;
    if (!read_number(value, max, &number))
        return false;
    *ret = (int)number;
    return true;
}

/* A flag is "1" or absent. */
static const char *read_flag(struct span value, bool *ret)
{
    if (!span_equals(value, "1"))
        return "only 1 is allowed";
    *ret = true;
    return NULL;
}

static const char *read_attempt(struct span value, struct envelope *e)
{
    return read_count(value, NAME_COUNT_MAX, &e->attempt) ? NULL : "not a number from 1 to 1000000000";
}

static const char *read_claim(struct span value, struct envelope *e)
{
    return read_flag(value, &e->claim);
}

static const char *read_crashes(struct span value, struct envelope *e)
{
    return read_count(value, NAME_COUNT_MAX, &e->crashes) ? NULL : "not a number from 1 to 1000000000";
}

static const char *read_debounce(struct span value, struct envelope *e)
{
    return read_flag(value, &e->debounce);
}

static const char *read_delivery(struct span value, struct envelope *e)
{
    if (!read_count(value, NAME_COUNT_MAX, &e->delivery))
        return "not a number from 1 to 1000000000";
    e->relayed = true;
    return NULL;
}

static const char *read_expires(struct span value, struct envelope *e)
{
    int64_t us;
    if (rfc3339_parse(value.data, value.size, &us))
        return "not an RFC 3339 time";
    e->expires_us = us > 0 ? us : 1; /* 0 would mean never */
    return NULL;
}

static const char *read_id(struct span value, struct envelope *e)
{
    struct uuid id;
    if (uuid_parse(value.data, value.size, &id) || uuid_is_null(&id))
        return "not a UUID";
    e->id = id;
    e->id_given = true;
    return NULL;
}

static const char *read_key_seq(struct span value, struct envelope *e)
{
    return read_number(value, INT64_MAX - 1, &e->key_seq) ? NULL
                                                          : "not a number from 1 to 999999999999999999";
}

static const char *read_max_attempts(struct span value, struct envelope *e)
{
    return read_count(value, NAME_ATTEMPTS_MAX, &e->max_attempts) ? NULL : "not a number from 1 to 1000";
}

static const char *read_parent(struct span value, struct envelope *e)
{
    return uuid_parse(value.data, value.size, &e->parent) ? "not a UUID" : NULL;
}

static const char *read_priority(struct span value, struct envelope *e)
{
    if (!span_equals(value, "high") && !span_equals(value, "low"))
        return "neither high nor low";
    e->lane = span_equals(value, "high") ? LANE_HIGH : LANE_LOW;
    return NULL;
}

static const char *read_queue(struct span value, struct envelope *e)
{
    if (!name_is_queue(value))
        return "not a queue ([a-z0-9][a-z0-9-]{0,62}, and neither later nor dead)";
    e->queue = value;
    return NULL;
}

static const char *read_reply(struct span value, struct envelope *e)
{
    return read_flag(value, &e->reply);
}

static const char *read_run_at(struct span value, struct envelope *e)
{
    int64_t us;
    if (rfc3339_parse(value.data, value.size, &us))
        return "not an RFC 3339 time";
    e->run_at_us = us > 0 ? us : 1; /* 0 would mean that it is not said */
    return NULL;
}

static const char *read_source(struct span value, struct envelope *e)
{
    e->source = value;
    return NULL;
}

static const char *read_specversion(struct span value, struct envelope *e)
{
    (void)e;
    if (value.size < 3 || memcmp(value.data, "1.", 2) != 0)
        return "not 1.x";
    for (size_t i = 2; i < value.size; i++)
        if (value.data[i] < '0' || value.data[i] > '9')
            return "not 1.x";
    return NULL;
}

static const char *read_tags(struct span value, struct envelope *e)
{
    e->tags = value;
    return NULL;
}

static const char *read_time(struct span value, struct envelope *e)
{
    return rfc3339_parse(value.data, value.size, &e->time_us) ? "not an RFC 3339 time" : NULL;
}

static const char *read_timeout(struct span value, struct envelope *e)
{
    int64_t ms;
    if (!read_number(value, NAME_TIMEOUT_MAX_MS, &ms))
        return "not a number of milliseconds from 1 to 2592000000 (30 days)";
    e->timeout_us = ms * USEC_PER_MSEC;
    return NULL;
}

/* CloudEvents' own spelling of the trace headers; the plain ones, when there, are read later and win. */
static const char *read_traceparent(struct span value, struct envelope *e)
{
    e->traceparent = value;
    return NULL;
}

static const char *read_tracestate(struct span value, struct envelope *e)
{
    e->tracestate = value;
    return NULL;
}

static const char *read_type(struct span value, struct envelope *e)
{
    if (!name_is_type(value))
        return "not a job type ([A-Za-z][A-Za-z0-9_.-]{0,127})";
    e->type = value;
    return NULL;
}

static const char *read_unique_key(struct span value, struct envelope *e)
{
    if (value.size < 1 || value.size > NAME_UNIQUE_MAX)
        return "empty, or longer than 512 bytes";
    e->unique_key = value;
    return NULL;
}

static const char *read_unique_ttl(struct span value, struct envelope *e)
{
    int64_t ms;
    if (!read_number(value, NAME_DELAY_MAX_MS, &ms))
        return "not a number of milliseconds from 1 to 315576000000 (10 years)";
    e->unique_us = ms * USEC_PER_MSEC;
    return NULL;
}

/* By the alphabet: attribute_find() stops at the first letter that is past the one it looks for. */
static const struct attribute attributes[] = {
    { "attempt", read_attempt, .has_column = true },
    { "claim", read_claim, .has_column = true },
    { "crashes", read_crashes, .comes_later = true },
    { "debounce", read_debounce, .has_column = true },
    { "delivery", read_delivery, .has_column = true },
    { "expires", read_expires },
    { "id", read_id, .has_column = true },
    { "keyseq", read_key_seq, .comes_later = true },
    { "maxattempts", read_max_attempts },
    { "parent", read_parent },
    { "priority", read_priority, .has_column = true },
    { "queue", read_queue, .has_column = true },
    { "reply", read_reply },
    { "runat", read_run_at, .has_column = true },
    { "source", read_source },
    { "specversion", read_specversion, .has_column = true },
    { "tags", read_tags },
    { "time", read_time },
    { "timeoutms", read_timeout },
    { "traceparent", read_traceparent },
    { "tracestate", read_tracestate },
    { "type", read_type, .has_column = true },
    { "uniquekey", read_unique_key },
    { "uniquettlms", read_unique_ttl },
};

const struct attribute *attribute_find(const char *name)
{
    for (size_t i = 0; i < sizeof(attributes) / sizeof(attributes[0]); i++) {
        if (attributes[i].name[0] > name[0])
            return NULL;
        if (attributes[i].name[0] == name[0] && strcmp(attributes[i].name, name) == 0)
            return &attributes[i];
    }
    return NULL;
}

unsigned attribute_bit(const struct attribute *a)
{
    return 1u << (a - attributes);
}

bool attribute_has_column(const struct attribute *a)
{
    return a->has_column;
}

bool attribute_is_lasting(const struct attribute *a)
{
    return !a->has_column && !a->comes_later;
}

int attribute_read(const struct attribute *a, struct span value, struct envelope *e, struct err *reterr)
{
    const char *rule =
        value.data && utf8_is_text(value.data, value.size) ? a->read(value, e) : "not UTF-8 text";
    return rule ? err_set(reterr, ENVELOPE_MALFORMED, "ce_%s: %s", a->name, rule) : 0;
}
