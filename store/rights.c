/* SPDX-License-Identifier: Apache-2.0 */
#include "store/rights.h"

int rights_grant(struct db *db, const char *role, const char *right, struct err *reterr)
{
    const struct db_param params[] = { db_text(role), db_text(right) };
    return db_query(db, "SELECT job.grant_right($1, $2)", params, 2, NULL, reterr);
}

int rights_revoke(struct db *db, const char *role, const char *right, struct err *reterr)
{
    const struct db_param params[] = { db_text(role), db_text(right) };
    return db_query(db, "SELECT job.revoke_right($1, $2)", params, 2, NULL, reterr);
}
