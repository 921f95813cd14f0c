/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/keys.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "tests/support/suite.h"

static struct keys_room room;
static struct keys *keys;

static void start(void)
{
    room = (struct keys_room){ 0 };
    keys = keys_new(&room);
    ck_assert_ptr_nonnull(keys);
}

static void finish(void)
{
    keys = keys_free(keys);
    ck_assert_uint_eq(room.n_partitions, 0);
    ck_assert_uint_eq(room.n_doubtful, 0);
    ck_assert_uint_eq(room.n_busy, 0);
}

static struct uuid id_of(uint64_t number)
{
    struct uuid id;
    uuid_from_hash(1, number, ~number, &id);
    return id;
}

/* A job that was read at @offset and has its place at @seq; its number names it. */
static struct job *make(const char *key, int64_t offset, int64_t seq, uint64_t number)
{
    struct message *message = calloc(1, sizeof(*message));
    ck_assert_ptr_nonnull(message);
    message->offset = offset;
    struct job *job = job_new(message);
    ck_assert_ptr_nonnull(job);
    job->envelope.key = span_from_string(key);
    job->envelope.id = id_of(number);
    job->key_seq = seq;
    return job;
}

static struct job *enter(const char *key, int64_t offset, int64_t seq)
{
    struct job *job = make(key, offset, seq, (uint64_t)seq);
    ck_assert_int_eq(keys_enter(keys, job), 0);
    return job;
}

/* As message_free(), which belongs to the consumer, would. */
static void discard(struct job *job)
{
    keys_leave(job);
    free(job->message);
    job->message = NULL;
    job_free(job);
}

static uint64_t hash(const char *key)
{
    return keys_hash(span_from_string(key));
}

static void set_head(const char *key, int64_t seq)
{
    keys_set_head(keys, hash(key), &(struct keys_head){ .seq = seq, .id = id_of((uint64_t)seq) });
}

static void set_no_head(const char *key)
{
    keys_set_head(keys, hash(key), &(struct keys_head){ .seq = KEYS_NO_HEAD });
}

/* --- Turns --------------------------------------------------------------------------------------------------------------- */

START_TEST(one_job_of_a_key_goes_at_a_time_in_order)
{
    start();
    struct job *a = enter("k", 1, 1), *b = enter("k", 2, 2), *c = enter("k", 3, 3);
    ck_assert_ptr_eq(keys_next(keys), a);
    ck_assert_ptr_null(keys_next(keys));
    discard(a);
    ck_assert_ptr_eq(keys_next(keys), b);
    ck_assert_ptr_null(keys_next(keys));
    keys_leave(b); /* early */
    ck_assert_ptr_eq(keys_next(keys), c);
    discard(b), discard(c);
    ck_assert_ptr_null(keys_next(keys));
    finish();
}
END_TEST

START_TEST(other_keys_do_not_wait)
{
    start();
    struct job *a = enter("k", 1, 1), *b = enter("k", 2, 2), *other = enter("l", 3, 3);
    ck_assert_ptr_eq(keys_next(keys), a);
    ck_assert_ptr_eq(keys_next(keys), other);
    ck_assert_ptr_null(keys_next(keys));
    discard(a), discard(other);
    ck_assert_ptr_eq(keys_next(keys), b);
    discard(b);
    finish();
}
END_TEST

START_TEST(job_that_comes_back_takes_its_old_place)
{
    start();
    struct job *a = enter("k", 10, 10), *b = enter("k", 11, 11), *back = enter("k", 12, 4);
    ck_assert_ptr_eq(keys_next(keys), back);
    discard(back);
    ck_assert_ptr_eq(keys_next(keys), a);
    discard(a);
    ck_assert_ptr_eq(keys_next(keys), b);
    discard(b);
    finish();
}
END_TEST

/* --- Heads --------------------------------------------------------------------------------------------------------------- */

START_TEST(job_behind_the_head_waits_until_that_is_gone)
{
    uint64_t hashes[4];
    start();
    set_head("k", 5);
    struct job *job = enter("k", 9, 9), *other = enter("l", 10, 10);
    ck_assert_ptr_eq(keys_next(keys), other);
    ck_assert_ptr_null(keys_next(keys));
    ck_assert_uint_eq(room.n_doubtful, 1);
    ck_assert(!room.is_urgent);
    ck_assert_uint_eq(keys_list_doubtful(keys, hashes, 4), 1);
    ck_assert_uint_eq(hashes[0], hash("k"));
    set_head("k", 7);
    ck_assert_ptr_null(keys_next(keys));
    set_no_head("k");
    ck_assert_ptr_eq(keys_next(keys), job);
    ck_assert_uint_eq(room.n_doubtful, 0);
    discard(job), discard(other);
    ck_assert_ptr_null(keys_next(keys));
    finish();
}
END_TEST

