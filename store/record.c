/* SPDX-License-Identifier: Apache-2.0 */
#include "store/record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/array.h"

enum record_statement {
    STATEMENT_BEGIN,
    STATEMENT_FENCE,
    STATEMENT_CLAIM,
    STATEMENT_RESULT,
    STATEMENT_PLAIN_RESULT,
    STATEMENT_LEASED_RESULT,
    STATEMENT_DEFER,
    STATEMENT_KEYS,
    STATEMENT_PROGRESS,
    STATEMENT_NOTIFY,
    STATEMENT_BEAT,
    STATEMENT_COMMIT,
    STATEMENT_TAKE_OVER,
    STATEMENT_HEADS,
    STATEMENT_LOOK_AT_KEYS,
    STATEMENT_READ_BACK,
    STATEMENT_NOTE_LOST,
    STATEMENT_NOTE_RECREATED,
    STATEMENT_REGISTER,
    STATEMENT_DEAD_HOOK,
    STATEMENT_UNREGISTER,
    STATEMENT_CANCELS,
    STATEMENT_PAUSES,
    STATEMENT_DRAINS,
};

#define RESULT_COLUMNS                                                                                       \
    "id, \"offset\", enqueued_at, started_at, finished_at, attempt, delivery, partition, cpu_ms, peak_kib, " \
    "queue, type, state, worker, topic, trace_id, parent, error, result"
#define RESULT_VALUES                                                                                        \
    "r.id, r.ofs, r.enqueued, r.started, r.finished, r.attempt, r.delivery, r.partition, r.cpu, r.peak, "    \
    "r.queue, r.type, 'succeeded', $1::text, r.topic, r.trace, r.parent, r.error, r.result::jsonb"
#define RESULT_INPUT                                                                                            \
    "unnest($2::uuid[], $3::bigint[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[], $7::integer[], " \
    "$8::integer[], $9::integer[], $10::integer[], $11::integer[], $12::text[], $13::text[], $14::text[], "     \
    "$15::text[], $16::uuid[], $17::text[], $18::text[]"
#define RESULT_NAMES                                                                                             \
    "id, ofs, enqueued, started, finished, attempt, delivery, partition, cpu, peak, queue, type, topic, trace, " \
    "parent, error, result"

