/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sends one mail: {"to": "ada@example.org", "name": "Ada"}; without "name" the part before the @ greets.
 *
 * Everything is checked and read before anything is sent; what is wrong with the payload fails the job for good. What
 * is wrong with the installation or the mail server is worth another try. request.h has the payload, settings.h the
 * environment variables, mail.h the message, smtp.h the conversation, rate.h what holds it back. The result:
 * {"message_id": "<job>@…", "smtp": "250 …"}, and "refused" if some recipients were.
 */
#include <jansson.h>
#include <job_handler.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "mail.h"
#include "request.h"
#include "settings.h"
#include "smtp.h"

_Static_assert(REQUEST_MAILBOXES_MAX <= DIALOGUE_RECIPIENTS_MAX, "a dialogue has room for every recipient");

/* --- The result ----------------------------------------------------------------------------------------- */

/* The mail is out: no lack of memory is worth sending it again. */
static void set_result(struct job_context *ctx, const struct mail *mail, const struct smtp_report *report)
{
    json_t *refused = json_array();
    for (size_t i = 0; i < report->n_recipients; i++)
        if (report->refusals[i])
            json_array_append_new(refused, json_pack("{s:s, s:s}", "recipient", report->places[i], "smtp",
                                                     report->refusals[i]->text));
    json_t *object = json_pack("{s:s, s:s}", "message_id", mail->message_id, "smtp", report->answer.text);
    if (json_array_size(refused) > 0)
        json_object_set(object, "refused", refused);
    char *text = json_dumps(object, 0);
    if (text)
        job_set_result(ctx, text, strlen(text));
    free(text);
    json_decref(object);
    json_decref(refused);
}

/* --- Rates ---------------------------------------------------------------------------------------------- */

static void add_demand(struct rate_demand *demands, size_t *n_demands, const struct rate_rule *rule,
                       const char *domain)
{
    for (size_t i = 0; i < *n_demands; i++) {
        if (strcasecmp(demands[i].domain, domain) == 0) {
            demands[i].n_tokens++;
            return;
        }
    }
    demands[(*n_demands)++] = (struct rate_demand){ .rule = rule, .domain = domain, .n_tokens = 1 };
}

/* JOB_SNOOZE when a domain has had enough for now. */
static int wait_for_turn(struct job_context *ctx, const struct settings *settings,
                         const struct request *request)
{
    struct rate_demand demands[REQUEST_MAILBOXES_MAX];
    size_t n_demands = 0;
    for (size_t i = 0; i < request->n_mailboxes; i++) {
        const char *domain = address_domain(&request->mailboxes[i].address);
        const struct rate_rule *rule = rate_find(&settings->rates, domain);
        if (rule && request->mailboxes[i].role != MAILBOX_REPLY_TO)
            add_demand(demands, &n_demands, rule, domain);
    }
    if (n_demands == 0)
        return JOB_DONE;
    struct timespec now;
    int64_t wait_ns = 0;
    clock_gettime(CLOCK_BOOTTIME, &now);
    int r = rate_take(settings->rate_file, demands, n_demands, (int64_t)now.tv_sec * 1000000000 + now.tv_nsec,
                      &wait_ns);
    if (r < 0)
        return job_retry(ctx, "%s: %s", settings->rate_file, strerror(-r));
    if (wait_ns == 0)
        return JOB_DONE;
    job_set_error(ctx, "the rate of a recipient's domain is reached");
    job_retry_after(ctx, wait_ns / 1000000 + 1);
    return JOB_SNOOZE;
}

/* --- The job -------------------------------------------------------------------------------------------- */

static int send_mail(struct job_context *ctx, const struct settings *settings, const struct request *request,
                     const struct mail *mail)
{
    struct smtp_report report;
    int verdict = wait_for_turn(ctx, settings, request);
    if (verdict == JOB_DONE)
        verdict = smtp_send(ctx, settings, mail, &report);
    if (verdict == JOB_DONE)
        set_result(ctx, mail, &report);
    return verdict;
}

static int send_request(struct job_context *ctx, const struct settings *settings,
                        const struct request *request)
{
    const struct mail_fields fields = {
        .id = job_context_id(ctx),
        .from_name = settings->from_name,
        .from = &settings->from,
        .request = request,
        .templates = settings->templates,
        .strict = settings->strict,
        .attachments = settings->attachments,
        .max_size = settings->max_size,
        .unix_s = time(NULL),
    };
    struct mail mail;
    int verdict = mail_build(ctx, &fields, &mail);
    if (verdict == JOB_DONE)
        verdict = send_mail(ctx, settings, request, &mail);
    mail_done(&mail);
    return verdict;
}

static int welcome_email_run(struct job_context *ctx)
{
    size_t size;
    const char *payload = job_context_payload(ctx, &size);
    struct request request;
    struct settings settings = { 0 };
    int verdict = request_parse(ctx, payload, size, &request);
    if (verdict == JOB_DONE)
        verdict = settings_read(ctx, &settings);
    if (verdict == JOB_DONE)
        verdict = send_request(ctx, &settings, &request);
    settings_done(&settings);
    request_done(&request);
    return verdict;
}

static const struct job_handler handlers[] = { { .type = "welcome_email", .run = welcome_email_run } };

JOB_HANDLER_API const struct job_module job_module = JOB_MODULE(handlers);
