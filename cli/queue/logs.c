/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/queue/logs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libjob/names.h"

void logs_done(struct logs *l)
{
    rows_free(l->rows);
    free(l->list);
}

bool log_row_stands(const struct log_row *row)
{
    if (row->place.trouble)
        return strcmp(row->place.trouble, "reset") != 0;
    return row->is_there && row->log.verdict == TOPIC_RECREATED;
}

static bool is_wanted(const struct invocation *in, const char *topic, const char *const *names, size_t n)
{
    struct span queue = name_queue_of_topic(in->config->prefix, topic);
    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i], topic) == 0 || (queue.data && span_equals(queue, names[i])))
            return true;
    return n == 0;
}

static int take_rows(const struct invocation *in, const char *const *names, size_t n_names, struct logs *l)
{
    l->list = calloc(rows_count(l->rows) + 1, sizeof(*l->list));
    for (size_t i = 0; l->list && i < rows_count(l->rows); i++) {
        trim_get(l->rows, i, &l->list[l->n].place);
        l->n += is_wanted(in, l->list[l->n].place.topic, names, n_names);
    }
    return l->list ? STATUS_DONE : STATUS_FAILED;
}

/* --- One topic --- */

static int check(struct invocation *in, struct log_row *rows, size_t n, struct err *reterr)
{
    _cleanup_free_ struct topic_cursor *cursors = calloc(n + 1, sizeof(*cursors));
    _cleanup_free_ struct topic_log *found = calloc(n + 1, sizeof(*found));
    if (!cursors || !found)
        return err_set(reterr, STATUS_FAILED, "out of memory");
    for (size_t i = 0; i < n; i++) {
        const struct trim_place *p = &rows[i].place;
        cursors[i] = (struct topic_cursor){ p->partition, p->next_offset, p->log_start, p->checked_offset,
                                            p->checked_ms };
    }
    int r = topic_check_logs(in->admin, rows->place.topic, cursors, n, found, reterr);
    for (size_t i = 0; i < n && r == 0; i++) {
        rows[i].log = found[i];
        rows[i].is_there = true;
    }
    return invocation_judge_kafka(in, r, reterr);
}

/* @n: rows of one topic. Those of partitions that Kafka does not have come last. */
static int check_topic(struct invocation *in, struct log_row *rows, size_t n, struct err *reterr)
{
    struct admin_topic there;
    size_t n_there = 0;
    struct err none = { 0 };
    int r = admin_find_topic(in->admin, rows->place.topic, &there, &none);
    if (r == ADMIN_NO_TOPIC)
        return STATUS_DONE;
    if (r) {
        *reterr = none;
        return invocation_judge_kafka(in, r, reterr);
    }
    free(there.name);
    while (n_there < n && rows[n_there].place.partition < there.n_partitions)
        n_there++;
    return n_there ? check(in, rows, n_there, reterr) : STATUS_DONE;
}

int logs_read(struct invocation *in, const char *const *names, size_t n_names, struct logs *ret,
              struct err *reterr)
{
    char prefix[NAME_TOPIC_MAX + 2];
    *ret = (struct logs){ 0 };
    snprintf(prefix, sizeof(prefix), "%s.", in->config->prefix);
    int r = invocation_connect(in, reterr);
    if (r == STATUS_DONE)
        r = invocation_prepare_kafka(in, reterr);
    if (r == STATUS_DONE)
        r = invocation_judge_store(
            in, trim_list(in->db, prefix, in->config->broker.trim_after_us, &ret->rows, reterr), reterr);
    if (r == STATUS_DONE)
        r = take_rows(in, names, n_names, ret);
    for (size_t i = 0, n; i < ret->n && r == STATUS_DONE; i += n) {
        for (n = 1; i + n < ret->n && strcmp(ret->list[i + n].place.topic, ret->list[i].place.topic) == 0;)
            n++;
        r = check_topic(in, &ret->list[i], n, reterr);
    }
    if (r)
        logs_done(ret);
    return r;
}
