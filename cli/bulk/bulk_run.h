/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run over many jobs, as its command goes through it: begun anew or gone on with, part by part, at a rate, until it is done or
 * somebody presses Ctrl-C. What a part does is its command's.
 *
 * Where it stands is in PostgreSQL (store/bulk.h). So whatever ends this process, what it says at the end, and the next time somebody
 * begins the same, is how to go on.
 */
#pragma once

#include "cli/invocation.h"

struct bulk_run {
    struct invocation *in;
    const char *kind;   /* of job.bulk, and the command: "dead replay" */
    char owner[96];     /* this process */
    int64_t run;        /* 0: none was begun */
    int64_t begun_us;   /* µs since 1970 */
    int64_t total;      /* when it began */
    int64_t done, gone; /* in all */
    int64_t here;       /* done by us */
    struct rows *row;   /* as store/bulk.h has them; bulk_run_done() */
};

/* The options --rate, --resume and --new go with this. */
void bulk_run_init(struct bulk_run *b, struct invocation *in, const char *kind);
void bulk_run_done(struct bulk_run *b);

/* Refuses to begin what was begun and not ended, unless --new says so. Return: an enum status. */
int bulk_run_check_open(struct bulk_run *b, const char *filter_json, struct err *reterr);
/* The last one that did the same and is done; *ret_run 0: there is none. Return: an enum status. */
int bulk_run_find_done(struct bulk_run *b, const char *filter_json, int64_t *ret_run, int64_t *ret_done,
                       struct err *reterr);
int bulk_run_begin(struct bulk_run *b, const char *filter_json, int64_t total, struct err *reterr);
/* As --resume says. Return: an enum status; STATUS_NOT_FOUND, STATUS_FAILED with what became of it. */
int bulk_run_resume(struct bulk_run *b, struct err *reterr);

/* A row that says how far it has come: run, action, done, total, and with @has_gone: gone. Return: an enum status. */
int bulk_run_summarise(const struct bulk_run *b, const char *action, bool has_gone, struct err *reterr);

/*
 * One part of at most so many jobs. Moves b->done and b->gone. *ret_more: false when the run is done. Return: an enum status;
 * BULK_RUN_TAKEN: somebody else is at it now.
 */
typedef int (*bulk_run_part_fn)(struct bulk_run *b, int at_most, bool *ret_more, void *userdata,
                                struct err *reterr);
enum { BULK_RUN_TAKEN = 3000 };

/* Until it is done. Return: an enum status; else with how to go on in @reterr. */
int bulk_run_go(struct bulk_run *b, bulk_run_part_fn part, void *userdata, struct err *reterr);