const struct session_statement record_statements[] = {
    [STATEMENT_BEGIN] = { "BEGIN" },
    [STATEMENT_FENCE] = { "SELECT job.fence($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)" },
    [STATEMENT_CLAIM] = { "SELECT job.claim($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)" },
    [STATEMENT_RESULT] = { "INSERT INTO job.result (" RESULT_COLUMNS ") SELECT " RESULT_VALUES
                           " FROM " RESULT_INPUT ") AS r (" RESULT_NAMES
                           ") ORDER BY r.id ON CONFLICT DO NOTHING" },
    /* The many: first try, no lease, nothing to say but the result. What repeats comes once, as a place and its number. */
    [STATEMENT_PLAIN_RESULT] = { "INSERT INTO job.result (id, \"offset\", enqueued_at, started_at, finished_at, attempt, "
                                 "delivery, partition, cpu_ms, peak_kib, queue, type, state, worker, topic, result) "
                                 "SELECT r.id, r.ofs, r.enqueued, r.started, r.finished, 1, 1, ($13::integer[])[r.place], "
                                 "r.cpu, r.peak, ($10::text[])[r.place], ($11::text[])[r.place], 'succeeded', $1::text, "
                                 "($12::text[])[r.place], r.result::jsonb "
                                 "FROM unnest($2::uuid[], $3::bigint[], $4::timestamptz[], $5::timestamptz[], "
                                 "$6::timestamptz[], $7::integer[], $8::integer[], $9::integer[], $14::text[]) "
                                 "AS r (id, ofs, enqueued, started, finished, place, cpu, peak, result) "
                                 "ORDER BY r.id ON CONFLICT DO NOTHING" },
    /* Only the transaction that takes the lease away may end the job; a lease that is gone was ended by somebody else. */
    [STATEMENT_LEASED_RESULT] = { "WITH r AS MATERIALIZED (SELECT * FROM " RESULT_INPUT
                                  ", $19::bigint[]) AS r (" RESULT_NAMES
                                  ", token)), ended AS (DELETE FROM job.lease l USING r WHERE l.id = r.id AND "
                                  "l.token = r.token RETURNING l.id) INSERT INTO job.result (" RESULT_COLUMNS
                                  ") SELECT " RESULT_VALUES
                                  " FROM r WHERE r.id IN (SELECT id FROM ended) ORDER BY r.id "
                                  "ON CONFLICT DO NOTHING" },
    [STATEMENT_DEFER] = { "SELECT job.defer($1, $2::bigint * interval '1 microsecond', $3, $4, $5, $6, $7, $8, $9, $10, $11, "
                          "$12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26)" },
    [STATEMENT_KEYS] = { "SELECT topic, partition, key_hash, seq, id, parked "
                         "FROM job.settle_keys($1, $2, $3, $4, $5, $6, $7, $8, $9)" },
    [STATEMENT_PROGRESS] = { "UPDATE job.lease l SET progress = w.progress::jsonb "
                             "FROM unnest($1::uuid[], $2::bigint[], $3::text[]) AS w (id, token, progress) "
                             "WHERE l.id = w.id AND l.token = w.token" },
    [STATEMENT_NOTIFY] = { "SELECT pg_notify('job_result', id::text) FROM unnest($1::uuid[]) AS w (id)" },
    [STATEMENT_BEAT] = { "UPDATE job.worker SET beat_at = clock_timestamp(), quiet = string_to_array($2, ','), narrow = $3::jsonb, phase = $4 "
                         "WHERE id = $1 AND lost_at IS NULL RETURNING beat_at" },
    [STATEMENT_COMMIT] = { "COMMIT" },
    [STATEMENT_TAKE_OVER] = { "SELECT topic, partition, epoch, batch_seq, next_offset, done, log_start, unclean, crash_count, suspect, "
                              "checked_offset, checked_ts, trouble FROM job.take_over($1, $2, $3)" },
    /* Some of these may have ended: they are found when somebody waits for them. */
    [STATEMENT_HEADS] = { "SELECT DISTINCT ON (h.topic, h.partition, h.key_hash) h.topic, h.partition, h.key_hash, h.seq, h.id, "
                          "coalesce(p.reason = 'throttled', false) FROM job.hold h "
                          "JOIN unnest($1::text[], $2::integer[]) AS w (topic, partition) USING (topic, partition) "
                          "LEFT JOIN job.pending p ON p.id = h.id "
                          "ORDER BY h.topic, h.partition, h.key_hash, h.seq LIMIT $3" },
    [STATEMENT_LOOK_AT_KEYS] = { "SELECT topic, partition, key_hash, seq, id, parked FROM job.look_at_keys($1, $2, $3, true)" },
    [STATEMENT_READ_BACK] = { "SELECT c.topic, c.partition, c.epoch, c.batch_seq FROM job.cursor c "
                              "JOIN unnest($1::text[], $2::integer[]) AS w (topic, partition) USING (topic, partition) "
                              "ORDER BY c.topic, c.partition FOR UPDATE OF c" },
    [STATEMENT_NOTE_LOST] = { "SELECT job.note_lost($1, $2::integer, $3::bigint, $4::bigint, $5::bigint, $6::bigint, $7)" },
    [STATEMENT_NOTE_RECREATED] = { "SELECT job.note_recreated($1, $2::integer, $3::bigint, $4::bigint, $5)" },
    [STATEMENT_REGISTER] = { "INSERT INTO job.worker AS w (id, host, pid, queues, phase, drain_by, drain_at) VALUES ($1, $2, $3, $4, $5, $6::text, "
                             "CASE WHEN $6::text IS NOT NULL THEN clock_timestamp() END) "
                             "ON CONFLICT (id) DO UPDATE SET beat_at = clock_timestamp() WHERE w.lost_at IS NULL "
                             "RETURNING beat_at" },
    [STATEMENT_DEAD_HOOK] = { "SELECT job.set_dead_hook($1, $2), $1::text" },
    [STATEMENT_CANCELS] = { "SELECT c.id FROM job.cancel c ORDER BY c.id LIMIT 100000" },
    [STATEMENT_PAUSES] = { "SELECT q.name FROM job.queue q WHERE q.paused_at IS NOT NULL" },
    [STATEMENT_DRAINS] = { "SELECT w.drain_by FROM job.worker w WHERE w.id = $1 AND w.lost_at IS NULL" },
    [STATEMENT_UNREGISTER] = { "DELETE FROM job.worker w WHERE w.id = $1 AND NOT EXISTS "
                               "(SELECT FROM job.lease l WHERE l.worker = w.id)" },
};
const int record_n_statements = ARRAY_SIZE(record_statements);

