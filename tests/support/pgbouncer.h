/* SPDX-License-Identifier: Apache-2.0 */
/* PgBouncer in transaction mode in front of a site's database: each transaction may have another connection of the server. */
#pragma once

#include <stddef.h>

/*
 * Starts it, and waits until it answers; it ends with the test's process.
 * @folder:   for its configuration
 * @url:      of the database, "postgresql://USER@HOST:PORT/NAME"
 * @ret_url:  where to connect instead
 */
void pgbouncer_start(const char *folder, const char *url, char *ret_url, size_t size);
