/* SPDX-License-Identifier: Apache-2.0 */
/* Many dead letters, and runs of jobctl over them that are killed and gone on with. */
#pragma once

#include "tests/support/harness.h"

/* So many dead letters of queue "mail", type "t", in three reasons, with errors E1, E2, …; each with its result. */
void letters_make(struct site *s, int n);

/* Starts `jobctl dead VERB …` (NULL-terminated) and waits until the run has done @until or more in all. */
struct site_daemon *letters_start(struct site *s, const char *const *arguments, int64_t until);
/* The run that was begun last. */
int64_t letters_run(struct site *s);

/* Replays all of @n letters, at @rate, killed @n_kills times on the way and gone on with each time; checks that each was replayed once. */
void letters_replay_killed(struct site *s, int n, const char *rate, int n_kills);
/* Each of @n was replayed, and once. */
void letters_check_replayed(struct site *s, int n);
