/* SPDX-License-Identifier: Apache-2.0 */
#include "request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "header.h"

static const char *const roles[N_MAILBOX_ROLES] = {
    [MAILBOX_TO] = "to", [MAILBOX_CC] = "cc", [MAILBOX_BCC] = "bcc", [MAILBOX_REPLY_TO] = "reply_to"
};

static int fail(struct job_context *ctx, const char *place, const char *name, const char *wrong)
{
    return job_fail(ctx, "%s%s%s: %s", place, *place ? "." : "", name, wrong);
}

int request_get_text(struct job_context *ctx, const json_t *object, const char *place, const char *name,
                     const char **ret)
{
    const json_t *member = json_object_get(object, name);
    const char *text = json_string_value(member);
    if (member && !text)
        return fail(ctx, place, name, "is no string");
    if (text && (strlen(text) != json_string_length(member) || !header_is_text(text)))
        return fail(ctx, place, name, "has control characters or is no UTF-8");
    *ret = text;
    return JOB_DONE;
}

bool request_is_template_name(const char *name)
{
    size_t size = strlen(name);
    return size > 0 && size <= REQUEST_TEMPLATE_MAX && name[0] != '-' &&
           strspn(name, LETTERS DIGITS "-_") == size;
}

/* --- Mailboxes -------------------------------------------------------------------------------------- */

static int parse_name(struct job_context *ctx, const json_t *object, const char *place,
                      struct mailbox *mailbox)
{
    const char *name = NULL;
    int verdict = request_get_text(ctx, object, place, "name", &name);
    if (verdict == JOB_DONE && name && strlen(name) > REQUEST_NAME_MAX)
        return fail(ctx, place, "name", "is longer than 256 bytes");
    mailbox->name = name ? name : "";
    return verdict;
}

static int parse_address(struct job_context *ctx, const json_t *value, const char *place,
                         struct mailbox *mailbox)
{
    const char *text = json_string_value(value);
    if (strlen(text) != json_string_length(value) || !header_is_text(text))
        return job_fail(ctx, "%s: has control characters or is no UTF-8", place);
    const char *wrong = address_parse(text, &mailbox->address);
    return wrong ? job_fail(ctx, "%s: %s", place, wrong) : JOB_DONE;
}

/* @value: "ada@example.org", or {"address": "ada@example.org", "name": "Ada"}. */
static int parse_mailbox(struct job_context *ctx, const json_t *value, struct mailbox *mailbox)
{
    mailbox->name = "";
    if (json_is_string(value))
        return parse_address(ctx, value, mailbox->place, mailbox);
    const json_t *address = json_object_get(value, "address");
    if (!json_is_string(address))
        return job_fail(ctx, "%s: is no string, nor an object with an address", mailbox->place);
    char place[48];
    snprintf(place, sizeof(place), "%s.address", mailbox->place);
    int verdict = parse_address(ctx, address, place, mailbox);
    return verdict == JOB_DONE ? parse_name(ctx, value, mailbox->place, mailbox) : verdict;
}

static int add_mailbox(struct job_context *ctx, struct request *request, enum mailbox_role role, size_t index,
                       const json_t *value)
{
    if (request->n_mailboxes == REQUEST_MAILBOXES_MAX)
        return job_fail(ctx, "%s: more than %d mailboxes in all", roles[role], REQUEST_MAILBOXES_MAX);
    struct mailbox *mailbox = &request->mailboxes[request->n_mailboxes];
    mailbox->role = role;
    if (json_is_array(json_object_get(request->payload, roles[role])))
        snprintf(mailbox->place, sizeof(mailbox->place), "%s[%zu]", roles[role], index);
    else
        snprintf(mailbox->place, sizeof(mailbox->place), "%s", roles[role]);
    int verdict = parse_mailbox(ctx, value, mailbox);
    request->n_mailboxes += verdict == JOB_DONE;
    return verdict;
}

static int parse_role(struct job_context *ctx, struct request *request, enum mailbox_role role)
{
    const json_t *value = json_object_get(request->payload, roles[role]);
    int verdict = JOB_DONE;
    if (!json_is_array(value))
        return value ? add_mailbox(ctx, request, role, 0, value) : JOB_DONE;
    for (size_t i = 0; i < json_array_size(value) && verdict == JOB_DONE; i++)
        verdict = add_mailbox(ctx, request, role, i, json_array_get(value, i));
    return verdict;
}

/* "name" beside "to" is the name of the first recipient, if that has none. */
static int name_first(struct job_context *ctx, struct request *request)
{
    struct mailbox named = { 0 }, *first = &request->mailboxes[0];
    int verdict = parse_name(ctx, request->payload, "", &named);
    if (verdict != JOB_DONE)
        return verdict;
    const char *local_part = first->address.text;
    if (!*first->name && *named.name)
        first->name = named.name;
    if (*first->name)
        snprintf(request->greeting, sizeof(request->greeting), "%s", first->name);
    else
        snprintf(request->greeting, sizeof(request->greeting), "%.*s",
                 (int)(strrchr(local_part, '@') - local_part), local_part);
    if (!*first->name)
        first->name = request->greeting;
    return JOB_DONE;
}

static int parse_mailboxes(struct job_context *ctx, struct request *request)
{
    int verdict = JOB_DONE;
    if (!json_object_get(request->payload, "to"))
        return job_fail(ctx, "to: is missing");
    for (enum mailbox_role role = 0; role < N_MAILBOX_ROLES && verdict == JOB_DONE; role++) {
        verdict = parse_role(ctx, request, role);
        if (verdict == JOB_DONE && request->n_mailboxes == 0)
            return job_fail(ctx, "to: is empty");
    }
    return verdict == JOB_DONE ? name_first(ctx, request) : verdict;
}

