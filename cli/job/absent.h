/* SPDX-License-Identifier: Apache-2.0 */
/* Why a job is nowhere to be found. */
#pragma once

#include "base/err.h"
#include "base/uuid.h"

/* Return: STATUS_NOT_FOUND with the job's id and @why. */
int absent_say(const struct uuid *id, const char *why, struct err *reterr);
/* It was in Kafka, the cursor has passed it, and PostgreSQL knows nothing. */
int absent_say_passed(const struct uuid *id, struct err *reterr);
/* What lookup_find() returned, as an enum status. */
int absent_judge(const struct uuid *id, int r, struct err *reterr);
