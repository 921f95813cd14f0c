/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/channel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "worker/executor.h"

#define READ_SIZE (128 * 1024)

static void write_all(struct channel *c, const void *data, size_t size)
{
    for (const char *at = data; size;) {
        ssize_t n = send(c->socket, at, size, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            executor_end();
        at += n;
        size -= (size_t)n;
    }
}

/* Between the write and the store the worker can see an answer twice; it knows jobs by their number. */
void channel_send(struct channel *c)
{
    uint32_t size = atomic_load(&c->board->unsent_size);
    if (size == 0)
        return;
    write_all(c, c->board->unsent, size);
    atomic_store(&c->board->unsent_size, 0);
}

/* --- Frames ------------------------------------------------------------------------------------------------------------ */

static void read_some(struct channel *c, int flags)
{
    buf_consume(&c->input, c->input_at);
    c->input_at = 0;
    char *room = buf_reserve(&c->input, READ_SIZE);
    ssize_t n = room ? recv(c->socket, room, READ_SIZE, flags) : 0;
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0)
        executor_end();
    c->input.size += (size_t)n;
}

void channel_read(struct channel *c)
{
    read_some(c, MSG_DONTWAIT);
}

const struct frame *channel_take(struct channel *c)
{
    bool broken = false;
    const struct frame *frame = frame_next(c->input.data, c->input.size, &c->input_at, &broken);
    if (broken)
        executor_end();
    return frame;
}

const struct frame *channel_next(struct channel *c)
{
    const struct frame *frame;
    while (!(frame = channel_take(c))) {
        channel_send(c);
        read_some(c, 0);
    }
    return frame;
}

void channel_say_hello(struct channel *c, const char *error)
{
    char frame[8 + 1024 + 8] = { 0 };
    size_t length = strlen(error); /* less than struct err has room for */
    struct frame head = { .size = (uint32_t)((sizeof(head) + length + 1 + 7) & ~(size_t)7),
                          .kind = FRAME_HELLO };
    memcpy(frame, &head, sizeof(head));
    memcpy(frame + sizeof(head), error, length);
    write_all(c, frame, head.size);
}

void channel_nudge(struct channel *c)
{
    static const struct frame nudge = { .size = sizeof(nudge), .kind = FRAME_PROGRESS };
    write_all(c, &nudge, sizeof(nudge));
}

/* --- Answers ----------------------------------------------------------------------------------------------------------- */

static void put_in_page(struct channel *c, const struct frame_answer *answer, const struct job_context *ctx,
                        size_t size)
{
    char *at = c->board->unsent + atomic_load(&c->board->unsent_size);
    char *start = at;
    memcpy(at, answer, sizeof(*answer));
    at += sizeof(*answer);
    if (answer->result_size)
        memcpy(at, ctx->result.data, answer->result_size);
    at += answer->result_size;
    memcpy(at, ctx->error, answer->error_size);
    at += answer->error_size;
    memset(at, 0, (size_t)(start + size - at));
    if (start == c->board->unsent)
        c->oldest_unsent_us = answer->finished_us;
    atomic_fetch_add(&c->board->unsent_size, (uint32_t)size);
}

static void write_large(struct channel *c, const struct frame_answer *answer, const struct job_context *ctx,
                        size_t size)
{
    static const char zeroes[8];
    size_t parts = sizeof(*answer) + answer->result_size + answer->error_size;
    write_all(c, answer, sizeof(*answer));
    write_all(c, ctx->result.data, answer->result_size);
    write_all(c, ctx->error, answer->error_size);
    write_all(c, zeroes, size - parts);
}

void channel_put_answer(struct channel *c, struct frame_answer *answer, const struct job_context *ctx)
{
    answer->head.kind = FRAME_ANSWER;
    answer->has_result = ctx->has_result;
    answer->result_size = ctx->has_result ? (uint32_t)ctx->result.size : 0;
    answer->error_size = (uint32_t)strlen(ctx->error);
    answer->retry_after_ms = ctx->retry_after_ms;
    size_t size = (sizeof(*answer) + answer->result_size + answer->error_size + 7) & ~(size_t)7;
    answer->head.size = (uint32_t)size;
    if (atomic_load(&c->board->unsent_size) + size > FRAME_UNSENT_SIZE)
        channel_send(c);
    if (size <= FRAME_UNSENT_SIZE)
        put_in_page(c, answer, ctx, size);
    else
        write_large(c, answer, ctx, size);
    atomic_store(&c->board->answered, answer->seq);
}

void channel_init(struct channel *c, int socket, int board)
{
    *c = (struct channel){ .socket = socket, .input.max = 2 * FRAME_MAX_SIZE };
    c->board = mmap(NULL, sizeof(*c->board), PROT_READ | PROT_WRITE, MAP_SHARED, board, 0);
    if (c->board == MAP_FAILED)
        executor_end();
    close(board);
}
