/* SPDX-License-Identifier: Apache-2.0 */
#include "smtp.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mail.h"
#include "settings.h"

#define CONNECT_TIMEOUT_S 10L
#define TIMEOUT_S 60L
#define IDLE_MAX_S 30L /* a connection that waited longer is not used again: servers hang up */

static CURL *kept; /* between jobs, for its connection */

/* What one mail needs while it is sent. */
struct sending {
    struct curl_slist *headers, *recipients;
    curl_mime *parts;
    struct smtp_answer *answer;
    size_t n_answers;
    bool goes_on; /* the answer's next line belongs to it */
    char error[CURL_ERROR_SIZE];
};

static void append_line(struct smtp_answer *answer, const char *line, size_t size)
{
    size_t at = strlen(answer->text);
    while (size > 0 && (line[size - 1] == '\r' || line[size - 1] == '\n'))
        size--;
    for (size_t i = 0; i < size && at < sizeof(answer->text) - 1; i++)
        answer->text[at++] = line[i] >= 0x20 && line[i] < 0x7f ? line[i] : '?';
    answer->text[at] = 0;
}

/* libcurl's header callback: one line of an answer; "250-…" says that more lines follow. */
static size_t take_line(char *line, size_t one, size_t size, void *data)
{
    struct sending *sending = data;
    (void)one;
    if (size >= 3 && memcmp(line, "221", 3) == 0)
        return size; /* a farewell says nothing about the mail */
    if (sending->goes_on)
        append_line(sending->answer, " / ", 3);
    else
        sending->answer->text[0] = 0;
    append_line(sending->answer, line, size);
    sending->goes_on = size > 3 && line[3] == '-';
    sending->n_answers += !sending->goes_on;
    return size;
}

static bool append(struct curl_slist **list, const char *text)
{
    struct curl_slist *longer = curl_slist_append(*list, text);
    if (longer)
        *list = longer;
    return longer;
}

/* @headers is cut at each CRLF that no space follows. */
static bool add_headers(struct sending *sending, const char *headers)
{
    char *copy = strdup(headers);
    bool done = copy;
    for (char *line = copy, *end; done && *line; line = end + 2) {
        end = strstr(line, "\r\n");
        while (end[2] == ' ')
            end = strstr(end + 2, "\r\n");
        *end = 0;
        done = append(&sending->headers, line);
    }
    free(copy);
    return done && append(&sending->headers, "Content-Type: multipart/alternative");
}

static bool add_part(curl_mime *parts, const char *text, const char *type)
{
    curl_mimepart *part = curl_mime_addpart(parts);
    return part && curl_mime_data(part, text, CURL_ZERO_TERMINATED) == CURLE_OK &&
           curl_mime_type(part, type) == CURLE_OK && curl_mime_encoder(part, "quoted-printable") == CURLE_OK;
}

/* The better of two alternatives comes last (RFC 2046, section 5.1.4). */
static bool add_mail(struct sending *sending, const struct mail *mail)
{
    return add_headers(sending, mail->headers) && append(&sending->recipients, mail->to) &&
           (sending->parts = curl_mime_init(kept)) != NULL &&
           add_part(sending->parts, mail->text, "text/plain; charset=utf-8") &&
           add_part(sending->parts, mail->html, "text/html; charset=utf-8");
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
    if (settings->user[0]) {
        curl_easy_setopt(kept, CURLOPT_USERNAME, settings->user);
        curl_easy_setopt(kept, CURLOPT_PASSWORD, settings->password);
    }
    curl_easy_setopt(kept, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S);
    curl_easy_setopt(kept, CURLOPT_TIMEOUT, TIMEOUT_S);
    curl_easy_setopt(kept, CURLOPT_MAXAGE_CONN, IDLE_MAX_S);
    /* Not CURLOPT_NOSIGNAL: libcurl must hold off SIGPIPE, which OpenSSL's writes raise. */
}

static void set_mail(struct sending *sending, const struct mail *mail)
{
    curl_easy_setopt(kept, CURLOPT_MAIL_FROM, mail->from);
    curl_easy_setopt(kept, CURLOPT_MAIL_RCPT, sending->recipients);
    curl_easy_setopt(kept, CURLOPT_HTTPHEADER, sending->headers);
    curl_easy_setopt(kept, CURLOPT_MIMEPOST, sending->parts);
    curl_easy_setopt(kept, CURLOPT_HEADERFUNCTION, take_line);
    curl_easy_setopt(kept, CURLOPT_HEADERDATA, sending);
    curl_easy_setopt(kept, CURLOPT_ERRORBUFFER, sending->error);
}

static long get_number(CURLINFO info)
{
    long value = 0;
    curl_easy_getinfo(kept, info, &value);
    return value;
}

/* A kept connection may have ended meanwhile, silently or with a 421: nothing of this mail was said yet. */
static bool found_connection_closed(const struct sending *sending)
{
    bool reused = get_number(CURLINFO_NUM_CONNECTS) == 0;
    return reused && (sending->n_answers == 0 ||
                      (sending->n_answers == 1 && get_number(CURLINFO_RESPONSE_CODE) == 421));
}

static CURLcode perform(struct sending *sending)
{
    CURLcode code = curl_easy_perform(kept);
    if (code == CURLE_OK || !found_connection_closed(sending))
        return code;
    curl_easy_setopt(kept, CURLOPT_FRESH_CONNECT, 1L);
    return curl_easy_perform(kept);
}

/* An answer's class decides, except where it was not the mail that was refused but how we are set up. */
static int judge(struct job_context *ctx, CURLcode code, const struct sending *sending)
{
    long class = get_number(CURLINFO_RESPONSE_CODE) / 100;
    const char *answer = sending->answer->text;
    if (code == CURLE_OK)
        return JOB_DONE;
    if (code == CURLE_LOGIN_DENIED || code == CURLE_USE_SSL_FAILED || (class != 4 && class != 5)) {
        const char *why = sending->error[0] ? sending->error : curl_easy_strerror(code);
        return job_retry(ctx, "cannot talk to the mail server: %s%s%s", why,
                         *answer ? "; its last answer: " : "", answer);
    }
    return class == 5 ? job_fail(ctx, "the mail server refused: %s", answer)
                      : job_retry(ctx, "the mail server refused for now: %s", answer);
}

static void sending_done(struct sending *sending)
{
    curl_easy_reset(kept); /* forgets what is freed here; keeps the connection */
    curl_mime_free(sending->parts);
    curl_slist_free_all(sending->headers);
    curl_slist_free_all(sending->recipients);
}

int smtp_send(struct job_context *ctx, const struct settings *settings, const struct mail *mail,
              struct smtp_answer *ret)
{
    struct sending sending = { .answer = ret };
    ret->text[0] = 0;
    if (!kept && !(kept = curl_easy_init()))
        return job_retry(ctx, "no memory for libcurl");
    int verdict;
    if (add_mail(&sending, mail)) {
        set_server(settings);
        set_mail(&sending, mail);
        verdict = judge(ctx, perform(&sending), &sending);
    } else {
        verdict = job_retry(ctx, "no memory for a mail");
    }
    sending_done(&sending);
    return verdict;
}
