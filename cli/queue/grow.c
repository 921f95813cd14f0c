/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/queue/grow.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "store/queues.h"
#include "store/trim.h"

bool grow_is_ordered(const struct invocation *in, const char *queue)
{
    for (size_t i = 0; i < in->config->n_handlers; i++) {
        const struct config_handler *h = &in->config->handlers[i];
        if (h->order != CONFIG_KEYS_NONE && strcmp(h->queue, queue) == 0)
            return true;
    }
    return false;
}

/* Jobs of one partition that are in the log and not done; without a cursor all of them. */
static int count_lag(struct invocation *in, const char *topic, int32_t partition,
                     const struct admin_range *range, int64_t *ret, struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    int r = queues_find_cursor(in->db, topic, partition, &rows, reterr);
    if (r)
        return invocation_judge_store(in, r, reterr);
    int64_t from = rows_count(rows) ? rows_bigint(rows, 0, 0) : range->start;
    *ret += range->end > from ? range->end - from : 0;
    return STATUS_DONE;
}

static int list_lag(struct invocation *in, const char *topic, int32_t n_partitions, struct buf *left,
                    struct err *reterr)
{
    int64_t lag = 0;
    _cleanup_free_ struct admin_range *ranges = calloc((size_t)n_partitions + 1, sizeof(*ranges));
    if (!ranges)
        return err_set(reterr, STATUS_FAILED, "out of memory");
    int r =
        invocation_judge_kafka(in, admin_read_ranges(in->admin, topic, n_partitions, ranges, reterr), reterr);
    for (int32_t p = 0; p < n_partitions && r == STATUS_DONE; p++)
        r = count_lag(in, topic, p, &ranges[p], &lag, reterr);
    if (r == STATUS_DONE && lag)
        buf_append_format(left, "%" PRId64 " records are not done", lag);
    return r;
}

int grow_list_undrained(struct invocation *in, const char *queue, const char *topic, int32_t n_partitions,
                        struct buf *left, struct err *reterr)
{
    int64_t keyed = 0;
    int r = invocation_connect(in, reterr);
    if (r == STATUS_DONE)
        r = list_lag(in, topic, n_partitions, left, reterr);
    if (r == STATUS_DONE)
        r = invocation_judge_store(in, trim_count_keyed(in->db, queue, &keyed, reterr), reterr);
    if (r == STATUS_DONE && keyed)
        buf_append_format(left, "%s%" PRId64 " jobs with a key wait or run", left->size ? ", " : "", keyed);
    return r;
}