START_TEST(job_before_the_head_and_the_head_itself_may_go)
{
    start();
    set_head("k", 5);
    struct job *head = enter("k", 8, 5), *before = enter("k", 4, 4);
    ck_assert_ptr_eq(keys_next(keys), before);
    ck_assert(!keys_is_passed_over(before));
    discard(before);
    ck_assert_ptr_eq(keys_next(keys), head);
    ck_assert(!keys_is_passed_over(head));
    set_head("k", 3); /* somebody took an earlier one out of the log after all */
    ck_assert(keys_is_passed_over(head));
    discard(head);
    set_no_head("k");
    ck_assert_ptr_null(keys_next(keys));
    finish();
}
END_TEST

START_TEST(head_that_has_lost_its_place_gets_it_back)
{
    start();
    struct job *first = enter("k", 6, 6);
    ck_assert_ptr_eq(keys_next(keys), first);
    struct job *later = enter("k", 8, 8), *lost = make("k", 9, 9, 5);
    ck_assert_int_eq(keys_enter(keys, lost), 0);
    set_head("k", 5);
    discard(first);
    ck_assert_ptr_eq(keys_next(keys), lost);
    discard(lost);
    ck_assert_ptr_null(keys_next(keys)); /* still the head, as far as we know */
    lost = make("k", 12, 12, 5);
    ck_assert_int_eq(keys_enter(keys, lost), 0);
    ck_assert_ptr_eq(keys_next(keys), lost);
    ck_assert_int_eq(lost->key_seq, 5);
    set_no_head("k");
    discard(lost);
    ck_assert_ptr_eq(keys_next(keys), later);
    discard(later);
    finish();
}
END_TEST

START_TEST(lost_answer_is_asked_for_at_once)
{
    start();
    struct job *a = enter("k", 1, 1), *b = enter("k", 2, 2);
    ck_assert_ptr_eq(keys_next(keys), a);
    keys_doubt(a);
    discard(a);
    ck_assert_ptr_null(keys_next(keys));
    ck_assert(room.is_urgent);
    ck_assert_uint_eq(room.n_doubtful, 1);
    set_no_head("k");
    ck_assert_ptr_eq(keys_next(keys), b);
    discard(b);
    finish();
}
END_TEST

START_TEST(key_that_may_have_an_untold_head_is_asked_for)
{
    start();
    keys_set_incomplete(keys);
    struct job *job = enter("k", 1, 1);
    ck_assert_ptr_null(keys_next(keys));
    ck_assert(room.is_urgent);
    set_no_head("k");
    ck_assert_ptr_eq(keys_next(keys), job);
    discard(job);
    finish();
}
END_TEST

START_TEST(doubtful_keys_are_listed_in_turns)
{
    uint64_t hashes[3];
    const char *const names[] = { "a", "b", "c" };
    struct job *jobs[3];
    start();
    for (int i = 0; i < 3; i++) {
        set_head(names[i], i);
        jobs[i] = enter(names[i], 10 + i, 10 + i);
    }
    ck_assert_ptr_null(keys_next(keys));
    ck_assert_uint_eq(keys_list_doubtful(keys, hashes, 2), 2);
    ck_assert_uint_eq(hashes[0], hash("a"));
    ck_assert_uint_eq(hashes[1], hash("b"));
    ck_assert_uint_eq(keys_list_doubtful(keys, hashes, 3), 3);
    ck_assert_uint_eq(hashes[0], hash("c"));
    ck_assert_uint_eq(hashes[1], hash("a"));
    for (int i = 0; i < 3; i++)
        discard(jobs[i]);
    finish();
}
END_TEST

/* --- Leaving the log ------------------------------------------------------------------------------------------------------- */

