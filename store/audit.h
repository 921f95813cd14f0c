/* SPDX-License-Identifier: Apache-2.0 */
/* Who does what (job.audit). */
#pragma once

#include "store/db.h"

/* Who speaks through this connection from now on, e.g. "ada@host"; until it is opened anew. Return: as db_query(). */
int audit_set_actor(struct db *db, const char *actor, struct err *reterr);

/* Writes down what was done to a queue. @detail: a JSON object. Return: as db_query(). */
int audit_note(struct db *db, const char *action, const char *queue, const char *detail, struct err *reterr);
