/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a job asks for: its payload, checked.
 *
 *     {
 *       "query": "jobs_per_day",                 a file of REPORT_QUERIES, without its ".sql"
 *       "parameters": { "days": 30 },            by name, as the query declares them
 *       "format": "csv",                         csv, xlsx or pdf
 *       "title": "Jobs per day",                 default: the query's own title, else its name
 *       "destination": "ops/jobs.csv",           below REPORT_OUTPUT, or "s3:ops/jobs.csv"; default: QUERY-ID.FORMAT
 *       "guard_formulas": true,                  csv only
 *       "bom": false                             csv only
 *     }
 */
#pragma once

#include <jansson.h>
#include <job_handler.h>
#include <stdbool.h>

#define REQUEST_QUERY_MAX 64  /* bytes */
#define REQUEST_TITLE_MAX 200 /* bytes */
#define REQUEST_PATH_MAX 1000 /* bytes */
#define REQUEST_DEPTH_MAX 16  /* folders */

struct request {
    json_t *payload;
    char query[REQUEST_QUERY_MAX + 1];
    const json_t *parameters;        /* of the payload; an object, or NULL */
    const char *format, *title;      /* of the payload; title NULL: none */
    char path[REQUEST_PATH_MAX + 1]; /* relative, without "." and ".." */
    bool to_s3, guard_formulas, bom;
};

/**
 * request_read() - parse and check the payload
 * @ret: overwritten; release with request_done() whatever the verdict
 *
 * Return: JOB_DONE; JOB_FAIL, the error names the member.
 */
int request_read(struct job_context *ctx, struct request *ret);
void request_done(struct request *request);