/* Columns of the fence, in the order of job.fence(), which has the new batch_seq between them. */
enum {
    F_TOPIC,
    F_PARTITION,
    F_EPOCH,
    F_SEQ,
    F_NEXT,
    F_DONE,
    F_LOG_START,
    F_RELEASED,
    F_CAREFUL,
    F_SUSPECT,
    F_BEFORE_SEQ,
    F_CHECKED_OFFSET = F_BEFORE_SEQ,
    F_CHECKED_MS,
    F_COUNT
};
/* Columns of a result, in the order of RESULT_NAMES, and the token behind them. */
enum {
    R_ID,
    R_OFFSET,
    R_ENQUEUED,
    R_STARTED,
    R_FINISHED,
    R_ATTEMPT,
    R_DELIVERY,
    R_PARTITION,
    R_CPU,
    R_PEAK,
    R_QUEUE,
    R_TYPE,
    R_TOPIC,
    R_TRACE,
    R_PARENT,
    R_ERROR,
    R_RESULT,
    R_TOKEN,
    R_COUNT
};
/* Columns of a plain result, in the order of its statement. The places: queue, type, topic, partition. */
enum {
    P_ID,
    P_OFFSET,
    P_ENQUEUED,
    P_STARTED,
    P_FINISHED,
    P_PLACE,
    P_CPU,
    P_PEAK,
    P_QUEUES,
    P_TYPES,
    P_TOPICS,
    P_PARTITIONS,
    P_RESULT,
    P_COUNT
};
#define PLACES_MAX 64

/* Columns of a key, in the order of job.settle_keys(). */
enum { K_ID, K_TOPIC, K_PARTITION, K_HASH, K_KEY, K_SEQ, K_HOLDS, K_PASSES, K_COUNT };

/* Columns of a claim, in the order of job.claim(), are the shared ones and two of its own; job.defer() has many of its own. */
enum {
    D_ID,
    D_TOKEN,
    D_DELIVERY,
    D_ATTEMPT,
    D_QUEUE,
    D_TYPE,
    D_TOPIC,
    D_PARTITION,
    D_OFFSET,
    D_ENQUEUED,
    D_MAX_CRASHES,
    D_KEY,
    D_HEADERS,
    D_PAYLOAD,
    D_SHARED_COUNT,
    C_STARTED = D_SHARED_COUNT,
    C_FRESH,
    C_COUNT,
    D_OUTCOME = D_SHARED_COUNT,
    D_VERDICT,
    D_DELAY,
    D_ERROR,
    D_STARTED,
    D_FINISHED,
    D_CPU,
    D_PEAK,
    D_TRACE,
    D_PARENT,
    D_COUNT
};

static const enum pg_type fence_types[F_COUNT] = {
    PG_TEXT_ARRAY, PG_INT4_ARRAY, PG_INT8_ARRAY, PG_INT8_ARRAY, PG_INT8_ARRAY, PG_BYTEA_ARRAY,
    PG_INT8_ARRAY, PG_BOOL_ARRAY, PG_BOOL_ARRAY, PG_INT8_ARRAY, PG_INT8_ARRAY, PG_INT8_ARRAY,
};
static const enum pg_type result_types[R_COUNT] = {
    PG_UUID_ARRAY, PG_INT8_ARRAY, PG_TIMESTAMPTZ_ARRAY, PG_TIMESTAMPTZ_ARRAY, PG_TIMESTAMPTZ_ARRAY,
    PG_INT4_ARRAY, PG_INT4_ARRAY, PG_INT4_ARRAY,        PG_INT4_ARRAY,        PG_INT4_ARRAY,
    PG_TEXT_ARRAY, PG_TEXT_ARRAY, PG_TEXT_ARRAY,        PG_TEXT_ARRAY,        PG_UUID_ARRAY,
    PG_TEXT_ARRAY, PG_TEXT_ARRAY, PG_INT8_ARRAY,
};
static const enum pg_type plain_types[P_COUNT] = {
    PG_UUID_ARRAY, PG_INT8_ARRAY, PG_TIMESTAMPTZ_ARRAY, PG_TIMESTAMPTZ_ARRAY, PG_TIMESTAMPTZ_ARRAY,
    PG_INT4_ARRAY, PG_INT4_ARRAY, PG_INT4_ARRAY,        PG_TEXT_ARRAY,        PG_TEXT_ARRAY,
    PG_TEXT_ARRAY, PG_INT4_ARRAY, PG_TEXT_ARRAY,
};
static const enum pg_type key_types[K_COUNT] = {
    PG_UUID_ARRAY,  PG_TEXT_ARRAY, PG_INT4_ARRAY, PG_INT8_ARRAY,
    PG_BYTEA_ARRAY, PG_INT8_ARRAY, PG_BOOL_ARRAY, PG_BOOL_ARRAY,
};
static const enum pg_type deferral_types[D_COUNT] = {
    PG_UUID_ARRAY, PG_INT8_ARRAY,  PG_INT4_ARRAY, PG_INT4_ARRAY,        PG_TEXT_ARRAY,
    PG_TEXT_ARRAY, PG_TEXT_ARRAY,  PG_INT4_ARRAY, PG_INT8_ARRAY,        PG_TIMESTAMPTZ_ARRAY,
    PG_INT4_ARRAY, PG_BYTEA_ARRAY, PG_TEXT_ARRAY, PG_BYTEA_ARRAY,       PG_TEXT_ARRAY,
    PG_TEXT_ARRAY, PG_INT8_ARRAY,  PG_TEXT_ARRAY, PG_TIMESTAMPTZ_ARRAY, PG_TIMESTAMPTZ_ARRAY,
    PG_INT4_ARRAY, PG_INT4_ARRAY,  PG_TEXT_ARRAY, PG_UUID_ARRAY,
};

