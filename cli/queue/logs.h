/* SPDX-License-Identifier: Apache-2.0 */
/* The logs of the queues' topics beside their cursors: what several commands look at. */
#pragma once

#include "cli/invocation.h"
#include "libjob/topic_check.h"
#include "store/trim.h"

/* One partition that has a cursor. */
struct log_row {
    struct trim_place place;
    bool is_there; /* Kafka has the partition; otherwise `log` says nothing */
    struct topic_log log;
};

struct logs {
    struct rows *rows; /* what the places point into */
    struct log_row *list;
    size_t n; /* by topic and partition */
};

/*
 * Those of topics that one of @names is, or whose queue one of them is; without names all that begin with the configured prefix.
 * Connects to both servers. Return: an enum status, then logs_done() @ret.
 */
int logs_read(struct invocation *in, const char *const *names, size_t n_names, struct logs *ret,
              struct err *reterr);
void logs_done(struct logs *l);

/* The log is not the one that the cursor belongs to, and nobody has reset it yet. */
bool log_row_stands(const struct log_row *row);
