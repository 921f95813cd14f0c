/* SPDX-License-Identifier: Apache-2.0 */
#include "libjob/tickets.h"

#include <pthread.h>

#include "tests/support/suite.h"

#define N_TICKETS 16
#define N_THREADS 4
#define N_ROUNDS 20000

static struct tickets tickets;
static atomic_int owners[N_TICKETS];

START_TEST(there_are_as_many_as_were_made)
{
    struct ticket *taken[3];
    ck_assert_int_eq(tickets_init(&tickets, 3), 0);
    for (int i = 0; i < 3; i++)
        ck_assert_ptr_nonnull(taken[i] = tickets_take(&tickets));
    ck_assert_ptr_null(tickets_take(&tickets));
    ck_assert(taken[0] != taken[1] && taken[1] != taken[2] && taken[0] != taken[2]);
    tickets_give(&tickets, taken[1]);
    ck_assert_ptr_eq(tickets_take(&tickets), taken[1]);
    ck_assert_ptr_null(tickets_take(&tickets));
    tickets_done(&tickets);
}
END_TEST

static void *take_and_give(void *failed)
{
    for (int i = 0; i < N_ROUNDS; i++) {
        struct ticket *taken[N_TICKETS / N_THREADS];
        size_t n = 0;
        for (; n < N_TICKETS / N_THREADS && (taken[n] = tickets_take(&tickets)); n++)
            if (atomic_fetch_add(&owners[taken[n] - tickets.all], 1) != 0)
                atomic_store((atomic_bool *)failed, true);
        if (n < N_TICKETS / N_THREADS)
            atomic_store((atomic_bool *)failed, true); /* there is one for everybody */
        while (n-- > 0) {
            atomic_fetch_sub(&owners[taken[n] - tickets.all], 1);
            tickets_give(&tickets, taken[n]);
        }
    }
    return NULL;
}

START_TEST(no_two_threads_have_the_same)
{
    pthread_t threads[N_THREADS];
    atomic_bool failed = false;
    ck_assert_int_eq(tickets_init(&tickets, N_TICKETS), 0);
    for (int i = 0; i < N_THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, take_and_give, &failed), 0);
    for (int i = 0; i < N_THREADS; i++)
        pthread_join(threads[i], NULL);
    ck_assert(!failed);
    tickets_done(&tickets);
}
END_TEST

SUITE_MAIN("tickets", there_are_as_many_as_were_made, no_two_threads_have_the_same)