static const enum pg_type progress_types[] = { PG_UUID_ARRAY, PG_INT8_ARRAY, PG_TEXT_ARRAY };

/* Where a plain result's strings lie in the arrays of places; they stay valid as long as the batch's jobs. */
struct place {
    struct span type;
    const char *topic;
    int32_t partition;
};

struct record_batch {
    struct array fence[F_COUNT];
    struct array plain[P_COUNT];
    struct place places[PLACES_MAX];
    uint32_t n_places, last_place;
    struct array results[R_COUNT];
    struct array leased_results[R_COUNT];
    struct array claims[C_COUNT];
    struct array deferrals[D_COUNT];
    struct array keys[K_COUNT];
    struct array progress[3]; /* id, token, JSON */
    struct array waiters;

    int claim_at, keys_at, beat_at; /* which statement of the request; -1: none */
    record_reply_fn reply;
    void *userdata;
};

static void arrays_init(struct array *arrays, const enum pg_type *types, size_t n)
{
    for (size_t i = 0; i < n; i++)
        array_init(&arrays[i], types[i]);
}

static void arrays_done(struct array *arrays, size_t n)
{
    for (size_t i = 0; i < n; i++)
        array_done(&arrays[i]);
}

static size_t arrays_size(const struct array *arrays, size_t n)
{
    size_t size = 0;
    for (size_t i = 0; i < n; i++)
        size += arrays[i].buf.size;
    return size;
}

void record_batch_reset(struct record_batch *b)
{
    arrays_init(b->fence, fence_types, F_COUNT);
    arrays_init(b->plain, plain_types, P_COUNT);
    b->n_places = b->last_place = 0;
    arrays_init(b->results, result_types, R_COUNT);
    arrays_init(b->leased_results, result_types, R_COUNT);
    arrays_init(b->claims, deferral_types, D_SHARED_COUNT);
    array_init(&b->claims[C_STARTED], PG_TIMESTAMPTZ_ARRAY);
    array_init(&b->claims[C_FRESH], PG_BOOL_ARRAY);
    arrays_init(b->deferrals, deferral_types, D_COUNT);
    arrays_init(b->keys, key_types, K_COUNT);
    arrays_init(b->progress, progress_types, ARRAY_SIZE(progress_types));
    array_init(&b->waiters, PG_UUID_ARRAY);
}

int record_batch_new(struct record_batch **ret)
{
    struct record_batch *b = calloc(1, sizeof(*b));
    if (!b)
        return -ENOMEM;
    record_batch_reset(b);
    *ret = b;
    return 0;
}

struct record_batch *record_batch_free(struct record_batch *b)
{
    if (!b)
        return NULL;
    arrays_done(b->fence, F_COUNT);
    arrays_done(b->plain, P_COUNT);
    arrays_done(b->results, R_COUNT);
    arrays_done(b->leased_results, R_COUNT);
    arrays_done(b->claims, C_COUNT);
    arrays_done(b->deferrals, D_COUNT);
    arrays_done(b->keys, K_COUNT);
    arrays_done(b->progress, ARRAY_SIZE(b->progress));
    array_done(&b->waiters);
    free(b);
    return NULL;
}

size_t record_batch_size_bytes(const struct record_batch *b)
{
    return arrays_size(b->plain, P_COUNT) + arrays_size(b->results, R_COUNT) +
           arrays_size(b->leased_results, R_COUNT) + arrays_size(b->claims, C_COUNT) +
           arrays_size(b->deferrals, D_COUNT) + arrays_size(b->keys, K_COUNT);
}

static void append_string(struct array *a, const char *string)
{
    array_append_span(a, span_from_string(string));
}

static void append_known(struct array *a, int32_t value)
{
    if (value < 0)
        array_append_null(a);
    else
        array_append_int(a, value);
}

static void append_known_bigint(struct array *a, int64_t value)
{
    if (value < 0)
        array_append_null(a);
    else
        array_append_bigint(a, value);
}

