/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/ready.h"

#include <stdio.h>

#include "base/span.h"
#include "tests/support/suite.h"

#define MAX_HELD 100

/* Two queues with lanes and a plain one; handlers without limit, and two with. */
static struct config_queue queues[] = {
    { .name = "a", .partitions = 1, .lanes = true },
    { .name = "b", .partitions = 1, .lanes = true },
    { .name = "c", .partitions = 1 },
};
static struct config_worker_queue worker_queues[] = {
    { .name = "a", .weight = 1 },
    { .name = "b", .weight = 1 },
    { .name = "c", .weight = 1 },
};
static struct config_handler handlers[] = {
    { .type = "plain" },
    { .type = "one", .concurrency = 1 },
    { .type = "two", .concurrency = 2 },
};
static struct job_type types[3];
static struct job_config config = {
    .prefix = "job",
    .queues = queues,
    .n_queues = ARRAY_SIZE(queues),
    .handlers = handlers,
    .n_handlers = ARRAY_SIZE(handlers),
    .worker = { .queues = worker_queues, .n_queues = ARRAY_SIZE(worker_queues) },
};
static struct ready *ready;
static struct message message = { .topic = "", .timestamp_ms = -1 };

enum { PLAIN, ONE, TWO };

static void start(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        types[i].handler = &handlers[i];
    ready = ready_new(&config, MAX_HELD);
    ck_assert_ptr_nonnull(ready);
}

static void finish(void)
{
    ready = ready_free(ready);
}

/* A record of which nothing is looked at but the size. */
static struct job *make(const char *topic, int type)
{
    struct message *copy = malloc(sizeof(*copy));
    ck_assert_ptr_nonnull(copy);
    *copy = message;
    struct job *job = job_new(copy);
    ck_assert_ptr_nonnull(job);
    job->type = &types[type];
    ready_admit(ready, ready_find_lane(ready, topic), job);
    return job;
}

/* As message_free(), which belongs to the consumer, would. */
static void discard(struct job *job)
{
    free(job->message);
    job->message = NULL;
    job_free(job);
}

static struct job *add(const char *topic, int type)
{
    struct job *job = make(topic, type);
    ready_add(ready, job);
    return job;
}

static struct job *begin(void)
{
    struct job *job = ready_peek(ready);
    if (job) {
        ready_take(ready, job);
        ready_started(ready, job);
    }
    return job;
}

static void drop_all(void)
{
    struct job *job;
    while ((job = ready_peek(ready))) {
        ready_take(ready, job);
        discard(job);
    }
    finish();
}

/* Starts @n jobs, each followed by a new one of its topic; counts those of @topic. */
static size_t count_starts(size_t n, const char *topic)
{
    size_t counted = 0;
    const struct ready_lane *wanted = ready_find_lane(ready, topic);
    for (size_t i = 0; i < n; i++) {
        struct job *job = begin();
        ck_assert_ptr_nonnull(job);
        counted += job->lane == wanted;
        ready_uncount(job);
        ready_admit(ready, job->lane, job);
        ready_add(ready, job);
    }
    return counted;
}

/* --- Among queues ---------------------------------------------------------------------------------------------------------- */

START_TEST(starts_are_shared_out_by_weight)
{
    worker_queues[0].weight = 5;
    worker_queues[1].weight = 3;
    worker_queues[2].weight = 2;
    start();
    add("job.a", PLAIN);
    add("job.b", PLAIN);
    add("job.c", PLAIN);
    size_t n = count_starts(10000, "job.a");
    ck_assert_msg(n >= 4750 && n <= 5250, "a: %zu", n);
    n = count_starts(10000, "job.b");
    ck_assert_msg(n >= 2850 && n <= 3150, "b: %zu", n);
    n = count_starts(10000, "job.c");
    ck_assert_msg(n >= 1900 && n <= 2100, "c: %zu", n);
    drop_all();
}
END_TEST

START_TEST(queue_that_had_no_jobs_does_not_catch_up)
{
    start();
    add("job.a", PLAIN);
    count_starts(1000, "job.a");
    add("job.b", PLAIN);
    size_t n = count_starts(100, "job.b");
    ck_assert_msg(n >= 48 && n <= 52, "b: %zu", n);
    drop_all();
}
END_TEST

