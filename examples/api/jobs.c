/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a job stands, for whoever has its id, in a form that caches understand.
 *
 * Only the service's own jobs are shown. A job that waits in Kafka for its first try is not known to PostgreSQL yet, so one of ours that is
 * not found is queued; unless it is so old that its result may have been deleted (broker.retention).
 */
#include "api.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#define RESULTS_KEPT_MS (INT64_C(7) * 24 * 3600 * 1000)

static int64_t age_ms(const struct job_id *id)
{
    struct timespec now;
    int64_t born_ms = 0;
    for (int i = 0; i < 6; i++) /* RFC 9562: a UUID of version 7 begins with its time */
        born_ms = born_ms << 8 | id->bytes[i];
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 - born_ms;
}

/* Nothing of these changes any more. A dead job may be replayed. */
static bool is_final(enum job_state state)
{
    return state >= JOB_STATE_SUCCEEDED && state != JOB_STATE_DEAD;
}

static void set_text(json_t *object, const char *name, const char *text)
{
    if (text)
        json_object_set_new(object, name, json_string(text));
}

static void set_json(json_t *object, const char *name, const char *text)
{
    json_t *value = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
    if (value)
        json_object_set_new(object, name, value);
}

/* RFC 3339, UTC, to the millisecond. */
static void set_time(json_t *object, const char *name, int64_t us)
{
    char text[40];
    struct tm tm;
    time_t s = (time_t)(us / 1000000);
    if (us == 0 || !gmtime_r(&s, &tm))
        return;
    size_t size = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + size, sizeof(text) - size, ".%03dZ", (int)(us / 1000 % 1000));
    set_text(object, name, text);
}

static json_t *describe(const char *id, const struct job_result *job)
{
    json_t *object = json_pack("{s:s, s:s}", "id", id, "state", job_state_name(job->state));
    set_text(object, "type", job->type);
    if (job->attempt > 0)
        json_object_set_new(object, "attempt", json_integer(job->attempt));
    set_json(object, "progress", job->progress);
    set_json(object, "result", job->result);
    set_text(object, "error", job->error);
    set_time(object, "enqueued_at", job->enqueued_us);
    set_time(object, "started_at", job->started_us);
    set_time(object, "finished_at", job->finished_us);
    return object;
}

/* FNV-1a over the body: another body, another tag. */
static uint64_t hash(json_t *body)
{
    uint64_t value = UINT64_C(0xcbf29ce484222325);
    char *text = json_dumps(body, JSON_COMPACT);
    for (const char *c = text; c && *c; c++)
        value = (value ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
    free(text);
    return value;
}

/* RFC 9110: a list of tags, or "*"; weak ones count as well. */
static bool has_this(struct request *r, const char *tag)
{
    const char *tags = MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, "If-None-Match");
    return tags && (strstr(tags, tag) || strcmp(tags, "*") == 0);
}

static void answer_job(struct request *r, enum job_state state, json_t *body)
{
    char tag[24];
    snprintf(tag, sizeof(tag), "\"%016" PRIx64 "\"", hash(body));
    if (has_this(r, tag)) {
        json_decref(body);
        r->status = MHD_HTTP_NOT_MODIFIED;
        r->response = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    } else {
        http_answer(r, MHD_HTTP_OK, body);
    }
    http_header(r, "ETag", "%s", tag);
    http_header(r, "Cache-Control", is_final(state) ? "private, max-age=86400" : "no-cache");
}

static bool is_ours(struct request *r, const struct job_id *id)
{
    bool ours = video_has_job(r->api, id);
    int outcome = ours ? 0 : users_have_job(r->api->users, id, &ours);
    if (outcome)
        http_problem(r, MHD_HTTP_SERVICE_UNAVAILABLE, NULL, "the database cannot be reached");
    else if (!ours)
        http_problem(r, MHD_HTTP_NOT_FOUND, "id", "is of no job of this service");
    return !r->response;
}

void show_job(struct request *r)
{
    struct job_id id;
    struct job_result *job;
    char text[JOB_ID_TEXT_SIZE];
    if (job_id_parse(r->argument, &id)) {
        http_problem(r, MHD_HTTP_BAD_REQUEST, "id", "is not a job's id");
        return;
    }
    if (!is_ours(r, &id))
        return;
    job_id_format(&id, text);
    int outcome = job_status(r->api->client, &id, 5000, &job);
    if (outcome == 0) {
        answer_job(r, job->state, describe(text, job));
        job_result_free(job);
    } else if (outcome == JOB_E_NOT_FOUND && age_ms(&id) > RESULTS_KEPT_MS) {
        http_problem(r, MHD_HTTP_GONE, "id", "is of a job whose result is not kept any more");
    } else if (outcome == JOB_E_NOT_FOUND) {
        answer_job(r, JOB_STATE_QUEUED, json_pack("{s:s, s:s}", "id", text, "state", "queued"));
    } else {
        fprintf(stderr, "job_status: %s (%s)\n", job_strerror(outcome), job_client_error(r->api->client));
        http_problem(r, MHD_HTTP_SERVICE_UNAVAILABLE, NULL, "the database cannot be asked");
    }
}
