/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process from which executors are forked.
 *
 * It is forked from the worker before there is any thread, connection or secret, and does three things: forks an executor
 * when asked, kills one when asked, and says how each ended. It answers when it is asked whether it is there. It is the subreaper of everything that handlers leave behind.
 *
 * When the worker dies, however it dies, its socket closes: the zygote then kills every executor's process group and every
 * remaining child, waits for them, and ends. When the zygote dies, its executors die with it (PR_SET_PDEATHSIG); the worker is
 * the subreaper of the rest, kills it and ends.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct zygote_exit {
    pid_t pid;
    int status;     /* as waitpid() has it */
    int64_t cpu_us; /* of all its life */
    int64_t peak_kib;
    bool tells_oom,
        oom; /* does its control group tell; has the kernel killed something in there for want of memory */
};

enum zygote_event_kind { ZYGOTE_SPAWNED, ZYGOTE_EXITED, ZYGOTE_FAILED, ZYGOTE_ANSWERED };

struct zygote_event {
    enum zygote_event_kind kind;
    uint32_t tag;            /* SPAWNED, FAILED: of the request */
    struct zygote_exit exit; /* SPAWNED: pid; EXITED: all; FAILED: status is an errno */
};

/* Forks the zygote. Call first in main(). @ret_socket: non-blocking, close-on-exec. Return: 0; negative errno. */
int zygote_start(int *ret_socket, pid_t *ret_pid);

/* What an executor gets, see executor_main(). */
enum zygote_fd {
    ZYGOTE_SOCKET,
    ZYGOTE_BOARD,
    ZYGOTE_CANCEL,
    ZYGOTE_OUTPUT,
    ZYGOTE_N_FDS,
    ZYGOTE_GROUP = ZYGOTE_N_FDS, /* its control group (worker/group.h), which the zygote keeps; -1: none */
    ZYGOTE_N_SENT,
};

/* Worker side. The descriptors stay the caller's, who closes them. Return: 0; negative errno (-EAGAIN: ask again later). */
int zygote_request_spawn(int zygote, uint32_t tag, const int fds[ZYGOTE_N_SENT]);
int zygote_request_kill(int zygote, pid_t pid, int signal);
int zygote_request_answer(int zygote);

/* Return: 0 with an event; 1 when there is none now; negative errno: the zygote is gone. */
int zygote_next_event(int zygote, struct zygote_event *ret);