START_TEST(queue_alone_gets_everything)
{
    worker_queues[1].weight = 1000;
    start();
    add("job.a", PLAIN);
    ck_assert_uint_eq(count_starts(100, "job.a"), 100);
    drop_all();
}
END_TEST

START_TEST(strict_order_takes_the_first_queue_that_has_a_job)
{
    config.worker.order = CONFIG_ORDER_STRICT;
    worker_queues[1].weight = 1000;
    start();
    add("job.b", PLAIN);
    ck_assert_uint_eq(count_starts(10, "job.b"), 10);
    add("job.a", PLAIN);
    ck_assert_uint_eq(count_starts(1000, "job.a"), 1000);
    drop_all();
}
END_TEST

START_TEST(lanes_do_not_change_the_share_of_their_queue)
{
    start();
    add("job.a.high", PLAIN);
    add("job.a.low", PLAIN);
    add("job.b", PLAIN);
    size_t n = count_starts(1000, "job.b");
    ck_assert_msg(n >= 475 && n <= 525, "b: %zu", n);
    drop_all();
}
END_TEST

/* --- Among lanes ----------------------------------------------------------------------------------------------------------- */

START_TEST(high_goes_before_normal_before_low)
{
    start();
    struct job *low = add("job.a.low", PLAIN), *normal = add("job.a", PLAIN),
               *high = add("job.a.high", PLAIN);
    ck_assert_ptr_eq(begin(), high);
    ck_assert_ptr_eq(begin(), normal);
    ck_assert_ptr_eq(begin(), low);
    discard(high), discard(normal), discard(low);
    finish();
}
END_TEST

START_TEST(each_lane_with_jobs_gets_its_twentieth)
{
    start();
    add("job.a.high", PLAIN);
    add("job.a.low", PLAIN);
    size_t n = count_starts(2000, "job.a.low");
    ck_assert_msg(n == 100, "low of two: %zu", n);
    add("job.a", PLAIN);
    n = count_starts(2000, "job.a.low");
    ck_assert_msg(n >= 95 && n <= 105, "low of three: %zu", n);
    n = count_starts(2000, "job.a");
    ck_assert_msg(n >= 95 && n <= 105, "normal of three: %zu", n);
    drop_all();
}
END_TEST

START_TEST(lane_is_patient_only_while_it_has_a_job)
{
    start();
    add("job.a.high", PLAIN);
    ck_assert_uint_eq(count_starts(100, "job.a.high"), 100);
    add("job.a.low", PLAIN);
    ck_assert_uint_eq(count_starts(READY_PATIENCE, "job.a.high"), READY_PATIENCE);
    ck_assert_uint_eq(count_starts(1, "job.a.low"), 1);
    drop_all();
}
END_TEST

/* What could not be dispatched costs the lower lane nothing. */
START_TEST(looking_without_starting_changes_nothing)
{
    start();
    add("job.a.high", PLAIN);
    struct job *low = add("job.a.low", PLAIN);
    count_starts(READY_PATIENCE, "job.a.high");
    for (int i = 0; i < 3; i++) {
        ck_assert_ptr_eq(ready_peek(ready), low);
        ready_take(ready, low);
        ready_add(ready, low);
    }
    ck_assert_ptr_eq(ready_peek(ready), low);
    drop_all();
}
END_TEST

/* --- Limits ---------------------------------------------------------------------------------------------------------------- */

START_TEST(job_beyond_its_handlers_limit_is_passed_by_others)
{
    start();
    struct job *first = add("job.a", ONE), *second = add("job.a", ONE), *other = add("job.a", PLAIN);
    struct job *elsewhere = add("job.b", ONE);
    ck_assert_ptr_eq(begin(), first);
    ck_assert_ptr_eq(begin(), other);
    ck_assert_ptr_null(begin());
    ready_uncount(first);
    ck_assert_ptr_nonnull(begin());
    ck_assert_ptr_null(begin());
    ready_uncount(second), ready_uncount(elsewhere);
    ck_assert_ptr_nonnull(begin());
    discard(first), discard(second), discard(other), discard(elsewhere);
    finish();
}
END_TEST

