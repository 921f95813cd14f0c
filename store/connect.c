/* SPDX-License-Identifier: Apache-2.0 */
#include "store/connect.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

PGconn *connect_start(const char *url, const char *name)
{
    static const char *const keywords[] = {
        "dbname",           "fallback_application_name", "connect_timeout",
        "keepalives_idle",  "keepalives_interval",       "keepalives_count",
        "tcp_user_timeout", "client_encoding",           NULL,
    };
    const char *const values[] = { url, name, "5", "5", "2", "3", "10000", "UTF8", NULL };
    PGconn *pg = PQconnectStartParams(keywords, values, 1);
    if (pg)
        PQsetErrorVerbosity(pg, PQERRORS_VERBOSE); /* a failed attempt tells its SQLSTATE in the text only */
    return pg;
}

const char *connect_settings(int64_t idle_timeout_us, int64_t statement_timeout_us, char *text)
{
    snprintf(text, 512,
             "SELECT set_config('statement_timeout', '%" PRId64
             "ms', false), set_config('lock_timeout', '10s', false), "
             "set_config('idle_in_transaction_session_timeout', '%" PRId64 "ms', false), "
             "set_config('timezone', 'UTC', false), set_config('search_path', 'pg_catalog', false)",
             statement_timeout_us / 1000, idle_timeout_us / 1000);
    return text;
}

int connect_error(const PGconn *pg, struct err *reterr)
{
    const char *message = pg ? PQerrorMessage(pg) : "out of memory";
    size_t length = strcspn(message, "\n");
    if (length == 0)
        return err_set(reterr, STORE_AWAY, "PostgreSQL closed the connection");
    return err_set(reterr, STORE_AWAY, "PostgreSQL: %.*s", (int)length, message);
}

bool connect_is_refused(const PGconn *pg)
{
    static const char *const signs[] = { "Connection refused", "No such file or directory", " 57P0" };
    const char *message = pg ? PQerrorMessage(pg) : "";
    for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
        if (strstr(message, signs[i]))
            return true;
    return false;
}

static bool sqlstate_is_farewell(const char *sqlstate)
{
    return strncmp(sqlstate, "57P0", 4) == 0 || strncmp(sqlstate, "08", 2) == 0 ||
           strcmp(sqlstate, "25P03") == 0;
}

int connect_refusal(const PGresult *result, struct store_refusal *refusal)
{
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
    snprintf(refusal->sqlstate, sizeof(refusal->sqlstate), "%s", sqlstate ? sqlstate : "08006");
    snprintf(refusal->text, sizeof(refusal->text), "%s%s%s", message ? message : "no answer",
             detail ? ": " : "", detail ? detail : "");
    return sqlstate_is_farewell(refusal->sqlstate) ? STORE_AWAY : STORE_REFUSED;
}