void record_add_cursor(struct record_batch *b, const struct record_cursor *c)
{
    struct array *a = b->fence;
    append_string(&a[F_TOPIC], c->topic);
    array_append_int(&a[F_PARTITION], c->partition);
    array_append_bigint(&a[F_EPOCH], c->epoch);
    array_append_bigint(&a[F_SEQ], c->seq);
    array_append_bigint(&a[F_NEXT], c->next_offset);
    array_append_span(&a[F_DONE], c->done.data ? c->done : (struct span){ "", 0 });
    append_known_bigint(&a[F_LOG_START], c->log_start);
    array_append_bool(&a[F_RELEASED], c->released);
    array_append_bool(&a[F_CAREFUL], c->careful);
    append_known_bigint(&a[F_SUSPECT], c->suspect);
    append_known_bigint(&a[F_CHECKED_OFFSET], c->checked_offset);
    append_known_bigint(&a[F_CHECKED_MS], c->checked_ms);
}

static bool place_is(const struct place *place, const struct record_row *row)
{
    return place->partition == row->partition && place->type.size == row->type.size &&
           memcmp(place->type.data, row->type.data, row->type.size) == 0 &&
           strcmp(place->topic, row->topic) == 0;
}

/* Return: the number of the row's place, from 0; PLACES_MAX when there is no room for one more. */
static uint32_t find_place(struct record_batch *b, const struct record_row *row)
{
    if (b->n_places && place_is(&b->places[b->last_place], row))
        return b->last_place;
    for (uint32_t i = 0; i < b->n_places; i++)
        if (place_is(&b->places[i], row))
            return i;
    if (b->n_places == PLACES_MAX)
        return PLACES_MAX;
    b->places[b->n_places] = (struct place){ row->type, row->topic, row->partition };
    array_append_span(&b->plain[P_QUEUES], row->queue);
    array_append_span(&b->plain[P_TYPES], row->type);
    append_string(&b->plain[P_TOPICS], row->topic);
    array_append_int(&b->plain[P_PARTITIONS], row->partition);
    return b->n_places++;
}

static bool is_plain(const struct record_row *row)
{
    return !row->token && row->attempt == 1 && row->delivery == 1 && !row->trace_id.data &&
           !row->error.data && uuid_is_null(&row->parent);
}

/* Return: false when it has to go the long way. */
static bool add_plain(struct record_batch *b, const struct record_row *row)
{
    struct array *a = b->plain;
    uint32_t place = is_plain(row) ? find_place(b, row) : PLACES_MAX;
    if (place == PLACES_MAX)
        return false;
    b->last_place = place;
    array_append_uuid(&a[P_ID], &row->id);
    array_append_bigint(&a[P_OFFSET], row->offset);
    array_append_time(&a[P_ENQUEUED], row->enqueued_us);
    array_append_time(&a[P_STARTED], row->started_us);
    array_append_time(&a[P_FINISHED], row->finished_us);
    array_append_int(&a[P_PLACE], (int32_t)place + 1);
    append_known(&a[P_CPU], row->cpu_ms);
    append_known(&a[P_PEAK], row->peak_kib);
    array_append_span(&a[P_RESULT], row->result);
    return true;
}

void record_add_success(struct record_batch *b, const struct record_row *row)
{
    if (add_plain(b, row))
        return;
    struct array *a = row->token ? b->leased_results : b->results;
    array_append_uuid(&a[R_ID], &row->id);
    array_append_bigint(&a[R_OFFSET], row->offset);
    array_append_time(&a[R_ENQUEUED], row->enqueued_us);
    array_append_time(&a[R_STARTED], row->started_us);
    array_append_time(&a[R_FINISHED], row->finished_us);
    array_append_int(&a[R_ATTEMPT], row->attempt);
    array_append_int(&a[R_DELIVERY], row->delivery);
    array_append_int(&a[R_PARTITION], row->partition);
    append_known(&a[R_CPU], row->cpu_ms);
    append_known(&a[R_PEAK], row->peak_kib);
    array_append_span(&a[R_QUEUE], row->queue);
    array_append_span(&a[R_TYPE], row->type);
    append_string(&a[R_TOPIC], row->topic);
    array_append_span(&a[R_TRACE], row->trace_id);
    array_append_uuid(&a[R_PARENT], &row->parent);
    array_append_span(&a[R_ERROR], row->error);
    array_append_span(&a[R_RESULT], row->result);
    if (row->token)
        array_append_bigint(&a[R_TOKEN], row->token);
}

