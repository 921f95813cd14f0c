/* SPDX-License-Identifier: Apache-2.0 */
/* What may come of anything that is asked of PostgreSQL. */
#pragma once

enum store_outcome {
    STORE_OK = 0,
    STORE_AWAY =
        1, /* no connection, or lost on the way: whether a COMMIT under way took effect is not known */
    STORE_REFUSED = 2, /* PostgreSQL said no; the SQLSTATE tells why */
};

#define SQLSTATE_SIZE 6

/* What PostgreSQL said with STORE_REFUSED. */
struct store_refusal {
    char sqlstate[SQLSTATE_SIZE];
    char text[512];
};