START_TEST(handlers_are_limited_each_for_itself)
{
    start();
    struct job *jobs[] = { add("job.a", ONE), add("job.a", TWO), add("job.a", TWO) };
    struct job *rest[] = { add("job.a", ONE), add("job.a", TWO) };
    for (size_t i = 0; i < ARRAY_SIZE(jobs); i++)
        ck_assert_ptr_eq(begin(), jobs[i]);
    ck_assert_ptr_null(begin());
    ready_uncount(jobs[2]);
    ck_assert_ptr_eq(begin(), rest[1]);
    ck_assert_ptr_null(begin());
    for (size_t i = 0; i < ARRAY_SIZE(jobs); i++)
        discard(jobs[i]);
    discard(rest[1]);
    drop_all();
}
END_TEST

/* --- Another configuration --------------------------------------------------------------------------------------------------- */

/* Takes up what the configuration says now. */
static void reload(void)
{
    struct list jobs;
    list_init(&jobs);
    ck_assert_int_eq(ready_reload(ready, MAX_HELD, &jobs), 0);
    ck_assert_ptr_null(ready_peek(ready));
    list_for_each_safe(link, &jobs)
    {
        list_remove(link);
        ready_add(ready, job_of(link));
    }
}

START_TEST(running_jobs_count_against_the_new_limit_of_their_handler)
{
    start();
    struct job *jobs[] = { add("job.a", TWO), add("job.a", TWO), add("job.a", TWO), add("job.b", TWO) };
    ck_assert_ptr_eq(begin(), jobs[0]);
    ck_assert_ptr_eq(begin(), jobs[3]);
    ck_assert_ptr_null(begin());
    handlers[TWO].concurrency = 3;
    reload();
    ck_assert_ptr_eq(begin(), jobs[1]);
    ck_assert_ptr_null(begin());
    handlers[TWO].concurrency = 1;
    reload();
    ready_uncount(jobs[0]), ready_uncount(jobs[1]);
    ck_assert_ptr_null(begin());
    ready_uncount(jobs[3]);
    ck_assert_ptr_eq(begin(), jobs[2]);
    handlers[TWO].concurrency = 0; /* no limit, and one of the old ones runs */
    reload();
    struct job *more = add("job.a", TWO);
    ck_assert_ptr_eq(begin(), more);
    for (size_t i = 0; i < ARRAY_SIZE(jobs); i++)
        discard(jobs[i]);
    discard(more);
    finish();
}
END_TEST

START_TEST(jobs_keep_their_places_when_limits_come_and_go)
{
    start();
    struct job *jobs[] = { add("job.a", PLAIN), add("job.a", ONE), add("job.a", PLAIN), add("job.a", TWO) };
    handlers[PLAIN].concurrency = 9;
    handlers[ONE].concurrency = handlers[TWO].concurrency = 0;
    reload();
    for (size_t i = 0; i < ARRAY_SIZE(jobs); i++)
        ck_assert_ptr_eq(begin(), jobs[i]);
    for (size_t i = 0; i < ARRAY_SIZE(jobs); i++)
        discard(jobs[i]);
    finish();
}
END_TEST

START_TEST(queues_get_their_new_weights_and_limits)
{
    enum { N = 8 };
    struct job *a[N], *b[N];
    size_t n_a = 0, n = 0;
    start();
    worker_queues[0].weight = 3;
    reload();
    for (size_t i = 0; i < N; i++) {
        a[i] = add("job.a", PLAIN);
        b[i] = add("job.b", PLAIN);
    }
    for (size_t i = 0; i < N; i++)
        n_a += begin()->lane == ready_find_lane(ready, "job.a");
    ck_assert_uint_eq(n_a, 6);
    queues[1].concurrency = 3;
    reload();
    while (begin())
        n++;
    ck_assert_uint_eq(n, N - 6 + 1); /* the rest of a, and one more of b beside its two */
    for (size_t i = 0; i < N; i++)
        discard(a[i]), discard(b[i]);
    finish();
}
END_TEST

