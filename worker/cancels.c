/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/cancels.h"

#include <errno.h>
#include <string.h>

void cancels_done(struct cancels *c)
{
    free(c->ids);
    *c = (struct cancels){ 0 };
}

void cancels_clear(struct cancels *c)
{
    c->n = 0;
}

/* Return: where @id is or would be. */
static size_t find(const struct cancels *c, const struct uuid *id, bool *ret_found)
{
    size_t low = 0, high = c->n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (memcmp(c->ids[middle].bytes, id->bytes, sizeof(id->bytes)) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *ret_found = low < c->n && uuid_equal(&c->ids[low], id);
    return low;
}

static int grow(struct cancels *c)
{
    size_t room = c->room ? 2 * c->room : 64;
    struct uuid *ids = reallocarray(c->ids, room, sizeof(*ids));
    if (!ids)
        return -ENOMEM;
    c->ids = ids;
    c->room = room;
    return 0;
}

int cancels_add(struct cancels *c, const struct uuid *id)
{
    bool found;
    size_t at = find(c, id, &found);
    if (found)
        return 0;
    if (c->n == CANCELS_MAX)
        return 1;
    if (c->n == c->room && grow(c) < 0)
        return -ENOMEM;
    memmove(&c->ids[at + 1], &c->ids[at], (c->n - at) * sizeof(*c->ids));
    c->ids[at] = *id;
    c->n++;
    return 0;
}

void cancels_remove(struct cancels *c, const struct uuid *id)
{
    bool found;
    size_t at = find(c, id, &found);
    if (!found)
        return;
    c->n--;
    memmove(&c->ids[at], &c->ids[at + 1], (c->n - at) * sizeof(*c->ids));
}

bool cancels_has(const struct cancels *c, const struct uuid *id)
{
    bool found = false;
    if (c->n)
        find(c, id, &found);
    return found;
}
