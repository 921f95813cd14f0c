/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/sounding.h"

#include "tests/support/suite.h"

/* A partition that was read up to @read_to; of the record at @checked the time stamp 1000 is known (-1: of none). */
static struct partition *at(int64_t read_to, int64_t checked)
{
    struct partition *p = partition_new("job.mail", 0);
    ck_assert_ptr_nonnull(p);
    ck_assert_int_eq(window_init(&p->window, read_to, 1000), 0);
    p->read_to = p->gap_to = read_to;
    p->log_start = 0;
    p->checked_offset = checked;
    p->checked_ms = checked < 0 ? -1 : 1000;
    p->unverified = checked >= 0;
    return p;
}

static enum sounding_verdict record(struct partition *p, int64_t offset, int64_t ms, int64_t log_end)
{
    struct err why = { 0 };
    const struct sounding s = { .offset = offset, .timestamp_ms = ms, .log_end = log_end };
    enum sounding_verdict verdict = sounding_judge(p, &s, &why);
    ck_assert(verdict != SOUNDING_RECREATED || why.text[0]);
    return verdict;
}

static enum sounding_verdict end(struct partition *p, int64_t offset)
{
    struct err why = { 0 };
    const struct sounding s = { .is_end = true, .offset = offset, .timestamp_ms = -1, .log_end = -1 };
    return sounding_judge(p, &s, &why);
}

START_TEST(known_record_verifies_the_log)
{
    struct partition *p = at(100, 99);
    ck_assert(sounding_is_wanted(p));
    ck_assert_int_eq(record(p, 98, 5, 200), SOUNDING_FITS); /* before it: says nothing */
    ck_assert(sounding_is_wanted(p));
    ck_assert_int_eq(record(p, 99, 1000, 200), SOUNDING_FITS);
    ck_assert(!sounding_is_wanted(p));
    partition_free(p);
}
END_TEST

START_TEST(another_time_stamp_is_another_log)
{
    struct partition *p = at(100, 99);
    ck_assert_int_eq(record(p, 99, 1001, 200), SOUNDING_RECREATED);
    partition_free(p);
    p = at(100, 99);
    ck_assert_int_eq(record(p, 99, -1, 200), SOUNDING_RECREATED);
    partition_free(p);
}
END_TEST

START_TEST(known_record_that_is_gone_says_nothing)
{
    struct partition *p = at(100, 99);
    ck_assert_int_eq(record(p, 100, 3000, 200), SOUNDING_FITS);
    ck_assert(!sounding_is_wanted(p));
    partition_free(p);
}
END_TEST

START_TEST(log_that_ends_before_what_was_read_is_another_one)
{
    struct partition *p = at(100, -1);
    ck_assert_int_eq(end(p, 100), SOUNDING_FITS);
    ck_assert_int_eq(end(p, 99), SOUNDING_RECREATED);
    p->sounding = true;
    ck_assert_int_eq(record(p, 0, 2000, 99), SOUNDING_RECREATED);
    ck_assert_int_eq(record(p, 0, 2000, 100), SOUNDING_FITS);
    partition_free(p);
}
END_TEST

START_TEST(log_that_begins_before_it_once_began_is_another_one)
{
    struct partition *p = at(100, -1);
    p->log_start = 50;
    p->sounding = true;
    ck_assert_int_eq(record(p, 49, 2000, 200), SOUNDING_RECREATED);
    ck_assert_int_eq(record(p, 50, 2000, 200), SOUNDING_FITS);
    partition_free(p);
}
END_TEST

/* In a log that grew past the position while its start was looked for, the known record still tells. */
START_TEST(log_that_is_read_from_its_start_is_still_to_be_verified)
{
    struct partition *p = at(100, 99);
    p->sounding = true;
    ck_assert_int_eq(record(p, 0, 2000, 150), SOUNDING_FITS);
    ck_assert_int_eq(record(p, 50, 2000, 150), SOUNDING_FITS);
    ck_assert_int_eq(record(p, 99, 2000, 150), SOUNDING_RECREATED);
    partition_free(p);
}
END_TEST

