/* SPDX-License-Identifier: Apache-2.0 */
#include "smtp.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "mail.h"
#include "mime.h"
#include "request.h"
#include "settings.h"

#define CONNECT_TIMEOUT_S 10L
#define TIMEOUT_S 60L
#define BYTES_PER_S (100 * 1024) /* more time for each so many */
#define IDLE_MAX_S 30L           /* a connection that waited longer is not used again: servers hang up */

static CURL *kept; /* between jobs, for its connection */
static struct dialogue dialogue;

/* What one mail needs while it is sent. */
struct sending {
    const struct mail *mail;
    struct curl_slist *recipients;
    struct mime mime;
    struct smtp_report *report;
    char error[CURL_ERROR_SIZE];
};

/* libcurl's header callback: one line of an answer. Anything but @size breaks the transfer off. */
static size_t take_line(char *line, size_t one, size_t size, void *data)
{
    (void)one;
    (void)data;
    return dialogue_received(&dialogue, line, size) ? size : 0;
}

/* libcurl's debug callback. What it shows may have the login: it is looked at and not kept. */
static int see_command(CURL *handle, curl_infotype kind, char *text, size_t size, void *data)
{
    (void)handle;
    (void)data;
    if (kind == CURLINFO_HEADER_OUT)
        dialogue_sent(&dialogue, text, size);
    return 0;
}

static bool is_listed(const struct curl_slist *list, const char *address)
{
    for (; list; list = list->next)
        if (strcmp(list->data, address) == 0)
            return true;
    return false;
}

static bool add_recipients(struct sending *sending)
{
    const struct request *request = sending->mail->fields->request;
    struct smtp_report *report = sending->report;
    for (size_t i = 0; i < request->n_mailboxes; i++) {
        const struct mailbox *mailbox = &request->mailboxes[i];
        if (mailbox->role == MAILBOX_REPLY_TO || is_listed(sending->recipients, mailbox->address.text))
            continue;
        if (!mime_append(&sending->recipients, mailbox->address.text))
            return false;
        report->places[report->n_recipients++] = mailbox->place;
    }
    return true;
}

static void set_login(const struct settings *settings)
{
    if (settings->user[0])
        curl_easy_setopt(kept, CURLOPT_USERNAME, settings->user);
    if (settings->token[0])
        curl_easy_setopt(kept, CURLOPT_XOAUTH2_BEARER, settings->token);
    else if (settings->user[0])
        curl_easy_setopt(kept, CURLOPT_PASSWORD, settings->password);
    if (settings->login_options[0])
        curl_easy_setopt(kept, CURLOPT_LOGIN_OPTIONS, settings->login_options);
}

static void set_server(const struct settings *settings)
{
    curl_easy_setopt(kept, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    curl_easy_setopt(kept, CURLOPT_URL, settings->url);
    curl_easy_setopt(kept, CURLOPT_PROXY, ""); /* none, whatever the environment says */
    curl_easy_setopt(kept, CURLOPT_USE_SSL, (long)(settings->require_tls ? CURLUSESSL_ALL : CURLUSESSL_TRY));
    if (settings->ca_file) {
        curl_easy_setopt(kept, CURLOPT_CAINFO, settings->ca_file);
        curl_easy_setopt(kept, CURLOPT_CAPATH, NULL);
    }
    set_login(settings);
    curl_easy_setopt(kept, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S);
    curl_easy_setopt(kept, CURLOPT_MAXAGE_CONN, IDLE_MAX_S);
    /* Not CURLOPT_NOSIGNAL: libcurl must hold off SIGPIPE, which OpenSSL's writes raise. */
}

static long timeout_of(const struct mail *mail)
{
    size_t size = 0;
    for (size_t i = 0; i < mail->attachments.n_rows; i++)
        size += mail->attachments.rows[i].size;
    return TIMEOUT_S + (long)(size / BYTES_PER_S);
}

static void set_mail(struct sending *sending)
{
    curl_easy_setopt(kept, CURLOPT_MAIL_FROM, sending->mail->fields->from->text);
    curl_easy_setopt(kept, CURLOPT_MAIL_RCPT, sending->recipients);
    curl_easy_setopt(kept, CURLOPT_MAIL_RCPT_ALLLOWFAILS, 1L);
    curl_easy_setopt(kept, CURLOPT_HTTPHEADER, sending->mime.headers);
    curl_easy_setopt(kept, CURLOPT_MIMEPOST, sending->mime.parts);
    curl_easy_setopt(kept, CURLOPT_TIMEOUT, timeout_of(sending->mail));
    curl_easy_setopt(kept, CURLOPT_HEADERFUNCTION, take_line);
    curl_easy_setopt(kept, CURLOPT_DEBUGFUNCTION, see_command);
    curl_easy_setopt(kept, CURLOPT_VERBOSE, 1L);
    curl_easy_setopt(kept, CURLOPT_ERRORBUFFER, sending->error);
}

static void start_dialogue(struct job_context *ctx, const struct sending *sending)
{
    int max_attempts = job_context_max_attempts(ctx);
    dialogue_init(&dialogue, sending->report->n_recipients, sending->mail->international,
                  max_attempts > 0 && job_context_attempt(ctx) >= max_attempts);
}

/* A kept connection may have ended meanwhile, silently or with a 421: nothing of this mail was said yet. */
static bool found_connection_closed(void)
{
    long n_connects = 0;
    curl_easy_getinfo(kept, CURLINFO_NUM_CONNECTS, &n_connects);
    return n_connects == 0 && (dialogue.n_answers == 0 ||
                               (dialogue.n_answers == 1 && strncmp(dialogue.answer.text, "421", 3) == 0));
}

static CURLcode perform(struct job_context *ctx, const struct sending *sending)
{
    start_dialogue(ctx, sending);
    CURLcode code = curl_easy_perform(kept);
    if (code == CURLE_OK || !found_connection_closed())
        return code;
    curl_easy_setopt(kept, CURLOPT_FRESH_CONNECT, 1L);
    start_dialogue(ctx, sending);
    return curl_easy_perform(kept);
}

static int finish(struct job_context *ctx, const struct sending *sending, CURLcode code)
{
    struct smtp_report *report = sending->report;
    if (code != CURLE_OK)
        return dialogue_judge(ctx, &dialogue, report->places,
                              sending->error[0] ? sending->error : curl_easy_strerror(code));
    report->answer = dialogue.answer;
    for (size_t i = 0; i < report->n_recipients; i++)
        report->refusals[i] = dialogue.refusals[i].text[0] ? &dialogue.refusals[i] : NULL;
    return JOB_DONE;
}

static void sending_done(struct sending *sending)
{
    curl_easy_reset(kept); /* forgets what is freed here; keeps the connection */
    mime_done(&sending->mime);
    curl_slist_free_all(sending->recipients);
}

int smtp_send(struct job_context *ctx, const struct settings *settings, const struct mail *mail,
              struct smtp_report *ret)
{
    struct sending sending = { .mail = mail, .report = ret };
    memset(ret, 0, sizeof(*ret));
    if (!kept && !(kept = curl_easy_init()))
        return job_retry(ctx, "no memory for libcurl");
    int verdict;
    if (add_recipients(&sending) && mime_build(kept, mail, &sending.mime)) {
        set_server(settings);
        set_mail(&sending);
        verdict = finish(ctx, &sending, perform(ctx, &sending));
    } else {
        verdict = job_retry(ctx, "no memory for a mail");
    }
    sending_done(&sending);
    return verdict;
}
