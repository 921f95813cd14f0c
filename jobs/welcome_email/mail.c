/* SPDX-License-Identifier: Apache-2.0 */
#include "mail.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "header.h"
#include "request.h"
#include "template.h"

static int check_fields(struct job_context *ctx, const struct mail_fields *fields)
{
    const char *id = fields->id;
    if (id[strspn(id, "0123456789abcdefABCDEF-")] || !*id || strlen(id) > 64)
        return job_fail(ctx, "id: is no UUID");
    if (strlen(fields->from_name) > REQUEST_NAME_MAX)
        return job_retry(ctx, "WELCOME_EMAIL_FROM: the name is longer than 256 bytes");
    return header_is_text(fields->from_name)
               ? JOB_DONE
               : job_retry(ctx, "WELCOME_EMAIL_FROM: has control characters or is no UTF-8");
}

/* --- Texts -------------------------------------------------------------------------------------------- */

/* "welcome.subject.txt"; for the template "welcome" also "subject.txt". */
static int render_subject(struct job_context *ctx, const struct templates *templates, const char *template,
                          char **ret)
{
    static const char ending[] = ".subject.txt";
    char name[REQUEST_TEMPLATE_MAX + sizeof(ending)];
    bool is_short = strcmp(template, "welcome") == 0 && !template_exists(templates, template, ending);
    snprintf(name, sizeof(name), is_short ? "subject" : "%s.subject", template);
    char *subject = NULL;
    int verdict = template_render(ctx, templates, name, ".txt", MUSTACHE_LINE, &subject);
    if (verdict != JOB_DONE)
        return verdict;
    char *end = strstr(subject, "\r\n");
    if (end && !end[2])
        *end = 0; /* the line end of the file */
    if (*subject && header_is_text(subject) && strlen(subject) <= REQUEST_SUBJECT_MAX) {
        *ret = subject;
        return JOB_DONE;
    }
    free(subject);
    return job_retry(ctx, "%s.txt: is not one line of text of at most %d bytes", name, REQUEST_SUBJECT_MAX);
}

static int find_subject(struct job_context *ctx, const struct mail_fields *fields,
                        const struct templates *templates, char **ret)
{
    const char *given = fields->request->subject;
    if (!given)
        return render_subject(ctx, templates, fields->request->template, ret);
    *ret = strdup(given);
    return *ret ? JOB_DONE : job_retry(ctx, "no memory for a subject");
}

static int render_bodies(struct job_context *ctx, const struct templates *templates, struct mail *mail)
{
    const char *template = mail->fields->request->template;
    bool has_html = template_exists(templates, template, ".html");
    bool has_text = !has_html || template_exists(templates, template, ".txt");
    int verdict = JOB_DONE;
    if (has_text)
        verdict = template_render(ctx, templates, template, ".txt", MUSTACHE_PLAIN, &mail->text);
    if (verdict == JOB_DONE && has_html)
        verdict = template_render(ctx, templates, template, ".html", MUSTACHE_HTML, &mail->html);
    return verdict;
}

/* --- Headers ------------------------------------------------------------------------------------------ */

static void write_mailboxes(FILE *out, const struct request *request, enum mailbox_role role,
                            const char *header)
{
    size_t n = 0;
    for (size_t i = 0; i < request->n_mailboxes; i++) {
        const struct mailbox *mailbox = &request->mailboxes[i];
        if (mailbox->role != role)
            continue;
        if (n++ > 0)
            fputs(",\r\n ", out);
        else
            fprintf(out, "%s: ", header);
        header_write_mailbox(out, mailbox->name, mailbox->address.text);
    }
    if (n > 0)
        fputs("\r\n", out);
}

