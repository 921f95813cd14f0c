/* SPDX-License-Identifier: Apache-2.0 */
#include "settings.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TIMEOUT_MAX_MS (INT64_C(24) * 3600 * 1000)
#define SECRET_MAX 4096 /* bytes of a line */

static const char *get(const char *name, const char *preset)
{
    const char *value = getenv(name);
    return value && *value ? value : preset;
}

/* Queries lie beside the module, wherever that was installed. */
static int read_queries(struct job_context *ctx, struct settings *settings)
{
    static const char here;
    const char *folder = get("REPORT_QUERIES", NULL);
    Dl_info module;
    int size;
    if (folder) {
        size = snprintf(settings->queries, sizeof(settings->queries), "%s", folder);
    } else {
        if (!dladdr(&here, &module) || !module.dli_fname)
            return job_retry(ctx, "REPORT_QUERIES: not set, and the module does not know where it is");
        const char *slash = strrchr(module.dli_fname, '/');
        size = snprintf(settings->queries, sizeof(settings->queries), "%.*s/queries",
                        slash ? (int)(slash - module.dli_fname) : 1, slash ? module.dli_fname : ".");
    }
    return (size_t)size < sizeof(settings->queries) ? JOB_DONE
                                                    : job_retry(ctx, "REPORT_QUERIES: is too long");
}

static int read_timeout(struct job_context *ctx, struct settings *settings)
{
    static const struct {
        const char *name;
        int64_t ms;
    } units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 } };
    const char *text = get("REPORT_TIMEOUT", "10m");
    size_t digits = strspn(text, "0123456789");
    long long number = digits > 0 && digits < 10 ? atoll(text) : 0;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]) && number > 0; i++)
        if (strcmp(text + digits, units[i].name) == 0 && number <= TIMEOUT_MAX_MS / units[i].ms) {
            settings->timeout_ms = number * units[i].ms;
            return JOB_DONE;
        }
    return job_retry(ctx, "REPORT_TIMEOUT: expected a time like 30s, 10m or 1h, at most 24h");
}

/*
 * Who may read a secret. systemd gives the service its credentials by an ACL, whose mask shows as group bits;
 * there the directory keeps others out.
 */
static mode_t forbidden_bits(const char *path)
{
    const char *directory = get("CREDENTIALS_DIRECTORY", NULL);
    size_t size = directory ? strlen(directory) : 0;
    return size > 0 && strncmp(path, directory, size) == 0 && path[size] == '/' ? 0007 : 0077;
}

static int read_line(struct job_context *ctx, const char *path, int fd, char line[static SECRET_MAX])
{
    struct stat st;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return job_retry(ctx, "%s: is no regular file", path);
    if (st.st_mode & forbidden_bits(path))
        return job_retry(ctx, "%s: is readable by others; chmod 600 it", path);
    ssize_t size = read(fd, line, SECRET_MAX);
    if (size < 0)
        return job_retry(ctx, "%s: %s", path, strerror(errno));
    if (size == SECRET_MAX)
        return job_retry(ctx, "%s: is longer than %d bytes", path, SECRET_MAX - 1);
    line[size] = 0;
    line[strcspn(line, "\r\n")] = 0;
    return JOB_DONE;
}

/* The line of the file that @variable names, else of @preset among the credentials; "" when neither is there. */
static int read_secret(struct job_context *ctx, const char *variable, const char *preset,
                       char line[static SECRET_MAX])
{
    char beside[4096];
    const char *path = get(variable, NULL), *directory = get("CREDENTIALS_DIRECTORY", NULL);
    bool named = path;
    line[0] = 0;
    if (!path && !directory)
        return JOB_DONE;
    if (!path) {
        snprintf(beside, sizeof(beside), "%s/%s", directory, preset);
        path = beside;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return !named && errno == ENOENT ? JOB_DONE : job_retry(ctx, "%s: %s", path, strerror(errno));
    int verdict = read_line(ctx, path, fd, line);
    close(fd);
    return verdict;
}

static int read_database(struct job_context *ctx, struct settings *settings)
{
    const char *url = get("REPORT_DATABASE_URL", NULL);
    if (url) {
        int size = snprintf(settings->database_url, sizeof(settings->database_url), "%s", url);
        return (size_t)size < sizeof(settings->database_url)
                   ? JOB_DONE
                   : job_retry(ctx, "REPORT_DATABASE_URL: is too long");
    }
    int verdict = read_secret(ctx, "REPORT_DATABASE_URL_FILE", "report-database", settings->database_url);
    if (verdict == JOB_DONE && !settings->database_url[0])
        return job_retry(ctx, "REPORT_DATABASE_URL: is not set, and there is no file with it");
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
    char line[SECRET_MAX];
    settings->s3_url = get("REPORT_S3_URL", NULL);
    settings->s3_region = get("REPORT_S3_REGION", "us-east-1");
    settings->s3_ca = get("REPORT_S3_CA", NULL);
    if (!settings->s3_url)
        return JOB_DONE;
    if (settings->s3_region[strspn(settings->s3_region, "abcdefghijklmnopqrstuvwxyz0123456789-")])
        return job_retry(ctx, "REPORT_S3_REGION: expected a name like eu-central-1");
    int verdict = check_s3_url(ctx, settings->s3_url);
    if (verdict == JOB_DONE)
        verdict = read_secret(ctx, "REPORT_S3_CREDENTIALS_FILE", "report-s3", line);
    if (verdict == JOB_DONE && !parse_keys(line, settings))
        verdict = job_retry(ctx, "REPORT_S3_CREDENTIALS_FILE: expected one line, access key:secret key");
    explicit_bzero(line, sizeof(line));
    return verdict;
}

int settings_read(struct job_context *ctx, struct settings *ret)
{
    *ret = (struct settings){ .output = get("REPORT_OUTPUT", NULL),
                              .font = get("REPORT_FONT", "DejaVu Sans, Noto Sans, sans-serif") };
    ret->spool = get("REPORT_SPOOL", ret->output ? ret->output : get("TMPDIR", "/tmp"));
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
