/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What becomes of the rows of a batch that was sent: those that Kafka has are deleted, those that it refuses wait a little,
 * and those that can never be messages become dead letters.
 *
 * The others, of which nothing is known, stay as they are. So if we die before the commit, or it fails, everything is sent again.
 */
#pragma once

#include "base/err.h"
#include "broker/sender.h"
#include "store/relay.h"

/* Ends the transaction of relay_take(), if it can. Return: 0; as db_query() and negative errno, then it is still to be rolled back. */
int settle_batch(struct db *db, const struct sender *sender, const struct relay_batch *batch,
                 struct err *reterr);
