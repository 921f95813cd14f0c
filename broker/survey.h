/* SPDX-License-Identifier: Apache-2.0 */
/* Asking PostgreSQL which queues have rows that wait, and how far workers are with what we have sent to their topics. */
#pragma once

#include "base/err.h"
#include "broker/shares.h"
#include "store/db.h"

/* Which queues have rows. Return: as db_query(). */
int survey_queues(struct shares *shares, struct db *db, struct err *reterr);

/* Of those for which it matters now. Return: as db_query(). */
int survey_backlogs(struct shares *shares, struct db *db, const char *prefix, struct err *reterr);
