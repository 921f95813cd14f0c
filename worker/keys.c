/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/keys.h"

#include <errno.h>
#include <stdlib.h>

#include "base/hash.h"

#define BUCKETS_MIN 64

enum turn { TURN_NONE, TURN_CHANGED, TURN_DOUBTFUL };

struct key {
    struct key *next; /* in its bucket */
    struct list link; /* in keys->changed or keys->doubtful, as `turn` says */
    enum turn turn;
    struct keys *keys;
    uint64_t hash;
    struct keys_head head; /* seq: or KEYS_NO_HEAD, KEYS_UNKNOWN_HEAD */
    struct job *busy;      /* NULL: none */
    size_t n_leaving;      /* parked, not recorded */
    struct list waiting;   /* by place; jobs by their key_link */
};

struct keys {
    struct keys_room *room;
    struct key **buckets; /* a power of two of them */
    size_t n_buckets, n;
    struct list waiting; /* jobs as they were read, by their link */
    size_t n_waiting, waiting_bytes;
    struct list changed;  /* keys to be looked at */
    struct list doubtful; /* keys that have to be asked for */
    bool incomplete;
};

static struct job *job_of_key(struct list *link)
{
    return list_entry(link, struct job, key_link);
}

static struct key *key_at(struct list *link)
{
    return list_entry(link, struct key, link);
}

uint64_t keys_hash(struct span key)
{
    return hash_fnv1a(HASH_START, key.data, key.size);
}

/* --- The table ----------------------------------------------------------------------------------------------------------- */

static struct key **find_slot(const struct keys *k, uint64_t hash)
{
    struct key **slot = &k->buckets[hash_mix(hash) & (k->n_buckets - 1)];
    while (*slot && (*slot)->hash != hash)
        slot = &(*slot)->next;
    return slot;
}

/* Without memory the chains grow longer, that is all. */
static void grow(struct keys *k)
{
    struct key **old = k->buckets;
    size_t n_old = k->n_buckets;
    struct key **buckets = calloc(2 * n_old, sizeof(struct key *));
    if (!buckets)
        return;
    k->buckets = buckets;
    k->n_buckets = 2 * n_old;
    for (size_t i = 0; i < n_old; i++) {
        for (struct key *key = old[i], *next; key; key = next) {
            next = key->next;
            key->next = NULL;
            *find_slot(k, key->hash) = key;
        }
    }
    free(old);
}

/* NULL without memory. */
static struct key *get_key(struct keys *k, uint64_t hash)
{
    struct key **slot = find_slot(k, hash), *key = *slot;
    if (key)
        return key;
    key = calloc(1, sizeof(*key));
    if (!key)
        return NULL;
    key->keys = k;
    key->hash = hash;
    key->head.seq = k->incomplete ? KEYS_UNKNOWN_HEAD : KEYS_NO_HEAD;
    list_init(&key->link);
    list_init(&key->waiting);
    *slot = key;
    if (++k->n > k->n_buckets)
        grow(k);
    return key;
}

static void set_turn(struct key *key, enum turn turn)
{
    struct keys *k = key->keys;
    if (key->turn == TURN_DOUBTFUL)
        k->room->n_doubtful--;
    list_remove(&key->link);
    key->turn = turn;
    if (turn == TURN_CHANGED)
        list_append(&k->changed, &key->link);
    if (turn == TURN_DOUBTFUL) {
        list_append(&k->doubtful, &key->link);
        k->room->n_doubtful++;
        k->room->is_urgent |= key->head.seq == KEYS_UNKNOWN_HEAD || key->head.parked;
    }
}

static void forget_key(struct key *key)
{
    struct keys *k = key->keys;
    struct key **slot = find_slot(k, key->hash);
    *slot = key->next;
    k->n--;
    set_turn(key, TURN_NONE);
    free(key);
}

/* --- Jobs ---------------------------------------------------------------------------------------------------------------- */

static void line_up(struct key *key, struct job *job)
{
    struct list *at = &key->waiting;
    while (at->prev != &key->waiting && job_of_key(at->prev)->key_seq > job->key_seq)
        at = at->prev;
    list_insert_before(at, &job->key_link);
}

static void add_waiting(struct key *key, struct job *job)
{
    line_up(key, job);
    list_append(&key->keys->waiting, &job->link);
    key->keys->n_waiting++;
    key->keys->waiting_bytes += job_size_bytes(job);
}

static void remove_waiting(struct key *key, struct job *job)
{
    list_remove(&job->key_link);
    list_remove(&job->link);
    key->keys->n_waiting--;
    key->keys->waiting_bytes -= job_size_bytes(job);
}

static bool is_head(const struct key *key, const struct job *job)
{
    return key->head.seq != KEYS_NO_HEAD && uuid_equal(&key->head.id, &job->envelope.id);
}

int keys_enter(struct keys *k, struct job *job)
{
    struct key *key = get_key(k, keys_hash(job->envelope.key));
    if (!key)
        return -ENOMEM;
    job->key = key;
    job->turn = JOB_WAITING;
    if (is_head(key, job) && key->head.seq != KEYS_UNKNOWN_HEAD)
        job->key_seq = key->head.seq;
    add_waiting(key, job);
    set_turn(key, TURN_CHANGED);
    return 0;
}

static bool is_empty(const struct key *key)
{
    return !key->busy && key->n_leaving == 0 && key->head.seq == KEYS_NO_HEAD && list_is_empty(&key->waiting);
}