/* The columns that a claim and a deferral share. */
static void add_lease_columns(struct array *a, const struct record_row *row)
{
    array_append_uuid(&a[D_ID], &row->id);
    if (row->token)
        array_append_bigint(&a[D_TOKEN], row->token);
    else
        array_append_null(&a[D_TOKEN]);
    array_append_int(&a[D_DELIVERY], row->delivery);
    array_append_int(&a[D_ATTEMPT], row->attempt);
    array_append_span(&a[D_QUEUE], row->queue);
    array_append_span(&a[D_TYPE], row->type);
    append_string(&a[D_TOPIC], row->topic);
    array_append_int(&a[D_PARTITION], row->partition);
    array_append_bigint(&a[D_OFFSET], row->offset);
    array_append_time(&a[D_ENQUEUED], row->enqueued_us);
    array_append_int(&a[D_MAX_CRASHES], row->max_crashes);
    array_append_span(&a[D_KEY], row->key);
    array_append_span(&a[D_HEADERS], row->headers_json);
    array_append_span(&a[D_PAYLOAD], row->payload);
}

void record_add_claim(struct record_batch *b, const struct record_row *row)
{
    add_lease_columns(b->claims, row);
    array_append_time(&b->claims[C_STARTED], row->started_us);
    array_append_bool(&b->claims[C_FRESH], row->fresh);
}

void record_add_deferral(struct record_batch *b, const struct record_row *row)
{
    struct array *a = b->deferrals;
    add_lease_columns(a, row);
    append_string(&a[D_OUTCOME], row->outcome);
    append_string(&a[D_VERDICT], row->verdict);
    array_append_bigint(&a[D_DELAY], row->delay_us);
    array_append_span(&a[D_ERROR], row->error);
    array_append_time(&a[D_STARTED], row->started_us);
    array_append_time(&a[D_FINISHED], row->finished_us);
    append_known(&a[D_CPU], row->cpu_ms);
    append_known(&a[D_PEAK], row->peak_kib);
    array_append_span(&a[D_TRACE], row->trace_id);
    array_append_uuid(&a[D_PARENT], &row->parent);
}

void record_add_key(struct record_batch *b, const struct record_key *key)
{
    struct array *a = b->keys;
    array_append_uuid(&a[K_ID], &key->id);
    append_string(&a[K_TOPIC], key->topic);
    array_append_int(&a[K_PARTITION], key->partition);
    array_append_bigint(&a[K_HASH], (int64_t)key->hash);
    array_append_span(&a[K_KEY], key->key);
    array_append_bigint(&a[K_SEQ], key->seq);
    array_append_bool(&a[K_HOLDS], key->holds);
    array_append_bool(&a[K_PASSES], key->passes);
}

void record_add_progress(struct record_batch *b, const struct uuid *id, int64_t token, struct span json)
{
    array_append_uuid(&b->progress[0], id);
    array_append_bigint(&b->progress[1], token);
    array_append_span(&b->progress[2], json);
}

void record_add_waiter(struct record_batch *b, const struct uuid *id)
{
    array_append_uuid(&b->waiters, id);
}

/* --- Sending ----------------------------------------------------------------------------------------------------------- */

static size_t put_arrays(struct db_param *params, struct array *arrays, size_t n)
{
    for (size_t i = 0; i < n; i++)
        params[i] = array_param(&arrays[i]);
    return n;
}

struct bigint_text {
    char text[24];
};

static struct db_param bigint_param(int64_t value, struct bigint_text *room)
{
    snprintf(room->text, sizeof(room->text), "%lld", (long long)value);
    return db_text(room->text);
}

static void send_fence(struct record_batch *b, struct session *s, int64_t new_seq)
{
    struct db_param params[F_COUNT + 1];
    struct bigint_text seq;
    size_t n = put_arrays(params, b->fence, F_BEFORE_SEQ);
    params[n++] = bigint_param(new_seq, &seq);
    n += put_arrays(params + n, b->fence + F_BEFORE_SEQ, F_COUNT - F_BEFORE_SEQ);
    session_add(s, STATEMENT_FENCE, params, (int)n);
}

static void send_rows(struct session *s, int statement, const char *worker, struct array *arrays, size_t n)
{
    struct db_param params[R_COUNT + 1];
    params[0] = db_text(worker);
    put_arrays(params + 1, arrays, n);
    session_add(s, statement, params, (int)n + 1);
}

static void send_deferrals(struct record_batch *b, struct session *s, const char *worker,
                           int64_t parked_grace_us)
{
    struct db_param params[D_COUNT + 2];
    struct bigint_text grace;
    params[0] = db_text(worker);
    params[1] = bigint_param(parked_grace_us, &grace);
    put_arrays(params + 2, b->deferrals, D_COUNT);
    session_add(s, STATEMENT_DEFER, params, D_COUNT + 2);
}

static void send_progress(struct record_batch *b, struct session *s)
{
    struct db_param params[ARRAY_SIZE(b->progress)];
    put_arrays(params, b->progress, ARRAY_SIZE(b->progress));
    session_add(s, STATEMENT_PROGRESS, params, ARRAY_SIZE(b->progress));
}

