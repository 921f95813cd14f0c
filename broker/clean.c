/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/clean.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/retention.h"

/* Between two rounds of all rules: a tenth of the shortest time, within these. */
#define PAUSE_MIN_US USEC_PER_SEC
#define PAUSE_MAX_US (300 * USEC_PER_SEC)

static const char *const states[CONFIG_N_ENDED] = {
    [CONFIG_SUCCEEDED] = "succeeded", [CONFIG_DEAD] = "dead",           [CONFIG_CANCELLED] = "cancelled",
    [CONFIG_EXPIRED] = "expired",     [CONFIG_DUPLICATE] = "duplicate",
};

int clean_init(struct clean *c, const struct job_config *config)
{
    const int64_t *ended_us = config->broker.retention.ended_us;
    *c = (struct clean){ .config = config, .own_queues = calloc(config->n_queues + 1, sizeof(char *)) };
    if (!c->own_queues)
        return -ENOMEM;
    for (size_t i = 0; i < CONFIG_N_ENDED; i++)
        c->days_us = ended_us[i] > c->days_us ? ended_us[i] : c->days_us;
    for (size_t i = 0; i < config->n_queues; i++) {
        const struct config_queue *queue = &config->queues[i];
        if (!queue->retention_us)
            continue;
        c->own_queues[c->n_own_queues++] = queue->name;
        c->days_us = queue->retention_us > c->days_us ? queue->retention_us : c->days_us;
    }
    return 0;
}

void clean_done(struct clean *c)
{
    free(c->own_queues);
    c->own_queues = NULL;
}

/* States first, then queues. Return: false when there is no such rule. */
static bool get_rule(const struct clean *c, size_t n, struct retention_rule *ret)
{
    if (n < CONFIG_N_ENDED) {
        *ret = (struct retention_rule){ .other_queues = c->own_queues,
                                        .n_other_queues = c->n_own_queues,
                                        .state = states[n],
                                        .keep_us = c->config->broker.retention.ended_us[n] };
        return true;
    }
    if (n - CONFIG_N_ENDED >= c->n_own_queues)
        return false;
    const char *name = c->own_queues[n - CONFIG_N_ENDED];
    *ret = (struct retention_rule){ .queue = name,
                                    .keep_us =
                                        config_find_queue(c->config, span_from_string(name))->retention_us };
    return true;
}

/* Rules that keep as long as whole days are kept delete nothing. */
static bool is_needed(const struct clean *c, const struct retention_rule *rule)
{
    return rule->keep_us < c->days_us;
}

static int apply(struct clean *c, struct db *db, const struct retention_rule *rule, struct err *reterr)
{
    int n = 0;
    int r = retention_delete(db, rule, CLEAN_ROWS, &n, reterr);
    if (r == 0 && n > 0)
        log_debug("clean: %d results of %s %s deleted", n, rule->queue ? "queue" : "state",
                  rule->queue ? rule->queue : rule->state);
    c->next_rule += r == 0 && n < CLEAN_ROWS;
    return r;
}

static int64_t pause_us(const struct clean *c)
{
    struct retention_rule rule;
    int64_t us = PAUSE_MAX_US;
    for (size_t i = 0; get_rule(c, i, &rule); i++)
        us = rule.keep_us / 10 < us ? rule.keep_us / 10 : us;
    return us > PAUSE_MIN_US ? us : PAUSE_MIN_US;
}

/* The last step of a round. */
static int drop_day(struct clean *c, struct db *db, bool *ret_more, struct err *reterr)
{
    _cleanup_free_ char *name = NULL;
    int64_t attempts_us = c->config->broker.retention.attempts_us;
    int r = retention_drop_day(db, c->days_us, attempts_us, &name, reterr);
    if (name)
        log_info("clean: table job.%s dropped: nothing in it is kept any longer", name);
    *ret_more = name != NULL;
    if (r || name)
        return r;
    c->next_rule = 0;
    c->next_us = clock_mono_us() + pause_us(c);
    r = retention_empty_defaults(db, c->days_us, attempts_us, CLEAN_ROWS, reterr);
    return r ? r : retention_forget_bulk(db, attempts_us, CLEAN_ROWS, reterr);
}

int clean_step(struct clean *c, struct db *db, bool *ret_more, struct err *reterr)
{
    struct retention_rule rule;
    *ret_more = clock_mono_us() >= c->next_us;
    if (!*ret_more)
        return 0;
    while (get_rule(c, c->next_rule, &rule) && !is_needed(c, &rule))
        c->next_rule++;
    return get_rule(c, c->next_rule, &rule) ? apply(c, db, &rule, reterr) : drop_day(c, db, ret_more, reterr);
}
