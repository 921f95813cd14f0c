/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs one statement and gives its rows one by one; the only file of jobs/ that knows libpq and contains SQL.
 *
 * A connection for each job, in a READ ONLY transaction with statement_timeout. The statement goes by the extended
 * protocol, which takes exactly one. libpq holds one row at a time, so memory depends on the longest row, not on
 * how many there are. Superusers are refused: no transaction keeps them from files and programs of the server.
 *
 * Waits end when the job is asked to stop: the statement is cancelled, the verdict is JOB_RETRY.
 */
#pragma once

#include <job_handler.h>

#include "query.h"
#include "rows.h"
#include "settings.h"

struct database;

/* Return: JOB_DONE; JOB_RETRY, error set, without any secret. */
int database_open(struct job_context *ctx, const struct settings *settings, struct database **ret);
/* Ends the connection; columns stay until database_free(). */
void database_disconnect(struct database *d);
struct database *database_free(struct database *d);

/* Whether each value is one of its type's. Return: JOB_DONE; JOB_FAIL, the error names the parameter; JOB_RETRY. */
int database_check_values(struct job_context *ctx, struct database *d, const struct query_values *values);

/**
 * database_start() - send the statement, and wait for its first row or its end
 * @ret: set on JOB_DONE; belongs to @d
 *
 * Return: JOB_DONE; JOB_FAIL when it cannot succeed like this (no such table, wants to write, gives no rows);
 * JOB_RETRY for everything that may pass (time-out, lost connection, deadlock).
 */
int database_start(struct job_context *ctx, struct database *d, const char *sql,
                   const struct query_values *values, const struct columns **ret);

/* The next row; NULL behind the last one. Return: as database_start(). */
int database_next(struct job_context *ctx, struct database *d, const struct cell **ret);
