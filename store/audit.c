/* SPDX-License-Identifier: Apache-2.0 */
#include "store/audit.h"

int audit_set_actor(struct db *db, const char *actor, struct err *reterr)
{
    const struct db_param params[] = { db_text(actor) };
    return db_query(db, "SELECT set_config('job.actor', $1, false)", params, 1, NULL, reterr);
}
