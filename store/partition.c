/* SPDX-License-Identifier: Apache-2.0 */
#include "store/partition.h"

#include <stdio.h>

int partition_create(struct db *db, int days_ahead, int *ret_made, struct err *reterr)
{
    char days[16];
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    snprintf(days, sizeof(days), "%d", days_ahead);
    const struct db_param params[] = { db_text(days) };
    int r = db_query(db, "SELECT job.create_partitions($1::integer)", params, 1, &rows, reterr);
    if (r == 0)
        *ret_made = rows_int(rows, 0, 0);
    return r;
}