/* Looks at a key that has changed. Return: the job that may go; NULL: none. */
static struct job *look_at(struct key *key)
{
    struct list *first = list_first(&key->waiting);
    set_turn(key, TURN_NONE);
    if (is_empty(key)) {
        forget_key(key);
        return NULL;
    }
    if (key->busy || key->n_leaving)
        return NULL;
    if (!first) {
        if (key->head.parked || key->head.seq == KEYS_UNKNOWN_HEAD)
            set_turn(key, TURN_DOUBTFUL);
        return NULL;
    }
    struct job *job = job_of_key(first);
    if (job->key_seq > key->head.seq) {
        set_turn(key, TURN_DOUBTFUL);
        return NULL;
    }
    remove_waiting(key, job);
    key->busy = job;
    key->keys->room->n_busy++;
    job->turn = JOB_BUSY;
    return job;
}

struct job *keys_next(struct keys *k)
{
    struct job *job = NULL;
    while (!job && !list_is_empty(&k->changed))
        job = look_at(key_at(k->changed.next));
    return job;
}

static void set_free(struct key *key)
{
    key->busy = NULL;
    key->keys->room->n_busy--;
}

void keys_leave(struct job *job)
{
    struct key *key = job->key;
    if (!key)
        return;
    if (job->turn == JOB_WAITING)
        remove_waiting(key, job);
    else if (job->turn == JOB_LEAVING)
        key->n_leaving--;
    else
        set_free(key);
    job->key = NULL;
    set_turn(key, TURN_CHANGED);
}

bool keys_has_room(const struct keys *k)
{
    size_t share = KEYS_WAITING / k->room->n_partitions;
    return k->n_waiting < (share > KEYS_WAITING_MIN ? share : KEYS_WAITING_MIN) &&
           k->waiting_bytes < KEYS_WAITING_BYTES / k->room->n_partitions;
}

bool keys_wants_more(const struct keys *k)
{
    return keys_has_room(k) || k->room->n_busy < k->room->n_enough;
}

void keys_park(struct job *job)
{
    remove_waiting(job->key, job);
    job->key->n_leaving++;
    job->turn = JOB_LEAVING;
    set_turn(job->key, TURN_CHANGED);
}

struct job *keys_first_waiting(struct keys *k, int64_t below_offset)
{
    struct list *first = list_first(&k->waiting);
    return first && job_of(first)->message->offset < below_offset ? job_of(first) : NULL;
}

/* --- Heads --------------------------------------------------------------------------------------------------------------- */

static void restore_place(struct key *key)
{
    list_for_each(link, &key->waiting)
    {
        struct job *job = job_of_key(link);
        if (!is_head(key, job) || job->key_seq == key->head.seq)
            continue;
        list_remove(link);
        job->key_seq = key->head.seq;
        line_up(key, job);
        return;
    }
}

void keys_set_head(struct keys *k, uint64_t hash, const struct keys_head *head)
{
    bool none = head->seq == KEYS_NO_HEAD;
    struct key *key = none ? *find_slot(k, hash) : get_key(k, hash);
    if (!key) {
        k->incomplete |= !none;
        return;
    }
    key->head = *head;
    restore_place(key);
    set_turn(key, TURN_CHANGED);
}

void keys_doubt(struct job *job)
{
    if (!job->key)
        return;
    job->key->head = (struct keys_head){ .seq = KEYS_UNKNOWN_HEAD };
    set_turn(job->key, TURN_CHANGED);
}

void keys_set_incomplete(struct keys *k)
{
    k->incomplete = true;
}

bool keys_is_passed_over(const struct job *job)
{
    return job->key && job->key_seq > job->key->head.seq && job->key->head.seq != KEYS_UNKNOWN_HEAD;
}

size_t keys_list_doubtful(struct keys *k, uint64_t *hashes, size_t max)
{
    size_t n = 0;
    list_for_each(link, &k->doubtful)
    {
        if (n == max)
            break;
        hashes[n++] = key_at(link)->hash;
    }
    for (size_t i = 0; i < n; i++) { /* to the end */
        struct list *first = k->doubtful.next;
        list_remove(first);
        list_append(&k->doubtful, first);
    }
    return n;
}

/* --- Life ---------------------------------------------------------------------------------------------------------------- */

struct keys *keys_new(struct keys_room *room)
{
    _cleanup_(keys_free_cleanup) struct keys *k = calloc(1, sizeof(*k));
    if (!k)
        return NULL;
    k->room = room;
    room->n_partitions++;
    list_init(&k->waiting);
    list_init(&k->changed);
    list_init(&k->doubtful);
    k->buckets = calloc(BUCKETS_MIN, sizeof(struct key *));
    k->n_buckets = BUCKETS_MIN;
    return k->buckets ? steal(k) : NULL;
}

struct keys *keys_free(struct keys *k)
{
    if (!k)
        return NULL;
    list_for_each_safe(link, &k->waiting) job_free(job_of(link));
    for (size_t i = 0; k->buckets && i < k->n_buckets; i++) {
        for (struct key *key = k->buckets[i], *next; key; key = next) {
            next = key->next;
            set_turn(key, TURN_NONE);
            if (key->busy) {
                key->busy->key = NULL;
                set_free(key);
            }
            free(key);
        }
    }
    k->room->n_partitions--;
    free(k->buckets);
    free(k);
    return NULL;
}
