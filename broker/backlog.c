/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/backlog.h"

#include <errno.h>
#include <stdlib.h>

void backlog_done(struct backlog *b)
{
    free(b->places);
    *b = (struct backlog){ 0 };
}

/* A queue has few partitions, and messages come in runs. */
static struct backlog_place *find(const struct backlog *b, enum name_lane lane, int32_t partition)
{
    for (size_t i = 0; i < b->n; i++)
        if (b->places[i].partition == partition && b->places[i].lane == lane)
            return &b->places[i];
    return NULL;
}

static int add(struct backlog *b, const struct backlog_place *place)
{
    struct backlog_place *places = reallocarray(b->places, b->n + 1, sizeof(*places));
    if (!places)
        return -ENOMEM;
    b->places = places;
    b->places[b->n++] = *place;
    b->has_news = true;
    return 0;
}

int backlog_note_sent(struct backlog *b, enum name_lane lane, int32_t partition, int64_t offset)
{
    struct backlog_place *place = find(b, lane, partition);
    if (!place)
        return add(b, &(struct backlog_place){ lane, partition, offset + 1, offset });
    if (offset < place->done) { /* the log is another one than before */
        place->done = offset;
        b->has_news = true;
    }
    place->end = offset + 1;
    return 0;
}

void backlog_note_cursor(struct backlog *b, enum name_lane lane, int32_t partition, int64_t next_offset,
                         int64_t n_beyond)
{
    struct backlog_place *place = find(b, lane, partition);
    if (place)
        place->done = next_offset + n_beyond;
}

int64_t backlog_count(const struct backlog *b)
{
    int64_t n = 0;
    for (size_t i = 0; i < b->n; i++)
        if (b->places[i].end > b->places[i].done)
            n += b->places[i].end - b->places[i].done;
    return n;
}
