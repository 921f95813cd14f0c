/* SPDX-License-Identifier: Apache-2.0 */
/* Inside store/ only: an answer of PostgreSQL as rows (store/db.h has the readers). */
#pragma once

#include <libpq-fe.h>

#include "store/db.h"

/* Takes @result over. NULL without memory (then the result is cleared). */
struct rows *rows_new(PGresult *result);
