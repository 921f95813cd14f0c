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

#include "header.h"

#define MAX_SIZE_DEFAULT (10 * 1024 * 1024)
#define MAX_SIZE_LARGEST (100 * 1024 * 1024)

static const char *get(const char *name, const char *preset)
{
    const char *value = getenv(name);
    return value && *value ? value : preset;
}

static int check_from(struct job_context *ctx, const char *address, struct settings *settings)
{
    const char *wrong = header_is_text(address) ? address_parse(address, &settings->from)
                                                : "has control characters or is no UTF-8";
    return wrong ? job_retry(ctx, "WELCOME_EMAIL_FROM: %s", wrong) : JOB_DONE;
}

/* "address", "Name <address>" or "\"Name\" <address>". */
static int read_from(struct job_context *ctx, struct settings *settings)
{
    const char *from = get("WELCOME_EMAIL_FROM", "noreply@localhost"), *open = strrchr(from, '<');
    char address[256];
    size_t size = strlen(from);
    if (size >= sizeof(address))
        return job_retry(ctx, "WELCOME_EMAIL_FROM: is longer than 255 bytes");
    if (!open)
        return check_from(ctx, from, settings);
    if (from[size - 1] != '>')
        return job_retry(ctx, "WELCOME_EMAIL_FROM: expected an address, or Name <address>");
    snprintf(address, sizeof(address), "%.*s", (int)(from + size - 1 - (open + 1)), open + 1);
    size_t name_size = (size_t)(open - from);
    while (name_size > 0 && from[name_size - 1] == ' ')
        name_size--;
    bool quoted = name_size >= 2 && from[0] == '"' && from[name_size - 1] == '"';
    memcpy(settings->from_name, from + quoted, name_size - 2 * (size_t)quoted);
    return check_from(ctx, address, settings);
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

/* Where a secret goes: one line "user:secret" of a file. */
struct secret {
    const char *variable, *credential; /* who names the file; its name among systemd's */
    const char *form;
    char *user, *text; /* of settings */
    size_t user_size, text_size;
};

static int parse_secret(struct job_context *ctx, const char *path, char *line, const struct secret *secret)
{
    line[strcspn(line, "\r\n")] = 0;
    char *colon = strchr(line, ':');
    if (!colon || colon == line || !colon[1] || (size_t)(colon - line) >= secret->user_size ||
        strlen(colon + 1) >= secret->text_size)
        return job_retry(ctx, "%s: expected one line, %s", path, secret->form);
    snprintf(secret->user, secret->user_size, "%.*s", (int)(colon - line), line);
    snprintf(secret->text, secret->text_size, "%s", colon + 1);
    return JOB_DONE;
}

static int read_secret_file(struct job_context *ctx, const char *path, int fd, const struct secret *secret)
{
    struct stat st;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return job_retry(ctx, "%s: is no regular file", path);
    if (st.st_mode & forbidden_bits(path))
        return job_retry(ctx, "%s: is readable by others; chmod 600 it", path);
    char line[5000];
    ssize_t size = read(fd, line, sizeof(line) - 1);
    if (size < 0)
        return job_retry(ctx, "%s: %s", path, strerror(errno));
    line[size] = 0;
    int verdict = parse_secret(ctx, path, line, secret);
    explicit_bzero(line, sizeof(line));
    return verdict;
}

/* Of a file that is named, or of the one that systemd has for us. */
static int read_secret(struct job_context *ctx, const struct secret *secret)
{
    char beside[4096];
    const char *path = get(secret->variable, NULL), *directory = get("CREDENTIALS_DIRECTORY", NULL);
    bool named = path;
    if (!path && !directory)
        return JOB_DONE;
    if (!path) {
        snprintf(beside, sizeof(beside), "%s/%s", directory, secret->credential);
        path = beside;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return !named && errno == ENOENT ? JOB_DONE : job_retry(ctx, "%s: %s", path, strerror(errno));
    int verdict = read_secret_file(ctx, path, fd, secret);
    close(fd);
    return verdict;
}

static int read_login(struct job_context *ctx, struct settings *settings)
{
    char token_user[sizeof(settings->user)] = "";
    const struct secret password = { "WELCOME_EMAIL_CREDENTIALS_FILE",
                                     "smtp",
                                     "user:password",
                                     settings->user,
                                     settings->password,
                                     sizeof(settings->user),
                                     sizeof(settings->password) };
    const struct secret token = {
        "WELCOME_EMAIL_TOKEN_FILE", "smtp-token",           "user:token", token_user, settings->token,
        sizeof(token_user),         sizeof(settings->token)
    };
    int verdict = read_secret(ctx, &password);
    if (verdict == JOB_DONE)
        verdict = read_secret(ctx, &token);
    if (verdict == JOB_DONE && settings->user[0] && token_user[0])
        return job_retry(ctx, "WELCOME_EMAIL_TOKEN_FILE: there is a password, too; take one of them away");
    if (token_user[0])
        memcpy(settings->user, token_user, sizeof(settings->user));
    return verdict;
}

static int read_auth(struct job_context *ctx, struct settings *settings)
{
    static const char *const known[] = { "PLAIN",       "LOGIN",         "CRAM-MD5", "DIGEST-MD5",
                                         "SCRAM-SHA-1", "SCRAM-SHA-256", "XOAUTH2",  "OAUTHBEARER",
                                         "NTLM",        "GSSAPI" };
    const char *auth = get("WELCOME_EMAIL_AUTH", NULL);
    for (size_t i = 0; auth && i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(auth, known[i]) != 0)
            continue;
        snprintf(settings->login_options, sizeof(settings->login_options), "AUTH=%s", auth);
        return JOB_DONE;
    }
    return auth ? job_retry(ctx, "WELCOME_EMAIL_AUTH: expected a mechanism like PLAIN, LOGIN or XOAUTH2")
                : JOB_DONE;
}

static int read_limits(struct job_context *ctx, struct settings *settings)
{
    const char *size = get("WELCOME_EMAIL_MAX_SIZE", NULL), *missing = get("WELCOME_EMAIL_MISSING", "empty");
    settings->max_size = MAX_SIZE_DEFAULT;
    if (size) {
        char *end;
        unsigned long long value = *size >= '0' && *size <= '9' ? strtoull(size, &end, 10) : 0;
        if (value < 1 || value > MAX_SIZE_LARGEST || *end)
            return job_retry(ctx, "WELCOME_EMAIL_MAX_SIZE: expected bytes, 1 to %d", MAX_SIZE_LARGEST);
        settings->max_size = (size_t)value;
    }
    settings->strict = strcmp(missing, "fail") == 0;
    return settings->strict || strcmp(missing, "empty") == 0
               ? JOB_DONE
               : job_retry(ctx, "WELCOME_EMAIL_MISSING: expected empty or fail");
}

static int read_rates(struct job_context *ctx, struct settings *settings)
{
    const char *file = get("WELCOME_EMAIL_RATE_FILE", NULL),
               *wrong = rate_parse(get("WELCOME_EMAIL_RATE", ""), &settings->rates);
    if (wrong)
        return job_retry(ctx, "WELCOME_EMAIL_RATE: \"%.*s\" is no rule like gmail.com=20/s or *=100/m:10",
                         (int)strcspn(wrong, " ,\t"), wrong);
    if (file && strlen(file) >= sizeof(settings->rate_file))
        return job_retry(ctx, "WELCOME_EMAIL_RATE_FILE: is longer than 255 bytes");
    if (file)
        snprintf(settings->rate_file, sizeof(settings->rate_file), "%s", file);
    else
        snprintf(settings->rate_file, sizeof(settings->rate_file), "/dev/shm/libjob-welcome-email.%u",
                 (unsigned)geteuid());
    return JOB_DONE;
}

/* A login in the address would be in every listing of the environment, and go out without TLS. */
static int check_url(struct job_context *ctx, struct settings *settings)
{
    if (strchr(settings->url, '@'))
        return job_retry(
            ctx, "WELCOME_EMAIL_SMTP_URL: has a login, which belongs into WELCOME_EMAIL_CREDENTIALS_FILE");
    return JOB_DONE;
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
                              .attachments = get("WELCOME_EMAIL_ATTACHMENTS", NULL),
                              .ca_file = get("WELCOME_EMAIL_CA", NULL) };
    int (*const steps[])(struct job_context *, struct settings *) = { check_url,   read_from, read_templates,
                                                                      read_login,  read_tls,  read_auth,
                                                                      read_limits, read_rates };
    int verdict = JOB_DONE;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && verdict == JOB_DONE; i++)
        verdict = steps[i](ctx, ret);
    return verdict;
}

void settings_done(struct settings *settings)
{
    explicit_bzero(settings->password, sizeof(settings->password));
    explicit_bzero(settings->token, sizeof(settings->token));
}