START_TEST(queue_at_its_limit_is_passed_by_others)
{
    queues[0].concurrency = 2;
    start();
    struct job *a[] = { add("job.a", PLAIN), add("job.a.high", PLAIN), add("job.a", PLAIN) };
    ck_assert_ptr_eq(begin(), a[1]);
    ck_assert_ptr_eq(begin(), a[0]);
    ck_assert_ptr_null(begin());
    struct job *b = add("job.b", PLAIN);
    ck_assert_ptr_eq(begin(), b);
    discard(a[1]);
    ck_assert_ptr_eq(begin(), a[2]);
    discard(a[0]), discard(a[2]), discard(b);
    finish();
}
END_TEST

START_TEST(job_that_comes_back_unstarted_counts_no_longer)
{
    queues[0].concurrency = 1;
    start();
    struct job *job = add("job.a", ONE);
    for (int i = 0; i < 3; i++) {
        ck_assert_ptr_eq(begin(), job);
        ck_assert_ptr_null(ready_peek(ready));
        ready_add(ready, job);
    }
    drop_all();
}
END_TEST

/* --- Places and room ------------------------------------------------------------------------------------------------------- */

START_TEST(jobs_that_come_back_keep_their_places)
{
    struct job *jobs[6];
    start();
    for (size_t i = 0; i < ARRAY_SIZE(jobs); i++)
        jobs[i] = add("job.a", PLAIN);
    for (size_t i = 0; i < 4; i++)
        ck_assert_ptr_eq(begin(), jobs[i]);
    ready_add(ready, jobs[1]);
    ready_add(ready, jobs[2]);
    ready_add(ready, jobs[3]);
    ready_add(ready, jobs[0]);
    for (size_t i = 0; i < ARRAY_SIZE(jobs); i++) {
        ck_assert_ptr_eq(begin(), jobs[i]);
        discard(jobs[i]);
    }
    finish();
}
END_TEST

START_TEST(full_lane_leaves_the_others_their_room)
{
    start();
    struct ready_lane *full = ready_find_lane(ready, "job.a");
    size_t n = 0;
    for (; ready_lane_has_room(full); n++)
        add("job.a", PLAIN);
    ck_assert_uint_eq(n, READY_JOBS / 7); /* two queues of three lanes, one of one */
    ck_assert(ready_lane_has_room(ready_find_lane(ready, "job.a.high")));
    ck_assert(ready_lane_has_room(ready_find_lane(ready, "job.b")));
    drop_all();
}
END_TEST

START_TEST(room_is_bounded_in_bytes)
{
    start();
    message.value.size = READY_BYTES / 7;
    struct ready_lane *lane = ready_find_lane(ready, "job.a");
    ck_assert(ready_lane_has_room(lane));
    add("job.a", PLAIN);
    ck_assert(!ready_lane_has_room(lane));
    drop_all();
}
END_TEST

/* A throttled queue whose jobs are all claimed must not hold all the leases that the worker may. */
START_TEST(claimed_jobs_of_one_lane_are_bounded)
{
    struct job *held[MAX_HELD];
    size_t n = 0;
    start();
    struct ready_lane *lane = ready_find_lane(ready, "job.a");
    for (; ready_lane_has_room(lane); n++)
        ready_hold(held[n] = make("job.a", PLAIN));
    ck_assert_uint_eq(n, MAX_HELD / 7);
    ready_add(ready, held[0]); /* granted */
    ck_assert(!ready_lane_has_room(lane));
    ck_assert_ptr_eq(begin(), held[0]);
    ck_assert(ready_lane_has_room(lane));
    discard(held[1]); /* refused */
    for (size_t i = 0; i < n; i++)
        if (i != 1)
            discard(held[i]);
    finish();
}
END_TEST

static bool is_type(const struct job *job, const void *type)
{
    return job->type == type;
}

