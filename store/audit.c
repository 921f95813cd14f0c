/* SPDX-License-Identifier: Apache-2.0 */
#include "store/audit.h"

int audit_set_actor(struct db *db, const char *actor, struct err *reterr)
{
    const struct db_param params[] = { db_text(actor) };
    return db_query(db, "SELECT set_config('job.actor', $1, false)", params, 1, NULL, reterr);
}

int audit_note(struct db *db, const char *action, const char *queue, const char *detail, struct err *reterr)
{
    const struct db_param params[] = { db_text(action), db_text(queue), db_text(detail) };
    return db_query(
        db, "INSERT INTO job.audit (actor, action, queue, detail) VALUES (job.actor(), $1, $2, $3::jsonb)",
        params, 3, NULL, reterr);
}
