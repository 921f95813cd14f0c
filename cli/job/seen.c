/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/job/seen.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define PLACES_MIN 256

void seen_done(struct seen *s)
{
    free(s->rows);
    free(s->places);
    *s = (struct seen){ 0 };
}

bool seen_is_before(uint32_t xid, uint32_t horizon)
{
    return (int32_t)(xid - horizon) < 0;
}

/* The low half of an id is random, or a hash. */
static size_t hash(const struct uuid *id, int32_t delivery)
{
    uint64_t low;
    memcpy(&low, id->bytes + 8, sizeof(low));
    return (size_t)((low ^ (uint64_t)(uint32_t)delivery) * 0x9e3779b97f4a7c15u >> 17);
}

/* Where it is, or would be. */
static size_t find(const struct seen *s, const struct uuid *id, int32_t delivery)
{
    size_t at = hash(id, delivery) & (s->n_places - 1);
    for (; s->places[at]; at = (at + 1) & (s->n_places - 1)) {
        const struct seen_row *row = &s->rows[s->places[at] - 1];
        if (row->delivery == delivery && uuid_equal(&row->id, id))
            break;
    }
    return at;
}

bool seen_has(const struct seen *s, const struct uuid *id, int32_t delivery)
{
    return s->n > 0 && s->places[find(s, id, delivery)] != 0;
}

static void index_all(struct seen *s)
{
    memset(s->places, 0, s->n_places * sizeof(*s->places));
    for (size_t i = 0; i < s->n; i++)
        s->places[find(s, &s->rows[i].id, s->rows[i].delivery)] = (uint32_t)i + 1;
}

static int grow(struct seen *s)
{
    size_t room = s->room ? 2 * s->room : PLACES_MIN;
    struct seen_row *rows = reallocarray(s->rows, room, sizeof(*rows));
    if (!rows)
        return -ENOMEM;
    s->rows = rows;
    uint32_t *places = reallocarray(s->places, 2 * room, sizeof(*places));
    if (!places)
        return -ENOMEM;
    s->places = places;
    s->n_places = 2 * room;
    s->room = room;
    index_all(s);
    return 0;
}

int seen_add(struct seen *s, const struct seen_row *row)
{
    if (seen_has(s, &row->id, row->delivery))
        return 0;
    if (s->n == SEEN_MAX)
        return 1;
    if (s->n == s->room && grow(s) < 0)
        return -ENOMEM;
    s->rows[s->n] = *row;
    s->places[find(s, &row->id, row->delivery)] = (uint32_t)++s->n;
    return 0;
}

void seen_forget(struct seen *s, uint32_t horizon, int64_t from_us)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->n; i++)
        if (!seen_is_before(s->rows[i].xid, horizon) && s->rows[i].finished_us >= from_us)
            s->rows[kept++] = s->rows[i];
    if (kept == s->n)
        return;
    s->n = kept;
    index_all(s);
}
