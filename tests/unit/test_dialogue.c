/* SPDX-License-Identifier: Apache-2.0 */
#include "dialogue.h"

#include <stdio.h>

#include "libjob/context.h"
#include "tests/support/suite.h"

static struct job_context ctx; /* each test runs in its own process */
static struct dialogue dialogue;
static const char *const places[] = { "to[0]", "to[1]", "bcc" };

/* Plays lines, ">" ours and "<" the server's, up to the one that breaks it off. Return: whether one did. */
static bool play(const char *const *lines)
{
    for (; *lines; lines++) {
        const char *line = *lines + 1;
        if (**lines == '>')
            dialogue_sent(&dialogue, line, strlen(line));
        else if (!dialogue_received(&dialogue, line, strlen(line)))
            return true;
    }
    return false;
}

#define PLAY(...) play((const char *const[]){ __VA_ARGS__, NULL })

static void check_judged(int verdict, const char *error)
{
    ck_assert_int_eq(dialogue_judge(&ctx, &dialogue, places, "why"), verdict);
    ck_assert_str_eq(ctx.error, error);
}

START_TEST(refusals_before_the_mail_are_about_us)
{
    dialogue_init(&dialogue, 1, false, false);
    check_judged(JOB_RETRY, "cannot talk to the mail server: why");
    PLAY("<554 5.7.1 no service for you\r\n");
    check_judged(JOB_RETRY,
                 "cannot talk to the mail server: why; its last answer: 554 5.7.1 no service for you");
    dialogue_init(&dialogue, 1, false, false);
    PLAY("<220 hi\r\n", ">EHLO me\r\n", "<250-x\r\n", "<250 SIZE\r\n", ">AUTH PLAIN eA==\r\n", "<535 no\r\n");
    check_judged(JOB_RETRY, "cannot talk to the mail server: why; its last answer: 535 no");
    PLAY(">MAIL FROM:<a@b>\r\n", "<530 5.7.0 log in\r\n");
    check_judged(JOB_RETRY, "cannot talk to the mail server: why; its last answer: 530 5.7.0 log in");
}
END_TEST

START_TEST(refusals_of_the_mail_are_judged_by_their_class)
{
    dialogue_init(&dialogue, 1, false, false);
    PLAY("<220 hi\r\n", ">MAIL FROM:<a@b>\r\n", "<552-too\r\n", "<552 large\r\n");
    check_judged(JOB_FAIL, "the mail server refused: 552-too / 552 large");
    dialogue_init(&dialogue, 1, false, false);
    PLAY(">MAIL FROM:<a@b>\r\n", "<250 ok\r\n", ">RCPT TO:<c@d>\r\n", "<250 ok\r\n", ">DATA\r\n",
         "<354 go on\r\n", "<451 later\r\n");
    ck_assert_int_eq(dialogue.phase, DIALOGUE_BODY);
    check_judged(JOB_RETRY, "the mail server refused for now: 451 later");
}
END_TEST

START_TEST(silence_in_the_middle_is_no_refusal)
{
    dialogue_init(&dialogue, 1, false, false);
    PLAY(">MAIL FROM:<a@b>\r\n", "<250 ok\r\n", ">RCPT TO:<c@d>\r\n", "<250 ok\r\n", ">DATA\r\n",
         "<354 go on\r\n");
    check_judged(JOB_RETRY, "cannot talk to the mail server: why; its last answer: 354 go on");
    PLAY("<554-half an ans\r\n");
    check_judged(JOB_RETRY, "cannot talk to the mail server: why; its last answer: 554-half an ans");
}
END_TEST

START_TEST(refusal_for_now_of_one_recipient_breaks_it_off)
{
    dialogue_init(&dialogue, 3, false, false);
    ck_assert(PLAY(">MAIL FROM:<a@b>\r\n", "<250 ok\r\n", ">RCPT TO:<c@d>\r\n", "<550 no\r\n",
                   ">RCPT TO:<e@f>\r\n", "<250 ok\r\n", ">RCPT TO:<g@h>\r\n", "<451-wait\r\n",
                   "<451 a bit\r\n"));
    check_judged(JOB_RETRY, "the mail server refused bcc for now: 451-wait / 451 a bit");
    dialogue_init(&dialogue, 3, false, true);
    ck_assert(!PLAY(">MAIL FROM:<a@b>\r\n", "<250 ok\r\n", ">RCPT TO:<c@d>\r\n", "<550 no\r\n",
                    ">RCPT TO:<e@f>\r\n", "<451 wait\r\n", ">RCPT TO:<g@h>\r\n", "<250 ok\r\n", ">DATA\r\n"));
    ck_assert_str_eq(dialogue.refusals[0].text, "550 no");
    ck_assert_str_eq(dialogue.refusals[1].text, "451 wait");
    ck_assert_str_eq(dialogue.refusals[2].text, "");
}
END_TEST

START_TEST(mail_that_needs_smtputf8_is_not_sent_without)
{
    dialogue_init(&dialogue, 1, true, true);
    ck_assert(PLAY("<220 hi\r\n", ">MAIL FROM:<a@b> SIZE=1\r\n", "<250 ok\r\n"));
    check_judged(JOB_FAIL, "the mail server takes no international addresses (SMTPUTF8)");
    dialogue_init(&dialogue, 1, true, true);
    ck_assert(!PLAY("<220 hi\r\n", ">MAIL FROM:<a@b> SMTPUTF8 SIZE=1\r\n", "<250 ok\r\n"));
}
END_TEST

START_TEST(farewells_and_odd_bytes_and_endless_answers_do_no_harm)
{
    char line[700] = "250-";
    memset(line + 4, '\xff', sizeof(line) - 5);
    dialogue_init(&dialogue, 1, false, false);
    PLAY(">MAIL FROM:<a@b>\r\n", "<550 no\x1b[2J\r\n", "<221 bye\r\n");
    check_judged(JOB_FAIL, "the mail server refused: 550 no?[2J");
    for (int i = 0; i < 1000; i++)
        dialogue_received(&dialogue, line, sizeof(line) - 1);
    ck_assert_uint_eq(strlen(dialogue.answer.text), sizeof(dialogue.answer.text) - 1);
    for (int i = 0; i < 200; i++)
        PLAY(">RCPT TO:<a@b>\r\n", "<550 no\r\n");
    PLAY("<\r\n", "<");
}
END_TEST

SUITE_MAIN("dialogue", refusals_before_the_mail_are_about_us, refusals_of_the_mail_are_judged_by_their_class,
           silence_in_the_middle_is_no_refusal, refusal_for_now_of_one_recipient_breaks_it_off,
           mail_that_needs_smtputf8_is_not_sent_without,
           farewells_and_odd_bytes_and_endless_answers_do_no_harm)
