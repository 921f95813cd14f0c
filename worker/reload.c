/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/reload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

struct reload {
    const struct program_common *common;
    struct job_config *live;
    struct job_config *fresh; /* owned: on trial; NULL: nothing is under way */
    struct pool *pool;
    struct life *life;
    struct reload_owner owner;
    bool asked;
};

static void refuse(struct reload *r, const char *why)
{
    log_error("reload: %s; the old configuration stays", why);
    r->fresh = config_free(r->fresh);
    life_reloaded(r->life);
}

static void begin(struct reload *r)
{
    struct err err = { 0 };
    r->asked = false;
    log_info("reload: reading the configuration again");
    life_reloading(r->life);
    int failed = program_load(r->common, &r->fresh, &err);
    if (failed) {
        refuse(r, err.text);
        return;
    }
    failed = pool_try(r->pool, r->fresh);
    if (failed < 0)
        refuse(r, strerror(-failed));
}

void reload_ask(struct reload *r)
{
    r->asked = true;
}

void reload_pump(struct reload *r)
{
    if (r->asked && !r->fresh)
        begin(r);
}

static void take_up(struct reload *r)
{
    _cleanup_buf_ struct buf fixed = { 0 };
    size_t n_fixed = config_reload(r->live, r->fresh, &fixed);
    program_set_log_level(r->common, r->live);
    if (n_fixed)
        log_warning("reload: changed, and stays as it was until a restart: %s",
                    fixed.failed ? "too much to be listed" : fixed.data);
    r->owner.changed(steal(r->fresh), r->owner.userdata);
    log_info("reload: done; %zu handlers", r->live->n_handlers);
    life_reloaded(r->life);
}

void reload_tried(struct reload *r, const char *why_not)
{
    if (!r->fresh)
        return;
    if (why_not)
        refuse(r, why_not);
    else
        take_up(r);
}

int reload_new(struct reload **ret, const struct program_common *common, struct job_config *live,
               struct pool *pool, struct life *life, const struct reload_owner *owner)
{
    struct reload *r = malloc(sizeof(*r));
    if (!r)
        return -ENOMEM;
    *r = (struct reload){ .common = common, .live = live, .pool = pool, .life = life, .owner = *owner };
    *ret = r;
    return 0;
}

struct reload *reload_free(struct reload *r)
{
    if (r)
        config_free(r->fresh);
    free(r);
    return NULL;
}
