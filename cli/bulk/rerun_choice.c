/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/bulk/rerun_choice.h"

#include <string.h>

#include "base/clock.h"
#include "base/timefmt.h"
#include "cli/status.h"

static void put_text(json_t *filter, const struct arguments *a, const char *name)
{
    const char *text = arguments_get(a, name);
    if (text)
        json_object_set_new(filter, name, json_string(text));
}

static void put_list(json_t *filter, const struct arguments *a, const char *name, const char *otherwise)
{
    json_t *list = json_array();
    const char *text;
    for (size_t at = 0; (text = arguments_next(a, name, &at));)
        json_array_append_new(list, json_string(text));
    if (json_array_size(list) == 0 && otherwise)
        json_array_append_new(list, json_string(otherwise));
    json_object_set_new(filter, name, list);
}

static int64_t read_moment(const char *text, int64_t now_us)
{
    int64_t us;
    if (rfc3339_parse(text, strlen(text), &us) == 0)
        return us;
    return duration_parse(text, &us) == 0 && us < now_us ? now_us - us : 0;
}

static int put_times(json_t *filter, const struct arguments *a, struct err *reterr)
{
    size_t at = 0;
    char text[RFC3339_SIZE];
    const char *from = arguments_next(a, "finished-between", &at),
               *to = arguments_next(a, "finished-between", &at), *later;
    int64_t now_us = clock_wall_us();
    while (to && (later = arguments_next(a, "finished-between", &at))) { /* the last one counts */
        from = later;
        to = arguments_next(a, "finished-between", &at);
    }
    if (!to)
        return err_set(
            reterr, STATUS_USAGE,
            "when had they ended? --finished-between FROM TO: two times like 2026-01-31T18:00:00Z, or so long ago, like 3h 1h");
    int64_t from_us = read_moment(from, now_us), to_us = read_moment(to, now_us);
    if (from_us >= to_us)
        return err_set(
            reterr, STATUS_USAGE,
            "--finished-between: nothing lies between %s and %s; the earlier time comes first, like 3h 1h",
            from, to);
    if (from_us >= now_us)
        return err_set(reterr, STATUS_USAGE, "--finished-between: %s is still to come", from);
    json_object_set_new(filter, "from", json_string(rfc3339_format(from_us, 6, text)));
    json_object_set_new(filter, "to", json_string(rfc3339_format(to_us, 6, text)));
    return STATUS_DONE;
}

const char *rerun_choice_text(const struct rerun_choice *c, const char *name)
{
    return json_string_value(json_object_get(c->json, name));
}

static int read_where(struct rerun_choice *c, struct err *reterr)
{
    size_t i;
    const json_t *condition;
    struct err why = { 0 };
    json_array_foreach(json_object_get(c->json, "where"), i, condition)
    {
        int r = where_parse(&c->where, json_string_value(condition),
                            1U << WHERE_PAYLOAD | 1U << WHERE_RESULT | 1U << WHERE_HEADERS, &why);
        if (r)
            return err_set(reterr, r == WHERE_INVALID ? STATUS_USAGE : STATUS_FAILED, "--where: %s",
                           why.text);
    }
    return STATUS_DONE;
}

/* From the filter, be it the command line's or that of the run's row. */
static int read_json(struct rerun_choice *c, struct err *reterr)
{
    struct rerun_filter *f = &c->filter;
    const char *from = rerun_choice_text(c, "from"), *to = rerun_choice_text(c, "to");
    size_t i;
    const json_t *state;
    f->queue = rerun_choice_text(c, "queue");
    f->type = rerun_choice_text(c, "type");
    json_array_foreach(json_object_get(c->json, "state"), i, state) if (f->n_states < RERUN_MAX_STATES)
        c->states[f->n_states++] = json_string_value(state);
    f->states = c->states;
    c->limit = json_integer_value(json_object_get(c->json, "limit"));
    int r = read_where(c, reterr);
    f->with_result = where_asks(&c->where, WHERE_RESULT);
    if (r == STATUS_DONE && (!from || !to || rfc3339_parse(from, strlen(from), &c->from_us) ||
                             rfc3339_parse(to, strlen(to), &c->to_us)))
        r = err_set(reterr, STATUS_FAILED, "the run's filter cannot be read");
    return r;
}

int rerun_choice_make(struct rerun_choice *c, const struct arguments *a, struct err *reterr)
{
    c->json = json_object();
    put_text(c->json, a, "type");
    put_text(c->json, a, "queue");
    put_list(c->json, a, "state", "succeeded");
    put_list(c->json, a, "where", NULL);
    json_object_set_new(c->json, "limit", json_integer(arguments_get_count(a, "limit", 0)));
    int r = put_times(c->json, a, reterr);
    return r ? r : read_json(c, reterr);
}

int rerun_choice_parse(struct rerun_choice *c, const char *json, struct err *reterr)
{
    c->json = json_loads(json, 0, NULL);
    return read_json(c, reterr);
}

void rerun_choice_done(struct rerun_choice *c)
{
    where_done(&c->where);
    json_decref(c->json);
    c->json = NULL;
}