START_TEST(parked_job_is_not_passed_before_it_is_recorded)
{
    start();
    struct job *a = enter("k", 1, 1), *parked = enter("k", 2, 2);
    ck_assert_ptr_eq(keys_next(keys), a);
    keys_park(parked);
    struct job *later = enter("k", 3, 3);
    discard(a);
    ck_assert_ptr_null(keys_next(keys));
    set_head("k", 2); /* the answer comes before the job goes */
    discard(parked);
    ck_assert_ptr_null(keys_next(keys));
    struct job *back = enter("k", 4, 2);
    ck_assert_ptr_eq(keys_next(keys), back);
    set_no_head("k");
    discard(back);
    ck_assert_ptr_eq(keys_next(keys), later);
    discard(later);
    finish();
}
END_TEST

START_TEST(oldest_waiting_jobs_are_found_as_they_were_read)
{
    start();
    set_head("k", 0);
    set_head("l", 0);
    struct job *a = enter("k", 5, 5), *b = enter("l", 6, 6), *c = enter("k", 7, 3);
    ck_assert_ptr_null(keys_next(keys));
    ck_assert_ptr_null(keys_first_waiting(keys, 5));
    ck_assert_ptr_eq(keys_first_waiting(keys, 6), a);
    discard(a);
    ck_assert_ptr_eq(keys_first_waiting(keys, 100), b);
    discard(b);
    ck_assert_ptr_eq(keys_first_waiting(keys, 100), c);
    discard(c);
    finish();
}
END_TEST

START_TEST(parked_head_is_asked_for_when_nothing_of_its_key_is_left)
{
    uint64_t hashes[2];
    const struct keys_head parked = { .seq = 5, .id = id_of(5), .parked = true };
    start();
    struct job *job = enter("k", 1, 1);
    ck_assert_ptr_eq(keys_next(keys), job);
    keys_set_head(keys, hash("k"), &parked);
    ck_assert_ptr_null(keys_next(keys));
    ck_assert_uint_eq(room.n_doubtful, 0);
    discard(job);
    ck_assert_ptr_null(keys_next(keys));
    ck_assert(room.is_urgent);
    ck_assert_uint_eq(keys_list_doubtful(keys, hashes, 2), 1);
    set_head("k", 5); /* on its way */
    ck_assert_ptr_null(keys_next(keys));
    ck_assert_uint_eq(room.n_doubtful, 0);
    finish();
}
END_TEST

START_TEST(full_room_stops_reading_only_while_enough_is_busy)
{
    struct job *jobs[KEYS_WAITING], *busy[2];
    start();
    room.n_enough = 2;
    busy[0] = enter("a", 0, 0);
    ck_assert_ptr_eq(keys_next(keys), busy[0]);
    for (int i = 0; i < KEYS_WAITING; i++) {
        ck_assert(keys_wants_more(keys));
        jobs[i] = enter("a", i + 1, i + 1);
    }
    ck_assert(keys_wants_more(keys)); /* another one could start */
    busy[1] = enter("b", 9999, 9999);
    ck_assert_ptr_eq(keys_next(keys), busy[1]);
    ck_assert(!keys_wants_more(keys));
    discard(busy[1]);
    ck_assert(keys_wants_more(keys));
    for (int i = 0; i < KEYS_WAITING; i++)
        discard(jobs[i]);
    discard(busy[0]);
    finish();
}
END_TEST

START_TEST(room_of_waiting_jobs_is_bounded)
{
    struct job *jobs[KEYS_WAITING];
    start();
    for (int i = 0; i < KEYS_WAITING; i++) {
        ck_assert(keys_has_room(keys));
        jobs[i] = enter("k", i, i);
    }
    ck_assert(!keys_has_room(keys));
    ck_assert_ptr_eq(keys_next(keys), jobs[0]);
    ck_assert(keys_has_room(keys));
    for (int i = 0; i < KEYS_WAITING; i++)
        discard(jobs[i]);
    finish();
}
END_TEST

START_TEST(busy_job_outlives_its_partitions_keys)
{
    start();
    struct job *job = enter("k", 1, 1);
    ck_assert_ptr_eq(keys_next(keys), job);
    finish();
    ck_assert_ptr_null(job->key);
    discard(job);
}
END_TEST

/* --- Against a plain model --------------------------------------------------------------------------------------------------- */

#define MODEL_KEYS 40
#define MODEL_JOBS 1500
#define MODEL_OPEN 60

