/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/interrupt.h"

#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <time.h>

#include "base/clock.h"

static volatile sig_atomic_t came;
static struct sigaction before[2];
static const int signals[] = { SIGINT, SIGTERM };

static void note(int number)
{
    (void)number;
    came = 1;
}

void interrupt_begin(void)
{
    struct sigaction action = { .sa_handler = note, .sa_flags = (int)SA_RESETHAND };
    sigemptyset(&action.sa_mask);
    came = 0;
    for (int i = 0; i < 2; i++)
        sigaction(signals[i], &action, &before[i]);
}

bool interrupt_has_come(void)
{
    return came != 0;
}

/* They are let in while we wait and at no other time here, so none comes between the look and the wait. */
bool interrupt_wait(int64_t time_us)
{
    sigset_t ours, mask;
    struct timespec time = { .tv_sec = time_us / USEC_PER_SEC, .tv_nsec = time_us % USEC_PER_SEC * 1000 };
    sigemptyset(&ours);
    for (int i = 0; i < 2; i++)
        sigaddset(&ours, signals[i]);
    sigprocmask(SIG_BLOCK, &ours, &mask);
    if (!came && time_us > 0)
        ppoll(NULL, 0, &time, &mask);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    return came != 0;
}

void interrupt_end(void)
{
    for (int i = 0; i < 2; i++)
        sigaction(signals[i], &before[i], NULL);
}
