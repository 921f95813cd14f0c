/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ended jobs on their way to run once more: found in PostgreSQL by when they ended, their messages read from Kafka, made new jobs.
 *
 * The payload of a job that has ended lies in Kafka only, at the place that its result names, as long as the log is kept. A new job
 * has the old one's message but for what was about that one alone: its id, its place in its key's order, its expiry, its unique
 * key, who waited for it. Its parent is the old one.
 *
 * An id is made of the run and the old id, so the same job makes the same new one in the same run, however often it is tried.
 */
#pragma once

#include "base/buf.h"
#include "cli/invocation.h"
#include "cli/bulk/rerun_choice.h"

#define RERUN_PAGE_BYTES (4 * 1024 * 1024)

/* Up to and with this job all have been looked at, in the order of their ends. */
struct rerun_position {
    int64_t us;
    struct uuid id;
    int64_t span_us; /* so much is looked at next; 0: not known yet */
};

struct rerun {
    struct invocation *in;
    const struct rerun_choice *choice;
    int64_t run, begun_us; /* of these the new ids are made */

    struct rerun_position at;
};

enum rerun_fate {
    RERUN_AGAIN, /* it runs again */
    RERUN_OTHER, /* the conditions do not mean it */
    RERUN_GONE,  /* its message cannot be had any more */
};

struct rerun_item {
    struct uuid id; /* of the old one */
    const char *topic;
    int32_t partition;
    int64_t offset;
    const char *result; /* JSON; NULL */
    enum rerun_fate fate;
    char why[200];        /* GONE */
    struct rerun_job job; /* AGAIN; points into `memory` */
    struct buf memory;
};

struct rerun_page {
    struct rows *rows; /* as rerun_list() has them */
    struct rerun_item *items;
    size_t n;
    bool is_last; /* there are no more behind it */
};

/*
 * The next page of at most @at_most jobs, and of RERUN_PAGE_BYTES unless it is one job; moves r->at on.
 * rerun_page_done() in every case. Return: an enum status.
 */
int rerun_read(struct rerun *r, int at_most, struct rerun_page *ret, struct err *reterr);
void rerun_page_done(struct rerun_page *page);
