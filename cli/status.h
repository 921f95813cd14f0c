/* SPDX-License-Identifier: Apache-2.0 */
/* What jobctl ends with; scripts rely on it. */
#pragma once

enum status {
    STATUS_DONE = 0,
    STATUS_FAILED = 1, /* or: the job waited for ended otherwise; doctor found something */
    STATUS_USAGE = 2,  /* or: the configuration is wrong */
    STATUS_NOT_FOUND = 3,
    STATUS_AWAY = 4, /* Kafka or PostgreSQL */
    STATUS_TIMED_OUT = 5,
    STATUS_INTERRUPTED = 130, /* Ctrl-C */
};
