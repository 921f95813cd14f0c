/* SPDX-License-Identifier: Apache-2.0 */
#include "mail.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "header.h"
#include "template.h"

static const char *check_name(const char *name)
{
    if (strlen(name) > MAIL_NAME_MAX)
        return "is longer than 256 bytes";
    return header_is_text(name) ? NULL : "has control characters or is no UTF-8";
}

/* The values themselves are not repeated in errors: they are personal data. */
static int check_fields(struct job_context *ctx, const struct mail_fields *fields)
{
    const char *wrong;
    if (!header_is_text(fields->to))
        return job_fail(ctx, "to: has control characters or is no UTF-8");
    if ((wrong = header_check_address(fields->to)))
        return job_fail(ctx, "to: %s", wrong);
    if ((wrong = check_name(fields->to_name)))
        return job_fail(ctx, "name: %s", wrong);
    if (fields->id[strspn(fields->id, "0123456789abcdefABCDEF-")] || !*fields->id || strlen(fields->id) > 64)
        return job_fail(ctx, "id: is no UUID");
    if ((wrong = header_check_address(fields->from)) || (wrong = check_name(fields->from_name)))
        return job_retry(ctx, "WELCOME_EMAIL_FROM: %s", wrong);
    return JOB_DONE;
}

static int render_file(struct job_context *ctx, const struct mail_fields *fields, const char *file,
                       enum template_escape escape, char **ret)
{
    const struct template_variable rows[] = { { "name", fields->to_name }, { "to", fields->to } };
    const struct template_variables variables = { rows, sizeof(rows) / sizeof(rows[0]) };
    char *text = NULL;
    int verdict = template_read(ctx, fields->templates, file, &text);
    if (verdict == JOB_DONE)
        verdict = template_render(ctx, file, text, escape, &variables, ret);
    free(text);
    return verdict;
}

static void write_headers(FILE *out, const struct mail_fields *fields, const char *message_id,
                          const char *subject)
{
    fputs("Date: ", out);
    header_write_date(out, fields->unix_s);
    fputs("\r\nFrom: ", out);
    header_write_mailbox(out, fields->from_name, fields->from);
    fputs("\r\nTo: ", out);
    header_write_mailbox(out, fields->to_name, fields->to);
    fputs("\r\nSubject: ", out);
    header_write_text(out, subject);
    fprintf(out, "\r\nMessage-ID: <%s>\r\n", message_id);
    fputs("Auto-Submitted: auto-generated\r\n", out); /* RFC 3834: no vacation notes, please */
}

static int build_headers(struct job_context *ctx, const struct mail_fields *fields, struct mail *mail)
{
    char *subject = NULL;
    int verdict = render_file(ctx, fields, "subject.txt", TEMPLATE_PLAIN, &subject);
    if (verdict != JOB_DONE)
        return verdict;
    char *end = strstr(subject, "\r\n");
    if (end && !end[2])
        *end = 0; /* the line end of the file */
    if (!*subject || !header_is_text(subject)) {
        free(subject);
        return job_retry(ctx, "subject.txt: is not one line of text");
    }
    size_t size;
    FILE *out = open_memstream(&mail->headers, &size);
    if (out)
        write_headers(out, fields, mail->message_id, subject);
    free(subject);
    return out && fclose(out) == 0 ? JOB_DONE : job_retry(ctx, "no memory for a mail");
}

int mail_build(struct job_context *ctx, const struct mail_fields *fields, struct mail *ret)
{
    *ret = (struct mail){ 0 };
    int verdict = check_fields(ctx, fields);
    if (verdict != JOB_DONE)
        return verdict;
    snprintf(ret->from, sizeof(ret->from), "%s", fields->from);
    snprintf(ret->to, sizeof(ret->to), "%s", fields->to);
    snprintf(ret->message_id, sizeof(ret->message_id), "%s%s", fields->id, strrchr(fields->from, '@'));
    verdict = build_headers(ctx, fields, ret);
    if (verdict == JOB_DONE)
        verdict = render_file(ctx, fields, "welcome.txt", TEMPLATE_PLAIN, &ret->text);
    if (verdict == JOB_DONE)
        verdict = render_file(ctx, fields, "welcome.html", TEMPLATE_HTML, &ret->html);
    return verdict;
}

void mail_done(struct mail *mail)
{
    free(mail->headers);
    free(mail->text);
    free(mail->html);
    *mail = (struct mail){ 0 };
}
