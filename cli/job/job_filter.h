/* SPDX-License-Identifier: Apache-2.0 */
/* Which jobs are meant: from the options of a command to what is asked of PostgreSQL. */
#pragma once

#include "cli/invocation.h"
#include "cli/job/where.h"
#include "store/listing.h"

#define JOB_FILTER_MAX_TAGS 16

struct job_filter {
    struct listing_filter listing; /* points into what follows and into the arguments */
    struct where where;
    struct condition conditions[WHERE_MAX_TERMS];
    const char *tags[JOB_FILTER_MAX_TAGS];
    struct uuid parent;
    char trace[33];
};

/* @ret: job_filter_done() it in every case; must not move. Return: an enum status; STATUS_USAGE names the option and its rule. */
int job_filter_read(struct job_filter *ret, const struct arguments *a, int64_t now_us, struct err *reterr);
void job_filter_done(struct job_filter *f);

/* Says which jobs cannot be looked at, for want of what is asked; nothing when all can. */
void job_filter_remark(const struct job_filter *f);
