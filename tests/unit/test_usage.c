/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/usage.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tests/support/suite.h"

static void burn(int64_t us)
{
    int64_t end_us = clock_read_us(CLOCK_PROCESS_CPUTIME_ID) + us;
    while (clock_read_us(CLOCK_PROCESS_CPUTIME_ID) < end_us)
        ;
}

START_TEST(job_that_computes_has_used_its_time)
{
    struct usage usage;
    struct usage_of_job used;
    usage_init(&usage);
    int64_t started_us = clock_mono_us();
    usage_begin(&usage, started_us);
    burn(30000);
    usage_end(&usage, started_us, clock_mono_us(), 0, &used);
    int64_t cpu_us = used.cpu_us;
    ck_assert_int_ge(cpu_us, 30000);
    ck_assert_int_le(cpu_us, 60000);
}
END_TEST

START_TEST(job_that_waits_has_used_nothing)
{
    struct usage usage;
    struct usage_of_job used;
    usage_init(&usage);
    burn(30000); /* before it: that is not the job's */
    int64_t started_us = clock_mono_us();
    usage_begin(&usage, started_us);
    nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
    usage_end(&usage, started_us, clock_mono_us(), 0, &used);
    ck_assert_int_lt(used.cpu_us, 10000);
}
END_TEST

/* The clock that it is told stands where it was: however much is used meanwhile, the kernel is not asked. */
START_TEST(tiny_jobs_ask_the_kernel_once_a_millisecond)
{
    struct usage usage;
    struct usage_of_job used;
    usage_init(&usage);
    usage_begin(&usage, 5000);
    ck_assert_int_eq(usage.asked_us, 5000);
    burn(20000);
    usage_end(&usage, 5000, 5007, 0, &used);
    ck_assert_int_eq(used.cpu_us, 7);
    usage_begin(&usage, 5999);
    ck_assert_int_eq(usage.asked_us, 5000);
    usage_end(&usage, 5999, 6004, 0, &used);
    ck_assert_int_eq(used.cpu_us, 5);
    usage_begin(&usage, 6004);
    ck_assert_int_eq(usage.asked_us, 6004);
}
END_TEST

START_TEST(tiny_jobs_before_a_long_one_are_not_charged_to_it)
{
    struct usage usage;
    struct usage_of_job used;
    usage_init(&usage);
    int64_t started_us = clock_mono_us();
    usage_begin(&usage, started_us);
    int64_t at_us = started_us;
    for (; at_us < started_us + 900; at_us += 100)
        usage_end(&usage, at_us, at_us + 100, 0, &used);
    usage_begin(&usage, at_us);
    burn(10000);
    usage_end(&usage, at_us, at_us + 10000, 0, &used);
    int64_t cpu_us = used.cpu_us;
    ck_assert_int_ge(cpu_us, 9000);
    ck_assert_int_le(cpu_us, 20000);
}
END_TEST

START_TEST(memory_that_a_job_used_is_seen_at_its_end)
{
    struct usage usage;
    struct usage_of_job used;
    usage_init(&usage);
    const size_t size = 64 << 20;
    int64_t started_us = clock_mono_us();
    usage_begin(&usage, started_us);
    int64_t before_kib = usage.settled_kib;
    char *memory = malloc(size);
    ck_assert_ptr_nonnull(memory);
    memset(memory, 1, size);
    burn(USAGE_EXACT_US);
    usage_end(&usage, started_us, clock_mono_us(), 0, &used);
    ck_assert_int_eq(memory[size / 2], 1);
    free(memory);
    ck_assert_int_ge(used.peak_kib - before_kib, 60 << 10);
}
END_TEST

SUITE_MAIN("usage", job_that_computes_has_used_its_time, job_that_waits_has_used_nothing,
           tiny_jobs_ask_the_kernel_once_a_millisecond, tiny_jobs_before_a_long_one_are_not_charged_to_it,
           memory_that_a_job_used_is_seen_at_its_end)
