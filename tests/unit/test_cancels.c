/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/cancels.h"

#include "tests/support/suite.h"

static struct cancels set;

static struct uuid number(unsigned n)
{
    struct uuid id = { 0 };
    id.bytes[3] = (uint8_t)(n * 37); /* not in order */
    id.bytes[14] = (uint8_t)(n >> 8);
    id.bytes[15] = (uint8_t)n;
    return id;
}

START_TEST(what_was_added_is_there_and_nothing_else)
{
    struct uuid id;
    ck_assert(!cancels_has(&set, &(struct uuid){ 0 }));
    for (unsigned n = 0; n < 1000; n += 2) {
        id = number(n);
        ck_assert_int_eq(cancels_add(&set, &id), 0);
        ck_assert_int_eq(cancels_add(&set, &id), 0); /* once more is no harm */
    }
    ck_assert_uint_eq(set.n, 500);
    for (unsigned n = 0; n < 1000; n++) {
        id = number(n);
        ck_assert(cancels_has(&set, &id) == (n % 2 == 0));
    }
    cancels_done(&set);
}
END_TEST

START_TEST(what_was_removed_is_gone)
{
    for (unsigned n = 0; n < 100; n++)
        cancels_add(&set, &(struct uuid[]){ number(n) }[0]);
    for (unsigned n = 0; n < 100; n += 3)
        cancels_remove(&set, &(struct uuid[]){ number(n) }[0]);
    cancels_remove(&set, &(struct uuid[]){ number(500) }[0]);
    for (unsigned n = 0; n < 100; n++)
        ck_assert(cancels_has(&set, &(struct uuid[]){ number(n) }[0]) == (n % 3 != 0));
    cancels_clear(&set);
    ck_assert(!cancels_has(&set, &(struct uuid[]){ number(1) }[0]));
    cancels_done(&set);
}
END_TEST

START_TEST(the_set_has_a_bound)
{
    struct uuid id = { 0 };
    for (unsigned n = 0; n < CANCELS_MAX; n++) { /* in order, so that it is quick */
        id.bytes[12] = (uint8_t)(n >> 16);
        id.bytes[13] = (uint8_t)(n >> 8);
        id.bytes[14] = (uint8_t)n;
        ck_assert_int_eq(cancels_add(&set, &id), 0);
    }
    ck_assert_int_eq(cancels_add(&set, &id), 0);
    id.bytes[15] = 1;
    ck_assert_int_eq(cancels_add(&set, &id), 1);
    ck_assert_uint_eq(set.n, CANCELS_MAX);
    cancels_done(&set);
}
END_TEST

SUITE_MAIN("cancels", what_was_added_is_there_and_nothing_else, what_was_removed_is_gone, the_set_has_a_bound)
