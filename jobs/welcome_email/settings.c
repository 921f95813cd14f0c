/* SPDX-License-Identifier: Apache-2.0 */
#include "settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/secret.h"
#include "common/setting.h"
#include "header.h"

#define MAX_SIZE_DEFAULT (10 * 1024 * 1024)
#define MAX_SIZE_LARGEST (100 * 1024 * 1024)

static int check_from(struct job_context *ctx, const char *address, struct settings *settings)
{
    const char *wrong = header_is_text(address) ? address_parse(address, &settings->from)
                                                : "has control characters or is no UTF-8";
    return wrong ? job_retry(ctx, "WELCOME_EMAIL_FROM: %s", wrong) : JOB_DONE;
}

/* "address", "Name <address>" or "\"Name\" <address>". */
static int read_from(struct job_context *ctx, struct settings *settings)
{
    const char *from = setting_get("WELCOME_EMAIL_FROM", "noreply@localhost"), *open = strrchr(from, '<');
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

static int read_templates(struct job_context *ctx, struct settings *settings)
{
    return setting_get_folder(ctx, "WELCOME_EMAIL_TEMPLATES", "templates", settings->templates,
                              sizeof(settings->templates));
}

/* Where one line "user:secret" goes. */
struct login {
    const char *variable, *credential, *form;
    char *user, *text; /* of settings */
    size_t user_size, text_size;
};

static int parse_login(struct job_context *ctx, const struct secret *secret, const struct login *login)
{
    const char *colon = strchr(secret->line, ':');
    if (!colon || colon == secret->line || !colon[1] || (size_t)(colon - secret->line) >= login->user_size ||
        strlen(colon + 1) >= login->text_size)
        return job_retry(ctx, "%s: expected one line, %s", secret->path, login->form);
    snprintf(login->user, login->user_size, "%.*s", (int)(colon - secret->line), secret->line);
    snprintf(login->text, login->text_size, "%s", colon + 1);
    return JOB_DONE;
}

static int read_secret(struct job_context *ctx, const struct login *login)
{
    struct secret secret;
    int verdict = secret_read(ctx, login->variable, login->credential, &secret);
    if (verdict == JOB_DONE && secret.path[0])
        verdict = parse_login(ctx, &secret, login);
    secret_done(&secret);
    return verdict;
}

static int read_login(struct job_context *ctx, struct settings *settings)
{
    char token_user[sizeof(settings->user)] = "";
    const struct login password = { "WELCOME_EMAIL_CREDENTIALS_FILE",
                                    "smtp",
                                    "user:password",
                                    settings->user,
                                    settings->password,
                                    sizeof(settings->user),
                                    sizeof(settings->password) };
    const struct login token = {
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
    const char *auth = setting_get("WELCOME_EMAIL_AUTH", NULL);
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
    const char *size = setting_get("WELCOME_EMAIL_MAX_SIZE", NULL),
               *missing = setting_get("WELCOME_EMAIL_MISSING", "empty");
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
    const char *file = setting_get("WELCOME_EMAIL_RATE_FILE", NULL),
               *wrong = rate_parse(setting_get("WELCOME_EMAIL_RATE", ""), &settings->rates);
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
    const char *tls = setting_get("WELCOME_EMAIL_TLS", settings->user[0] ? "require" : "try");
    settings->require_tls = strcmp(tls, "require") == 0;
    if (!settings->require_tls && strcmp(tls, "try") != 0)
        return job_retry(ctx, "WELCOME_EMAIL_TLS: expected try or require");
    return JOB_DONE;
}

int settings_read(struct job_context *ctx, struct settings *ret)
{
    *ret = (struct settings){ .url = setting_get("WELCOME_EMAIL_SMTP_URL", "smtp://127.0.0.1:25"),
                              .attachments = setting_get("WELCOME_EMAIL_ATTACHMENTS", NULL),
                              .ca_file = setting_get("WELCOME_EMAIL_CA", NULL) };
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