/* --- Headers ---------------------------------------------------------------------------------------- */

/* Those that are ours, or a server's, or that say what the body is. */
static bool is_own_header(const char *name)
{
    static const char *const own[] = {
        "From",         "Sender",         "To",           "Cc",
        "Bcc",          "Reply-To",       "Subject",      "Date",
        "Message-ID",   "Received",       "Return-Path",  "Auto-Submitted",
        "MIME-Version", "DKIM-Signature", "Delivered-To", "Disposition-Notification-To"
    };
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        if (strcasecmp(name, own[i]) == 0)
            return true;
    return strncasecmp(name, "Content-", 8) == 0 || strncasecmp(name, "Resent-", 7) == 0 ||
           strncasecmp(name, "ARC-", 4) == 0;
}

static int check_header(struct job_context *ctx, const json_t *headers, const char *name)
{
    const char *value = NULL;
    size_t size = strlen(name);
    if (size > 64 || strspn(name, LETTERS DIGITS "-") != size || size == 0)
        return job_fail(ctx, "headers: a name is not made of 1 to 64 letters, digits and -");
    if (is_own_header(name))
        return job_fail(ctx, "headers.%s: is not for a job to set", name);
    int verdict = request_get_text(ctx, headers, "headers", name, &value);
    if (verdict == JOB_DONE && (!*value || strlen(value) > REQUEST_HEADER_VALUE_MAX))
        return job_fail(ctx, "headers.%s: is empty or longer than %d bytes", name, REQUEST_HEADER_VALUE_MAX);
    return verdict;
}

static int parse_headers(struct job_context *ctx, struct request *request)
{
    json_t *headers = json_object_get(request->payload, "headers");
    const char *name;
    json_t *value;
    if (!headers)
        return JOB_DONE;
    if (!json_is_object(headers))
        return job_fail(ctx, "headers: is no object");
    if (json_object_size(headers) > REQUEST_HEADERS_MAX)
        return job_fail(ctx, "headers: more than %d", REQUEST_HEADERS_MAX);
    json_object_foreach(headers, name, value)
    {
        int verdict = check_header(ctx, headers, name);
        if (verdict != JOB_DONE)
            return verdict;
    }
    request->headers = headers;
    return JOB_DONE;
}

/* --- The rest --------------------------------------------------------------------------------------- */

static int parse_template(struct job_context *ctx, struct request *request)
{
    const char *name = "welcome";
    int verdict = request_get_text(ctx, request->payload, "", "template", &name);
    if (verdict != JOB_DONE)
        return verdict;
    request->template = name ? name : "welcome";
    return request_is_template_name(request->template)
               ? JOB_DONE
               : job_fail(ctx, "template: is not made of 1 to 64 letters, digits, - and _");
}

static int parse_subject(struct job_context *ctx, struct request *request)
{
    int verdict = request_get_text(ctx, request->payload, "", "subject", &request->subject);
    if (verdict == JOB_DONE && request->subject &&
        (!*request->subject || strlen(request->subject) > REQUEST_SUBJECT_MAX))
        return job_fail(ctx, "subject: is empty or longer than %d bytes", REQUEST_SUBJECT_MAX);
    return verdict;
}

static int parse_variables(struct job_context *ctx, struct request *request)
{
    request->variables = json_object_get(request->payload, "variables");
    return !request->variables || json_is_object(request->variables)
               ? JOB_DONE
               : job_fail(ctx, "variables: is no object");
}

static int parse_attachments(struct job_context *ctx, struct request *request)
{
    request->attachments = json_object_get(request->payload, "attachments");
    return !request->attachments || json_is_array(request->attachments)
               ? JOB_DONE
               : job_fail(ctx, "attachments: is no list");
}

/* A member that nobody reads may be a slip of the pen: "attachment". */
static void log_unknown(struct job_context *ctx, json_t *payload)
{
    static const char *const known[] = { "to",       "cc",        "bcc",     "reply_to", "name",
                                         "template", "variables", "subject", "headers",  "attachments" };
    const char *name;
    json_t *value;
    json_object_foreach(payload, name, value)
    {
        bool found = !header_is_text(name) || strlen(name) > 64;
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]) && !found; i++)
            found = strcmp(name, known[i]) == 0;
        if (!found)
            job_log(ctx, "payload: there is no member \"%s\" of a mail; it is not used", name);
    }
}

int request_parse(struct job_context *ctx, const char *payload, size_t size, struct request *ret)
{
    int (*const steps[])(struct job_context *, struct request *) = { parse_mailboxes, parse_template,
                                                                     parse_subject,   parse_variables,
                                                                     parse_headers,   parse_attachments };
    json_error_t error;
    *ret = (struct request){ .payload =
                                 json_loadb(payload, size, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &error) };
    if (!ret->payload)
        return job_fail(ctx, "the payload is no JSON: %s", error.text);
    log_unknown(ctx, ret->payload);
    ret->mailboxes = calloc(REQUEST_MAILBOXES_MAX, sizeof(*ret->mailboxes));
    if (!ret->mailboxes)
        return job_retry(ctx, "no memory for a request");
    int verdict = JOB_DONE;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && verdict == JOB_DONE; i++)
        verdict = steps[i](ctx, ret);
    return verdict;
}

void request_done(struct request *request)
{
    free(request->mailboxes);
    json_decref(request->payload);
    *request = (struct request){ 0 };
}
