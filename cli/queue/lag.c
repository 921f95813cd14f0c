/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/queue/lag.h"

#include <stdlib.h>
#include <string.h>

/* A log without cursor is still to be done from its start on; what was trimmed behind a cursor is done. */
static void measure(struct lag_place *p, const struct admin_range *range)
{
    int64_t from = p->next_offset > range->start ? p->next_offset : range->start;
    p->end = range->end;
    p->lag = range->end > from ? range->end - from : 0;
}

/* Of one topic. */
static int read_topic(struct invocation *in, struct lag_place *places, size_t n, struct err *reterr)
{
    struct admin_topic topic = { 0 };
    int r = admin_find_topic(in->admin, places->topic, &topic, reterr);
    if (r == ADMIN_NO_TOPIC)
        return STATUS_DONE;
    if (r)
        return invocation_judge_kafka(in, r, reterr);
    free(topic.name);
    _cleanup_free_ struct admin_range *ranges = calloc((size_t)topic.n_partitions + 1, sizeof(*ranges));
    if (!ranges)
        return err_set(reterr, STATUS_FAILED, "out of memory");
    r = admin_read_ranges(in->admin, places->topic, topic.n_partitions, ranges, reterr);
    for (size_t i = 0; r == 0 && i < n; i++)
        if (places[i].partition < topic.n_partitions)
            measure(&places[i], &ranges[places[i].partition]);
    return invocation_judge_kafka(in, r, reterr);
}

int lag_read(struct invocation *in, struct lag_place *places, size_t n, struct err *reterr)
{
    int r = invocation_prepare_kafka(in, reterr);
    for (size_t i = 0; i < n; i++)
        places[i].end = places[i].lag = -1;
    for (size_t i = 0, m; i < n && r == STATUS_DONE; i += m) {
        for (m = 1; i + m < n && strcmp(places[i + m].topic, places[i].topic) == 0;)
            m++;
        r = read_topic(in, &places[i], m, reterr);
    }
    return r;
}
