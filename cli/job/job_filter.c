/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/job/job_filter.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/dialog.h"

static unsigned find_state(const char *name, size_t size)
{
    for (size_t i = 0; i < LISTING_N_STATES; i++)
        if (strlen(listing_state_names[i]) == size && memcmp(listing_state_names[i], name, size) == 0)
            return 1U << i;
    return 0;
}

/* "dead,expired"; the words have been checked. */
static void read_states(struct job_filter *f, const struct arguments *a)
{
    const char *text;
    for (size_t at = 0; (text = arguments_next(a, "state", &at));)
        for (size_t size; *text; text += size + (text[size] == ',')) {
            size = strcspn(text, ",");
            f->listing.states |= find_state(text, size);
        }
}

static int read_tags(struct job_filter *f, const struct arguments *a, struct err *reterr)
{
    const char *tag;
    for (size_t at = 0; (tag = arguments_next(a, "tag", &at));) {
        if (!tag[0] || strchr(tag, ','))
            return err_set(reterr, STATUS_USAGE, "--tag: a tag is not empty and has no comma, found \"%s\"",
                           tag);
        if (f->listing.n_tags == JOB_FILTER_MAX_TAGS)
            return err_set(reterr, STATUS_USAGE, "--tag: at most %d", JOB_FILTER_MAX_TAGS);
        f->tags[f->listing.n_tags++] = tag;
    }
    f->listing.tags = f->tags;
    return STATUS_DONE;
}

static bool is_hex(const char *text, size_t size)
{
    size_t n = 0;
    while (n < size && isxdigit((unsigned char)text[n]))
        n++;
    return n == size;
}

/* A trace id, or the traceparent that has it: "00-<32 digits>-<16 digits>-01". */
static int read_trace(struct job_filter *f, const struct arguments *a, struct err *reterr)
{
    const char *text = arguments_get(a, "trace");
    if (!text)
        return STATUS_DONE;
    const char *id = strlen(text) == 55 && text[2] == '-' && text[35] == '-' ? text + 3 : text;
    if ((id == text && strlen(text) != 32) || !is_hex(id, 32))
        return err_set(
            reterr, STATUS_USAGE,
            "--trace: expected 32 hexadecimal digits like \"4bf92f3577b34da6a3ce929d0e0e4736\", or a traceparent that "
            "has them, found \"%s\"",
            text);
    for (size_t i = 0; i < 32; i++)
        f->trace[i] = (char)tolower((unsigned char)id[i]);
    f->listing.trace = f->trace;
    return STATUS_DONE;
}

/* Both ends of a span of time. */
static int read_span(const struct arguments *a, const char *since, const char *until, int64_t now_us,
                     int64_t *ret_since_us, int64_t *ret_until_us, struct err *reterr)
{
    int64_t since_us = arguments_get_moment(a, since, now_us),
            until_us = arguments_get_moment(a, until, now_us);
    if (since_us >= 0 && until_us >= 0 && since_us >= until_us)
        return err_set(reterr, STATUS_USAGE, "--%s is not before --%s: nothing can lie between them", since,
                       until);
    *ret_since_us = since_us > 0 ? since_us : 0;
    *ret_until_us = until_us > 0 ? until_us : until_us == 0 ? 1 : 0;
    return STATUS_DONE;
}

static enum condition_kind kind_of(const struct where_term *t)
{
    return json_is_number(t->value)   ? CONDITION_NUMBER
           : json_is_string(t->value) ? CONDITION_STRING
                                      : CONDITION_OTHER;
}

