/* SPDX-License-Identifier: Apache-2.0 */
#include "mime.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "header.h"
#include "mail.h"

bool mime_append(struct curl_slist **list, const char *text)
{
    struct curl_slist *longer = curl_slist_append(*list, text);
    if (longer)
        *list = longer;
    return longer;
}

/* @headers is cut at each CRLF that no space follows. */
static bool add_headers(struct curl_slist **list, const char *headers)
{
    char *copy = strdup(headers);
    bool done = copy;
    for (char *line = copy, *end; done && *line; line = end + 2) {
        end = strstr(line, "\r\n");
        while (end[2] == ' ')
            end = strstr(end + 2, "\r\n");
        *end = 0;
        done = mime_append(list, line);
    }
    free(copy);
    return done;
}

static bool has_rows(const struct mail *mail, bool is_inline)
{
    for (size_t i = 0; i < mail->attachments.n_rows; i++)
        if (!mail->attachments.rows[i].cid == !is_inline)
            return true;
    return false;
}

static bool add_text(curl_mime *to, const char *text, const char *type)
{
    curl_mimepart *part = curl_mime_addpart(to);
    return part && curl_mime_data(part, text, CURL_ZERO_TERMINATED) == CURLE_OK &&
           curl_mime_type(part, type) == CURLE_OK && curl_mime_encoder(part, "quoted-printable") == CURLE_OK;
}

/* Opens a part of parts; NULL: no memory. */
static curl_mime *add_multipart(CURL *curl, curl_mime *to, const char *type)
{
    curl_mimepart *part = curl_mime_addpart(to);
    curl_mime *parts = curl_mime_init(curl);
    if (part && parts && curl_mime_subparts(part, parts) == CURLE_OK &&
        curl_mime_type(part, type) == CURLE_OK)
        return parts;
    curl_mime_free(parts); /* a part lets go of what is freed */
    return NULL;
}

/* libcurl would send a file's name as it is. */
static bool add_labels(curl_mimepart *part, const struct attachment *row)
{
    char *lines = NULL;
    size_t size;
    FILE *out = open_memstream(&lines, &size);
    if (!out)
        return false;
    fprintf(out, "Content-Disposition: %s", row->cid ? "inline" : "attachment");
    header_write_parameter(out, "filename", row->name);
    fputs("\r\n", out);
    if (row->cid)
        fprintf(out, "Content-ID: <%s>\r\n", row->cid);
    struct curl_slist *headers = NULL;
    bool done =
        fclose(out) == 0 && add_headers(&headers, lines) && curl_mime_headers(part, headers, 1) == CURLE_OK;
    if (!done)
        curl_slist_free_all(headers);
    free(lines);
    return done;
}

static bool add_rows(curl_mime *to, const struct mail *mail, bool is_inline)
{
    bool done = true;
    for (size_t i = 0; i < mail->attachments.n_rows && done; i++) {
        const struct attachment *row = &mail->attachments.rows[i];
        if (!row->cid == is_inline)
            continue;
        curl_mimepart *part = curl_mime_addpart(to);
        done = part && curl_mime_data(part, row->data, row->size) == CURLE_OK &&
               curl_mime_type(part, row->type) == CURLE_OK && curl_mime_encoder(part, "base64") == CURLE_OK &&
               add_labels(part, row);
    }
    return done;
}

/* The better of two alternatives comes last (RFC 2046, section 5.1.4). */
static bool add_alternatives(CURL *curl, curl_mime *to, const struct mail *mail)
{
    if (mail->text && !add_text(to, mail->text, "text/plain; charset=utf-8"))
        return false;
    if (mail->html && has_rows(mail, true)) {
        to = add_multipart(curl, to, "multipart/related; type=\"text/html\"");
        return to && add_text(to, mail->html, "text/html; charset=utf-8") && add_rows(to, mail, true);
    }
    return !mail->html || add_text(to, mail->html, "text/html; charset=utf-8");
}

bool mime_build(CURL *curl, const struct mail *mail, struct mime *ret)
{
    bool is_mixed = has_rows(mail, false);
    *ret = (struct mime){ .parts = curl_mime_init(curl) };
    if (!ret->parts || !add_headers(&ret->headers, mail->headers) ||
        !mime_append(&ret->headers,
                     is_mixed ? "Content-Type: multipart/mixed" : "Content-Type: multipart/alternative"))
        return false;
    if (!is_mixed)
        return add_alternatives(curl, ret->parts, mail);
    curl_mime *alternatives = add_multipart(curl, ret->parts, "multipart/alternative");
    return alternatives && add_alternatives(curl, alternatives, mail) && add_rows(ret->parts, mail, false);
}

void mime_done(struct mime *mime)
{
    curl_mime_free(mime->parts);
    curl_slist_free_all(mime->headers);
    *mime = (struct mime){ 0 };
}
