/* SPDX-License-Identifier: Apache-2.0 */
/* What roles of PostgreSQL may do with the queue, apart from its owner. */
#pragma once

#include "store/db.h"

/* @right: "enqueue" or "wait". Return: as db_query(); STORE_REFUSED for another right or a role that is not there. */
int rights_grant(struct db *db, const char *role, const char *right, struct err *reterr);
int rights_revoke(struct db *db, const char *role, const char *right, struct err *reterr);
