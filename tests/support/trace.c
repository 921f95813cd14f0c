/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libjob/include/job.h"
#include "tests/support/harness_site.h"

static char path[4096];

void trace_start(struct site *site)
{
    char topic[256];
    struct err err = { 0 };
    snprintf(path, sizeof(path), "%s/trace", site_folder(site));
    int r = admin_create_topic(site_admin(site), site_topic(site, "selftest", topic), 4, -1, &err);
    ck_assert_msg(r == 0 || r == ADMIN_EXISTS, "%s", err.text);
}

const char *trace_path(void)
{
    return path;
}

void trace_put_path(const char *payload, char *text, size_t size)
{
    const char *place = strstr(payload, "%s");
    if (place)
        snprintf(text, size, "%.*s%s%s", (int)(place - payload), payload, path, place + 2);
    else
        snprintf(text, size, "%s", payload);
}

void trace_enqueue(struct site *site, const char *type, size_t n, const char *payload)
{
    char text[8192];
    struct job_client *client;
    const struct job_client_options options = { .brokers = site_kafka(site), .prefix = site_prefix(site) };
    const struct job_spec spec = { .type = type, .queue = "selftest", .payload = text };
    trace_put_path(payload, text, sizeof(text));
    ck_assert_int_eq(job_client_open(&client, &options), 0);
    for (size_t i = 0; i < n; i++)
        ck_assert_int_eq(job_enqueue(client, &spec, NULL), 0);
    ck_assert_int_eq(job_flush(client, 60000), 0);
    ck_assert_int_eq(job_client_close(client, 1000), 0);
}

static bool parse_event(const char *line, struct trace_event *ret)
{
    char what[8];
    if (sscanf(line, "%7s %36s %*d %*d %*d %" SCNd64 " %" SCNd64, what, ret->id, &ret->mono_us,
               &ret->wall_us) != 4)
        return false;
    ret->is_start = strcmp(what, "start") == 0;
    return true;
}

size_t trace_events(struct trace_event **ret)
{
    size_t n = 0, room = 0;
    struct trace_event *events = NULL;
    char line[512];
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof(line), file)) {
        if (n == room) {
            room = room ? 2 * room : 1024;
            struct trace_event *grown = reallocarray(events, room, sizeof(*events));
            ck_assert_ptr_nonnull(grown);
            events = grown;
        }
        n += parse_event(line, &events[n]);
    }
    if (file)
        fclose(file);
    *ret = events;
    return n;
}

static int compare_ids(const void *a, const void *b)
{
    const struct trace_event *x = a, *y = b;
    return x->is_start != y->is_start ? y->is_start - x->is_start : strcmp(x->id, y->id);
}

/* Starts first, so that those of one job are neighbours. */
struct trace trace_read(void)
{
    struct trace trace = { 0 };
    struct trace_event *events;
    size_t n = trace_events(&events);
    if (n)
        qsort(events, n, sizeof(*events), compare_ids);
    for (size_t i = 0; i < n; i++) {
        trace.n_starts += events[i].is_start;
        trace.n_ends += !events[i].is_start;
        trace.n_repeated += i > 0 && events[i].is_start && strcmp(events[i - 1].id, events[i].id) == 0;
    }
    free(events);
    return trace;
}

void trace_await(size_t n_starts, size_t n_ends, double deadline_s)
{
    int64_t deadline_us = site_deadline(deadline_s);
    for (;;) {
        struct trace trace = trace_read();
        if (trace.n_starts >= n_starts && trace.n_ends >= n_ends)
            return;
        ck_assert_msg(site_nap(deadline_us), "only %zu jobs have started, %zu have come to their end",
                      trace.n_starts, trace.n_ends);
    }
}

void trace_await_starts(size_t n)
{
    trace_await(n, 0, 30);
}
