/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes a file of a query: CSV, XLSX or PDF, in a directory or in S3.
 *
 * payload (request.h) → query and its parameters (query.h) → rows, one at a time (database.h) → a format (format.h)
 * → a file that nobody sees (output.h) → its place, or an upload (upload.h). What can be refused is refused before
 * anything is written. The environment is in settings.h. The result:
 *
 *     {"location": "/srv/reports/ops/jobs.csv", "size": 1234, "rows": 30, "checksum": "sha256:…"}
 *
 * A job that runs twice writes the same place twice, whole each time; the newer one stays.
 */
#include <inttypes.h>
#include <jansson.h>
#include <job_handler.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/digest.h"
#include "database.h"
#include "format.h"
#include "output.h"
#include "query.h"
#include "request.h"
#include "settings.h"
#include "upload.h"

#define PROGRESS_ROWS 256 /* the clock is looked at so often */

/* One job, from its payload to its result. */
struct making {
    struct request request;
    struct settings settings;
    struct query query;
    struct query_values values;
    struct report report;
    const struct format *format;
    void *writer;
    struct database *database;
    struct output *output;
    uint64_t n_rows;
    time_t told_at;
    char location[UPLOAD_LOCATION_MAX];
};

static const struct format *const formats[] = { &format_csv, &format_xlsx, &format_pdf };

static int prepare(struct job_context *ctx, struct making *m)
{
    int verdict = request_read(ctx, &m->request);
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]) && verdict == JOB_DONE; i++)
        if (strcmp(formats[i]->name, m->request.format) == 0)
            m->format = formats[i];
    if (verdict == JOB_DONE)
        verdict = settings_read(ctx, &m->settings);
    if (verdict == JOB_DONE && m->request.to_s3 && !m->settings.s3_url)
        verdict = job_retry(ctx, "REPORT_S3_URL: is not set, so there are no reports to S3");
    if (verdict == JOB_DONE)
        verdict = query_read(ctx, m->settings.queries, m->request.query, &m->query);
    if (verdict == JOB_DONE)
        verdict = query_bind(ctx, &m->query, m->request.parameters, &m->values);
    return verdict;
}

static int start(struct job_context *ctx, struct making *m)
{
    m->report = (struct report){
        .title = m->request.title    ? m->request.title
                 : m->query.title[0] ? m->query.title
                                     : m->request.query,
        .font = m->settings.font,
        .spool = m->settings.spool,
        .chart = &m->query.chart,
        .guard_formulas = m->request.guard_formulas,
        .bom = m->request.bom,
    };
    int verdict = output_open(ctx, &m->settings, m->request.to_s3 ? NULL : m->request.path, &m->output);
    if (verdict == JOB_DONE)
        verdict = database_open(ctx, &m->settings, &m->database);
    if (verdict == JOB_DONE)
        verdict = database_check_values(ctx, m->database, &m->values);
    if (verdict == JOB_DONE)
        verdict = database_start(ctx, m->database, m->query.text, &m->values, &m->report.columns);
    return verdict == JOB_DONE ? m->format->begin(ctx, &m->report, m->output, &m->writer) : verdict;
}

static void tell_progress(struct job_context *ctx, struct making *m, const char *phase)
{
    char text[128];
    int size =
        snprintf(text, sizeof(text), "{\"phase\": \"%s\", \"rows\": %" PRIu64 ", \"bytes\": %" PRIu64 "}",
                 phase, m->n_rows, output_size(m->output));
    job_set_progress(ctx, text, (size_t)size);
}

/* Once a second. */
static void tell_rows(struct job_context *ctx, struct making *m)
{
    struct timespec now;
    if (m->n_rows % PROGRESS_ROWS != 0)
        return;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    if (now.tv_sec == m->told_at)
        return;
    m->told_at = now.tv_sec;
    tell_progress(ctx, m, "rows");
}

static int write_rows(struct job_context *ctx, struct making *m)
{
    const struct cell *cells;
    int verdict;
    while ((verdict = database_next(ctx, m->database, &cells)) == JOB_DONE && cells) {
        verdict = m->format->add(ctx, m->writer, cells);
        if (verdict != JOB_DONE)
            return verdict;
        m->n_rows++;
        tell_rows(ctx, m);
    }
    return verdict;
}

static int finish(struct job_context *ctx, struct making *m)
{
    database_disconnect(m->database); /* no transaction stays open while files are packed and uploaded */
    tell_progress(ctx, m, "file");
    int verdict = m->format->end(ctx, m->writer);
    return verdict == JOB_DONE ? output_seal(ctx, m->output) : verdict;
}

static int deliver(struct job_context *ctx, struct making *m)
{
    if (job_context_is_cancelled(ctx))
        return job_retry(ctx, "asked to stop before the report had its name");
    if (m->request.to_s3) {
        tell_progress(ctx, m, "upload");
        return upload_put(ctx, &m->settings, m->request.path, m->format->content_type, m->output,
                          m->location);
    }
    snprintf(m->location, sizeof(m->location), "%s/%s", m->settings.output, m->request.path);
    return output_publish(ctx, m->output);
}

static int set_result(struct job_context *ctx, const struct making *m)
{
    char checksum[DIGEST_TEXT_SIZE + 8];
    snprintf(checksum, sizeof(checksum), "sha256:%s", output_checksum(m->output));
    json_t *object =
        json_pack("{s:s, s:I, s:I, s:s}", "location", m->location, "size", (json_int_t)output_size(m->output),
                  "rows", (json_int_t)m->n_rows, "checksum", checksum);
    char *text = object ? json_dumps(object, 0) : NULL;
    if (text)
        job_set_result(ctx, text, strlen(text));
    free(text);
    json_decref(object);
    return JOB_DONE; /* the report is there: no lack of memory is worth making it again */
}

static void making_done(struct making *m)
{
    if (m->format)
        m->format->free(m->writer);
    output_free(m->output);
    database_free(m->database);
    query_values_done(&m->values);
    query_done(&m->query);
    settings_done(&m->settings);
    request_done(&m->request);
}

static int make(struct job_context *ctx)
{
    static struct making m; /* large, and there is one job at a time */
    int (*const steps[])(struct job_context *, struct making *) = { prepare, start, write_rows, finish,
                                                                    deliver };
    int verdict = JOB_DONE;
    memset(&m, 0, sizeof(m));
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && verdict == JOB_DONE; i++)
        verdict = steps[i](ctx, &m);
    if (verdict == JOB_DONE)
        verdict = set_result(ctx, &m);
    making_done(&m);
    return verdict;
}

/* A file beyond RLIMIT_FSIZE is an error like a full disk, and no end of the process. */
static int report_run(struct job_context *ctx)
{
    struct sigaction ignore = { .sa_handler = SIG_IGN }, before;
    sigaction(SIGXFSZ, &ignore, &before);
    int verdict = make(ctx);
    sigaction(SIGXFSZ, &before, NULL);
    return verdict;
}

static const struct job_handler handlers[] = { { .type = "report", .run = report_run } };

JOB_HANDLER_API const struct job_module job_module = JOB_MODULE(handlers);
