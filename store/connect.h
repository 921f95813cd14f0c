/* SPDX-License-Identifier: Apache-2.0 */
/* What every connection of the project sets, said once. Inside store/ only: it shows libpq's types. */
#pragma once

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "store/outcome.h"

/*
 * Starts connecting without blocking: keepalives, tcp_user_timeout and application_name are set beside @url.
 * Return: a connection to be polled; NULL without memory. Its status may be CONNECTION_BAD at once.
 */
PGconn *connect_start(const char *url, const char *name);

/* Appends the session's settings: time-outs, UTC, UTF-8. To be sent once connected. @text has 512 bytes. */
#define CONNECT_STATEMENT_TIMEOUT_US INT64_C(30000000)
const char *connect_settings(int64_t idle_timeout_us, int64_t statement_timeout_us, char *text);

/* Writes the last line of what libpq says, which names the address and never a password. Return: STORE_AWAY. */
int connect_error(const PGconn *pg, struct err *reterr);

/*
 * Did PostgreSQL, or the kernel in its place, actively refuse: nobody listens, or it is starting or going down? Then
 * nobody else has a connection either. Silence, a refused password or a full server is no such answer.
 */
bool connect_is_refused(const PGconn *pg);

/* Fills @refusal from a failed result. Return: STORE_AWAY when it says that the connection is going away, else STORE_REFUSED. */
int connect_refusal(const PGresult *result, struct store_refusal *refusal);
