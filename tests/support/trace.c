/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/trace.h"

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

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

struct trace trace_read(void)
{
    enum { MAX = 200000 };
    struct trace trace = { 0 };
    char **ids = calloc(MAX, sizeof(*ids)), line[512];
    FILE *file = fopen(path, "re");
    ck_assert_ptr_nonnull(ids);
    while (file && trace.n_starts < MAX && fgets(line, sizeof(line), file)) {
        if (strncmp(line, "start ", 6) == 0)
            ids[trace.n_starts++] = strndup(line + 6, 36);
        else
            trace.n_ends++;
    }
    if (file)
        fclose(file);
    qsort(ids, trace.n_starts, sizeof(*ids), compare_lines);
    for (size_t i = 1; i < trace.n_starts; i++)
        trace.n_repeated += strcmp(ids[i - 1], ids[i]) == 0;
    for (size_t i = 0; i < trace.n_starts; i++)
        free(ids[i]);
    free(ids);
    return trace;
}

void trace_await_starts(struct site *site, size_t n)
{
    int64_t deadline_us = site_deadline(30);
    (void)site;
    while (trace_read().n_starts < n)
        ck_assert_msg(site_nap(deadline_us), "only %zu jobs have started", trace_read().n_starts);
}

void trace_await_ends(struct site *site, size_t n)
{
    int64_t deadline_us = site_deadline(30);
    (void)site;
    while (trace_read().n_ends < n)
        ck_assert_msg(site_nap(deadline_us), "only %zu jobs have come to their end", trace_read().n_ends);
}
