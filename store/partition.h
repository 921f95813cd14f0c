/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of results and attempts, one partition per day, made ahead. */
#pragma once

#include "base/err.h"
#include "store/db.h"

/* Any number may call it at once. @ret_made: how many were missing. Return: as db_query(). */
int partition_create(struct db *db, int days_ahead, int *ret_made, struct err *reterr);