static bool sqlstate_in_class(const char *sqlstate, const char *class)
{
    return strncmp(sqlstate, class, 2) == 0;
}

static enum record_outcome judge_refusal(const struct store_refusal *refusal)
{
    const char *sqlstate = refusal->sqlstate;
    if (strcmp(sqlstate, "JB001") == 0)
        return RECORD_FENCED;
    if (strcmp(sqlstate, "23503") == 0)
        return RECORD_GONE; /* the only foreign key is from a lease to its worker */
    if (sqlstate_in_class(sqlstate, "22") || sqlstate_in_class(sqlstate, "23") ||
        sqlstate_in_class(sqlstate, "54"))
        return RECORD_ROW_REFUSED;
    return RECORD_REPEAT;
}

static void finish(const struct session_reply *in, void *userdata)
{
    struct record_batch *b = userdata;
    struct record_reply out = { .outcome = RECORD_DONE };
    if (in->outcome == STORE_AWAY) {
        out.outcome = RECORD_UNKNOWN;
    } else if (in->outcome == STORE_REFUSED) {
        out.outcome = judge_refusal(&in->refusal);
        memcpy(out.sqlstate, in->refusal.sqlstate, sizeof(out.sqlstate));
        out.text = in->refusal.text;
    } else {
        const struct rows *beat = in->rows[b->beat_at];
        out.claimed = b->claim_at >= 0 ? in->rows[b->claim_at] : NULL;
        out.heads = b->keys_at >= 0 ? in->rows[b->keys_at] : NULL;
        out.beaten = rows_count(beat) == 1;
        out.server_time_us = out.beaten ? rows_time_us(beat, 0, 0) : 0;
    }
    b->reply(&out, b->userdata);
}

/* Asks for all that record_send() may add: two statements without BEGIN would be two transactions. */
static bool is_bare_beat(const struct record_batch *b)
{
    return !b->fence[0].n && !b->claims[0].n && !b->plain[0].n && !b->results[0].n &&
           !b->leased_results[0].n && !b->deferrals[0].n && !b->keys[0].n && !b->progress[0].n &&
           !b->waiters.n;
}

void record_send(struct record_batch *b, struct session *s, const struct record_beat *beat, int64_t new_seq,
                 int64_t parked_grace_us, record_reply_fn reply, void *userdata)
{
    struct db_param param;
    const char *worker = beat->worker;
    const struct db_param told[] = { db_text(worker), db_text(beat->quiet), db_text(beat->narrow),
                                     db_text(beat->phase) };
    int n = 0;
    b->reply = reply;
    b->userdata = userdata;
    b->claim_at = b->keys_at = -1;
    bool is_bare = is_bare_beat(b); /* one statement is a transaction by itself */
    if (!is_bare)
        session_add(s, STATEMENT_BEGIN, NULL, 0), n++;
    if (b->fence[0].n)
        send_fence(b, s, new_seq), n++;
    if (b->claims[0].n) {
        b->claim_at = n++;
        send_rows(s, STATEMENT_CLAIM, worker, b->claims, C_COUNT);
    }
    if (b->plain[0].n)
        send_rows(s, STATEMENT_PLAIN_RESULT, worker, b->plain, P_COUNT), n++;
    if (b->results[0].n)
        send_rows(s, STATEMENT_RESULT, worker, b->results, R_COUNT - 1), n++;
    if (b->leased_results[0].n)
        send_rows(s, STATEMENT_LEASED_RESULT, worker, b->leased_results, R_COUNT), n++;
    if (b->deferrals[0].n)
        send_deferrals(b, s, worker, parked_grace_us), n++;
    if (b->keys[0].n) {
        b->keys_at = n++;
        send_rows(s, STATEMENT_KEYS, worker, b->keys, K_COUNT);
    }
    if (b->progress[0].n)
        send_progress(b, s), n++;
    if (b->waiters.n) {
        param = array_param(&b->waiters);
        session_add(s, STATEMENT_NOTIFY, &param, 1), n++;
    }
    session_add(s, STATEMENT_BEAT, told, ARRAY_SIZE(told));
    b->beat_at = n;
    if (!is_bare)
        session_add(s, STATEMENT_COMMIT, NULL, 0);
    session_submit(s, finish, b);
}

/* --- Around the batches ------------------------------------------------------------------------------------------------ */

