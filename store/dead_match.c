/* SPDX-License-Identifier: Apache-2.0 */
#include "store/dead_match.h"

static struct db_param moment(int64_t us, char *text)
{
    return db_text(us ? rfc3339_format(us, 6, text) : NULL);
}

void dead_match_fill(struct dead_match *m, const struct dead_filter *filter)
{
    m->params[0] = db_text(filter->queue);
    m->params[1] = db_text(filter->type);
    m->params[2] = db_text(filter->reason);
    m->params[3] = db_text(filter->group);
    m->params[4] = db_text(filter->error);
    m->params[5] = db_text(filter->key);
    m->params[6] = db_text(filter->worker);
    m->params[7] = moment(filter->since_us, m->since);
    m->params[8] = moment(filter->until_us, m->until);
}
