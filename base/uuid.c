/* SPDX-License-Identifier: Apache-2.0 */
#include "base/uuid.h"

#include <endian.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"

#define COUNTER_BITS 12

/* Milliseconds and counter of the newest id of this process, in one word: that makes "only grows" one operation. */
static _Atomic uint64_t newest;

/* A block of random bytes per thread saves a system call per id. */
static _Thread_local struct {
    uint8_t bytes[1024];
    size_t used;
    unsigned generation;
} pool = { .used = sizeof(pool.bytes) };

/* Counts forks, so that a child never hands out its parent's random bytes. */
static unsigned fork_generation = 1;
static pthread_once_t fork_watch = PTHREAD_ONCE_INIT;

static void fork_noticed(void)
{
    fork_generation++;
}

static void fork_watch_start(void)
{
    pthread_atfork(NULL, NULL, fork_noticed);
}

static void pool_refill(void)
{
    size_t have = 0;
    while (have < sizeof(pool.bytes)) {
        ssize_t n = getrandom(pool.bytes + have, sizeof(pool.bytes) - have, 0);
        if (n > 0)
            have += (size_t)n;
        else if (errno != EINTR)
            __builtin_trap(); /* no random numbers, no unique ids: nothing may go on */
    }
    pool.used = 0;
    pool.generation = fork_generation;
}

static void random_take(void *to, size_t size)
{
    pthread_once(&fork_watch, fork_watch_start);
    if (pool.used + size > sizeof(pool.bytes) || pool.generation != fork_generation)
        pool_refill();
    memcpy(to, pool.bytes + pool.used, size);
    pool.used += size;
}

static uint64_t next_tick(void)
{
    uint64_t now = (uint64_t)(clock_wall_us() / USEC_PER_MSEC) << COUNTER_BITS;
    uint64_t last = atomic_load_explicit(&newest, memory_order_relaxed);
    uint64_t next;
    do {
        next = now > last ? now : last + 1;
    } while (!atomic_compare_exchange_weak_explicit(&newest, &last, next, memory_order_relaxed,
                                                    memory_order_relaxed));
    return next;
}

static void put_time(struct uuid *id, uint64_t time_ms)
{
    for (int i = 0; i < 6; i++)
        id->bytes[i] = (uint8_t)(time_ms >> (40 - 8 * i));
}

static void put_version(struct uuid *id)
{
    id->bytes[6] = (uint8_t)((id->bytes[6] & 0x0f) | 0x70);
    id->bytes[8] = (uint8_t)((id->bytes[8] & 0x3f) | 0x80);
}

void uuid_new(struct uuid *ret)
{
    uint64_t tick = next_tick();
    random_take(ret->bytes + 8, 8);
    put_time(ret, tick >> COUNTER_BITS);
    ret->bytes[6] = (uint8_t)((tick >> 8) & 0x0f);
    ret->bytes[7] = (uint8_t)tick;
    put_version(ret);
}

void uuid_from_hash(int64_t time_ms, uint64_t hash_a, uint64_t hash_b, struct uuid *ret)
{
    hash_a = htobe64(hash_a); /* the same bytes on every machine */
    hash_b = htobe64(hash_b);
    memcpy(ret->bytes, &hash_a, 8);
    memcpy(ret->bytes + 8, &hash_b, 8);
    put_time(ret, (uint64_t)time_ms);
    put_version(ret);
}

char *uuid_format(const struct uuid *id, char *text)
{
    static const char digits[] = "0123456789abcdef";
    char *at = text;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *at++ = '-';
        *at++ = digits[id->bytes[i] >> 4];
        *at++ = digits[id->bytes[i] & 15];
    }
    *at = 0;
    return text;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int uuid_parse(const char *text, size_t size, struct uuid *ret)
{
    struct uuid id;
    size_t at = 0;
    if (size != UUID_TEXT_SIZE - 1)
        return 1;
    for (int i = 0; i < 16; i++) {
        if ((i == 4 || i == 6 || i == 8 || i == 10) && text[at++] != '-')
            return 1;
        int high = hex_value(text[at]), low = hex_value(text[at + 1]);
        if (high < 0 || low < 0)
            return 1;
        id.bytes[i] = (uint8_t)(high << 4 | low);
        at += 2;
    }
    *ret = id;
    return 0;
}

int64_t uuid_time_ms(const struct uuid *id)
{
    if (id->bytes[6] >> 4 != 7)
        return -1;
    int64_t ms = 0;
    for (int i = 0; i < 6; i++)
        ms = ms << 8 | id->bytes[i];
    return ms;
}

bool uuid_is_null(const struct uuid *id)
{
    static const struct uuid null;
    return uuid_equal(id, &null);
}

bool uuid_equal(const struct uuid *a, const struct uuid *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

int uuid_compare(const struct uuid *a, const struct uuid *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}