START_TEST(matching_jobs_are_taken_out_in_order)
{
    struct list taken;
    list_init(&taken);
    start();
    struct job *first = add("job.a", TWO), *left = add("job.a", PLAIN), *second = add("job.a", TWO);
    ready_take_matching(ready, is_type, &types[TWO], &taken);
    ck_assert_ptr_eq(job_of(taken.next), first);
    ck_assert_ptr_eq(job_of(taken.prev), second);
    ck_assert_ptr_eq(begin(), left);
    ck_assert_ptr_null(ready_peek(ready));
    discard(first), discard(second), discard(left);
    finish();
}
END_TEST

START_TEST(foreign_topic_has_no_lane)
{
    start();
    ck_assert_ptr_null(ready_find_lane(ready, "job.x"));
    ck_assert_ptr_null(ready_find_lane(ready, "other.a"));
    ck_assert_ptr_nonnull(ready_find_lane(ready, "job.c"));
    finish();
}
END_TEST

START_TEST(queue_starts_no_more_than_it_is_allowed_and_others_go_on)
{
    start();
    size_t a = ready_queue_of(ready, ready_find_lane(ready, "job.a"));
    ck_assert_str_eq(ready_queue_name(ready, a), "a");
    add("job.a", PLAIN), add("job.a.high", PLAIN), add("job.a", PLAIN);
    ready_set_allowance(ready, a, 2);
    struct job *first = begin(), *second = begin();
    ck_assert_ptr_nonnull(first);
    ck_assert_ptr_nonnull(second);
    ck_assert_uint_eq(ready_n_running(ready, a), 2);
    ck_assert_ptr_null(ready_peek(ready));
    struct job *other = add("job.b", PLAIN);
    ck_assert_ptr_eq(begin(), other);
    ready_uncount(first);
    ck_assert_ptr_nonnull(ready_peek(ready));
    ready_set_allowance(ready, a, 0);
    ck_assert_ptr_null(ready_peek(ready));
    ready_set_allowance(ready, a, SIZE_MAX);
    ready_uncount(second), ready_uncount(other);
    discard(first), discard(second), discard(other);
    drop_all();
}
END_TEST

START_TEST(no_more_of_a_queue_is_claimed_than_it_is_allowed)
{
    start();
    struct ready_lane *lane = ready_find_lane(ready, "job.a");
    size_t a = ready_queue_of(ready, lane);
    ready_set_allowance(ready, a, 1);
    ck_assert(ready_lane_has_room(lane));
    struct job *job = make("job.a", PLAIN);
    ready_hold(job);
    ck_assert(!ready_lane_has_room(lane));
    ready_set_allowance(ready, a, 2);
    ck_assert(ready_lane_has_room(lane));
    ready_set_allowance(ready, a, 0);
    ck_assert(!ready_lane_has_room(lane));
    ck_assert(ready_lane_has_room(ready_find_lane(ready, "job.b")));
    ready_uncount(job);
    discard(job);
    finish();
}
END_TEST

SUITE_MAIN("ready", queue_starts_no_more_than_it_is_allowed_and_others_go_on,
           no_more_of_a_queue_is_claimed_than_it_is_allowed, starts_are_shared_out_by_weight,
           queue_that_had_no_jobs_does_not_catch_up, queue_alone_gets_everything,
           strict_order_takes_the_first_queue_that_has_a_job, lanes_do_not_change_the_share_of_their_queue,
           high_goes_before_normal_before_low, each_lane_with_jobs_gets_its_twentieth,
           lane_is_patient_only_while_it_has_a_job, looking_without_starting_changes_nothing,
           job_beyond_its_handlers_limit_is_passed_by_others, handlers_are_limited_each_for_itself,
           running_jobs_count_against_the_new_limit_of_their_handler,
           jobs_keep_their_places_when_limits_come_and_go, queues_get_their_new_weights_and_limits,
           queue_at_its_limit_is_passed_by_others, job_that_comes_back_unstarted_counts_no_longer,
           jobs_that_come_back_keep_their_places, full_lane_leaves_the_others_their_room,
           room_is_bounded_in_bytes, claimed_jobs_of_one_lane_are_bounded,
           matching_jobs_are_taken_out_in_order, foreign_topic_has_no_lane)
