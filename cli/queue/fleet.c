/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/queue/fleet.h"

#include <stdio.h>
#include <string.h>

#include "base/suggest.h"
#include "store/workers.h"

#define NAMED_MAX 4 /* of those that a word may mean */

static int refuse_unknown(struct invocation *in, const char *word, struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    struct suggest near = { .word = word };
    int r = workers_list(in->db, &(struct workers_filter){ 0 }, &rows, reterr);
    if (r)
        return invocation_judge_store(in, r, reterr);
    if (rows_count(rows) == 0)
        return err_set(reterr, STATUS_NOT_FOUND, "no worker \"%s\": no worker is registered at all", word);
    for (size_t i = 0; i < rows_count(rows); i++) {
        suggest_consider(&near, rows_text(rows, i, FLEET_ID));
        suggest_consider(&near, rows_text(rows, i, FLEET_HOST));
    }
    return err_set(reterr, STATUS_NOT_FOUND, "no worker \"%s\"; the nearest name is \"%s\"", word,
                   near.nearest);
}

static int refuse_several(const char *word, const struct rows *rows, struct err *reterr)
{
    char names[512] = "";
    size_t n = rows_count(rows);
    for (size_t i = 0; i < n && i < NAMED_MAX; i++)
        snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s", i ? ", " : "",
                 rows_text(rows, i, FLEET_ID));
    return err_set(reterr, STATUS_USAGE, "\"%s\" could be one of %zu workers: %s%s", word, n, names,
                   n > NAMED_MAX ? ", …" : "");
}

int fleet_find(struct invocation *in, const char *word, struct rows **ret, struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    int r = invocation_connect(in, reterr);
    if (r)
        return r;
    if (!word[0])
        return err_set(reterr, STATUS_USAGE,
                       "a worker is named by its id, its beginning, or its host, like \"web3/4711\"");
    r = workers_list(in->db, &(struct workers_filter){ .word = word }, &rows, reterr);
    if (r)
        return invocation_judge_store(in, r, reterr);
    if (rows_count(rows) == 0)
        return refuse_unknown(in, word, reterr);
    if (rows_count(rows) > 1 && strcmp(rows_text(rows, 0, FLEET_ID), word) != 0)
        return refuse_several(word, rows, reterr);
    *ret = steal(rows);
    return STATUS_DONE;
}
