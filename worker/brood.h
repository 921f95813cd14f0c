/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The zygote's children: executors, and what they have left behind.
 *
 * An executor's number is only used while the executor has not been reaped, so a late request to kill it can never meet a
 * stranger who got the same number. Every other child is a stray: its executor is dead, and so will it be.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "worker/zygote.h"

struct brood_executor {
    pid_t pid;
    int group;         /* its control group; -1: none */
    int64_t oom_kills; /* in there, before it came */
};

struct brood {
    struct brood_executor *executors;
    size_t n, room;
    size_t n_reaped; /* strays, since all were killed */
    bool urgent;
};

/* Room for one more, before it is forked. Return: 0; -ENOMEM. */
int brood_reserve(struct brood *b);
/* @group: the brood owns it. */
void brood_add(struct brood *b, pid_t executor, int group);
/* To the process group of @executor, if it is one that was not reaped yet; SIGKILL is for its control group, too. */
void brood_signal(const struct brood *b, pid_t executor, int signal);
/* Reaps. Return: true with the end of one executor; false when no other has ended: all strays have been sent a SIGKILL then. */
bool brood_next_end(struct brood *b, struct zygote_exit *ret);
/* Everything in all control groups. */
void brood_kill_groups(const struct brood *b);