static void take_condition(struct condition *c, const struct where_term *t)
{
    static const enum condition_root roots[] = {
        [WHERE_PAYLOAD] = CONDITION_PAYLOAD,
        [WHERE_RESULT] = CONDITION_RESULT,
        [WHERE_HEADERS] = CONDITION_HEADERS,
    };
    static const enum condition_op ops[] = {
        [WHERE_EQUAL] = CONDITION_EQUAL,     [WHERE_NOT_EQUAL] = CONDITION_NOT_EQUAL,
        [WHERE_LESS] = CONDITION_LESS,       [WHERE_AT_MOST] = CONDITION_AT_MOST,
        [WHERE_GREATER] = CONDITION_GREATER, [WHERE_AT_LEAST] = CONDITION_AT_LEAST,
        [WHERE_LIKE] = CONDITION_LIKE,       [WHERE_EXISTS] = CONDITION_EXISTS,
        [WHERE_MISSING] = CONDITION_MISSING,
    };
    *c = (struct condition){
        .root = roots[t->root],
        .op = ops[t->op],
        .steps = (const char *const *)t->steps,
        .n_steps = t->n_steps,
        .kind = kind_of(t),
        .literal = t->literal,
    };
}

static int read_conditions(struct job_filter *f, const struct arguments *a, struct err *reterr)
{
    const unsigned all = 1 << WHERE_PAYLOAD | 1 << WHERE_RESULT | 1 << WHERE_HEADERS;
    const char *text;
    for (size_t at = 0; (text = arguments_next(a, "where", &at));) {
        int r = where_parse(&f->where, text, all, reterr);
        if (r)
            return err_prefix(reterr, r == -ENOMEM ? STATUS_FAILED : STATUS_USAGE, "--where");
    }
    for (size_t i = 0; i < f->where.n; i++)
        take_condition(&f->conditions[i], &f->where.terms[i]);
    f->listing.conditions = f->conditions;
    f->listing.n_conditions = f->where.n;
    return STATUS_DONE;
}

static int check_text(const struct arguments *a, const char *option, struct err *reterr)
{
    const char *text = arguments_get(a, option);
    return text && !*text ? err_set(reterr, STATUS_USAGE, "--%s: it is empty", option) : STATUS_DONE;
}

int job_filter_read(struct job_filter *f, const struct arguments *a, int64_t now_us, struct err *reterr)
{
    const char *parent = arguments_get(a, "parent");
    *f = (struct job_filter){ 0 };
    struct listing_filter *l = &f->listing;
    l->queue = arguments_get(a, "queue");
    l->type = arguments_get(a, "type");
    l->worker = arguments_get(a, "worker");
    l->error = arguments_get(a, "error");
    l->key = arguments_get(a, "key");
    if (parent) {
        uuid_parse(parent, strlen(parent), &f->parent);
        l->parent = &f->parent;
    }
    read_states(f, a);
    int r = check_text(a, "worker", reterr);
    if (r == STATUS_DONE)
        r = check_text(a, "error", reterr);
    if (r == STATUS_DONE)
        r = read_tags(f, a, reterr);
    if (r == STATUS_DONE)
        r = read_trace(f, a, reterr);
    if (r == STATUS_DONE)
        r = read_span(a, "since", "until", now_us, &l->since_us, &l->until_us, reterr);
    if (r == STATUS_DONE)
        r = read_span(a, "finished-since", "finished-until", now_us, &l->finished_since_us,
                      &l->finished_until_us, reterr);
    return r ? r : read_conditions(f, a, reterr);
}

void job_filter_done(struct job_filter *f)
{
    where_done(&f->where);
}

void job_filter_remark(const struct job_filter *f)
{
    static const struct {
        enum listing_gap gap;
        const char *what;
    } names[] = {
        { LISTING_GAP_PAYLOAD, "payload" },
        { LISTING_GAP_HEADERS, "headers" },
        { LISTING_GAP_KEY, "key" },
        { LISTING_GAP_TAG, "tags" },
    };
    unsigned gaps = listing_gaps(&f->listing);
    char list[64] = "";
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (gaps & names[i].gap)
            snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s", *list ? ", " : "",
                     names[i].what);
    if (gaps)
        dialog_say(
            "only jobs that wait, run or have a dead letter are listed: of others PostgreSQL has no %s",
            list);
}
