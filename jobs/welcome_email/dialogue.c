/* SPDX-License-Identifier: Apache-2.0 */
#include "dialogue.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

void dialogue_init(struct dialogue *dialogue, size_t n_recipients, bool needs_utf8, bool is_last_try)
{
    memset(dialogue, 0, sizeof(*dialogue));
    dialogue->n_recipients = n_recipients;
    dialogue->needs_utf8 = needs_utf8;
    dialogue->is_last_try = is_last_try;
}

static bool starts_with(const char *text, size_t size, const char *word)
{
    return size >= strlen(word) && strncasecmp(text, word, strlen(word)) == 0;
}

void dialogue_sent(struct dialogue *dialogue, const char *text, size_t size)
{
    if (starts_with(text, size, "MAIL FROM:")) {
        dialogue->phase = DIALOGUE_MAIL;
        dialogue->n_rcpts = 0;
        dialogue->lacks_utf8 = dialogue->needs_utf8 && !memmem(text, size, " SMTPUTF8", 9);
    } else if (starts_with(text, size, "RCPT TO:")) {
        dialogue->phase = DIALOGUE_RCPT;
        dialogue->n_rcpts++;
    } else if (starts_with(text, size, "DATA")) {
        dialogue->phase = DIALOGUE_DATA;
    }
}

static void append(struct smtp_answer *answer, const char *line, size_t size)
{
    size_t at = strlen(answer->text);
    while (size > 0 && (line[size - 1] == '\r' || line[size - 1] == '\n'))
        size--;
    for (size_t i = 0; i < size && at < sizeof(answer->text) - 1; i++)
        answer->text[at++] = line[i] >= 0x20 && line[i] < 0x7f ? line[i] : '?';
    answer->text[at] = 0;
}

/* The answer is whole. Return: false: there is no point in going on. */
static bool take_answer(struct dialogue *dialogue)
{
    char class = dialogue->answer.text[0];
    dialogue->n_answers++;
    if (dialogue->lacks_utf8)
        return false;
    if (dialogue->phase == DIALOGUE_DATA && class == '3')
        dialogue->phase = DIALOGUE_BODY;
    if (dialogue->phase != DIALOGUE_RCPT || (class != '4' && class != '5') || dialogue->n_rcpts == 0 ||
        dialogue->n_rcpts > DIALOGUE_RECIPIENTS_MAX)
        return true;
    dialogue->refusals[dialogue->n_rcpts - 1] = dialogue->answer;
    dialogue->is_refused_for_now = class == '4' && (!dialogue->is_last_try || dialogue->n_recipients == 1);
    return !dialogue->is_refused_for_now;
}

bool dialogue_received(struct dialogue *dialogue, const char *line, size_t size)
{
    if (starts_with(line, size, "221"))
        return true; /* a farewell says nothing about the mail */
    if (dialogue->goes_on)
        append(&dialogue->answer, " / ", 3);
    else
        dialogue->answer.text[0] = 0;
    append(&dialogue->answer, line, size);
    dialogue->goes_on = size > 3 && line[3] == '-';
    return dialogue->goes_on || take_answer(dialogue);
}

/* Answers about us and not about the mail, wherever they come: 530 and its like want another login, or TLS. */
static bool is_about_us(const struct dialogue *dialogue)
{
    static const char *const codes[] = { "530", "534", "535", "538" };
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        if (strncmp(dialogue->answer.text, codes[i], 3) == 0)
            return true;
    return dialogue->phase == DIALOGUE_GREETING;
}

/* The refusal that decides: a temporary one if there is one. @ret_place: whose. */
static const struct smtp_answer *find_refusal(const struct dialogue *dialogue, const char *const places[],
                                              const char **ret_place)
{
    const struct smtp_answer *found = &dialogue->answer;
    *ret_place = "";
    if (dialogue->phase != DIALOGUE_RCPT)
        return found;
    for (size_t i = dialogue->n_rcpts; i > 0; i--) {
        const struct smtp_answer *refusal = &dialogue->refusals[i - 1];
        if (!refusal->text[0] || (found->text[0] == '4' && refusal->text[0] == '5'))
            continue;
        found = refusal;
        *ret_place = dialogue->n_recipients > 1 ? places[i - 1] : "";
    }
    return found;
}

int dialogue_judge(struct job_context *ctx, const struct dialogue *dialogue, const char *const places[],
                   const char *why)
{
    const char *place;
    const struct smtp_answer *answer = find_refusal(dialogue, places, &place);
    char class = answer->text[0];
    if (dialogue->lacks_utf8)
        return job_fail(ctx, "the mail server takes no international addresses (SMTPUTF8)");
    if (is_about_us(dialogue) || dialogue->goes_on || (class != '4' && class != '5'))
        return job_retry(ctx, "cannot talk to the mail server: %s%s%s", why,
                         answer->text[0] ? "; its last answer: " : "", answer->text);
    return class == '5'
               ? job_fail(ctx, "the mail server refused%s%s: %s", *place ? " " : "", place, answer->text)
               : job_retry(ctx, "the mail server refused%s%s for now: %s", *place ? " " : "", place,
                           answer->text);
}