START_TEST(log_that_begins_behind_what_was_read_has_lost_records)
{
    struct partition_note note;
    struct partition *p = at(100, 99);
    p->sounding = true;
    ck_assert_int_eq(record(p, 120, 2000, 200), SOUNDING_LOST);
    sounding_list_lost(p, 120, &note);
    ck_assert_int_eq(note.from, 100);
    ck_assert_int_eq(note.to, 119);
    ck_assert_int_eq(note.jobs, 20);
    ck_assert_str_eq(note.text, "100-119");
    ck_assert_int_eq(sounding_pass_lost(p, 120),
                     0); /* the window has not got so far; the gap is filled later */
    ck_assert_int_eq(p->gap_to, 120);
    ck_assert_int_eq(p->read_to, 120);
    p->sounding = true;
    ck_assert_int_eq(end(p, 300), SOUNDING_LOST); /* all of it is gone */
    partition_free(p);
}
END_TEST

START_TEST(nothing_is_lost_before_a_cursor_has_begun)
{
    struct partition *p = at(0, -1);
    p->log_start = -1;
    p->sounding = true;
    ck_assert_int_eq(record(p, 500, 2000, 600), SOUNDING_FITS);
    ck_assert(!sounding_is_wanted(p));
    partition_free(p);
}
END_TEST

START_TEST(what_is_done_is_not_lost)
{
    struct partition_note note;
    struct partition *p = at(100, -1);
    window_see_end(&p->window, 100);
    for (int64_t o = 100; o < 110; o++)
        window_see(&p->window, o);
    window_mark(&p->window, 101);
    window_mark(&p->window, 104);
    window_mark(&p->window, 105);
    window_mark(&p->window, 109);
    sounding_list_lost(p, 107, &note);
    ck_assert_str_eq(note.text, "100,102-103,106");
    ck_assert_int_eq(note.jobs, 4);
    sounding_list_lost(p, 112, &note);
    ck_assert_str_eq(note.text, "100,102-103,106-108,110-111");
    ck_assert_int_eq(note.jobs, 8);
    /* What was read since is in the worker's memory. */
    p->read_to = 103;
    sounding_list_lost(p, 107, &note);
    ck_assert_str_eq(note.text, "103,106");
    ck_assert_int_eq(sounding_pass_lost(p, 107), 2);
    ck_assert(window_is_done(&p->window, 103) && window_is_done(&p->window, 106));
    ck_assert(!window_is_done(&p->window, 102) && !window_is_done(&p->window, 107));
    p->read_to = 109;
    sounding_list_lost(p, 110, &note);
    ck_assert_int_eq(note.jobs, 0);
    partition_free(p);
}
END_TEST

START_TEST(many_ranges_are_named_as_far_as_there_is_room)
{
    struct partition_note note;
    struct partition *p = at(0, -1);
    for (int64_t o = 0; o < 900; o++)
        window_see(&p->window, o);
    for (int64_t o = 0; o < 900; o += 2)
        window_mark(&p->window, o);
    sounding_list_lost(p, 900, &note);
    ck_assert_int_eq(note.jobs, 450);
    ck_assert_ptr_nonnull(strstr(note.text, "1,3,5,"));
    ck_assert_str_eq(note.text + strlen(note.text) - strlen(",…"), ",…");
    partition_free(p);
}
END_TEST

SUITE_MAIN("sounding", known_record_verifies_the_log, another_time_stamp_is_another_log,
           known_record_that_is_gone_says_nothing, log_that_ends_before_what_was_read_is_another_one,
           log_that_begins_before_it_once_began_is_another_one,
           log_that_is_read_from_its_start_is_still_to_be_verified,
           log_that_begins_behind_what_was_read_has_lost_records, nothing_is_lost_before_a_cursor_has_begun,
           what_is_done_is_not_lost, many_ranges_are_named_as_far_as_there_is_room)
