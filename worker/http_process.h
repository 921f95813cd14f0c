/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP process: posts many jobs at once, in one loop.
 *
 * Model: an executor process (worker/executor.h) without modules and commands. It starts every job that it reads and answers each when
 * its transfer has ended, in any order; the worker sees to it that it never has more than the configured number. curl drives the transfers,
 * epoll says which may go on. Connections are kept for the next request to the same place.
 *
 * A handler's name is resolved once for all requests that wait for it (worker/http_names.h); nothing here waits for name servers.
 *
 * It blocks in one case: when the worker does not read its answers. Then it reads no more from services either.
 *
 * Crash story: the answers in the shared page count; whatever else had started has crashed, and what had not is run by the next process.
 */
#pragma once

#include "worker/channel.h"

struct handler_set;

/* Never returns. @n_requests, @n_slots: of the SETUP frame. */
_Noreturn void http_process_main(struct channel *channel, struct handler_set *handlers, uint32_t n_requests,
                                 uint32_t n_slots);

/* So many open files are needed. Return: 0; -EMFILE with @reterr: this process may not have them. */
int http_process_set_limits(uint32_t n_requests, struct err *reterr);
