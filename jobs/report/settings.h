/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where reports come from and go to, from the environment of the executor.
 *
 * REPORT_DATABASE_URL         connection string of libpq, for a role that may read and is no superuser
 * REPORT_DATABASE_URL_FILE    one line with it, readable by its owner only; default
 *                             $CREDENTIALS_DIRECTORY/report-database, if that is there
 * REPORT_QUERIES              folder of NAME.sql; default: queries/ beside the module
 * REPORT_OUTPUT               folder that reports are written into; without it there are none to a directory
 * REPORT_TIMEOUT              statement_timeout, like "30s", "10m", "1h"; default 10m, at most 24h
 * REPORT_FONT                 of PDFs, a list as Pango takes it; default DejaVu Sans, Noto Sans, sans-serif
 * REPORT_SPOOL                folder for what is on its way to S3 and for XLSX in the making; default
 *                             REPORT_OUTPUT, else $TMPDIR, else /tmp
 * REPORT_S3_URL               https://host/bucket or https://bucket.host, without query; without it there is no S3
 * REPORT_S3_REGION            default us-east-1
 * REPORT_S3_CREDENTIALS_FILE  one line "access key:secret key" or "access key:secret key:session token", readable
 *                             by its owner only; default $CREDENTIALS_DIRECTORY/report-s3
 * REPORT_S3_CA                file of certificates to trust instead of the system's
 *
 * Read anew for every job, so that rotated credentials need no restart. Whatever is wrong here is the
 * installation's fault and not the job's: JOB_RETRY.
 */
#pragma once

#include <job_handler.h>
#include <stdint.h>

struct settings {
    const char *output, *font, *spool; /* of the environment, or constants; output: NULL when there is none */
    const char *s3_url, *s3_region, *s3_ca; /* s3_url NULL: no S3; s3_ca NULL: the system's */
    char queries[4096];
    char database_url[4096];
    int64_t timeout_ms;
    char s3_access[256], s3_secret[512], s3_token[4096]; /* empty without S3; s3_token often so */
};

/* @ret: forget it with settings_done(), whatever the verdict. Return: JOB_DONE; JOB_RETRY, error set, without any secret. */
int settings_read(struct job_context *ctx, struct settings *ret);

/* Overwrites the secrets. */
void settings_done(struct settings *settings);
