/* SPDX-License-Identifier: Apache-2.0 */
/* A replay of 100,000 dead letters is killed in the middle, again and again, and gone on with (tier smoke: 10,000). */
#define SUITE_TIMEOUT_S 900
#include "tests/support/suite.h"

#include <stdlib.h>
#include <string.h>

#include "tests/support/letters.h"

START_TEST(each_letter_is_replayed_once_however_often_the_replay_is_killed)
{
    const char *tier = getenv("JOB_FAULT_TIER");
    bool nightly = tier && strcmp(tier, "nightly") == 0;
    struct site *site = site_new(&(struct site_options){ .queues = "{ name = \"mail\"; }" });
    letters_make(site, nightly ? 100000 : 10000);
    letters_replay_killed(site, nightly ? 100000 : 10000, nightly ? "4000/s" : "2500/s", nightly ? 8 : 4);
    site_free(site);
}
END_TEST

SUITE_MAIN("fault_bulk", each_letter_is_replayed_once_however_often_the_replay_is_killed)