/* Job n has its place at n. Once it was away it is held until it is done. */
static struct {
    int key;
    bool held, done;
    struct job *open; /* NULL: in the log or away */
    bool busy;
} model[MODEL_JOBS];
static size_t n_produced, n_open, n_done, n_read;
static uint64_t dice_state;

static size_t dice(size_t n)
{
    return hash_mix(++dice_state) % n;
}

static void name_key(int key, char name[8])
{
    snprintf(name, 8, "k%d", key);
}

/* One that was chosen by chance and is as wanted; MODEL_JOBS: none. */
static size_t model_pick(bool open)
{
    for (size_t i = 0, at = dice(n_produced + 1); i < n_produced; i++, at++) {
        size_t n = at % n_produced;
        if (!model[n].done && (model[n].open != NULL) == open)
            return n;
    }
    return MODEL_JOBS;
}

static void model_read(size_t n)
{
    char name[8];
    name_key(model[n].key, name);
    struct job *job = make(name, (int64_t)n_read++, (int64_t)n, n);
    job->envelope.key = span_from_string(strdup(name));
    ck_assert_int_eq(keys_enter(keys, job), 0);
    model[n].open = job;
    model[n].busy = false;
    n_open++;
}

/* What PostgreSQL would say: the first of the key's jobs that are held. */
static void model_tell(int key)
{
    char name[8];
    name_key(key, name);
    for (size_t i = 0; i < n_produced; i++) {
        if (model[i].key == key && model[i].held) {
            set_head(name, (int64_t)i);
            return;
        }
    }
    set_no_head(name);
}

/* Its outcome is recorded: it is done, or it is tried again, or it was parked. */
static void model_record(size_t n, bool done)
{
    void *name = (void *)(uintptr_t)model[n].open->envelope.key.data;
    model[n].done = done;
    model[n].held = !done;
    model_tell(model[n].key);
    discard(model[n].open);
    free(name);
    model[n].open = NULL;
    n_open--;
    n_done += done;
}

static void model_end_one(void)
{
    size_t n = model_pick(true);
    if (n == MODEL_JOBS)
        return;
    if (!model[n].busy)
        keys_park(model[n].open);
    model_record(n, model[n].busy && dice(3) > 0);
}

static void model_start_those_that_may(void)
{
    for (struct job *job; (job = keys_next(keys));) {
        size_t n = (size_t)job->key_seq;
        ck_assert_ptr_eq(model[n].open, job);
        for (size_t i = 0; i < n_produced; i++)
            ck_assert_msg(model[i].key != model[n].key || (i < n ? model[i].done : !model[i].busy || i == n),
                          "job %zu started although %zu of its key had not ended", n, i);
        model[n].busy = true;
    }
}

START_TEST(every_key_keeps_its_order_whatever_happens)
{
    start();
    for (size_t step = 0; n_done < MODEL_JOBS; step++) {
        ck_assert_uint_lt(step, 40 * MODEL_JOBS);
        if (n_open < MODEL_OPEN && n_produced < MODEL_JOBS && dice(2)) {
            model[n_produced].key = (int)dice(MODEL_KEYS);
            model_read(n_produced++);
        }
        size_t back = n_open < MODEL_OPEN && dice(2) ? model_pick(false) : MODEL_JOBS;
        if (back != MODEL_JOBS)
            model_read(back);
        model_start_those_that_may();
        if (dice(2))
            model_end_one();
    }
    ck_assert_uint_eq(n_open, 0);
    finish();
}
END_TEST

SUITE_MAIN("keys", one_job_of_a_key_goes_at_a_time_in_order, other_keys_do_not_wait,
           job_that_comes_back_takes_its_old_place, job_behind_the_head_waits_until_that_is_gone,
           job_before_the_head_and_the_head_itself_may_go, head_that_has_lost_its_place_gets_it_back,
           lost_answer_is_asked_for_at_once, key_that_may_have_an_untold_head_is_asked_for,
           doubtful_keys_are_listed_in_turns, parked_job_is_not_passed_before_it_is_recorded,
           parked_head_is_asked_for_when_nothing_of_its_key_is_left,
           oldest_waiting_jobs_are_found_as_they_were_read, full_room_stops_reading_only_while_enough_is_busy,
           room_of_waiting_jobs_is_bounded, busy_job_outlives_its_partitions_keys,
           every_key_keeps_its_order_whatever_happens)
