/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process that runs jobs, at its end of the socket to the worker.
 *
 * An answer is complete in the shared page before it is put anywhere else, so that it counts even if this process dies the next
 * moment; many go to the worker in one write. When the worker is gone nobody wants answers: every function here ends the process then
 * (executor_end).
 */
#pragma once

#include "base/buf.h"
#include "libjob/context.h"
#include "worker/frame.h"

struct channel {
    int socket;
    struct frame_board *board;
    struct buf input;
    size_t input_at;
    int64_t oldest_unsent_us; /* monotonic: when the first answer in the page was finished */
};

/* @board: descriptor of the shared page; closed here. */
void channel_init(struct channel *c, int socket, int board);

/* The next frame, valid until the next call. Sends what is unsent and blocks when there is none. */
const struct frame *channel_next(struct channel *c);
/* Reads what has come, without blocking. */
void channel_read(struct channel *c);
/* The next frame of what was read; NULL: none. */
const struct frame *channel_take(struct channel *c);

/* All handlers are loaded, or why not; "" is the former. */
void channel_say_hello(struct channel *c, const char *error);

/* Completes @answer with result, error and retry delay of @ctx, and puts it where it outlives this process. */
void channel_put_answer(struct channel *c, struct frame_answer *answer, const struct job_context *ctx);
/* Sends the answers that were put. Blocks while the worker does not read. */
void channel_send(struct channel *c);

/* There is progress in the page. */
void channel_nudge(struct channel *c);
