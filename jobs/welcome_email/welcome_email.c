/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sends one mail: {"to": "ada@example.org", "name": "Ada"}; without "name" the part before the @ greets.
 *
 * The payload is checked before anything is sent; what is wrong with it fails the job for good. What is wrong
 * with the installation or the mail server is worth another try. settings.h has the environment variables,
 * mail.h the message, smtp.h the conversation. The result: {"message_id": "<job>@…", "smtp": "250 …"}.
 */
#include <jansson.h>
#include <job_handler.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "mail.h"
#include "settings.h"
#include "smtp.h"

#define LOCAL_PART_MAX 64 /* bytes, RFC 5321 */

/* Member @name of the payload, borrowed; NULL when it is absent. Return: JOB_DONE; JOB_FAIL, error set. */
static int get_text(struct job_context *ctx, const json_t *payload, const char *name, const char **ret)
{
    const json_t *member = json_object_get(payload, name);
    const char *text = json_string_value(member);
    if (member && !text)
        return job_fail(ctx, "%s: is no string", name);
    if (text && strlen(text) != json_string_length(member))
        return job_fail(ctx, "%s: has control characters", name);
    *ret = text;
    return JOB_DONE;
}

static int set_result(struct job_context *ctx, const struct mail *mail, const struct smtp_answer *answer)
{
    char result[2048]; /* both are printable ASCII: only " and \ need care, which json_dumpb() takes */
    json_t *object = json_pack("{s:s, s:s}", "message_id", mail->message_id, "smtp", answer->text);
    size_t size = object ? json_dumpb(object, result, sizeof(result), 0) : 0;
    json_decref(object);
    if (size > 0 && size <= sizeof(result))
        job_set_result(ctx, result, size);
    return JOB_DONE; /* the mail is out: no lack of memory is worth sending it again */
}

static int send_fields(struct job_context *ctx, const struct settings *settings, const char *to,
                       const char *name)
{
    const struct mail_fields fields = {
        .id = job_context_id(ctx),
        .from_name = settings->from_name,
        .from = settings->from,
        .to_name = name,
        .to = to,
        .templates = settings->templates,
        .unix_s = time(NULL),
    };
    struct mail mail;
    struct smtp_answer answer;
    int verdict = mail_build(ctx, &fields, &mail);
    if (verdict == JOB_DONE)
        verdict = smtp_send(ctx, settings, &mail, &answer);
    if (verdict == JOB_DONE)
        verdict = set_result(ctx, &mail, &answer);
    mail_done(&mail);
    return verdict;
}

static int send_to(struct job_context *ctx, const char *to, const char *name)
{
    char local_part[LOCAL_PART_MAX + 1];
    struct settings settings;
    if (!name || !*name) {
        snprintf(local_part, sizeof(local_part), "%.*s", (int)strcspn(to, "@"), to);
        name = local_part;
    }
    int verdict = settings_read(ctx, &settings);
    if (verdict == JOB_DONE)
        verdict = send_fields(ctx, &settings, to, name);
    settings_done(&settings);
    return verdict;
}

static int welcome_email_run(struct job_context *ctx)
{
    size_t size;
    const char *text = job_context_payload(ctx, &size), *to = NULL, *name = NULL;
    json_error_t error;
    json_t *payload = json_loadb(text, size, JSON_ALLOW_NUL, &error);
    if (!payload)
        return job_fail(ctx, "the payload is no JSON: %s", error.text);
    int verdict = get_text(ctx, payload, "to", &to);
    if (verdict == JOB_DONE)
        verdict = get_text(ctx, payload, "name", &name);
    if (verdict == JOB_DONE)
        verdict = to ? send_to(ctx, to, name) : job_fail(ctx, "to: is missing");
    json_decref(payload);
    return verdict;
}

static const struct job_handler handlers[] = { { .type = "welcome_email", .run = welcome_email_run } };

JOB_HANDLER_API const struct job_module job_module = JOB_MODULE(handlers);
