/* SPDX-License-Identifier: Apache-2.0 */
#include "settings.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *get(const char *name, const char *preset)
{
    const char *value = getenv(name);
    return value && *value ? value : preset;
}

static int read_from(struct job_context *ctx, struct settings *settings)
{
    const char *from = get("WELCOME_EMAIL_FROM", "noreply@localhost"), *open = strrchr(from, '<');
    size_t size = strlen(from);
    if (size >= sizeof(settings->from))
        return job_retry(ctx, "WELCOME_EMAIL_FROM: is longer than 255 bytes");
    if (!open) {
        memcpy(settings->from, from, size + 1);
        return JOB_DONE;
    }
    if (from[size - 1] != '>')
        return job_retry(ctx, "WELCOME_EMAIL_FROM: expected an address, or Name <address>");
    memcpy(settings->from, open + 1, (size_t)(from + size - 1 - (open + 1)));
    size_t name_size = (size_t)(open - from);
    while (name_size > 0 && from[name_size - 1] == ' ')
        name_size--;
    bool quoted = name_size >= 2 && from[0] == '"' && from[name_size - 1] == '"';
    memcpy(settings->from_name, from + quoted, name_size - 2 * (size_t)quoted);
    return JOB_DONE;
}

/* Templates lie beside the module, wherever that was installed. */
static int read_templates(struct job_context *ctx, struct settings *settings)
{
    settings->templates = get("WELCOME_EMAIL_TEMPLATES", NULL);
    if (settings->templates)
        return JOB_DONE;
    static const char here;
    Dl_info module;
    if (!dladdr(&here, &module) || !module.dli_fname)
        return job_retry(ctx, "WELCOME_EMAIL_TEMPLATES: not set, and the module does not know where it is");
    const char *slash = strrchr(module.dli_fname, '/');
    snprintf(settings->templates_default, sizeof(settings->templates_default), "%.*s",
             slash ? (int)(slash - module.dli_fname) : 1, slash ? module.dli_fname : ".");
    settings->templates = settings->templates_default;
    return JOB_DONE;
}

/*
 * Who may read the file. systemd gives the service its credentials by an ACL, whose mask shows as group bits;
 * there the directory keeps others out.
 */
static mode_t forbidden_bits(const char *path)
{
    const char *directory = get("CREDENTIALS_DIRECTORY", NULL);
    size_t size = directory ? strlen(directory) : 0;
    return size > 0 && strncmp(path, directory, size) == 0 && path[size] == '/' ? 0007 : 0077;
}

static int parse_credentials(struct job_context *ctx, const char *path, char *line, struct settings *settings)
{
    line[strcspn(line, "\r\n")] = 0;
    char *colon = strchr(line, ':');
    if (!colon || colon == line || (size_t)(colon - line) >= sizeof(settings->user) ||
        strlen(colon + 1) >= sizeof(settings->password))
        return job_retry(ctx, "%s: expected one line, user:password", path);
    memcpy(settings->user, line, (size_t)(colon - line));
    memcpy(settings->password, colon + 1, strlen(colon + 1));
    return JOB_DONE;
}

static int read_credentials_file(struct job_context *ctx, const char *path, int fd, struct settings *settings)
{
    struct stat st;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return job_retry(ctx, "%s: is no regular file", path);
    if (st.st_mode & forbidden_bits(path))
        return job_retry(ctx, "%s: is readable by others; chmod 600 it", path);
    char line[sizeof(settings->user) + sizeof(settings->password) + 2];
    ssize_t size = read(fd, line, sizeof(line) - 1);
    if (size < 0)
        return job_retry(ctx, "%s: %s", path, strerror(errno));
    line[size] = 0;
    int verdict = parse_credentials(ctx, path, line, settings);
    explicit_bzero(line, sizeof(line));
    return verdict;
}

static int read_credentials(struct job_context *ctx, struct settings *settings)
{
    char beside[4096];
    const char *path = get("WELCOME_EMAIL_CREDENTIALS_FILE", NULL),
               *directory = get("CREDENTIALS_DIRECTORY", NULL);
    bool named = path;
    if (!path && !directory)
        return JOB_DONE;
    if (!path) {
        snprintf(beside, sizeof(beside), "%s/smtp", directory);
        path = beside;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return !named && errno == ENOENT ? JOB_DONE : job_retry(ctx, "%s: %s", path, strerror(errno));
    int verdict = read_credentials_file(ctx, path, fd, settings);
    close(fd);
    return verdict;
}

static int read_tls(struct job_context *ctx, struct settings *settings)
{
    const char *tls = get("WELCOME_EMAIL_TLS", settings->user[0] ? "require" : "try");
    settings->require_tls = strcmp(tls, "require") == 0;
    if (!settings->require_tls && strcmp(tls, "try") != 0)
        return job_retry(ctx, "WELCOME_EMAIL_TLS: expected try or require");
    return JOB_DONE;
}

int settings_read(struct job_context *ctx, struct settings *ret)
{
    *ret = (struct settings){ .url = get("WELCOME_EMAIL_SMTP_URL", "smtp://127.0.0.1:25"),
                              .ca_file = get("WELCOME_EMAIL_CA", NULL) };
    int (*const steps[])(struct job_context *, struct settings *) = { read_from, read_templates,
                                                                      read_credentials, read_tls };
    int verdict = JOB_DONE;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && verdict == JOB_DONE; i++)
        verdict = steps[i](ctx, ret);
    return verdict;
}

void settings_done(struct settings *settings)
{
    explicit_bzero(settings->password, sizeof(settings->password));
}
