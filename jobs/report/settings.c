/* SPDX-License-Identifier: Apache-2.0 */
#include "settings.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/secret.h"
#include "common/setting.h"

#define TIMEOUT_MAX_MS (INT64_C(24) * 3600 * 1000)

static int read_queries(struct job_context *ctx, struct settings *settings)
{
    return setting_get_folder(ctx, "REPORT_QUERIES", "queries", settings->queries, sizeof(settings->queries));
}

static int read_timeout(struct job_context *ctx, struct settings *settings)
{
    static const struct {
        const char *name;
        int64_t ms;
    } units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 } };
    const char *text = setting_get("REPORT_TIMEOUT", "10m");
    size_t digits = strspn(text, "0123456789");
    long long number = digits > 0 && digits < 10 ? atoll(text) : 0;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]) && number > 0; i++)
        if (strcmp(text + digits, units[i].name) == 0 && number <= TIMEOUT_MAX_MS / units[i].ms) {
            settings->timeout_ms = number * units[i].ms;
            return JOB_DONE;
        }
    return job_retry(ctx, "REPORT_TIMEOUT: expected a time like 30s, 10m or 1h, at most 24h");
}

static int take_url(struct job_context *ctx, struct settings *settings, const char *url)
{
    int size = snprintf(settings->database_url, sizeof(settings->database_url), "%s", url);
    return (size_t)size < sizeof(settings->database_url) ? JOB_DONE
                                                         : job_retry(ctx, "REPORT_DATABASE_URL: is too long");
}

static int read_database(struct job_context *ctx, struct settings *settings)
{
    const char *url = setting_get("REPORT_DATABASE_URL", NULL);
    struct secret secret;
    if (url)
        return take_url(ctx, settings, url);
    int verdict = secret_read(ctx, "REPORT_DATABASE_URL_FILE", "report-database", &secret);
    if (verdict == JOB_DONE && !secret.line[0])
        verdict = job_retry(ctx, "REPORT_DATABASE_URL: is not set, and there is no file with it");
    if (verdict == JOB_DONE)
        verdict = take_url(ctx, settings, secret.line);
    secret_done(&secret);
    return verdict;
}

/* Cuts off @line's part up to the next colon. */
static bool take_part(char **line, char *ret, size_t ret_size)
{
    char *colon = strchrnul(*line, ':');
    size_t size = (size_t)(colon - *line);
    if (size >= ret_size)
        return false;
    memcpy(ret, *line, size);
    ret[size] = 0;
    *line = *colon ? colon + 1 : colon;
    return true;
}

static bool parse_keys(char *line, struct settings *settings)
{
    return take_part(&line, settings->s3_access, sizeof(settings->s3_access)) &&
           take_part(&line, settings->s3_secret, sizeof(settings->s3_secret)) &&
           take_part(&line, settings->s3_token, sizeof(settings->s3_token)) && settings->s3_access[0] &&
           settings->s3_secret[0] && !*line;
}

static int check_s3_url(struct job_context *ctx, const char *url)
{
    const char *host = strncmp(url, "https://", 8) == 0  ? url + 8
                       : strncmp(url, "http://", 7) == 0 ? url + 7
                                                         : "";
    for (const char *c = url; *c; c++)
        if (*c <= ' ' || *c == '?' || *c == '#' || *c == '@' || *c == 0x7f)
            return job_retry(ctx,
                             "REPORT_S3_URL: expected https://host/bucket, without user, query or blanks");
    return *host && *host != '/' ? JOB_DONE : job_retry(ctx, "REPORT_S3_URL: expected https://host/bucket");
}

static int read_s3(struct job_context *ctx, struct settings *settings)
{
    struct secret secret;
    settings->s3_url = setting_get("REPORT_S3_URL", NULL);
    settings->s3_region = setting_get("REPORT_S3_REGION", "us-east-1");
    settings->s3_ca = setting_get("REPORT_S3_CA", NULL);
    if (!settings->s3_url)
        return JOB_DONE;
    if (settings->s3_region[strspn(settings->s3_region, "abcdefghijklmnopqrstuvwxyz0123456789-")])
        return job_retry(ctx, "REPORT_S3_REGION: expected a name like eu-central-1");
    int verdict = check_s3_url(ctx, settings->s3_url);
    if (verdict != JOB_DONE)
        return verdict;
    verdict = secret_read(ctx, "REPORT_S3_CREDENTIALS_FILE", "report-s3", &secret);
    if (verdict == JOB_DONE && !parse_keys(secret.line, settings))
        verdict = job_retry(ctx, "REPORT_S3_CREDENTIALS_FILE: expected one line, access key:secret key");
    secret_done(&secret);
    return verdict;
}

int settings_read(struct job_context *ctx, struct settings *ret)
{
    *ret = (struct settings){ .output = setting_get("REPORT_OUTPUT", NULL),
                              .font = setting_get("REPORT_FONT", "DejaVu Sans, Noto Sans, sans-serif") };
    ret->spool = setting_get("REPORT_SPOOL", ret->output ? ret->output : setting_get("TMPDIR", "/tmp"));
    int (*const steps[])(struct job_context *, struct settings *) = { read_queries, read_timeout,
                                                                      read_database, read_s3 };
    int verdict = JOB_DONE;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && verdict == JOB_DONE; i++)
        verdict = steps[i](ctx, ret);
    return verdict;
}

void settings_done(struct settings *settings)
{
    explicit_bzero(settings->database_url, sizeof(settings->database_url));
    explicit_bzero(settings->s3_secret, sizeof(settings->s3_secret));
    explicit_bzero(settings->s3_token, sizeof(settings->s3_token));
}
