/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SIGHUP: takes a changed configuration up while jobs run.
 *
 *     asked ──▶ file read ──▶ its handlers loaded by an executor on trial ──▶ taken up
 *                  └──────────────────┴─ wrong: said in the log, the old configuration stays
 *
 * There is one struct of the configuration, and all parts of the worker keep pointing to it: what may change is exchanged in it, between
 * two turns of the event loop, and the struct that was read last has the old values then (config_reload()). Whoever takes those
 * up frees them when the last job that was read under them has ended (job_types_retire()).
 *
 * Asked again while one is under way: once more after it, however often that was. While the worker starts: after that. While it
 * stops: not at all.
 *
 * Not here: what the parts do with it.
 */
#pragma once

#include "libjob/program.h"
#include "worker/life.h"
#include "worker/pool.h"

struct reload;

struct reload_owner {
    /* The configuration has changed; takes over what it was before. */
    void (*changed)(struct job_config *old, void *userdata);
    void *userdata;
};

/* All stay the caller's. */
int reload_new(struct reload **ret, const struct program_common *common, struct job_config *live,
               struct pool *pool, struct life *life, const struct reload_owner *owner);
struct reload *reload_free(struct reload *r);
DEFINE_CLEANUP(struct reload *, reload_free)

void reload_ask(struct reload *r);
/* The worker runs: begins what was asked for. */
void reload_pump(struct reload *r);
/* As the pool's `tried`. */
void reload_tried(struct reload *r, const char *why_not);
