/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the service share: the service, one request, and how to answer it. */
#pragma once

#include <jansson.h>
#include <job.h>
#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct users;
struct upload;

/* Made by main() before the first request, and constant from then on. */
struct api {
    struct users *users;       /* the service's own table */
    struct job_client *client; /* Kafka, and how jobs stand */
    int uploads;               /* the folder's descriptor */
    uint64_t max_upload_bytes; /* of a video */
};

/* One HTTP request, from its headers until the answer is sent; one thread. */
struct request {
    struct api *api;
    struct MHD_Connection *connection;
    const struct route *route;
    char argument[64]; /* what stands behind the route's path; "" */
    char *body;        /* of a JSON request, NUL-terminated */
    size_t body_size;
    uint64_t dropped_bytes; /* of a body that nobody wants */
    struct upload *upload;  /* of a video */
    unsigned status;        /* of the answer; 0: none yet */
    struct MHD_Response *response;
};

/* --- http.c: from bytes to one of the functions below, and back --- */

enum MHD_Result http_on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                const char *method, const char *version, const char *data, size_t *size,
                                void **cookie);
void http_on_completed(void *cls, struct MHD_Connection *connection, void **cookie,
                       enum MHD_RequestTerminationCode why);
/* From now on connections end with their answers. Return: when no request is under way, at the latest after @timeout_s. */
void http_drain(int timeout_s);

/* The first answer counts, later ones are dropped. @body is taken over. */
void http_answer(struct request *r, unsigned status, json_t *body);
/* An RFC 9457 problem. @field: of the request, which breaks the rule; NULL: the request as a whole. */
void http_problem(struct request *r, unsigned status, const char *field, const char *rule);
/* A header of the answer, printf-like. */
void http_header(struct request *r, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A parameter of the query as a number; @fallback when it is not there. Return: false when it was wrong, and has been answered so. */
bool http_get_number(struct request *r, const char *name, int64_t min, int64_t max, int64_t fallback,
                     int64_t *ret);

/* --- what the service does --- */

void register_user(struct request *r); /* register.c: POST /api/register */
void list_users(struct request *r);    /* register.c: GET /api/users */
void show_job(struct request *r);      /* jobs.c: GET /api/jobs/ID */

/* videos.c: POST /api/videos: its head, each piece of its body, its end; the last also when it never came. */
void video_begin(struct request *r);
void video_take(struct request *r, const char *data, size_t size);
void video_accept(struct request *r);
struct upload *video_free(struct upload *u);
/* Whether this job encodes a video that was uploaded here. */
bool video_has_job(const struct api *api, const struct job_id *id);

/* --- users.c: the table, and every line of SQL --- */

enum users_outcome {
    USERS_TAKEN = 1, /* somebody has this address */
    USERS_AWAY = 2,  /* PostgreSQL is; nothing is known to be done */
    USERS_FAILED = 3 /* PostgreSQL refused; standard error has it */
};

/* Connects once and makes the table. Return: NULL, with a line on standard error. */
struct users *users_open(const char *database_url);
struct users *users_close(struct users *u);
/* A row and the job of its welcome mail: both or neither. Return: 0; TAKEN; AWAY; FAILED. */
int users_register(struct users *u, const char *email, const char *name, int64_t *ret_id,
                   struct job_id *ret_job);
/* At most @limit users whose ids are above @after, an array of objects. Return: 0; AWAY; FAILED. */
int users_list(struct users *u, int64_t after, int64_t limit, json_t **ret);
/* Return: 0; AWAY; FAILED. */
int users_have_job(struct users *u, const struct job_id *id, bool *ret);