/* Adds a statement about places; @more (a third parameter) may be NULL. */
static void add_places(struct session *s, int statement, const struct record_place *places, size_t n,
                       const struct db_param *more)
{
    struct array topics = { 0 }, partitions = { 0 };
    array_init(&topics, PG_TEXT_ARRAY);
    array_init(&partitions, PG_INT4_ARRAY);
    for (size_t i = 0; i < n; i++) {
        append_string(&topics, places[i].topic);
        array_append_int(&partitions, places[i].partition);
    }
    struct db_param params[] = { array_param(&topics), array_param(&partitions), more ? *more : db_null() };
    session_add(s, statement, params, more ? 3 : 2);
    array_done(&topics);
    array_done(&partitions);
}

void record_take_over(struct session *s, const struct record_place *places, size_t n, const char *worker,
                      int64_t max_heads, session_reply_fn reply, void *userdata)
{
    struct bigint_text room;
    const struct db_param owner = db_text(worker), limit = bigint_param(max_heads, &room);
    add_places(s, STATEMENT_TAKE_OVER, places, n, &owner);
    if (max_heads)
        add_places(s, STATEMENT_HEADS, places, n, &limit);
    session_submit(s, reply, userdata);
}

void record_look_at_keys(struct session *s, const struct record_look *keys, size_t n, session_reply_fn reply,
                         void *userdata)
{
    struct array topics = { 0 }, partitions = { 0 }, hashes = { 0 };
    array_init(&topics, PG_TEXT_ARRAY);
    array_init(&partitions, PG_INT4_ARRAY);
    array_init(&hashes, PG_INT8_ARRAY);
    for (size_t i = 0; i < n; i++) {
        append_string(&topics, keys[i].place.topic);
        array_append_int(&partitions, keys[i].place.partition);
        array_append_bigint(&hashes, (int64_t)keys[i].hash);
    }
    struct db_param params[] = { array_param(&topics), array_param(&partitions), array_param(&hashes) };
    session_add(s, STATEMENT_LOOK_AT_KEYS, params, ARRAY_SIZE(params));
    session_submit(s, reply, userdata);
    array_done(&topics);
    array_done(&partitions);
    array_done(&hashes);
}

void record_read_back(struct session *s, const struct record_place *places, size_t n, session_reply_fn reply,
                      void *userdata)
{
    add_places(s, STATEMENT_READ_BACK, places, n, NULL);
    session_submit(s, reply, userdata);
}

void record_note_log(struct session *s, const struct record_log_note *note, session_reply_fn reply,
                     void *userdata)
{
    struct bigint_text room[5];
    const struct db_param lost[] = {
        db_text(note->place.topic),
        bigint_param(note->place.partition, &room[0]),
        bigint_param(note->epoch, &room[1]),
        bigint_param(note->from, &room[2]),
        bigint_param(note->to, &room[3]),
        bigint_param(note->jobs, &room[4]),
        db_text(note->ranges),
    };
    const struct db_param recreated[] = { lost[0], lost[1], lost[3], lost[4], lost[6] };
    if (note->recreated)
        session_add(s, STATEMENT_NOTE_RECREATED, recreated, ARRAY_SIZE(recreated));
    else
        session_add(s, STATEMENT_NOTE_LOST, lost, ARRAY_SIZE(lost));
    session_submit(s, reply, userdata);
}

void record_register(struct session *s, const struct record_worker *worker, session_reply_fn reply,
                     void *userdata)
{
    struct array names = { 0 };
    struct bigint_text number;
    array_init(&names, PG_TEXT_ARRAY);
    for (size_t i = 0; i < worker->n_queues; i++)
        array_append_span(&names, worker->queues[i]);
    struct db_param params[] = {
        db_text(worker->id), db_text(worker->host),  bigint_param(worker->pid, &number),
        array_param(&names), db_text(worker->phase), db_text(worker->drain_by)
    };
    session_add(s, STATEMENT_REGISTER, params, ARRAY_SIZE(params));
    session_submit(s, reply, userdata);
    array_done(&names);
}

void record_set_dead_hook(struct session *s, const char *queue, const char *worker, session_reply_fn reply,
                          void *userdata)
{
    const struct db_param params[] = { db_text(queue), db_text(worker) };
    session_add(s, STATEMENT_DEAD_HOOK, params, ARRAY_SIZE(params));
    session_submit(s, reply, userdata);
}

void record_list_wishes(struct session *s, const char *worker, session_reply_fn reply, void *userdata)
{
    struct db_param param = db_text(worker);
    session_add(s, STATEMENT_CANCELS, NULL, 0);
    session_add(s, STATEMENT_PAUSES, NULL, 0);
    session_add(s, STATEMENT_DRAINS, &param, 1);
    session_submit(s, reply, userdata);
}

void record_unregister(struct session *s, const char *worker, session_reply_fn reply, void *userdata)
{
    struct db_param param = db_text(worker);
    session_add(s, STATEMENT_UNREGISTER, &param, 1);
    session_submit(s, reply, userdata);
}