/* No header says who is in "bcc". */
static void write_headers(FILE *out, const struct mail *mail, const char *subject)
{
    const struct mail_fields *fields = mail->fields;
    const char *name;
    json_t *value;
    fputs("Date: ", out);
    header_write_date(out, fields->unix_s);
    fputs("\r\nFrom: ", out);
    header_write_mailbox(out, fields->from_name, fields->from->text);
    fputs("\r\n", out);
    write_mailboxes(out, fields->request, MAILBOX_TO, "To");
    write_mailboxes(out, fields->request, MAILBOX_CC, "Cc");
    write_mailboxes(out, fields->request, MAILBOX_REPLY_TO, "Reply-To");
    fputs("Subject: ", out);
    header_write_text(out, subject);
    fprintf(out, "\r\nMessage-ID: <%s>\r\n", mail->message_id);
    fputs("Auto-Submitted: auto-generated\r\n", out); /* RFC 3834: no vacation notes, please */
    json_object_foreach((json_t *)fields->request->headers, name, value)
    {
        header_write_value(out, name, json_string_value(value));
    }
}

static int build_headers(struct job_context *ctx, const struct templates *templates, struct mail *mail)
{
    char *subject = NULL;
    int verdict = find_subject(ctx, mail->fields, templates, &subject);
    if (verdict != JOB_DONE)
        return verdict;
    size_t size;
    FILE *out = open_memstream(&mail->headers, &size);
    if (out)
        write_headers(out, mail, subject);
    free(subject);
    return out && fclose(out) == 0 ? JOB_DONE : job_retry(ctx, "no memory for a mail");
}

/* --- The whole ---------------------------------------------------------------------------------------- */

static bool needs_utf8(const struct mail_fields *fields)
{
    for (size_t i = 0; i < fields->request->n_mailboxes; i++)
        if (fields->request->mailboxes[i].address.international)
            return true;
    return fields->from->international;
}

static int read_attachments(struct job_context *ctx, struct mail *mail)
{
    const struct mail_fields *fields = mail->fields;
    size_t size = (mail->text ? strlen(mail->text) : 0) + (mail->html ? strlen(mail->html) : 0);
    if (size > fields->max_size)
        return job_fail(ctx, "the mail is larger than %zu bytes", fields->max_size);
    int verdict = attachments_read(ctx, fields->request->attachments, fields->attachments,
                                   fields->max_size - size, &mail->attachments);
    for (size_t i = 0; i < mail->attachments.n_rows && verdict == JOB_DONE; i++)
        if (mail->attachments.rows[i].cid && !mail->html)
            return job_fail(ctx, "attachments[%zu].cid: the template has no HTML part", i);
    return verdict;
}

static int build(struct job_context *ctx, const struct templates *templates, struct mail *mail)
{
    int verdict = build_headers(ctx, templates, mail);
    if (verdict == JOB_DONE)
        verdict = render_bodies(ctx, templates, mail);
    return verdict == JOB_DONE ? read_attachments(ctx, mail) : verdict;
}

int mail_build(struct job_context *ctx, const struct mail_fields *fields, struct mail *ret)
{
    *ret = (struct mail){ .fields = fields, .international = needs_utf8(fields) };
    int verdict = check_fields(ctx, fields);
    if (verdict != JOB_DONE)
        return verdict;
    snprintf(ret->message_id, sizeof(ret->message_id), "%s@%s", fields->id, address_domain(fields->from));
    const struct request *request = fields->request;
    json_t *own =
        json_pack("{s:s, s:s}", "name", request->greeting, "to", request->mailboxes[0].address.text);
    const json_t *const roots[] = { request->variables ? request->variables : own, own };
    const struct templates templates = {
        .folder = fields->templates, .strict = fields->strict, .roots = roots, .n_roots = 2
    };
    verdict = own ? build(ctx, &templates, ret) : job_retry(ctx, "no memory for a mail");
    json_decref(own);
    return verdict;
}

void mail_done(struct mail *mail)
{
    free(mail->headers);
    free(mail->text);
    free(mail->html);
    attachments_done(&mail->attachments);
    *mail = (struct mail){ 0 };
}
