/* SPDX-License-Identifier: Apache-2.0 */
/* Users: somebody registers, and the list of all, page by page. */
#include "api.h"

#include <inttypes.h>
#include <string.h>

#define EMAIL_MAX 254
#define NAME_MAX_BYTES 256
#define PAGE_MAX 100

static void answer_outcome(struct request *r, int outcome)
{
    if (outcome == USERS_TAKEN)
        http_problem(r, MHD_HTTP_CONFLICT, "email", "is registered already");
    else if (outcome == USERS_AWAY)
        http_problem(r, MHD_HTTP_SERVICE_UNAVAILABLE, NULL,
                     "the database cannot be reached; it may have done it all the same");
    else
        http_problem(r, MHD_HTTP_INTERNAL_SERVER_ERROR, NULL, "the database refused");
}

/* What would break a mail's header or a log's line: C0, DEL, C1, and Unicode's line and paragraph separators. @text is UTF-8. */
static bool has_control_character(const char *text)
{
    const unsigned char *c = (const unsigned char *)text;
    for (; *c; c++)
        if (*c < 0x20 || *c == 0x7f || (c[0] == 0xc2 && c[1] < 0xa0) ||
            (c[0] == 0xe2 && c[1] == 0x80 && (c[2] == 0xa8 || c[2] == 0xa9)))
            return true;
    return false;
}

/* Not more than what can be said for sure: whether mail arrives there, only the mail can tell. */
static const char *check_email(const char *email)
{
    const char *at = strchr(email, '@');
    if (has_control_character(email))
        return "has control characters";
    if (strlen(email) > EMAIL_MAX)
        return "is longer than 254 bytes";
    if (strpbrk(email, " ()<>[],;:\\\""))
        return "has characters that stand in no address";
    if (!at || at == email || !at[1] || strchr(at + 1, '@'))
        return "is not like local@domain";
    return NULL;
}

static const char *check_name(const char *name)
{
    if (has_control_character(name))
        return "has control characters";
    return strlen(name) > NAME_MAX_BYTES ? "is longer than 256 bytes" : NULL;
}

/* A text member; "" when it is not there. Answers when it is wrong. */
static const char *get_text(struct request *r, json_t *body, const char *name,
                            const char *(*check)(const char *))
{
    json_t *member = json_object_get(body, name);
    const char *text = member ? json_string_value(member) : "",
               *rule = text ? check(text) : "is not a string";
    if (rule && member)
        http_problem(r, MHD_HTTP_BAD_REQUEST, name, rule);
    return text;
}

static void check_members(struct request *r, json_t *body)
{
    const char *name;
    json_t *value;
    json_object_foreach(body, name, value) if (strcmp(name, "email") != 0 && strcmp(name, "name") != 0)
        http_problem(r, MHD_HTTP_BAD_REQUEST, name, "is not known");
    if (!json_object_get(body, "email"))
        http_problem(r, MHD_HTTP_BAD_REQUEST, "email", "is missing");
}

static void add_user(struct request *r, const char *email, const char *name)
{
    struct job_id job;
    int64_t user;
    char text[JOB_ID_TEXT_SIZE];
    int outcome = users_register(r->api->users, email, name, &user, &job);
    if (outcome) {
        answer_outcome(r, outcome);
        return;
    }
    job_id_format(&job, text);
    http_answer(r, MHD_HTTP_ACCEPTED, json_pack("{s:I, s:s}", "user", (json_int_t)user, "job", text));
    http_header(r, "Location", "/api/jobs/%s", text);
}

void register_user(struct request *r)
{
    json_t *body = json_loadb(r->body ? r->body : "", r->body_size, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(body)) {
        http_problem(r, MHD_HTTP_BAD_REQUEST, "body", "is not a JSON object, or has a member twice");
    } else {
        check_members(r, body);
        const char *email = get_text(r, body, "email", check_email);
        const char *name = get_text(r, body, "name", check_name);
        if (!r->response)
            add_user(r, email, name);
    }
    json_decref(body);
}

/* Pages by the last id of the page before, not by a number of rows to skip: that would read them all, and miss or repeat some. */
void list_users(struct request *r)
{
    int64_t limit, after;
    json_t *users;
    if (!http_get_number(r, "limit", 1, PAGE_MAX, 20, &limit) ||
        !http_get_number(r, "after", 0, INT64_MAX, 0, &after))
        return;
    int outcome =
        users_list(r->api->users, after, limit + 1, &users); /* one more tells whether there is a next page */
    if (outcome) {
        answer_outcome(r, outcome);
        return;
    }
    int64_t last = 0;
    if ((int64_t)json_array_size(users) > limit) {
        json_array_remove(users, (size_t)limit);
        last = json_integer_value(json_object_get(json_array_get(users, (size_t)limit - 1), "id"));
    }
    http_answer(r, MHD_HTTP_OK, json_pack("{s:o}", "users", users));
    http_header(r, "Cache-Control", "no-cache");
    if (last)
        http_header(r, "Link", "</api/users?limit=%" PRId64 "&after=%" PRId64 ">; rel=\"next\"", limit, last);
}
