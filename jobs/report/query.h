/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A query: a file of one SQL statement, with comments in front that say what it is.
 *
 *     -- title: Jobs per day
 *     -- param: queue text
 *     -- param: days integer = 30
 *     -- chart: bar day succeeded dead
 *     SELECT … WHERE queue = $1 AND finished_at > now() - make_interval(days => $2) …
 *
 * "param": the first declares $1, the next one $2. A type is one of query_types[], or with [] behind it a list of
 * them. Behind "=" stands a default, in JSON; a parameter without one must be given. "chart": bar or line, the
 * column of its labels, and up to QUERY_SERIES_MAX columns of values; PDF only. Any other comment is one.
 *
 * Values reach PostgreSQL as parameters; nothing is ever put into the text of the statement.
 */
#pragma once

#include <jansson.h>
#include <job_handler.h>
#include <stdbool.h>
#include <stdint.h>

#define QUERY_FILE_MAX 65536 /* bytes */
#define QUERY_PARAMETERS_MAX 32
#define QUERY_SERIES_MAX 6
#define QUERY_NAME_SIZE 64

struct query_type {
    const char *name;
    uint32_t oid, list_oid; /* PostgreSQL's own, which never change */
};

struct query_parameter {
    char name[QUERY_NAME_SIZE];
    const struct query_type *type;
    bool is_list;
    json_t *preset; /* NULL: it must be given */
};

enum chart_kind { CHART_NONE, CHART_BAR, CHART_LINE };

struct query_chart {
    enum chart_kind kind;
    char label[QUERY_NAME_SIZE];
    size_t n_series;
    char series[QUERY_SERIES_MAX][QUERY_NAME_SIZE];
};

struct query {
    char *text;
    char title[201]; /* "": none */
    struct query_chart chart;
    size_t n_parameters;
    struct query_parameter parameters[QUERY_PARAMETERS_MAX];
};

/**
 * query_read() - find and parse FOLDER/NAME.sql
 * @name: checked, see request.h
 * @ret:  overwritten; release with query_done() whatever the verdict
 *
 * Return: JOB_DONE; JOB_FAIL when there is no such query or its comments are wrong, the error names file and line;
 * JOB_RETRY when the folder or file cannot be read.
 */
int query_read(struct job_context *ctx, const char *folder, const char *name, struct query *ret);

/* The same without a file: @text is copied. */
int query_parse(struct job_context *ctx, const char *name, const char *text, struct query *ret);
void query_done(struct query *query);

/* Parameters as PostgreSQL takes them. */
struct query_values {
    size_t n;
    const char *names[QUERY_PARAMETERS_MAX]; /* of the query */
    uint32_t oids[QUERY_PARAMETERS_MAX];
    char *texts[QUERY_PARAMETERS_MAX]; /* NULL: SQL's NULL */
};

/**
 * query_bind() - the values of a job for the parameters of a query
 * @given: object by name; NULL: none
 * @ret:   overwritten; release with query_values_done() whatever the verdict
 *
 * Whether a text is one of the type's is left to PostgreSQL (database_check_values()).
 * Return: JOB_DONE; JOB_FAIL, the error names the parameter; JOB_RETRY without memory.
 */
int query_bind(struct job_context *ctx, const struct query *query, const json_t *given,
               struct query_values *ret);
void query_values_done(struct query_values *values);
